import Flambeau

/// What an optimizer needs to go on where another stopped. Torch's `state_dict`, flat.
public struct OptimizerState: Sendable {
  /// What a group of parameters keeps.
  public struct Group: Sendable {
    /// The numbers of the group's parameters, counted over all groups.
    public var parameters: [Int]
    /// By torch's names; flags are 0 or 1, `betas` two numbers.
    public var hyperparameters: [String: [Double]]

    /// As torch's constructor.
    public init(parameters: [Int], hyperparameters: [String: [Double]]) {
      self.parameters = parameters
      self.hyperparameters = hyperparameters
    }
  }

  /// `3.exp_avg`: a parameter's number, then torch's name; `3.step` is a float32 scalar.
  public var state: StateDict
  /// The groups.
  public var groups: [Group]

  /// As torch's constructor.
  public init(state: StateDict, groups: [Group]) {
    self.state = state
    self.groups = groups
  }
}

/// An optimizer's state that does not fit the optimizer.
public struct OptimizerStateError: Error, Sendable, CustomStringConvertible {
  /// The sentence.
  public let description: String
}

extension GroupedOptimizer {
  /// The hyperparameters and a copy of the state of every parameter that has taken a step. Torch's `state_dict`.
  public func stateDict() -> OptimizerState {
    var result = OptimizerState(state: [:], groups: [])
    var first = 0
    for group in paramGroups {
      for (i, state) in group.states.enumerated() where state.step > 0 {
        if Rule.countsSteps { result.state["\(first + i).step"] = Tensor(Float(state.step), device: .cpu) }
        for (name, number) in zip(Rule.numberNames, state.numbers) {
          result.state["\(first + i).\(name)"] = Tensor(number, device: .cpu)
        }
        for (name, tensor) in zip(state.names, state.tensors) {
          result.state["\(first + i).\(name)"] = noGrad { tensor.clone() }
        }
      }
      var numbers: [String: [Double]] = [:]
      for hyperparameter in Rule.hyperparameters { numbers[hyperparameter.name] = hyperparameter.read(group.rule) }
      if let initialLr = group.initialLr { numbers["initial_lr"] = [initialLr] }
      result.groups.append(
        OptimizerState.Group(parameters: Array(first..<first + group.parameters.count), hyperparameters: numbers))
      first += group.parameters.count
    }
    return result
  }

  /// Takes over what ``stateDict()`` of an optimizer with groups of the same sizes gave: all of it, or nothing where it throws.
  /// Torch's `load_state_dict`.
  public func loadStateDict(_ saved: OptimizerState) throws(OptimizerStateError) {
    if Context.current.isFailed { return }
    guard saved.groups.count == paramGroups.count else {
      throw OptimizerStateError(description: "loaded state dict has a different number of parameter groups")
    }
    var loaded: [(rule: Rule, initialLr: Double?, states: [ParameterGroup<Rule>.State])] = []
    for (group, savedGroup) in zip(paramGroups, saved.groups) {
      guard savedGroup.parameters.count == group.parameters.count else {
        throw OptimizerStateError(
          description: "loaded state dict contains a parameter group that doesn't match the size of optimizer's group")
      }
      let rule = try rule(group.rule, savedGroup.hyperparameters)
      var states: [ParameterGroup<Rule>.State] = []
      for (parameter, number) in zip(group.parameters, savedGroup.parameters) {
        states.append(try state(of: parameter, rule, number, saved.state))
      }
      loaded.append((rule, savedGroup.hyperparameters["initial_lr"]?.first, states))
    }
    for (group, loaded) in zip(paramGroups, loaded) {
      group.rule = loaded.rule
      group.initialLr = loaded.initialLr
      group.states = loaded.states
    }
  }

  /// Torch's names that this build's rule does not have, such as `fused`, are passed over.
  private func rule(_ rule: Rule, _ numbers: [String: [Double]]) throws(OptimizerStateError) -> Rule {
    var rule = rule
    for hyperparameter in Rule.hyperparameters {
      guard let values = numbers[hyperparameter.name] else { continue }
      guard values.count == hyperparameter.count else {
        throw OptimizerStateError(
          description: "'\(hyperparameter.name)' has \(hyperparameter.count) numbers, but the state dict gives \(values.count)")
      }
      hyperparameter.write(&rule, values)
    }
    if let refusal = rule.refusal { throw OptimizerStateError(description: refusal) }
    return rule
  }

  private func state(
    of parameter: Parameter, _ rule: Rule, _ number: Int, _ saved: StateDict
  ) throws(OptimizerStateError) -> ParameterGroup<Rule>.State {
    var state = ParameterGroup<Rule>.State()
    let target = parameter.tensor
    for name in rule.stateNames {
      guard let tensor = saved["\(number).\(name)"] else { continue }
      guard tensor.shape == target.shape else {
        throw OptimizerStateError(
          description: "'\(number).\(name)' has shape \(tensor.shape), but the parameter has \(target.shape)")
      }
      state.names.append(name)
      state.tensors.append(
        noGrad {
          let there = tensor.to(target.device, dtype: target.dtype)
          return there.isSame(as: tensor) ? tensor.clone() : there
        })
    }
    func scalar(_ name: String) throws(OptimizerStateError) -> Double? {
      guard let scalar = saved["\(number).\(name)"] else { return nil }
      guard scalar.count == 1 else {
        throw OptimizerStateError(description: "'\(number).\(name)' has shape \(scalar.shape), but is one number")
      }
      return scalar.item()
    }
    for name in Rule.numberNames { if let number = try scalar(name) { state.numbers.append(Float(number)) } }
    if state.numbers.count != Rule.numberNames.count { state.numbers = [] }
    if Rule.countsSteps, let step = try scalar("step") {
      guard let count = Int(counted: step) else {
        throw OptimizerStateError(description: "'\(number).step' is a number of steps, but the state dict has \(step)")
      }
      state.step = count
    } else if !state.tensors.isEmpty {
      // A step was taken; how many do not matter to the rule.
      state.step = 1
    }
    return state
  }
}
