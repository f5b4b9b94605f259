import Flambeau
import FlambeauNN

/// An average of a model's parameters over training, often a better model than the last one. Torch's
/// `optim.swa_utils.AveragedModel`.
///
///     let average = AveragedModel(model, .exponential(decay: 0.999), useBuffers: true)
///     for batch in loader {
///       …
///       optimizer.step()
///       average.updateParameters()
///     }
///     let accuracy = average.withAverages { evaluate(model) }
///
/// The average of a tensor is another tensor, not another model: ``withAverages(_:)`` puts it into the model for a while.
public final class AveragedModel<Model: Module> {
  /// How a new value enters.
  public enum Average: Sendable, Hashable {
    /// All values count the same (Izmailov et al., 2018); `get_swa_multi_avg_fn`.
    case equal
    /// The average times `decay` plus the value times `1 - decay`; `get_ema_multi_avg_fn`. The first value is taken as it is.
    case exponential(decay: Double)
  }

  /// The model that holds the averages.
  public let model: Model
  /// How a new value enters.
  public let average: Average
  /// Whether buffers are averaged too; otherwise the average has the model's latest.
  public let useBuffers: Bool
  /// How many values have been averaged.
  public private(set) var averagedCount = 0
  private let averages: [(name: String, tensor: Tensor, isBuffer: Bool)]

  /// The averages begin as copies of the model's parameters and buffers.
  ///
  /// - Parameter average: A decay outside 0…1 is an error.
  public init(
    _ model: Model, _ average: Average = .equal, useBuffers: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) {
    if case .exponential(let decay) = average, !(0...1).contains(decay), !Context.current.isFailed {
      let problem = "Invalid decay value \(decay) provided. Please provide a value in [0,1] range."
      Door.fail(TensorError(.argument, problem), in: "AveragedModel", file: file, line: line)
    }
    self.model = model
    self.average = average
    self.useBuffers = useBuffers
    averages = Self.tensors(of: model).map { place in (place.name, noGrad { place.tensor.detach().clone() }, place.isBuffer) }
  }

  private static func tensors(of model: Model) -> [(name: String, tensor: Tensor, isBuffer: Bool)] {
    model.namedParameters().map { ($0.name, $0.parameter.tensor, false) }
      + model.namedBuffers().map { ($0.name, $0.buffer.tensor, true) }
  }

  /// Takes the model's parameters into the average. Torch's `update_parameters`.
  public func updateParameters() {
    if Context.current.isFailed { return }
    noGrad {
      for (mean, place) in zip(averages, Self.tensors(of: model)) {
        if averagedCount == 0 || (place.isBuffer && !useBuffers) {
          mean.tensor.copy_(place.tensor)
        } else {
          update(mean.tensor, place.tensor.detach())
        }
      }
    }
    if !Context.current.isFailed { averagedCount += 1 }
  }

  private func update(_ mean: Tensor, _ value: Tensor) {
    switch average {
    case .exponential(let decay):
      if mean.dtype.isFloatingPoint { mean.lerp_(value, 1 - decay) } else { mean.copy_(mean * decay + value * (1 - decay)) }
    case .equal:
      let share = 1 / Double(averagedCount + 1)
      if mean.dtype.isFloatingPoint { mean.lerp_(value, share) } else { mean.copy_(mean + (value - mean) * share) }
    }
  }

  /// Calls `body` while the model has the averages, which go back where they were afterwards.
  public func withAverages<R>(_ body: () throws -> R) rethrows -> R {
    exchange()
    defer { exchange() }
    return try body()
  }

  private func exchange() {
    noGrad {
      for (mean, place) in zip(averages, Self.tensors(of: model)) {
        let value = place.tensor.detach().clone()
        place.tensor.detach().copy_(mean.tensor)
        mean.tensor.copy_(value)
      }
    }
  }

  /// The averages under the model's names with `module.` in front, as torch has them, and `n_averaged`. Torch's `state_dict`.
  public func stateDict() -> StateDict {
    var state = StateDict(averages.map { ("module." + $0.name, $0.tensor.clone()) })
    state[Self.countName] = Tensor(Int64(averagedCount), device: .cpu)
    return state
  }

  /// Takes over what ``stateDict()`` of an average of such a model gave: all of it, or nothing where it throws.
  public func loadStateDict(_ state: StateDict) throws(StateDictError) {
    if Context.current.isFailed { return }
    var keys = IncompatibleKeys()
    var mismatches: [StateDictError.Mismatch] = []
    for (name, tensor, _) in averages {
      guard let found = state["module." + name] else {
        keys.missingKeys.append("module." + name)
        continue
      }
      if found.shape != tensor.shape {
        mismatches.append(StateDictError.Mismatch(key: "module." + name, found: found.shape, expected: tensor.shape))
      }
    }
    let count = state[Self.countName].flatMap { $0.count == 1 ? Int(counted: $0.item()) : nil }
    if count == nil { keys.missingKeys.append(Self.countName) }
    let known = Set(averages.map { "module." + $0.name } + [Self.countName])
    keys.unexpectedKeys = state.keys.filter { !known.contains($0) }
    guard let count, keys == IncompatibleKeys(), mismatches.isEmpty else {
      throw StateDictError(module: "AveragedModel<\(Model.self)>", keys: keys, mismatches: mismatches)
    }
    noGrad { for (name, tensor, _) in averages { tensor.copy_(state["module." + name]!) } }
    averagedCount = count
  }

  private static var countName: String { "n_averaged" }
}
