import Flambeau
import FlambeauNN
import Foundation
import Testing

@Suite struct ClipGradTests {
  /// Parameters with gradients of several sizes, one more than a piece, and one without a gradient.
  static func parameters(_ dtype: DType = .float32) -> [Parameter] {
    let shapes: [Shape] = [[3], [150, 140], [], [7, 5]]
    return shapes.map { shape in
      let parameter = Parameter(.zeros(shape, dtype: dtype))
      parameter.grad = Tensor.random(shape).to(dtype)
      return parameter
    } + [Parameter(.zeros([4], dtype: dtype))]
  }

  static func reference(_ parameters: [Parameter], _ order: Double) -> Double {
    let all = parameters.compactMap(\.grad).flatMap(\.doubles).map { Swift.abs($0) }
    return order == .infinity ? all.max()! : pow(all.reduce(0) { $0 + pow($1, order) }, 1 / order)
  }

  @Test(arguments: [DType.float16, .bfloat16, .float32, .float64], [0.5, 1, 2, 3, Double.infinity])
  func scalesToTheNorm(_ dtype: DType, _ order: Double) {
    let parameters = Self.parameters(dtype)
    let before = parameters.map { $0.grad?.doubles }
    let norm = Self.reference(parameters, order)
    let tolerance = dtype == .float64 ? 1e-12 : 1e-5
    let unchanged = clipGradNorm_(parameters, maxNorm: 2 * norm, normType: order)
    #expect(abs(unchanged.item() / norm - 1) < tolerance && unchanged.dtype == (dtype == .float64 ? .float64 : .float32))
    #expect(parameters.map { $0.grad?.doubles } == before)
    #expect(abs(clipGradNorm_(parameters, maxNorm: norm / 4, normType: order).item() / norm - 1) < tolerance)
    let rounding = dtype == .bfloat16 ? 0.01 : dtype == .float16 ? 0.002 : 1e-5
    let factor = norm / 4 / (norm + 1e-6)
    for (parameter, old) in zip(parameters, before) {
      guard let old else {
        #expect(parameter.grad == nil)
        continue
      }
      let new = parameter.grad!.doubles
      #expect(zip(new, old).allSatisfy { abs($0 - $1 * factor) <= rounding * abs($1) + 1e-7 })
    }
  }

  @Test func threadsDoNotChangeTheBits() {
    let before = Flambeau.threadCount
    defer { Flambeau.threadCount = before }
    let parameters = Self.parameters()
    let norms = [1, 2, 8].map { threads in
      Flambeau.threadCount = threads
      return clipGradNorm_(parameters, maxNorm: 1e9, normType: 3).bits + clipGradNorm_(parameters, maxNorm: 1e9).bits
    }
    #expect(norms[0] == norms[1] && norms[0] == norms[2])
  }

  @Test func clipsValues() {
    for dtype in [DType.float16, .float32, .float64] {
      let parameters = Self.parameters(dtype)
      parameters[0].grad = Tensor([.nan, .infinity, -0.25] as [Float]).to(dtype)
      let before = parameters.compactMap { $0.grad?.floats }
      clipGradValue_(parameters, clipValue: 0.5)
      for (old, parameter) in zip(before, parameters) {
        let same = zip(old, parameter.grad!.floats).allSatisfy { old, new in
          old.isNaN ? new.isNaN : new == Swift.min(Swift.max(old, -0.5), 0.5)
        }
        #expect(same)
      }
    }
  }

  @Test func whatIsNotFinite() throws {
    let parameter = Parameter(.zeros([2]))
    parameter.grad = Tensor([.infinity, 1] as [Float])
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { clipGradNorm_([parameter], maxNorm: 1, errorIfNonfinite: true) }
    }
    #expect(error?.message.hasPrefix("The total norm of order 2.0 for gradients from `parameters` is non-finite") == true)
    #expect(parameter.grad!.floats == [.infinity, 1])
    #expect(clipGradNorm_([parameter], maxNorm: 1).item() == .infinity)
    #expect(parameter.grad!.floats[0].isNaN && parameter.grad!.floats[1] == 0)
    #expect(clipGradNorm_([Parameter](), maxNorm: 1).item() == 0)
    parameter.grad = Tensor([.nan, 1] as [Float])
    #expect(clipGradNorm_([parameter], maxNorm: 1, normType: .infinity).item().isNaN)
    #expect(throws: TensorError.self) { try withTensorErrors { clipGradNorm_([parameter], maxNorm: 1, normType: 0) } }
  }
}
