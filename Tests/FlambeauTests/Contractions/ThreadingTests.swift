import Testing

@testable import Flambeau

/// A kernel called from inside the pool runs on one thread; its bits must be those of the whole pool's.
@Suite struct ContractionThreadingTests {
  private func floats(_ count: Int, _ seed: Int) -> [Float] {
    var pattern = Pattern(seed)
    return (0..<count).map { _ in Float(pattern.next() + pattern.next() / 3) }
  }

  private func expectSameBits(_ count: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
    var alone = [Float](repeating: .nan, count: count)
    var together = alone
    alone.withUnsafeMutableBytes { c in
      nonisolated(unsafe) let c = c.baseAddress!
      ThreadPool.run(2) { i in if i == 0 { body(c) } }
    }
    together.withUnsafeMutableBytes { body($0.baseAddress!) }
    #expect(alone.map(\.bitPattern) == together.map(\.bitPattern))
    #expect(!alone.contains { !$0.isFinite })
  }

  @Test(arguments: [
    (200, 300, 300), (1, 1024, 1024), (1024, 1, 1024), (6, 700, 400), (20, 30, 40000), (1, 1, 600_000), (5, 2000, 3),
  ])
  func products(m: Int, n: Int, k: Int) {
    let a = floats(m * k, 1)
    let b = floats(k * n, 2)
    for isTransposed in [false, true] {
      a.withUnsafeBytes { a in
        b.withUnsafeBytes { b in
          expectSameBits(m * n) { c in
            Gemm(
              m: m, n: n, k: k, a: MatrixOperand(data: a.baseAddress!, dtype: .float32, rowStride: k, columnStride: 1),
              b: MatrixOperand(
                data: b.baseAddress!, dtype: .float32, rowStride: isTransposed ? 1 : n, columnStride: isTransposed ? k : 1),
              c: c, cType: .float32, cRowStride: n
            ).run()
          }
        }
      }
    }
  }

  @Test func convolutions() {
    for one in [
      ConvolutionCase(6, 16, 20, 20, 24, kernel: (3, 3), padding: (1, 1)),
      ConvolutionCase(1, 180, 9, 9, 170, kernel: (3, 3), padding: (1, 1)),
      ConvolutionCase(6, 4, 20, 20, 24, kernel: (5, 5), padding: (2, 2)),
      ConvolutionCase(6, 16, 20, 20, 24, kernel: (3, 3), stride: (2, 2), padding: (1, 1)),
      ConvolutionCase(3, 32, 40, 40, 32, kernel: (3, 3), groups: 32, padding: (1, 1)),
    ] {
      let convolution = Convolution(geometry: one.geometry, dtype: .float32)
      let (x, w, dy) = (floats(one.inputCount, 1), floats(one.weightCount, 2), floats(one.outputCount, 3))
      x.withUnsafeBytes { x in
        w.withUnsafeBytes { w in
          dy.withUnsafeBytes { dy in
            expectSameBits(one.outputCount) {
              convolution.forward(input: x.baseAddress!, weight: w.baseAddress!, output: $0)
            }
            expectSameBits(one.inputCount) {
              convolution.inputGradient(outputGradient: dy.baseAddress!, weight: w.baseAddress!, inputGradient: $0)
            }
            expectSameBits(one.weightCount) {
              convolution.weightGradient(input: x.baseAddress!, outputGradient: dy.baseAddress!, weightGradient: $0)
            }
          }
        }
      }
    }
  }
}
