import Flambeau
import FlambeauFormats
import FlambeauNN

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A part of a training run that a checkpoint keeps: how it goes into the file, and how it is taken over from there.
///
/// A ``Checkpointer`` keeps a run. For a file of another make, such as one that PyTorch wrote, the parts work alone:
///
///     let file = try PyTorch.load("checkpoint.pt")
///     try model.loadStateDict(Checkpoint.load("checkpoint.pt", under: "model_state_dict."))
///     try CheckpointPart.optimizer(optimizer).restore(file["optimizer_state_dict"]!)
public struct CheckpointPart {
  /// What the part is now.
  public let save: () throws -> PyTorchValue
  /// Takes over what `save` gave, or throws and changes nothing.
  public let restore: (PyTorchValue) throws -> Void

  /// A part of a kind that is not among those below.
  ///
  /// - Parameter restore: Takes over what `save` gave, or throws and changes nothing.
  public init(save: @escaping () throws -> PyTorchValue, restore: @escaping (PyTorchValue) throws -> Void) {
    self.save = save
    self.restore = restore
  }

  /// A part whose value in the file is not what it should be.
  struct Misfit: Error, CustomStringConvertible {
    let description: String
  }
}

extension CheckpointPart {
  /// Parameters, all buffers, and which layers train: `{"state_dict", "buffers", "training"}`.
  ///
  /// `torch_model.load_state_dict(torch.load(file)["model"]["state_dict"])` is the way to torch. What is frozen is not kept.
  public static func model(_ model: some Module) -> CheckpointPart {
    CheckpointPart {
      let buffers = model.namedBuffers().filter { !$0.buffer.isPersistent }
      return PyTorchValue([
        ("state_dict", PyTorchValue(model.stateDict())),
        ("buffers", PyTorchValue(StateDict(buffers.map { ($0.name, $0.buffer.tensor.detach()) }))),
        ("training", .list(model.trainingModes.map { .bool($0) })),
      ])
    } restore: { value in
      let modes = (value["training"]?.items ?? []).map { if case .bool(let flag) = $0 { flag } else { true } }
      guard let state = value["state_dict"]?.stateDict, let saved = value["buffers"]?.stateDict else {
        throw Misfit(description: "holds no state dict of a model")
      }
      let buffers = model.namedBuffers().filter { !$0.buffer.isPersistent }
      guard modes.count == model.trainingModes.count, buffers.allSatisfy({ saved[$0.name]?.shape == $0.buffer.shape }) else {
        throw Misfit(description: "is of a model with other layers or buffers than \(type(of: model)) has")
      }
      try model.loadStateDict(state)
      for (name, buffer) in buffers { noGrad { _ = buffer.tensor.copy_(saved[name]!) } }
      model.trainingModes = modes
    }
  }

  /// Hyperparameters and state, as torch's `optimizer.state_dict()` is laid out.
  public static func optimizer<Rule>(_ optimizer: GroupedOptimizer<Rule>) -> CheckpointPart {
    CheckpointPart {
      PyTorchValue(optimizer.stateDict())
    } restore: {
      try optimizer.loadStateDict(OptimizerState($0))
    }
  }

  /// Where a schedule of learning rates stands.
  public static func schedule(_ schedule: LRScheduler) -> CheckpointPart {
    CheckpointPart {
      PyTorchValue(schedule.stateDict().sorted { $0.key < $1.key }.map { ($0.key, .list($0.value.map { .double($0) })) })
    } restore: { value in
      guard case .dict(let pairs) = value else { throw Misfit(description: "holds no state of a schedule") }
      let state = pairs.map { ($0.key.string ?? "", ($0.value.items ?? []).compactMap(\.double)) }
      try withTensorErrors { schedule.loadStateDict(Dictionary(state, uniquingKeysWith: { $1 })) }
    }
  }

  /// The scale of a loss, as `torch.amp.GradScaler` has it in its state dict.
  public static func scaler(_ scaler: GradScaler) -> CheckpointPart {
    CheckpointPart {
      PyTorchValue(
        scaler.stateDict().sorted { $0.key < $1.key }.map { key, value in
          (key, isCount(key) ? .int(Int(value)) : .double(value))
        })
    } restore: { value in
      guard case .dict(let pairs) = value else { throw Misfit(description: "holds no state of a gradient scaler") }
      var state: [String: Double] = [:]
      for (key, value) in pairs { if let key = key.string { state[key] = value.double } }
      try scaler.loadStateDict(state)
    }
  }

  /// Torch counts steps in whole numbers, and wants them back as such.
  private static func isCount(_ key: String) -> Bool { key.hasSuffix("interval") || key.hasSuffix("tracker") }

  /// An average of parameters and how many values it holds.
  public static func average<Model>(_ average: AveragedModel<Model>) -> CheckpointPart {
    CheckpointPart {
      PyTorchValue(average.stateDict())
    } restore: { value in
      guard let state = value.stateDict else { throw Misfit(description: "holds no average of a model") }
      try average.loadStateDict(state)
    }
  }

  /// A generator to its last cached number, as the tensor that `torch.set_rng_state` takes.
  public static func generator(_ generator: Generator) -> CheckpointPart {
    CheckpointPart {
      .tensor(Tensor(generator.state, device: .cpu))
    } restore: { value in
      guard let state = value.tensor, state.dtype == .uint8 else { throw Misfit(description: "holds no state of a generator") }
      try withTensorErrors { generator.state = state.array(of: UInt8.self) }
    }
  }

  /// A value that becomes JSON, such as counters or a loader's position.
  public static func value<Value: Codable>(
    _ get: @escaping () -> Value, set: @escaping (Value) throws -> Void
  ) -> CheckpointPart {
    CheckpointPart {
      .string(try JSON.text(get()))
    } restore: { value in
      guard let text = value.string else { throw Misfit(description: "holds no JSON") }
      try set(try JSON.value(text))
    }
  }
}

/// Codable values as text. Numbers come back as the numbers they were, infinite and undefined ones too.
enum JSON {
  private static let names = (positive: "Infinity", negative: "-Infinity", undefined: "NaN")

  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: names.positive, negativeInfinity: names.negative, nan: names.undefined)
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  static func value<Value: Decodable>(_ text: String) throws -> Value {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: names.positive, negativeInfinity: names.negative, nan: names.undefined)
    return try decoder.decode(Value.self, from: Data(text.utf8))
  }
}
