import Flambeau
import Foundation
import Testing

let packageRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// A Python with torch: FLAMBEAU_PYTHON, or the package's .venv.
enum Torch {
  static let python: String? = {
    let candidates: [String?] = [
      ProcessInfo.processInfo.environment["FLAMBEAU_PYTHON"], packageRoot.appendingPathComponent(".venv/bin/python").path,
    ]
    let found = candidates.compactMap { $0 }.first { FileManager.default.isExecutableFile(atPath: $0) }
    if found == nil { print("skipped beside torch: set FLAMBEAU_PYTHON to a Python that has it") }
    return found
  }()

  /// What the script of this name in Tests/Judge writes, given `input` as a file.
  static func run(_ script: String, input: Data) throws -> Data {
    try withFolder { folder in
      let (inputFile, outputFile) = (folder.appendingPathComponent("input"), folder.appendingPathComponent("output"))
      try input.write(to: inputFile)
      try run(script, [inputFile.path, outputFile.path])
      return try Data(contentsOf: outputFile)
    }
  }

  /// An expression over `a`, evaluated by judge.py after `torch.manual_seed(seed)`.
  struct Question {
    let expression: String
    let input: Tensor
    let seed: Int
  }

  /// The value of each expression, and the gradient of `a` for the cotangent of the judge.
  static func judge(_ questions: [Question]) throws -> [(output: Tensor, gradient: Tensor)] {
    try withFolder { folder in
      var data = Data()
      let cases = questions.enumerated().map { id, question -> [String: Any] in
        let input: [String: Any] = [
          "name": "a", "dtype": "float32", "shape": Array(question.input.shape), "strides": question.input.strides,
          "offset": 0, "storage": data.count, "requires_grad": true,
        ]
        question.input.floats.withUnsafeBytes { data.append(contentsOf: $0) }
        return ["id": id, "expr": question.expression, "seed": question.seed, "inputs": [input]]
      }
      try JSONSerialization.data(withJSONObject: cases).write(to: folder.appendingPathComponent("cases.json"))
      try data.write(to: folder.appendingPathComponent("data.bin"))
      try run("judge.py", [folder.path])
      struct Values: Decodable {
        let shape: [Int]
        let at: Int
      }
      struct Result: Decodable {
        let outputs: [Values]
        let grads: [Values]
      }
      struct Results: Decodable { let results: [Result] }
      let text = try Data(contentsOf: folder.appendingPathComponent("results.json"))
      let bytes = try Data(contentsOf: folder.appendingPathComponent("results.bin"))
      func tensor(_ array: Values) -> Tensor {
        let numbers = (0..<array.shape.reduce(1, *)).map { i in
          bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: array.at + 4 * i, as: Float.self) }
        }
        return Tensor(numbers, shape: Shape(array.shape))
      }
      return try JSONDecoder().decode(Results.self, from: text).results.map { (tensor($0.outputs[0]), tensor($0.grads[0])) }
    }
  }

  /// What the judge weights outputs with.
  static func cotangent(_ shape: Shape) -> Tensor {
    let ramp = (0..<shape.elementCount).map { i in (7 * i + 3) % 11 - 5 }
    return Tensor(ramp.map { Float($0) / 8 }, shape: shape)
  }

  private static func withFolder<R>(_ body: (URL) throws -> R) throws -> R {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("flambeau-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder)
  }

  private static func run(_ script: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python!)
    process.arguments = [packageRoot.appendingPathComponent("Tests/Judge/\(script)").path] + arguments
    process.standardOutput = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardError = pipe
    try process.run()
    let complaint = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(String(decoding: complaint, as: UTF8.self))")
  }
}

extension Tensor {
  var floats: [Float] { array(of: Float.self) }
  var doubles: [Double] { array(of: Double.self) }
  var bits: [UInt32] { floats.map(\.bitPattern) }

  static func random(_ shape: Shape, in range: ClosedRange<Float> = -1...1) -> Tensor {
    Tensor((0..<shape.elementCount).map { _ in Float.random(in: range) }, shape: shape)
  }
}
