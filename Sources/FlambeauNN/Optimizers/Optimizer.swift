import Flambeau

/// Changes parameters along their gradients. Torch's `optim.Optimizer`.
///
///     optimizer.zeroGrad()
///     loss(model(x), y).backward()
///     optimizer.step()
///
/// Gradients add up until they are forgotten, so a step may have seen several batches, as if they had been one of their mean loss:
///
///     for (i, (x, y)) in loader.enumerated() {
///       (loss(model(x), y) / 4).backward()
///       if i % 4 == 3 {
///         optimizer.step()
///         optimizer.zeroGrad()
///       }
///     }
public protocol Optimizer: AnyObject {
  /// Changes every parameter that has a gradient. In an error scope that has failed it does nothing.
  func step()

  /// What it changes, each once.
  var parameters: [Parameter] { get }

  /// Forgets the gradients of all parameters. Torch's `zero_grad`.
  func zeroGrad()

  /// What schedules steer, one for each parameter group.
  var rates: [Rates] { get set }
}

/// The hyperparameters of a group that change while training.
public struct Rates: Sendable, Hashable {
  /// The learning rate.
  public var lr: Double
  /// The learning rate schedules count from; nil until one is attached.
  public var initialLr: Double?
  /// SGD's momentum or Adam's first beta; nil where the method has neither.
  public var momentum: Double?
}

/// How a method changes a parameter: its hyperparameters, the state it keeps and the step itself.
public protocol UpdateRule: Sendable {
  /// The learning rate.
  var lr: Double { get set }

  /// What schedules cycle as momentum; nil, the default, for nothing. Setting nil has no effect.
  var cycledMomentum: Double? { get set }

  /// The tensors kept for each parameter, by torch's names. They have the parameter's shape and dtype and begin as zeros.
  var stateNames: [String] { get }

  /// Whether the number of steps is part of the state; true by default.
  static var countsSteps: Bool { get }

  /// The numbers kept for each parameter, by torch's names, which has them as float32 scalars; none by default.
  static var numberNames: [String] { get }

  /// What these numbers are before a parameter's first step.
  var firstNumbers: [Float] { get }

  /// What becomes of them in step `step`, counted from 1.
  func numbers(_ numbers: [Float], after step: Int) -> [Float]

  /// The hyperparameters by torch's names, for saving and loading.
  static var hyperparameters: [Hyperparameter<Self>] { get }

  /// The sentence that refuses these hyperparameters; nil if they are right.
  var refusal: String? { get }

  /// Takes one step of every parameter. Recording is off.
  static func update(_ updates: [Update<Self>])
}

extension UpdateRule {
  /// Whether a step count is part of the state.
  public static var countsSteps: Bool { true }

  /// The names of the numbers kept for each parameter.
  public static var numberNames: [String] { [] }

  /// What these begin with.
  public var firstNumbers: [Float] { [] }

  /// What becomes of them in a step.
  public func numbers(_ numbers: [Float], after step: Int) -> [Float] { numbers }

  /// What `OneCycleLR` cycles.
  public var cycledMomentum: Double? {
    get { nil }
    set {}
  }
}

/// One parameter's part of a step.
public struct Update<Rule: UpdateRule>: Sendable {
  /// The hyperparameters of the parameter's group.
  public let rule: Rule
  /// The parameter that is stepped.
  public let parameter: Tensor
  /// Its gradient.
  public let gradient: Tensor
  /// In the order of the rule's `stateNames`; to be written in place.
  public let state: [Tensor]
  /// In the order of the rule's `numberNames`; as they are before the step.
  public let numbers: [Float]
  /// The number of this step, from 1.
  public let step: Int
  /// The state has just been made: zeros.
  public let isFirst: Bool
  /// Whose hyperparameters they are.
  let group: ObjectIdentifier

  /// Rule, number and state are those of `other`, and so is what is computed of them.
  func isAlike(_ other: Update) -> Bool {
    group == other.group && step == other.step && isFirst == other.isFirst && numbers == other.numbers
  }
}

extension ParameterStep {
  /// Takes the step that `formula` gives for each update, of its rule, its number, the numbers kept and whether it is the first. `state`:
  /// what the formula's rule keeps, in its order.
  static func run<Rule>(
    _ updates: [Update<Rule>], operation: String, state: (Update<Rule>) -> [Tensor?] = { $0.state },
    _ formula: (Update<Rule>) -> StepFormula
  ) {
    var last: StepFormula?
    let steps = updates.indices.map { i in
      let update = updates[i]
      let own = last.flatMap { updates[i - 1].isAlike(update) ? $0 : nil } ?? formula(update)
      last = own
      return ParameterStep(own, parameter: update.parameter, gradient: update.gradient, state: state(update))
    }
    run(steps, operation: operation)
  }
}

/// A number of a rule, or several, under torch's name.
public struct Hyperparameter<Rule>: Sendable {
  /// Its name.
  public let name: String
  let read: @Sendable (Rule) -> [Double]
  let write: @Sendable (inout Rule, [Double]) -> Void
  let count: Int

  /// A number under its name in a state dict.
  public static func number(_ name: String, _ path: WritableKeyPath<Rule, Double> & Sendable) -> Self {
    Self(name: name, read: { [$0[keyPath: path]] }, write: { $0[keyPath: path] = $1[0] }, count: 1)
  }

  /// Saved as 0 or 1.
  public static func flag(_ name: String, _ path: WritableKeyPath<Rule, Bool> & Sendable) -> Self {
    Self(name: name, read: { [$0[keyPath: path] ? 1 : 0] }, write: { $0[keyPath: path] = $1[0] != 0 }, count: 1)
  }

  /// Two numbers under one name in a state dict.
  public static func pair(_ name: String, _ path: WritableKeyPath<Rule, (Double, Double)> & Sendable) -> Self {
    Self(
      name: name, read: { [$0[keyPath: path].0, $0[keyPath: path].1] }, write: { $0[keyPath: path] = ($1[0], $1[1]) }, count: 2)
  }
}
