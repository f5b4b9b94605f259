import Flambeau

extension Module {
  /// The parameters and persistent buffers by PyTorch's names. The tensors share memory with the module's and do not
  /// require gradients. Torch's `state_dict`.
  public func stateDict() -> StateDict {
    StateDict(Inventory.of(self).state.map { ($0.name, $0.box.tensor.detach()) })
  }

  /// Copies the tensors of `state` into the parameters and buffers, converting dtypes: all of them, or none where it throws.
  /// Torch's `load_state_dict`.
  ///
  /// - Parameter strict: Names that only one side has are an error; otherwise they are returned.
  @discardableResult
  public func loadStateDict(_ state: StateDict, strict: Bool = true) throws(StateDictError) -> IncompatibleKeys {
    var keys = IncompatibleKeys()
    if Context.current.isFailed { return keys }
    let places = Inventory.of(self).state
    var mismatches: [StateDictError.Mismatch] = []
    var copies: [(target: Tensor, source: Tensor)] = []
    for (name, box) in places {
      guard let source = state[name] else {
        if (box as? Buffer)?.mayBeMissing != true { keys.missingKeys.append(name) }
        continue
      }
      let target = box.tensor
      if source.shape == target.shape {
        copies.append((target, source))
      } else if target.ndim == 0 && source.shape == [1] {
        // Torch wrote scalars this way before 0.4.
        copies.append((target, source.reshape([])))
      } else {
        mismatches.append(StateDictError.Mismatch(key: name, found: source.shape, expected: target.shape))
      }
    }
    let known = Set(places.map(\.name))
    keys.unexpectedKeys = state.keys.filter { !known.contains($0) }
    if (strict && keys != IncompatibleKeys()) || !mismatches.isEmpty {
      throw StateDictError(
        module: "\(type(of: self))", keys: strict ? keys : IncompatibleKeys(), mismatches: mismatches)
    }
    noGrad { for (target, source) in copies { target.copy_(source) } }
    return keys
  }
}

extension Module {
  /// Whether each layer that behaves differently in training trains, in the order of the walk. Setting another number of them
  /// than the module has changes nothing.
  package var trainingModes: [Bool] {
    get { Inventory.of(self).modes.map(\.isTraining) }
    set {
      let modes = Inventory.of(self).modes
      if modes.count == newValue.count { for (mode, value) in zip(modes, newValue) { mode.isTraining = value } }
    }
  }
}
