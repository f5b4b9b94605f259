import Flambeau

/// Parameters that share hyperparameters, which can be read and set on the group: `optimizer.paramGroups[0].lr = 1e-4`.
@dynamicMemberLookup
public final class ParameterGroup<Rule: UpdateRule> {
  /// The parameters.
  public let parameters: [Parameter]
  /// Their hyperparameters.
  public var rule: Rule
  /// The learning rate schedules count from; nil until one is attached.
  public var initialLr: Double?
  var states: [State]

  init(_ parameters: [Parameter], _ rule: Rule) {
    self.parameters = parameters
    self.rule = rule
    states = Array(repeating: State(), count: parameters.count)
  }

  /// A hyperparameter of the group.
  public subscript<Value>(dynamicMember path: WritableKeyPath<Rule, Value>) -> Value {
    get { rule[keyPath: path] }
    set { rule[keyPath: path] = newValue }
  }

  /// What is kept for one parameter.
  struct State {
    /// Steps taken.
    var step = 0
    var names: [String] = []
    var tensors: [Tensor] = []
    /// Those of the rule's `numberNames`; none before the first step.
    var numbers: [Float] = []

    subscript(name: String) -> Tensor? { names.firstIndex(of: name).map { tensors[$0] } }

    /// The tensors of these names, as `parameter` needs them; what is not there yet is zeros.
    func adapted(to parameter: Tensor, _ names: [String]) -> State {
      let tensors = names.map { self[$0]?.to(parameter.device, dtype: parameter.dtype) ?? parameter.zerosLike() }
      return State(step: step, names: names, tensors: tensors, numbers: numbers)
    }
  }

  /// The next step of one of the parameters, and the state it leaves.
  struct Planned {
    let index: Int
    let state: State
    let update: Update<Rule>
  }

  /// Those without a gradient take no step.
  func plan() -> [Planned] {
    let names = rule.stateNames
    var planned: [Planned] = []
    planned.reserveCapacity(parameters.count)
    for (i, parameter) in parameters.enumerated() {
      guard let gradient = parameter.grad else { continue }
      let tensor = parameter.tensor
      var state = states[i]
      let isFirst = state.names != names
      if isFirst || state.tensors.contains(where: { $0.dtype != tensor.dtype }) {
        state = state.adapted(to: tensor, names)
      }
      let numbers = takeStep(&state)
      let update = Update(
        rule: rule, parameter: tensor, gradient: gradient, state: state.tensors, numbers: numbers, step: state.step,
        isFirst: isFirst, group: ObjectIdentifier(self))
      planned.append(Planned(index: i, state: state, update: update))
    }
    return planned
  }

  /// The step after `planned`, of the same memory.
  func next(_ planned: Planned) -> Planned {
    var state = planned.state
    (state.step, state.numbers) = (states[planned.index].step, states[planned.index].numbers)
    let numbers = takeStep(&state)
    let update = Update(
      rule: rule, parameter: planned.update.parameter, gradient: planned.update.gradient, state: planned.update.state,
      numbers: numbers, step: state.step, isFirst: false, group: ObjectIdentifier(self))
    return Planned(index: planned.index, state: state, update: update)
  }

  /// Counts a step, and returns what the state's numbers were before it.
  private func takeStep(_ state: inout State) -> [Float] {
    let numbers = state.numbers.isEmpty ? rule.firstNumbers : state.numbers
    state.step += 1
    state.numbers = rule.numbers(numbers, after: state.step)
    return numbers
  }
}
