import Flambeau

/// What all optimizers have in common: groups of parameters, the state kept for each, saving and loading.
///
/// An optimizer belongs to the task that trains; the parameters it holds may be read by others meanwhile.
public class GroupedOptimizer<Rule: UpdateRule>: Optimizer {
  /// The groups, each with its own rates; write to an element to change them.
  public private(set) var paramGroups: [ParameterGroup<Rule>] = []
  /// The hyperparameters of groups that say nothing else.
  public let defaults: Rule

  init(_ parameters: [Parameter], _ rule: Rule, _ file: StaticString, _ line: UInt) {
    defaults = rule
    if parameters.isEmpty && !Context.current.isFailed {
      Door.fail(TensorError(.argument, "optimizer got an empty parameter list"), in: "\(type(of: self))", file: file, line: line)
    }
    addParamGroup(parameters, file: file, line: line)
  }

  /// Adds parameters whose hyperparameters `change` makes of the defaults. A parameter given twice counts once; one that
  /// another group has is an error. Torch's `add_param_group`.
  public func addParamGroup(
    _ parameters: [Parameter], file: StaticString = #fileID, line: UInt = #line, _ change: (inout Rule) -> Void = { _ in }
  ) {
    if Context.current.isFailed { return }
    var rule = defaults
    change(&rule)
    var known = Set(paramGroups.flatMap(\.parameters).map(ObjectIdentifier.init))
    let problem =
      rule.refusal
      ?? (parameters.contains { known.contains(ObjectIdentifier($0)) }
        ? "some parameters appear in more than one parameter group" : nil)
    if let problem {
      Door.fail(TensorError(.argument, problem), in: "\(type(of: self))", file: file, line: line)
      return
    }
    paramGroups.append(ParameterGroup(parameters.filter { known.insert(ObjectIdentifier($0)).inserted }, rule))
  }

  /// Steps every parameter that has a gradient. Torch's `step`.
  public func step() {
    if Context.current.isFailed { return }
    noGrad {
      let plans = paramGroups.map { $0.plan() }
      // Memory for new state may have been refused.
      if Context.current.isFailed { return }
      if let graph = GraphSteps() { return record(plans, in: graph) }
      take(plans)
    }
  }

  private func take(_ plans: [[ParameterGroup<Rule>.Planned]]) {
    Rule.update(plans.flatMap { $0.map { $0.update } })
    if Context.current.isFailed { return }
    for (group, plan) in zip(paramGroups, plans) {
      for planned in plan { group.states[planned.index] = planned.state }
    }
  }

  /// The step becomes part of a CUDA graph, whose replays take it with the hyperparameters of their time.
  private func record(_ plans: [[ParameterGroup<Rule>.Planned]], in graph: GraphSteps) {
    if plans.contains(where: { $0.contains(where: \.update.isFirst) }) {
      let problem = "take a step before the graph is made: there is no state yet, and a replay would begin it anew"
      return Door.fail(TensorError(.argument, problem), in: "\(type(of: self)).step", file: #fileID, line: #line)
    }
    graph.record {
      Rule.update(plans.flatMap { $0.map { $0.update } })
    } again: { [self] in
      noGrad { take(zip(paramGroups, plans).map { group, plan in plan.map(group.next) }) }
    }
  }

  /// The parameters of all groups.
  public var parameters: [Parameter] { paramGroups.flatMap(\.parameters) }

  /// Drops all gradients. Torch's `zero_grad(set_to_none=True)`.
  public func zeroGrad() {
    for group in paramGroups { for parameter in group.parameters { parameter.grad = nil } }
  }

  /// The rates of the groups.
  public var rates: [Rates] {
    get { paramGroups.map { Rates(lr: $0.rule.lr, initialLr: $0.initialLr, momentum: $0.rule.cycledMomentum) } }
    set {
      if Context.current.isFailed { return }
      for (group, rates) in zip(paramGroups, newValue) {
        group.rule.lr = rates.lr
        group.initialLr = rates.initialLr
        group.rule.cycledMomentum = rates.momentum
      }
    }
  }
}
