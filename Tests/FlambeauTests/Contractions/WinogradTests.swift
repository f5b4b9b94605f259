import Testing

@testable import Flambeau

/// Winograd's convolutions against loops in Double, on every instruction set, whether or not they would be chosen.
@Suite struct WinogradTests {
  /// Errors beside the size of the exact results, as the documentation of `allowWinograd` states them.
  static let bounds: (rms: Double, most: Double) = (2e-6, 2e-5)

  static let cases: [ConvolutionCase] = [
    ConvolutionCase(1, 1, 1, 1, 1, kernel: (3, 3), padding: (1, 1)),
    ConvolutionCase(2, 3, 4, 4, 5, kernel: (3, 3), padding: (1, 1)),
    ConvolutionCase(1, 20, 9, 11, 17, kernel: (3, 3)),
    ConvolutionCase(2, 5, 7, 7, 33, kernel: (3, 3), padding: (2, 2)),
    ConvolutionCase(2, 12, 14, 15, 10, kernel: (3, 3), groups: 2, padding: (1, 0)),
    ConvolutionCase(3, 16, 30, 30, 70, kernel: (3, 3), padding: (1, 1)),
    ConvolutionCase(1, 3, 5, 290, 4, kernel: (3, 3), padding: (0, 1)),
    ConvolutionCase(1, 150, 6, 5, 20, kernel: (3, 3), padding: (1, 1)),
    ConvolutionCase(9, 2, 5, 20, 3, kernel: (3, 3), padding: (1, 1)),
    ConvolutionCase(1, 1, 160, 160, 40, kernel: (3, 3), padding: (1, 1)),
  ]

  /// Numbers that are no sums of few powers of two.
  private func values(_ dtype: DType, count: Int, seed: Int) -> Values {
    var (values, pattern) = (Values(dtype, count: count), Pattern(seed))
    for i in 0..<count { values[i] = pattern.next() + pattern.next() / 7 + pattern.next() / 111 }
    return values
  }

  private func expectClose(_ got: [Double], _ exact: [Double], _ what: String) {
    let scale = (exact.reduce(0) { $0 + $1 * $1 } / Double(exact.count)).squareRoot()
    let errors = zip(got, exact).map { Swift.abs($0 - $1) / scale }
    let rms = (errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)).squareRoot()
    #expect(rms <= Self.bounds.rms && errors.max()! <= Self.bounds.most, "\(what): rms \(rms), most \(errors.max()!)")
  }

  @Test(arguments: cases) func matchesLoops(one: ConvolutionCase) {
    let g = one.geometry
    let (x, w) = (values(.float32, count: one.inputCount, seed: 1), values(.float32, count: one.weightCount, seed: 2))
    let (dy, bias) = (values(.float32, count: one.outputCount, seed: 3), values(.float32, count: g.outChannels, seed: 4))
    let (xs, ws, dys) = (x.values, w.values, dy.values)
    var y = (0..<one.outputCount).map { bias[$0 / g.output.area % g.outChannels] }
    var dx = [Double](repeating: 0, count: one.inputCount)
    var dw = [Double](repeating: 0, count: one.weightCount)
    one.forEachProduct { i, k, o in
      y[o] += xs[i] * ws[k]
      dx[i] += dys[o] * ws[k]
      dw[k] += dys[o] * xs[i]
    }
    for table in GemmTable.all {
      let name = "instruction set \(table.pointer.pointee.isa.rawValue), \(g)"
      let forward = Winograd(forced: Convolution(geometry: g, dtype: .float32, table: table))
      let backward = Winograd(forced: Convolution(geometry: g.reversed, dtype: .float32, table: table))
      var output = Values(.float32, count: one.outputCount, filledWith: .nan)
      var inputGradient = Values(.float32, count: one.inputCount, filledWith: .nan)
      var weightGradient = Values(.float32, count: one.weightCount, filledWith: .nan)
      w.bytes.withUnsafeBytes { w in
        x.bytes.withUnsafeBytes { x in
          bias.bytes.withUnsafeBytes { b in
            output.bytes.withUnsafeMutableBytes {
              forward.run(
                input: x.baseAddress!, weights: WinogradWeights(w.baseAddress!, of: g), output: $0.baseAddress!,
                bias: b.baseAddress!)
            }
          }
        }
        dy.bytes.withUnsafeBytes { dy in
          inputGradient.bytes.withUnsafeMutableBytes {
            backward.run(
              input: dy.baseAddress!, weights: WinogradWeights(w.baseAddress!, of: g, reversed: true),
              output: $0.baseAddress!, bias: nil)
          }
          x.bytes.withUnsafeBytes { x in
            weightGradient.bytes.withUnsafeMutableBytes {
              forward.weightGradient(input: x.baseAddress!, outputGradient: dy.baseAddress!, weightGradient: $0.baseAddress!)
            }
          }
        }
      }
      expectClose(output.values, y, "output, \(name)")
      expectClose(inputGradient.values, dx, "input gradient, \(name)")
      expectClose(weightGradient.values, dw, "weight gradient, \(name)")
    }
  }

  /// Half types are widened before the transforms and rounded once after them.
  @Test(arguments: [DType.float16, .bfloat16]) func halves(dtype: DType) {
    var one = ConvolutionCase(2, 20, 13, 18, 24, kernel: (3, 3), padding: (1, 1))
    one.dtype = dtype
    if let failure = one.failure() { Issue.record("\(one): \(failure)") }
    one = ConvolutionCase(2, 32, 13, 18, 32, kernel: (3, 3), groups: 2, padding: (1, 1), dtype: dtype)
    if let failure = one.failure() { Issue.record("\(one): \(failure)") }
  }
}
