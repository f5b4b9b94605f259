import Flambeau
import FlambeauFormats
import FlambeauNN
import Foundation
import Testing

@testable import FlambeauModels

/// Networks with random weights that torch made, beside what Tests/Judge/models.py computes with them in double precision.
@Suite(.enabled(if: Torch.isThere)) struct BesideTorchTests {
  @Test(arguments: ["resnet18", "resnet34", "resnet50"]) func resNet(name: String) throws {
    let make: [String: () -> ResNet] = [
      "resnet18": { .resnet18(numClasses: 10) }, "resnet34": { .resnet34(numClasses: 10) },
      "resnet50": { .resnet50(numClasses: 10) },
    ]
    try expectSame(name, make[name]!())
  }

  @Test func gpt2() throws {
    try expectSame(
      "gpt2", GPT2(GPT2.Config(vocabSize: 65, nPositions: 160, nEmbd: 48, nLayer: 3, nHead: 4, dropout: 0)))
  }

  /// Twice: in float64, where nothing but the arithmetic's order differs, and in float32. There, an activation within
  /// rounding of 0 now and then falls on its other side, in torch too, which changes a few gradients by much: they are held
  /// by the norm of what differs.
  private func expectSame(_ name: String, _ model: some Layer) throws {
    let (state, results) = try Torch.results(of: name)
    #expect(model.stateDict().keys.sorted() == state.keys.sorted())
    for (dtype, tolerance, slopeTolerance) in [(DType.float64, 1e-9, 1e-9), (.float32, 2e-4, 0.05)] {
      model.to(dtype)
      try model.loadStateDict(StateDict(state.map { ($0.key, $0.value) }))
      let input = results["input"]!
      let x = input.dtype.isFloatingPoint ? input.to(dtype) : input
      func check(_ tensor: Tensor, _ key: String, norm: (Tensor) -> Tensor = { $0.abs().max() }, within tolerance: Double)
        throws
      {
        let expected = try #require(results[key], "\(key)").to(.float64)
        let apart = norm(tensor.detach().to(.float64) - expected).item()
        let size = Swift.max(norm(expected).item(), 1e-3)
        #expect(apart <= tolerance * size, "\(key), \(dtype), seed \(results["seed"]!.item())")
      }
      model.eval()
      try check(noGrad { model(x) }, "evaluated", within: tolerance)
      model.train()
      model.zeroGrad()
      let output = model(x)
      let loss = output.reshape([-1, output.shape[-1]]).crossEntropy(results["target"]!)
      loss.backward()
      try check(output, "output", within: tolerance)
      try check(loss, "loss", within: tolerance)
      for (name, parameter) in model.namedParameters() {
        try check(
          try #require(parameter.grad), "grad.\(name)", norm: { $0.square().sum().sqrt() }, within: slopeTolerance)
      }
      for (name, buffer) in model.namedBuffers() { try check(buffer.tensor, "after.\(name)", within: tolerance) }
    }
  }

  @Test func publishedLayoutsOfGPT2Fit() throws {
    let config = GPT2.Config(vocabSize: 65, nPositions: 160, nEmbd: 48, nLayer: 3, nHead: 4, dropout: 0)
    let (state, results) = try Torch.results(of: "gpt2")
    func isLinear(_ key: String, _ value: Tensor) -> Bool { value.ndim == 2 && key.contains(".c_") }
    let nanoGPT = StateDict(state.map { ("_orig_mod." + $0.key, isLinear($0.key, $0.value) ? $0.value.T : $0.value) })
    var huggingFace = StateDict(
      state.filter { $0.key != "lm_head.weight" }.map { (String($0.key.dropFirst("transformer.".count)), $0.value) })
    huggingFace["h.0.attn.bias"] = .ones([1, 1, 160, 160], dtype: .bool)
    for published in [nanoGPT, huggingFace] {
      let model = GPT2(config).eval()
      try model.loadStateDict(published.forGPT2())
      let logits = noGrad { model(results["input"]!) }
      #expect(logits.to(.float64).allClose(results["evaluated"]!, rtol: 1e-3, atol: 1e-3))
    }
  }
}

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

  static let isThere: Bool = {
    let found = python != nil && (try? run(["-c", "import safetensors, torch"])) != nil
    if !found { print("skipped beside torch: FLAMBEAU_PYTHON has no torch and safetensors") }
    return found
  }()

  /// The state dict that models.py made and what torch computed with it.
  static func results(of name: String) throws -> (state: [String: Tensor], results: [String: Tensor]) {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("flambeau-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try run([root.appendingPathComponent("Tests/Judge/models.py").path, name, folder.path])
    func load(_ file: String) throws -> [String: Tensor] {
      try Safetensors.load(folder.appendingPathComponent(file).path)
    }
    return (try load("state.safetensors"), try load("results.safetensors"))
  }

  private static func run(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python!)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardError = pipe
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let complaint = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Complaint(text: String(decoding: complaint, as: UTF8.self)) }
  }

  struct Complaint: Error { let text: String }
}
