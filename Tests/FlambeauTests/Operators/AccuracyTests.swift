import Foundation
import Testing

@testable import Flambeau

/// How far float32 results are from what torch computes in float64, Flambeau's and torch's own, on the same operands.
@Suite struct AccuracyTests {
  struct Case: Sendable {
    let name: String
    /// Torch's expression over operands a, b, …
    let torch: String
    let shapes: [Shape]
    /// What operands are multiplied with.
    var scales: [Double] = [1, 1, 1]
    /// How often torch's root mean square of errors is allowed; nil for `bound`. Torch's own differ that much from one processor
    /// to another.
    var factor: Double? = 1.25
    /// Errors beside the size of the exact results: root mean square and largest.
    var bound = (rms: Double.infinity, most: Double.infinity)
    let call: @Sendable ([Tensor]) -> Tensor
  }

  static let cases: [Case] = [
    Case(name: "matrix product, 512 × 512 × 512", torch: "a @ b", shapes: [[512, 512], [512, 512]]) {
      $0[0].mm($0[1])
    },
    Case(name: "matrix product, 64 × 4096 × 64", torch: "a @ b", shapes: [[64, 4096], [4096, 64]]) { $0[0].mm($0[1]) },
    Case(name: "convolution 5 × 5", torch: "F.conv2d(a, b, padding=2)", shapes: [[2, 32, 28, 28], [32, 32, 5, 5]]) {
      $0[0].conv2d($0[1], padding: 2)
    },
    Case(
      name: "convolution 3 × 3 by Winograd", torch: "F.conv2d(a, b, padding=1)", shapes: [[2, 64, 56, 56], [64, 64, 3, 3]],
      factor: nil, bound: WinogradTests.bounds
    ) { $0[0].conv2d($0[1], padding: 1) },
    Case(name: "exp", torch: "torch.exp(a)", shapes: [[65536]]) { $0[0].exp() },
    Case(name: "tanh", torch: "torch.tanh(a)", shapes: [[65536]]) { $0[0].tanh() },
    Case(name: "gelu", torch: "F.gelu(a)", shapes: [[65536]]) { $0[0].gelu() },
    Case(name: "gelu by tanh", torch: "F.gelu(a, approximate='tanh')", shapes: [[65536]]) { $0[0].gelu(approximate: .tanh) },
    Case(name: "softmax of 1024", torch: "torch.softmax(a, -1)", shapes: [[64, 1024]], scales: [3]) { $0[0].softmax(dim: -1) },
    Case(name: "layer norm of 1024", torch: "F.layer_norm(a, (1024,), b, c)", shapes: [[64, 1024], [1024], [1024]]) {
      $0[0].layerNorm([1024], weight: $0[1], bias: $0[2])
    },
    Case(name: "sum of 1 000 000", torch: "a.sum(-1)", shapes: [[8, 1_000_000]]) { $0[0].sum(dim: -1) },
  ]

  @Test(.enabled(if: Torch.isThere)) func errorsAreAboutTorchs() throws {
    let operands = Self.cases.enumerated().map { number, one in
      zip(one.shapes, one.scales).enumerated().map { i, operand in
        withGenerator(Generator(seed: UInt64(10 * number + i))) { Tensor.randn(operand.0) * operand.1 }
      }
    }
    let questions = zip(Self.cases, operands).flatMap { one, operands in
      let names = operands.indices.map { String(UnicodeScalar(UInt8(97 + $0))) }.joined(separator: ", ")
      let wide = "(lambda \(names): \(one.torch))(*(x.double() for x in (\(names),)))"
      return [one.torch, wide].map {
        Torch.Question(expression: $0, operands: operands, requiresGrad: operands.map { _ in false }, second: false)
      }
    }
    let answers = try Torch.ask(questions)
    print("| float32 | Flambeau, rms | torch, rms | Flambeau, largest | torch, largest |\n|---|---|---|---|---|")
    for (i, one) in Self.cases.enumerated() {
      let both = try [2 * i, 2 * i + 1].map { try #require(answers.answers[$0].outputs?.first, "\(one.name): torch refused") }
      let exact = answers.tensor(both[1]).array(of: Double.self)
      let torch = Errors(answers.tensor(both[0]), exact)
      let mine = Errors(one.call(operands[i]), exact)
      let numbers = [mine.rms, torch.rms, mine.most, torch.most].map { String(format: "%.1e", $0) }
      print("| \(one.name) | \(numbers.joined(separator: " | ")) |")
      if let factor = one.factor {
        #expect(mine.rms <= factor * torch.rms, "\(one.name): rms \(mine.rms), torch's \(torch.rms)")
      }
      #expect(mine.rms <= one.bound.rms && mine.most <= one.bound.most, "\(one.name): \(mine)")
    }
  }

  /// Beside the root mean square of the exact results.
  private struct Errors {
    let rms: Double
    let most: Double

    init(_ tensor: Tensor, _ exact: [Double]) {
      let errors = zip(tensor.to(.float64).array(of: Double.self), exact).map { Swift.abs($0 - $1) }
      func size(_ values: [Double]) -> Double { (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot() }
      rms = size(errors) / size(exact)
      most = errors.max()! / size(exact)
    }
  }
}
