import Foundation
import Testing

@testable import Flambeau

/// What torch 2.13 prints: Tests/Golden/printing.json.
@Suite struct PrintingGoldenTests {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let shape: [Int]
    let dtype: String
    let bits: String?
    let arange: [Double]?
    let requires_grad: Bool?
    let apply: String?
    let text: String

    var testDescription: String { "\(dtype) \(shape) \(apply ?? "") \(text.prefix(40))" }

    var tensor: Tensor {
      let dtype = DType.allCases.first { "\($0)" == self.dtype }!
      let size = Shape(shape)
      var result: Tensor
      if let bits {
        let digits = Array(bits.utf8)
        let bytes = stride(from: 0, to: digits.count, by: 2).map {
          UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)!
        }
        result = Tensor.create("given") { (_) throws(TensorError) in
          let value = try Value(Layout(size), dtype)
          bytes.withUnsafeBytes { value.storage.pointer.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
          return value
        }
        if bytes.isEmpty { result = Tensor.zeros(size, dtype: dtype) }
      } else {
        result = Tensor((0..<size.elementCount).map { arange![0] + arange![1] * Double($0) }, shape: size).to(dtype)
      }
      if requires_grad ?? false { result.requiresGrad_() }
      return apply.map { PrintingGoldenTests.apply[$0]!(result) } ?? result
    }
  }

  private struct File: Decodable {
    let cases: [Case]
  }

  static let cases: [Case] = {
    var path = URL(fileURLWithPath: #filePath)
    for _ in 0..<3 { path.deleteLastPathComponent() }
    path.appendPathComponent("Golden/printing.json")
    return try! JSONDecoder().decode(File.self, from: Data(contentsOf: path)).cases
  }()

  // Rows of the names that torch's have.
  /// Rounded once, as torch's happens to be here.
  private static let exp: Operator<None> = Operator(
    "exp",
    forward: { (operands, _) throws(TensorError) in
      let result = try Value(try Pointwise.resultLayout(operands), .float32)
      try Pointwise.run(Program { x in Flambeau.exp(x) }, operands, Scalars(), in: .float64, into: result.elements)
      return result
    },
    backward: { _, gradient in Few(gradient) })
  private static let t = viewing("t") { $0.permuted([1, 0]) }
  private static let select = viewing("select") { $0.selected(0, 0) }

  private static func viewing(_ name: String, _ change: @escaping @Sendable (Layout) -> Layout) -> Operator<None> {
    Operator(name, forward: { operands, _ in operands[0]!.body.viewed(change) }, backward: { _, gradient in Few(gradient) })
  }

  static let apply: [String: @Sendable (Tensor) -> Tensor] = [
    "mul": { $0 * 2 }, "add": { $0 + 1 }, "sum": { $0.sum() }, "transpose": { t($0, None()) }, "select": { select($0, None()) },
    "detach": { $0.detach() }, "exp": { exp($0, None()) }, "reshape": { $0.reshape([-1]) },
  ]

  @Test(arguments: cases) func torchsText(_ golden: Case) { #expect("\(golden.tensor)" == golden.text) }

  @Test func thereAreManyCases() { #expect(Self.cases.count >= 72) }
}
