import Testing

@testable import Flambeau

/// A convolution against loops in Double.
struct ConvolutionCase: CustomStringConvertible {
  typealias Pair = Size2D
  var geometry: ConvolutionGeometry
  var dtype: DType

  init(
    _ batch: Int, _ inChannels: Int, _ height: Int, _ width: Int, _ outChannels: Int, kernel: (Int, Int), groups: Int = 1,
    stride: (Int, Int) = (1, 1), padding: (Int, Int) = (0, 0), dilation: (Int, Int) = (1, 1), dtype: DType = .float32
  ) {
    self.dtype = dtype
    geometry = ConvolutionGeometry(
      batch: batch, inChannels: inChannels, outChannels: outChannels, groups: groups, input: Pair(height, width),
      kernel: Pair(kernel.0, kernel.1), stride: Pair(stride.0, stride.1), padding: Pair(padding.0, padding.1),
      dilation: Pair(dilation.0, dilation.1))
  }

  var description: String { "\(dtype) \(geometry)" }

  var inputCount: Int { geometry.batch * geometry.inChannels * geometry.input.area }
  var outputCount: Int { geometry.batch * geometry.outChannels * geometry.output.area }
  var weightCount: Int { geometry.outChannels * geometry.taps }

  /// Calls `body(input, weight, output)` with the indices of every product in the convolution.
  func forEachProduct(_ body: (Int, Int, Int) -> Void) {
    let g = geometry
    for image in 0..<g.batch {
      for out in 0..<g.outChannels {
        let firstIn = out / g.groupOut * g.groupIn
        for y in 0..<g.output.height {
          for x in 0..<g.output.width {
            let o = ((image * g.outChannels + out) * g.output.height + y) * g.output.width + x
            for c in 0..<g.groupIn {
              for i in 0..<g.kernel.height {
                let inY = y * g.stride.height + i * g.dilation.height - g.padding.height
                if inY < 0 || inY >= g.input.height { continue }
                for j in 0..<g.kernel.width {
                  let inX = x * g.stride.width + j * g.dilation.width - g.padding.width
                  if inX < 0 || inX >= g.input.width { continue }
                  body(
                    ((image * g.inChannels + firstIn + c) * g.input.height + inY) * g.input.width + inX,
                    ((out * g.groupIn + c) * g.kernel.height + i) * g.kernel.width + j, o)
                }
              }
            }
          }
        }
      }
    }
  }

  func failure() -> String? {
    let g = geometry
    let input = Values(dtype, count: inputCount, seed: 1)
    let weight = Values(dtype, count: weightCount, seed: 2)
    let gradient = Values(dtype, count: outputCount, seed: 3)
    let bias = Values(dtype, count: g.outChannels, seed: 4)
    let inputBias = Values(dtype, count: g.inChannels, seed: 5)
    let (x, w, dy) = (input.values, weight.values, gradient.values)
    var output = (0..<outputCount).map { bias[$0 / g.output.area % g.outChannels] }
    var dx = (0..<inputCount).map { inputBias[$0 / g.input.area % g.inChannels] }
    var dw = [Double](repeating: 0, count: weightCount)
    forEachProduct { i, k, o in
      output[o] += x[i] * w[k]
      dx[i] += dy[o] * w[k]
      dw[k] += dy[o] * x[i]
    }
    for table in GemmTable.all {
      let convolution = Convolution(geometry: g, dtype: dtype, table: table)
      var (y, gx, gw) = (
        Values(dtype, count: outputCount, filledWith: .nan), Values(dtype, count: inputCount, filledWith: .nan),
        Values(dtype, count: weightCount, filledWith: .nan)
      )
      input.bytes.withUnsafeBytes { x in
        weight.bytes.withUnsafeBytes { w in
          gradient.bytes.withUnsafeBytes { dy in
            bias.bytes.withUnsafeBytes { b in
              y.bytes.withUnsafeMutableBytes {
                convolution.forward(
                  input: x.baseAddress!, weight: w.baseAddress!, output: $0.baseAddress!,
                  epilogue: ConvolutionEpilogue(bias: b.baseAddress!))
              }
            }
            inputBias.bytes.withUnsafeBytes { b in
              gx.bytes.withUnsafeMutableBytes {
                convolution.inputGradient(
                  outputGradient: dy.baseAddress!, weight: w.baseAddress!, inputGradient: $0.baseAddress!,
                  epilogue: ConvolutionEpilogue(bias: b.baseAddress!))
              }
            }
            gw.bytes.withUnsafeMutableBytes {
              convolution.weightGradient(
                input: x.baseAddress!, outputGradient: dy.baseAddress!, weightGradient: $0.baseAddress!)
            }
          }
        }
      }
      let name = "instruction set \(table.pointer.pointee.isa.rawValue)"
      for (what, got, expected) in [
        ("output", y.values, output), ("input gradient", gx.values, dx), ("weight gradient", gw.values, dw),
      ] {
        for i in expected.indices where !(Swift.abs(got[i] - expected[i]) <= tolerance(dtype) * (Swift.abs(expected[i]) + 3)) {
          return "\(name), \(what) at \(i): \(got[i]), expected \(expected[i])"
        }
      }
    }
    return nil
  }
}

@Suite struct ConvolutionTests {
  static let cases: [ConvolutionCase] = [
    ConvolutionCase(1, 1, 1, 1, 1, kernel: (1, 1)),
    ConvolutionCase(2, 3, 9, 11, 5, kernel: (3, 3)),
    ConvolutionCase(2, 3, 9, 11, 5, kernel: (3, 3), padding: (1, 1)),
    ConvolutionCase(1, 4, 8, 20, 7, kernel: (3, 3), stride: (2, 2), padding: (1, 1)),
    ConvolutionCase(1, 4, 10, 9, 7, kernel: (3, 2), stride: (2, 3), padding: (1, 0), dilation: (2, 1)),
    ConvolutionCase(2, 2, 12, 12, 3, kernel: (3, 3), padding: (2, 2), dilation: (2, 2)),
    ConvolutionCase(1, 2, 7, 7, 3, kernel: (3, 3), padding: (4, 5)),
    ConvolutionCase(1, 2, 6, 5, 3, kernel: (6, 5), padding: (1, 2)),
    ConvolutionCase(2, 6, 7, 9, 4, kernel: (1, 1)),
    ConvolutionCase(2, 6, 7, 9, 4, kernel: (1, 1), stride: (2, 2)),
    ConvolutionCase(1, 6, 7, 9, 4, kernel: (1, 1), padding: (1, 1)),
    ConvolutionCase(2, 6, 8, 8, 9, kernel: (3, 3), groups: 3, padding: (1, 1)),
    ConvolutionCase(1, 4, 9, 9, 6, kernel: (2, 3), groups: 2, stride: (2, 1)),
    ConvolutionCase(1, 40, 5, 5, 20, kernel: (3, 3), padding: (1, 1)),
    ConvolutionCase(1, 2, 20, 34, 3, kernel: (3, 3), padding: (1, 1)),
    ConvolutionCase(0, 2, 4, 4, 3, kernel: (3, 3)),
    ConvolutionCase(2, 1, 3, 40, 2, kernel: (3, 7), stride: (1, 4)),
    ConvolutionCase(1, 40, 9, 16, 20, kernel: (3, 3), padding: (1, 1)),
    ConvolutionCase(1, 2, 4, 610, 3, kernel: (3, 3), padding: (1, 1)),
    ConvolutionCase(1, 3, 5, 1300, 35, kernel: (2, 3), stride: (2, 2), padding: (0, 1), dilation: (1, 2)),
    ConvolutionCase(2, 70, 4, 5, 70, kernel: (2, 2), stride: (3, 3), padding: (1, 1)),
  ]
  static let depthwise: [ConvolutionCase] = [
    ConvolutionCase(2, 3, 7, 7, 3, kernel: (3, 3), groups: 3, padding: (1, 1)),
    ConvolutionCase(1, 3, 9, 40, 3, kernel: (3, 3), groups: 3, stride: (2, 2), padding: (1, 1)),
    ConvolutionCase(1, 2, 9, 75, 4, kernel: (3, 5), groups: 2, stride: (1, 3), padding: (2, 3), dilation: (2, 2)),
    ConvolutionCase(2, 3, 5, 6, 3, kernel: (1, 1), groups: 3),
    ConvolutionCase(1, 2, 5, 5, 2, kernel: (3, 3), groups: 2, padding: (4, 4)),
    ConvolutionCase(1, 2, 8, 8, 2, kernel: (2, 2), groups: 2, stride: (3, 3)),
  ]

  @Test(arguments: cases + depthwise) func matchesLoops(one: ConvolutionCase) {
    if let failure = one.failure() { Issue.record("\(one): \(failure)") }
  }

  @Test(arguments: [DType.float64, .float16, .bfloat16]) func everyType(dtype: DType) {
    for var one in [Self.cases[2], Self.cases[4], Self.cases[11], Self.cases[13], Self.depthwise[1], Self.depthwise[2]] {
      one.dtype = dtype
      if let failure = one.failure() { Issue.record("\(one): \(failure)") }
    }
  }

  @Test func rowProgramSeesEveryElementOnce() {
    let one = ConvolutionCase(2, 4, 18, 20, 6, kernel: (3, 3), groups: 2, padding: (1, 1))
    let g = one.geometry
    let input = [Float](repeating: 1, count: one.inputCount)
    let weight = [Float](repeating: 1, count: one.weightCount)
    for table in GemmTable.all {
      var plain = [Float](repeating: .nan, count: one.outputCount)
      var doubled = plain
      let convolution = Convolution(geometry: g, dtype: .float32, table: table)
      input.withUnsafeBytes { x in
        weight.withUnsafeBytes { w in
          plain.withUnsafeMutableBytes {
            convolution.forward(input: x.baseAddress!, weight: w.baseAddress!, output: $0.baseAddress!)
          }
          doubled.withUnsafeMutableBytes {
            let epilogue = ConvolutionEpilogue { row, image, channel, start, count in
              let values = row.assumingMemoryBound(to: Float.self)
              for i in 0..<count { values[i] += Float(((image * 6 + channel) * g.output.area) + start + i) }
            }
            convolution.forward(input: x.baseAddress!, weight: w.baseAddress!, output: $0.baseAddress!, epilogue: epilogue)
          }
        }
      }
      #expect(zip(plain, doubled).enumerated().allSatisfy { $0.element.0 + Float($0.offset) == $0.element.1 })
    }
  }
}
