import Foundation
import Testing

@testable import Flambeau

/// Torch's answers to a list of expressions, through Tests/Judge/judge.py.
enum Torch {
  /// FLAMBEAU_PYTHON, or the package's .venv; nil, with a printed reason, where neither has torch.
  static let python: String? = {
    let candidates = [ProcessInfo.processInfo.environment["FLAMBEAU_PYTHON"], root + "/.venv/bin/python"]
    let found = candidates.compactMap { $0 }.first { FileManager.default.isExecutableFile(atPath: $0) }
    if found == nil { print("skipped beside torch: set FLAMBEAU_PYTHON to a Python that has torch 2.13") }
    return found
  }()

  static var isThere: Bool { python != nil }

  /// The package's folder.
  static let root: String = {
    var url = URL(fileURLWithPath: #filePath)
    for _ in 0..<4 { url.deleteLastPathComponent() }
    return url.path
  }()

  struct Question {
    let expression: String
    let operands: [Tensor]
    let requiresGrad: [Bool]
    let second: Bool
    var seed: Int?
  }

  struct Answer: Decodable {
    struct Array: Decodable {
      let dtype: String
      let shape: [Int]
      let requires_grad: Bool
      let at: Int
    }
    struct Failure: Decodable {
      let stage: String
      let message: String
    }
    let outputs: [Array]?
    let grads: [Array?]?
    let second: [Array?]?
    let second_grad_output: [Array?]?
    let error: Failure?
  }

  struct Answers {
    let answers: [Answer]
    let bytes: Data

    /// The elements of an array of an answer.
    func tensor(_ array: Answer.Array) -> Tensor {
      let dtype = DType.allCases.first { "\($0)" == array.dtype }!
      let value = try! Value(Layout(Shape(array.shape)), dtype)
      bytes.withUnsafeBytes { all in
        if value.storage.byteCount > 0 {
          value.storage.pointer.copyMemory(from: all.baseAddress! + array.at, byteCount: value.storage.byteCount)
        }
      }
      return Tensor(TensorBody(value))
    }
  }

  /// Asks everything in one run of Python.
  static func ask(_ questions: [Question]) throws -> Answers {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("flambeau-judge-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var data = Data()
    var cases: [[String: Any]] = []
    for (id, question) in questions.enumerated() {
      var inputs: [[String: Any]] = []
      for (i, operand) in question.operands.enumerated() {
        let storage = operand.body.storage
        inputs.append([
          "name": String(UnicodeScalar(UInt8(97 + i))), "dtype": "\(operand.dtype)", "shape": Array(operand.shape),
          "strides": operand.strides, "offset": operand.storageOffset, "storage": data.count,
          "requires_grad": question.requiresGrad[i],
        ])
        data.append(Data(bytes: storage.pointer, count: storage.byteCount))
        while data.count % 8 != 0 { data.append(0) }
      }
      var entry: [String: Any] = ["id": id, "expr": question.expression, "inputs": inputs, "second": question.second]
      if let seed = question.seed { entry["seed"] = seed }
      cases.append(entry)
    }
    try JSONSerialization.data(withJSONObject: cases).write(to: folder.appendingPathComponent("cases.json"))
    try data.write(to: folder.appendingPathComponent("data.bin"))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python!)
    process.arguments = [root + "/Tests/Judge/judge.py", folder.path]
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    struct Results: Decodable { let results: [Answer] }
    let text = try Data(contentsOf: folder.appendingPathComponent("results.json"))
    let results = try JSONDecoder().decode(Results.self, from: text)
    return Answers(answers: results.results, bytes: try Data(contentsOf: folder.appendingPathComponent("results.bin")))
  }
}

/// The gradients the judge hands to outputs, and to gradients for the second order.
enum Cotangent {
  static func first(_ shape: Shape, _ dtype: DType) -> Tensor { ramp(shape, dtype, 7, 3, 11) }
  static func second(_ shape: Shape, _ dtype: DType) -> Tensor { ramp(shape, dtype, 5, 2, 13) }

  private static func ramp(_ shape: Shape, _ dtype: DType, _ factor: Int, _ start: Int, _ modulus: Int) -> Tensor {
    let values = (0..<shape.elementCount).map { Double((factor * $0 + start) % modulus - modulus / 2) / 8 }
    return Tensor(values, shape: shape).to(dtype)
  }
}
