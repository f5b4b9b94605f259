import Flambeau

/// Multiplies a loss, so that small gradients do not vanish in float16, divides the gradients again before the step, and leaves the step
/// out where one has overflowed. The scale grows after many steps that went well, and shrinks after one that was left out.
/// Torch's `amp.GradScaler`.
///
///     let scaler = GradScaler()
///     for (x, y) in loader {
///       optimizer.zeroGrad()
///       let loss = autocast(.float16) { model(x).crossEntropy(y) }
///       scaler.scale(loss).backward()
///       scaler.step(optimizer)
///       scaler.update()
///     }
///
/// A scaler belongs to the task that trains, as its optimizers do. bfloat16 has float32's range and needs none.
public final class GradScaler {
  /// What the scale is multiplied by after ``growthInterval`` steps in a row that were taken.
  public var growthFactor: Double
  /// What the scale is multiplied by after a step that was left out.
  public var backoffFactor: Double
  /// How many steps in a row have to be taken before the scale grows.
  public var growthInterval: Int
  /// Whether it does anything but call the optimizer's step. Torch's `is_enabled`.
  public let isEnabled: Bool

  private var initialScale: Double
  /// Nil until something is scaled.
  private var current: Float?
  private var growthTracker = 0
  private var passes: [ObjectIdentifier: Pass] = [:]

  /// What has happened to an optimizer since the last update.
  private struct Pass {
    enum Stage { case ready, unscaled, stepped }
    /// Held, so that no other one takes its identity.
    let optimizer: any Optimizer
    var stage = Stage.ready
    /// 1 where a gradient has overflowed, 0 where none has; nil where none was looked at.
    var found: Tensor?
    /// The same once it has been waited for.
    var hasOverflowed: Bool?

    mutating func wait() {
      if hasOverflowed == nil, let found { hasOverflowed = found.item(as: Float.self) != 0 }
    }
  }

  /// As torch's constructor.
  ///
  /// - Parameters:
  ///   - initScale: The first scale.
  ///   - growthFactor: More than 1.
  ///   - backoffFactor: Less than 1.
  ///   - enabled: False, as for training in bfloat16 or float32 by the same loop: losses and gradients stay as they are.
  public init(
    initScale: Double = 65536, growthFactor: Double = 2, backoffFactor: Double = 0.5, growthInterval: Int = 2000,
    enabled: Bool = true, file: StaticString = #fileID, line: UInt = #line
  ) {
    initialScale = initScale
    (self.growthFactor, self.backoffFactor, self.growthInterval) = (growthFactor, backoffFactor, growthInterval)
    isEnabled = enabled
    if !enabled { return }
    if !(growthFactor > 1) { refuse("The growth factor must be > 1.0.", "GradScaler", file, line) }
    if !(backoffFactor < 1) { refuse("The backoff factor must be < 1.0.", "GradScaler", file, line) }
  }

  private func refuse(_ problem: String, _ operation: String, _ file: StaticString, _ line: UInt) {
    if !Context.current.isFailed { Door.fail(TensorError(.argument, problem), in: operation, file: file, line: line) }
  }

  /// `outputs` times the scale. Torch's `scale`.
  public func scale(_ outputs: Tensor) -> Tensor { scale([outputs])[0] }

  /// Each of `outputs` times the scale.
  public func scale(_ outputs: [Tensor]) -> [Tensor] {
    if !isEnabled || Context.current.isFailed { return outputs }
    let scale = current ?? Float(initialScale)
    current = scale
    let factor = Tensor(scale, device: .cpu)
    return outputs.map { $0 * factor }
  }

  /// The scale; 1 where scaling is off. Torch's `get_scale`.
  public func getScale() -> Double { isEnabled ? current.map(Double.init) ?? initialScale : 1 }

  /// Divides the gradients of the optimizer's parameters by the scale now, for who wants to look at them or to clip them before
  /// ``step(_:file:line:)``, which does it otherwise. Torch's `unscale_`.
  public func unscale_(_ optimizer: any Optimizer, file: StaticString = #fileID, line: UInt = #line) {
    if !isEnabled || Context.current.isFailed { return }
    let operation = "GradScaler.unscale_"
    guard let scale = knownScale("unscale_", file, line) else { return }
    var pass = passes[ObjectIdentifier(optimizer)] ?? Pass(optimizer: optimizer)
    switch pass.stage {
    case .ready: break
    case .unscaled:
      return refuse("unscale_() has already been called on this optimizer since the last update().", operation, file, line)
    case .stepped: return refuse("unscale_() is being called after step().", operation, file, line)
    }
    let gradients = optimizer.parameters.compactMap(\.grad)
    if gradients.contains(where: { $0.dtype == .float16 }) {
      return refuse("Attempting to unscale FP16 gradients.", operation, file, line)
    }
    if !gradients.isEmpty {
      let factor = Double(Float(1 / Double(scale)))
      guard let found = GradientScaling.unscale(gradients, by: factor, operation: operation) else { return }
      pass.found = found
    }
    pass.stage = .unscaled
    passes[ObjectIdentifier(optimizer)] = pass
  }

  /// Divides the gradients by the scale, unless that is done, and takes the optimizer's step if all of them are finite, which on a GPU
  /// is waited for. Torch's `step`.
  ///
  /// - Returns: Whether the step was taken.
  @discardableResult
  public func step(_ optimizer: any Optimizer, file: StaticString = #fileID, line: UInt = #line) -> Bool {
    if Context.current.isFailed { return false }
    if !isEnabled {
      optimizer.step()
      return true
    }
    guard knownScale("step", file, line) != nil else { return false }
    let id = ObjectIdentifier(optimizer)
    if passes[id]?.stage == .stepped {
      refuse("step() has already been called since the last update().", "GradScaler.step", file, line)
      return false
    }
    if passes[id]?.stage != .unscaled { unscale_(optimizer, file: file, line: line) }
    if Context.current.isFailed { return false }
    passes[id]?.wait()
    guard let hasOverflowed = passes[id]?.hasOverflowed else {
      refuse("No inf checks were recorded for this optimizer.", "GradScaler.step", file, line)
      return false
    }
    if !hasOverflowed { optimizer.step() }
    passes[id]?.stage = .stepped
    return !hasOverflowed
  }

  /// Ends an iteration: changes the scale, by what the gradients of its optimizers were, and lets them be unscaled again. Torch's
  /// `update`.
  ///
  /// - Parameter newScale: The scale from now on, whatever the gradients were.
  public func update(newScale: Double? = nil, file: StaticString = #fileID, line: UInt = #line) {
    if !isEnabled || Context.current.isFailed { return }
    guard let scale = knownScale("update", file, line) else { return }
    if let newScale {
      current = Float(newScale)
    } else {
      let found = passes.values.compactMap { pass -> Bool? in
        var pass = pass
        pass.wait()
        return pass.hasOverflowed
      }
      if found.isEmpty { return refuse("No inf checks were recorded prior to update.", "GradScaler.update", file, line) }
      change(scale, hasOverflowed: found.contains(true))
    }
    passes = [:]
  }

  private func change(_ scale: Float, hasOverflowed: Bool) {
    growthTracker = hasOverflowed ? 0 : growthTracker + 1
    if hasOverflowed {
      current = Float(Double(scale) * backoffFactor)
    } else if growthTracker == growthInterval {
      let grown = Float(Double(scale) * growthFactor)
      if grown.isFinite { current = grown }
      growthTracker = 0
    }
  }

  private func knownScale(_ function: String, _ file: StaticString, _ line: UInt) -> Float? {
    if current == nil {
      refuse(
        "Attempted \(function) but _scale is None.  This may indicate your script did not use scaler.scale(loss or outputs) "
          + "earlier in the iteration.", "GradScaler.\(function)", file, line)
    }
    return current
  }
}

/// A state that is not a scaler's.
public struct GradScalerStateError: Error, Sendable, CustomStringConvertible {
  /// The sentence.
  public let description: String
}

extension GradScaler {
  private enum Key {
    static let (scale, growth, backoff) = ("scale", "growth_factor", "backoff_factor")
    static let (interval, tracker) = ("growth_interval", "_growth_tracker")
  }

  /// What a scaler needs to go on where this one stands, by torch's names, after ``update(newScale:file:line:)``; empty where scaling is
  /// off. Torch's `state_dict`, where `growth_interval` and `_growth_tracker` are whole numbers.
  public func stateDict() -> [String: Double] {
    if !isEnabled { return [:] }
    return [
      Key.scale: getScale(), Key.growth: growthFactor, Key.backoff: backoffFactor, Key.interval: Double(growthInterval),
      Key.tracker: Double(growthTracker),
    ]
  }

  /// Takes over what ``stateDict()`` gave, all of it or nothing; does nothing where scaling is off. Torch's `load_state_dict`.
  public func loadStateDict(_ state: [String: Double]) throws(GradScalerStateError) {
    if !isEnabled || Context.current.isFailed { return }
    if state.isEmpty {
      throw GradScalerStateError(
        description: "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler.")
    }
    func number(_ key: String) throws(GradScalerStateError) -> Double {
      guard let value = state[key] else { throw GradScalerStateError(description: "the state dict has no '\(key)'") }
      return value
    }
    func whole(_ key: String, atLeast least: Int) throws(GradScalerStateError) -> Int {
      let value = try number(key)
      guard let whole = Int(exactly: value), whole >= least else {
        throw GradScalerStateError(description: "'\(key)' is a number of steps, but the state dict has \(value)")
      }
      return whole
    }
    let (scale, growth, backoff) = (try number(Key.scale), try number(Key.growth), try number(Key.backoff))
    (growthInterval, growthTracker) = (try whole(Key.interval, atLeast: 1), try whole(Key.tracker, atLeast: 0))
    (initialScale, growthFactor, backoffFactor) = (scale, growth, backoff)
    if current != nil { current = Float(scale) }
  }
}
