import Flambeau
import FlambeauFormats
import FlambeauNN
import Foundation
import Testing

/// A Python with torch and safetensors: FLAMBEAU_PYTHON, or the package's .venv.
enum Torch {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static let python: String? = {
    let candidates: [String?] = [
      ProcessInfo.processInfo.environment["FLAMBEAU_PYTHON"], root.appendingPathComponent(".venv/bin/python").path,
    ]
    return candidates.compactMap { $0 }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }()

  static let isThere = has("torch")
  static let hasTransformers = has("transformers")
  static let hasPEFT = has("peft")

  private static func has(_ package: String) -> Bool {
    let found =
      python != nil
      && (try? run(["-c", "import sys; sys.modules['torchvision'] = None; import safetensors, torch, \(package)"])) != nil
    if !found { print("skipped beside \(package): FLAMBEAU_PYTHON has no \(package) or no safetensors") }
    return found
  }

  /// What a script of Tests/Judge wrote.
  struct Answer {
    let folder: URL

    func tensors(_ file: String) throws -> [String: Tensor] { try Safetensors.load(path(file)) }
    func text(_ file: String) throws -> Data { try Data(contentsOf: folder.appendingPathComponent(file)) }
    func path(_ file: String) -> String { folder.appendingPathComponent(file).path }
  }

  /// Runs `script` with `arguments` and a fresh folder, which is removed after `body`.
  static func asking<Result>(
    _ script: String, _ arguments: [String], _ body: (Answer) throws -> Result
  ) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("flambeau-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let answer = Answer(folder: folder)
    try asking(script, arguments, in: answer)
    return try body(answer)
  }

  /// Runs `script` with `arguments` and the folder of an answer.
  static func asking(_ script: String, _ arguments: [String], in answer: Answer) throws {
    try run([root.appendingPathComponent("Tests/Judge/\(script)").path] + arguments + [answer.folder.path])
  }

  /// A network that a script made, and what was computed with it.
  struct Network {
    /// Of its config.json.
    let config: Data
    let state: StateDict
    let results: [String: Tensor]

    init(_ answer: Answer, _ name: String) throws {
      config = (try? answer.text("\(name)/config.json")) ?? Data()
      let file = "\(name)/state.safetensors"
      state = FileManager.default.fileExists(atPath: answer.path(file)) ? StateDict(unordered: try answer.tensors(file)) : [:]
      results = try answer.tensors("\(name)/results.safetensors")
    }

    var seed: Comment { Comment(rawValue: "seed \(results["seed"]!.item())") }
  }

  // Asked once, because importing torch and transformers takes longer than all they are asked.
  static let networks: Result<[String: Network], any Error> = Result { try networks("models.py") }
  static let transformers: Result<[String: Network], any Error> = Result { try networks("transformers_models.py") }
  static let generations: Result<[String: Network], any Error> = Result { try networks("generation.py") }

  private static func networks(_ script: String) throws -> [String: Network] {
    try asking(script, []) { answer in
      let names = try FileManager.default.contentsOfDirectory(atPath: answer.folder.path)
      return Dictionary(uniqueKeysWithValues: try names.map { ($0, try Network(answer, $0)) })
    }
  }

  /// A file that a PyPI package carries; nil, with a word, where the package is missing.
  static func file(_ path: String, of package: String) -> String? {
    let question = "import importlib.util, os; print(os.path.dirname(importlib.util.find_spec('\(package)').origin))"
    guard python != nil, let answer = try? run(["-c", question]) else {
      print("skipped: FLAMBEAU_PYTHON has no \(package)")
      return nil
    }
    let file = answer.trimmingCharacters(in: .whitespacesAndNewlines) + "/" + path
    return FileManager.default.fileExists(atPath: file) ? file : nil
  }

  /// A file of ../shared, where reference outputs and texts may lie; nil, with a word, if it is not there.
  static func shared(_ path: String) -> String? {
    let around = [root.deletingLastPathComponent(), root.deletingLastPathComponent().deletingLastPathComponent()]
    let files = around.map { $0.appendingPathComponent("shared/\(path)").path }
    let found = files.first { FileManager.default.fileExists(atPath: $0) }
    if found == nil { print("skipped: there is no ../shared/\(path)") }
    return found
  }

  @discardableResult
  static func run(_ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python!)
    process.arguments = arguments
    // Two processes that each spin on all cores would wait for each other.
    process.environment = ProcessInfo.processInfo.environment.merging(["OMP_NUM_THREADS": "1"]) { given, _ in given }
    let (output, complaints) = (Pipe(), FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString))
    try Data().write(to: complaints)
    defer { try? FileManager.default.removeItem(at: complaints) }
    process.standardError = try FileHandle(forWritingTo: complaints)
    process.standardOutput = output
    try process.run()
    let answer = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Complaint(text: (try? String(contentsOf: complaints, encoding: .utf8)) ?? "")
    }
    return String(decoding: answer, as: UTF8.self)
  }

  struct Complaint: Error { let text: String }
}

/// The largest difference, over the largest number of `expected` or 1.
func apart(_ found: Tensor, _ expected: Tensor) -> Double {
  let (x, y) = (found.detach().to(.float64), expected.to(.float64))
  return (x - y).abs().max().item() / Swift.max(y.abs().max().item(), 1)
}

extension StateDict {
  /// Without the keys' order.
  init(unordered tensors: [String: Tensor]) { self.init(tensors.map { ($0.key, $0.value) }) }
}
