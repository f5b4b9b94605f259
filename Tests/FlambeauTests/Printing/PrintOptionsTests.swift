import Testing

@testable import Flambeau

@Suite struct PrintOptionsTests {
  private func text(_ tensor: Tensor, _ options: PrintOptions) -> String { withPrintOptions(options) { tensor.description } }

  /// Each text is what torch 2.13 prints after `set_printoptions`.
  @Test func optionsAreTorchs() {
    let three = Tensor([1, 2, 3])
    #expect(text(three, PrintOptions(threshold: 0, edgeItems: 0)) == "tensor([...], size=(3,))")
    #expect(text(Tensor(1 as Float), PrintOptions(threshold: 0, edgeItems: 0)) == "tensor(1., size=())")
    #expect(text(.zeros([2, 3]), PrintOptions(threshold: 0, edgeItems: 0)) == "tensor([...], size=(2, 3))")
    #expect(text(.zeros([2, 0]), PrintOptions(threshold: 0, edgeItems: 0)) == "tensor([], size=(2, 0))")
    #expect(text(three, PrintOptions(threshold: 2, edgeItems: 1)) == "tensor([1,  ..., 3])")
    #expect(text(Tensor([1, 2] as [Float]), PrintOptions(sciMode: true)) == "tensor([1.0000e+00, 2.0000e+00])")
    #expect(text(Tensor([0, 0] as [Float]), PrintOptions(sciMode: true)) == "tensor([0., 0.])")
    #expect(text(Tensor([1, 1e10] as [Float]), PrintOptions(sciMode: false)) == "tensor([          1., 10000000000.])")
    #expect(text(Tensor([1.5, 1e-10] as [Float]), PrintOptions(sciMode: false)) == "tensor([1.5000, 0.0000])")
    #expect(text(Tensor([1.5, 2.5] as [Float]), PrintOptions(precision: 0)) == "tensor([2, 2])")
    #expect(text(Tensor([0.5, 1e-6] as [Float]), PrintOptions(precision: 0)) == "tensor([5e-01, 1e-06])")
    #expect(text(Tensor([1.12345] as [Float]), .short) == "tensor([1.12])")
    let tracked = Tensor([1.5, 2.5, 3] as [Float]).requiresGrad_() * 2
    #expect(
      text(tracked, PrintOptions(precision: 0, lineWidth: 10))
        == "tensor([3.,\n        5.,\n        6.],\n       grad_fn=<MulBackward0>)")
    #expect(text(Tensor(Array(0..<1001)), .full).utf8.count > 5_000)
  }

  /// A row of zeros holds as many as torch counts, whose width for them is one short.
  @Test func zerosPerLine() {
    let lines = "\(Tensor.zeros([30]))".split(separator: "\n")
    #expect(lines.count == 2 && lines[0].count { $0 == "0" } == 24)
  }

  @Test func nothingStopsTheProgram() {
    let extremes = [Int.min, -1, 0, 1, .max]
    let tensors = [Tensor(1.5), .zeros([0]), .zeros([2, 3, 2]), Tensor([1e300, -1e-300]), Tensor(Array(0..<1001))]
    for value in extremes {
      for tensor in tensors {
        #expect(text(tensor, PrintOptions(precision: value)).hasPrefix("tensor("))
        #expect(text(tensor, PrintOptions(threshold: value, edgeItems: value)).hasPrefix("tensor("))
        #expect(text(tensor, PrintOptions(threshold: 1, lineWidth: value, sciMode: true)).hasPrefix("tensor("))
      }
    }
  }

  @Test func aPoisonedTensorSaysWhy() {
    var texts: [String] = []
    #expect(throws: TensorError.self) {
      try withTensorErrors {
        let fine = Tensor([1, 2])
        texts.append("\(fine.view([3]))")
        texts.append("\(fine)")
      }
    }
    #expect(
      texts == ["tensor(<view: shape '[3]' is invalid for input of size 2 (operands: int64 [2])>)", "tensor([1, 2])"])
  }

  @Test func anyStridesPrint() {
    let x = Tensor(Array(0..<2000)).view([40, 50]).T
    #expect("\(x.narrow(0, start: 0, length: 1))".hasPrefix("tensor([[   0,   50,  100,"))
    #expect("\(x)".contains("[  49,   99,  149,  ..., 1899, 1949, 1999]])"))
    #expect("\(Tensor([7]).expand([2, 2]))" == "tensor([[7, 7],\n        [7, 7]])")
  }

  @Test func settingsStayInTheirTask() async {
    let before = PrintOptions.current
    let x = Tensor([1.0, 1.25] as [Float])
    await withPrintOptions(.short) {
      PrintOptions.current.precision = 1
      #expect("\(x)" == "tensor([1.0, 1.2])")
      await withTaskGroup(of: Void.self) { group in
        for precision in 0..<20 {
          group.addTask {
            withPrintOptions(PrintOptions(precision: precision)) {
              #expect("\(x)".utf8.count == "tensor([, ])".utf8.count + 2 * (precision + (precision == 0 ? 1 : 2)))
            }
            #expect("\(x)" == "tensor([1.0, 1.2])")
          }
        }
      }
    }
    #expect(PrintOptions.current == before)
  }

  @Test func localesWriteAPointToo() {
    #expect(String(pointing: Array("-1,25e-07".utf8)) == "-1.25e-07")
    #expect(String(pointing: Array("3\u{66B}5".utf8)) == "3.5")
  }
}
