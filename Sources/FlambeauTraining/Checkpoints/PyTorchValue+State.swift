import Flambeau
import FlambeauFormats
import FlambeauNN

extension PyTorchValue {
  /// A dictionary with strings as keys.
  init(_ pairs: [(String, PyTorchValue)]) { self = .dict(pairs.map { (.string($0.0), $0.1) }) }

  init(_ state: StateDict) { self.init(state.map { ($0.key, .tensor($0.value)) }) }

  /// The elements, if this is a list or a tuple.
  var items: [PyTorchValue]? {
    switch self {
    case .list(let items), .tuple(let items): items
    default: nil
    }
  }

  /// The tensors by name, if this is a dictionary of tensors.
  var stateDict: StateDict? {
    guard case .dict(let pairs) = self else { return nil }
    var state = StateDict()
    for (key, value) in pairs {
      guard let name = key.string, let tensor = value.tensor else { return nil }
      state[name] = tensor
    }
    return state
  }
}

extension PyTorchValue {
  /// `{"state": {0: {"step": …, "exp_avg": …}}, "param_groups": [{"lr": …, "params": [0]}]}`, as torch lays it out.
  init(_ state: OptimizerState) {
    var perParameter: [(number: Int, entries: [(String, PyTorchValue)])] = []
    for (key, tensor) in state.state {
      let parts = key.split(separator: ".", maxSplits: 1)
      guard parts.count == 2, let number = Int(parts[0]) else { continue }
      if perParameter.last?.number != number { perParameter.append((number, [])) }
      perParameter[perParameter.count - 1].entries.append((String(parts[1]), .tensor(tensor)))
    }
    let groups = state.groups.map { group in
      let numbers = group.hyperparameters.sorted { $0.key < $1.key }.map { name, values -> (String, PyTorchValue) in
        (name, values.count == 1 ? .double(values[0]) : .tuple(values.map { .double($0) }))
      }
      return PyTorchValue(numbers + [("params", .list(group.parameters.map { .int($0) }))])
    }
    self.init([
      ("state", .dict(perParameter.map { (.int($0.number), PyTorchValue($0.entries)) })), ("param_groups", .list(groups)),
    ])
  }
}

extension OptimizerState {
  /// Reads what torch's `optimizer.state_dict()` holds; what is neither a number nor a tensor is passed over.
  init(_ value: PyTorchValue) throws {
    guard case .dict(let perParameter)? = value["state"], let savedGroups = value["param_groups"]?.items else {
      throw CheckpointPart.Misfit(description: "holds no state dict of an optimizer")
    }
    var state = StateDict()
    for (number, entries) in perParameter {
      guard let number = number.int, case .dict(let pairs) = entries else { continue }
      for (name, value) in pairs {
        if let name = name.string, let tensor = value.tensor { state["\(number).\(name)"] = tensor }
      }
    }
    let groups = savedGroups.map { group in
      var numbers: [String: [Double]] = [:]
      if case .dict(let pairs) = group {
        for (name, value) in pairs where name.string != "params" {
          if let name = name.string { numbers[name] = value.numbers }
        }
      }
      return Group(parameters: (group["params"]?.items ?? []).compactMap(\.int), hyperparameters: numbers)
    }
    self.init(state: state, groups: groups)
  }
}

extension PyTorchValue {
  /// The number or numbers that this is; a flag is 0 or 1.
  fileprivate var numbers: [Double]? {
    if case .bool(let flag) = self { return [flag ? 1 : 0] }
    if let double { return [double] }
    guard let items else { return nil }
    let numbers = items.compactMap(\.double)
    return numbers.count == items.count ? numbers : nil
  }
}
