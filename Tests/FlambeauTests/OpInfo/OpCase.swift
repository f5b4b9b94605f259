import Foundation

@testable import Flambeau

/// Cases that Tests/Judge/opinfo.py drew from torch's operator database.
struct OpCases {
  /// What torch gave for one output or gradient.
  struct Answer {
    let dtype: DType
    let shape: [Int]
    let given: Tensor
    /// The same computed in float64 throughout, where there is such a thing.
    let exact: [Double]?
  }

  struct Case {
    let name: String
    let dtype: String
    let seed: Int
    /// Makes the call anew, with leaves of its own.
    let make: () -> (OpCall, tensors: [Tensor])
    let outputs: [Answer]
    let gradients: [(of: Int, value: Answer)]
    /// Torch's sentence, where torch refuses.
    let refusal: String?
    let description: String
  }

  let cases: [Case]

  /// Everything in a folder that the script wrote.
  init(folder: URL) throws {
    let bytes = try Data(contentsOf: folder.appendingPathComponent("data.bin"))
    let json = try JSONSerialization.jsonObject(with: Data(contentsOf: folder.appendingPathComponent("cases.json")))
    cases = ((json as! [String: Any])["cases"] as! [[String: Any]]).map { Case($0, bytes) }
  }

  /// Draws all of torch's samples for `names`.
  static func drawn(_ names: [String], options: [String] = []) throws -> OpCases {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("flambeau-opinfo-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try draw(names, into: folder, options)
    return try OpCases(folder: folder)
  }

  static func draw(_ names: [String], into folder: URL, _ options: [String]) throws {
    try JSONSerialization.data(withJSONObject: names).write(to: folder.appendingPathComponent("names.json"))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Torch.python!)
    process.arguments = [Torch.root + "/Tests/Judge/opinfo.py", folder.path] + options
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Unmapped(reason: "opinfo.py failed") }
  }
}

extension OpCases.Case {
  fileprivate init(_ json: [String: Any], _ bytes: Data) {
    name = json["name"] as! String
    dtype = json["dtype"] as! String
    seed = json["seed"] as! Int
    refusal = json["refused"] as? String
    let specs = json["tensors"] as! [[String: Any]]
    make = {
      let tensors = specs.map { spec in
        let (shape, strides) = (spec["shape"] as! [Int], spec["strides"] as! [Int])
        let dtype = DType(torch: spec["dtype"] as! String)
        let layout = Layout(shape: Shape(shape), strides: Shape(strides), offset: 0)
        let reach = shape.contains(0) ? 0 : zip(shape, strides).reduce(1) { $0 + ($1.0 - 1) * $1.1 }
        let memory = bytes.tensor(dtype, [reach], at: spec["at"] as! Int)
        let tensor = Tensor(TensorBody(Value(memory.body.storage, layout, dtype)))
        return spec["requires_grad"] as! Bool ? tensor.requiresGrad_() : tensor
      }
      let call = OpCall(
        input: OpArgument(json["input"], tensors), positional: (json["args"] as! [Any]).map { OpArgument($0, tensors) },
        named: (json["kwargs"] as! [String: Any]).mapValues { OpArgument($0, tensors) })
      return (call, tensors)
    }
    outputs = (json["outputs"] as? [[String: Any]] ?? []).map { OpCases.Answer($0, bytes) }
    gradients = (json["grads"] as? [[String: Any]] ?? []).map {
      ($0["of"] as! Int, OpCases.Answer($0["value"] as! [String: Any], bytes))
    }
    let shapes = specs.map { "\($0["dtype"]!)\($0["shape"]!)" }.joined(separator: ", ")
    let rest = ["input", "args", "kwargs"].map { key in
      (try? JSONSerialization.data(withJSONObject: json[key]!, options: [.fragmentsAllowed, .sortedKeys])).map {
        String(decoding: $0, as: UTF8.self)
      } ?? ""
    }
    description = "\(name) [\(dtype)] (\(shapes)) \(rest.joined(separator: " "))"
  }
}

extension OpCases.Answer {
  fileprivate init(_ json: [String: Any], _ bytes: Data) {
    dtype = DType(torch: json["dtype"] as! String)
    shape = json["shape"] as! [Int]
    given = bytes.tensor(dtype, shape, at: json["at"] as! Int)
    exact = (json["exact"] as? Int).map { [shape] at in bytes.tensor(.float64, shape, at: at).array(of: Double.self) }
  }
}

extension DType {
  fileprivate init(torch name: String) { self = DType.allCases.first { "\($0)" == name }! }
}

extension Data {
  fileprivate func tensor(_ dtype: DType, _ shape: [Int], at offset: Int) -> Tensor {
    let value = try! Value(Layout(Shape(shape)), dtype)
    let count = Shape(shape).elementCount * dtype.byteCount
    if count > 0 {
      withUnsafeBytes { value.storage.pointer.copyMemory(from: $0.baseAddress! + offset, byteCount: count) }
    }
    return Tensor(TensorBody(value))
  }
}
