import Flambeau

/// A quasi-Newton method that remembers how gradients changed over its last steps (Liu and Nocedal, 1989). Torch's `LBFGS`.
///
///     optimizer.step {
///       optimizer.zeroGrad()
///       let loss = model(x).mseLoss(y)
///       loss.backward()
///       return loss
///     }
///
/// There is one parameter group, on one device. The rates, and the numbers of the line search, are computed in Double.
public final class LBFGS: Optimizer {
  /// How far to go along a direction.
  public enum LineSearch: Sendable {
    /// Until the strong Wolfe conditions hold: the loss falls enough, and its slope too.
    case strongWolfe
  }

  /// What it changes, each once.
  public let parameters: [Parameter]
  /// The learning rate of the one group.
  public var rates: [Rates]
  private let maxIter: Int
  private let maxEval: Int
  private let toleranceGrad: Double
  private let toleranceChange: Double
  private let historySize: Int
  private let lineSearch: LineSearch?
  private var state = State()

  /// What is kept from step to step.
  private struct State {
    var direction: Tensor?
    var rate = 0.0
    var changes: [Change] = []
    var scale = 1.0
    var gradient: Tensor?
    var loss = 0.0
    var iterations = 0
    var evaluations = 0
  }

  /// How a step changed the gradient, and the step; `inverse` is one over their product.
  private struct Change {
    let gradient: Tensor
    let step: Tensor
    let inverse: Double
  }

  /// - Parameters:
  ///   - maxIter: The iterations of a step, at most.
  ///   - maxEval: How often a step computes the loss, at most; nil for maxIter · 5 / 4.
  ///   - toleranceGrad: Where no gradient is larger, a step ends.
  ///   - toleranceChange: Where neither parameters nor loss change by more, a step ends.
  ///   - historySize: The changes that are remembered.
  ///   - lineSearch: How far to go; nil for `lr`. Torch's `line_search_fn`.
  public init(
    _ parameters: [Parameter], lr: Double = 1, maxIter: Int = 20, maxEval: Int? = nil, toleranceGrad: Double = 1e-7,
    toleranceChange: Double = 1e-9, historySize: Int = 100, lineSearch: LineSearch? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) {
    var known: Set<ObjectIdentifier> = []
    self.parameters = parameters.filter { known.insert(ObjectIdentifier($0)).inserted }
    rates = [Rates(lr: lr)]
    self.maxIter = maxIter
    self.maxEval = maxEval ?? maxIter * 5 / 4
    self.toleranceGrad = toleranceGrad
    self.toleranceChange = toleranceChange
    self.historySize = historySize
    self.lineSearch = lineSearch
    var problem: String?
    if parameters.isEmpty { problem = "optimizer got an empty parameter list" }
    if !(lr >= 0) { problem = "Invalid learning rate: \(lr)" }
    if historySize < 1 { problem = "historySize must be positive, but got \(historySize)" }
    if let problem, !Context.current.isFailed {
      Door.fail(TensorError(.argument, problem), in: "LBFGS", file: file, line: line)
    }
  }

  /// Refused: the loss has to be computed several times.
  public func step() {
    if Context.current.isFailed { return }
    let problem = "needs a closure that computes the loss and its gradients: optimizer.step { … }"
    Door.fail(TensorError(.argument, problem), in: "LBFGS.step", file: #fileID, line: #line)
  }

  /// Drops all gradients. Torch's `zero_grad(set_to_none=True)`.
  public func zeroGrad() { for parameter in parameters { parameter.grad = nil } }

  /// How many iterations all steps together made, and how often the loss was computed. Torch's `n_iter` and `func_evals`.
  public var counts: (iterations: Int, evaluations: Int) { (state.iterations, state.evaluations) }

  /// Takes up to `maxIter` iterations.
  ///
  /// - Parameter closure: Forgets the gradients, computes the loss and, with `backward()`, the gradients.
  /// - Returns: The loss before the step.
  @discardableResult
  public func step(_ closure: () -> Tensor) -> Tensor {
    let first = enableGrad(closure)
    if Context.current.isFailed { return first }
    withoutActuallyEscaping(closure) { closure in noGrad { iterate(from: first.item(), closure) } }
    return first
  }

  private func iterate(from firstLoss: Double, _ closure: @escaping () -> Tensor) {
    var (loss, gradient, evaluations) = (firstLoss, flatGradient(), 1)
    state.evaluations += 1
    if gradient.abs().max().item() <= toleranceGrad { return }
    for iteration in stride(from: 1, through: maxIter, by: 1) where !Context.current.isFailed {
      state.iterations += 1
      let direction = direction(for: gradient)
      let previousLoss = loss
      (state.direction, state.gradient, state.loss) = (direction, gradient, loss)
      var rate = rates[0].lr
      if state.iterations == 1 { rate *= Swift.min(1, 1 / gradient.abs().sum().item()) }
      let slope: Double = gradient.dot(direction).item()
      state.rate = rate
      if slope > -toleranceChange { return }

      var computed = 0
      if lineSearch != nil {
        let before = parameters.map { $0.tensor.clone() }
        let start = LinePoint(rate: 0, loss: loss, gradient: gradient, slope: slope)
        var search = WolfeSearch(direction: direction, start: start, tolerance: toleranceChange) { rate in
          self.move(by: rate, along: direction)
          let loss: Double = enableGrad(closure).item()
          let gradient = self.flatGradient()
          for (parameter, old) in zip(self.parameters, before) { parameter.tensor.copy_(old) }
          return LinePoint(rate: rate, loss: loss, gradient: gradient, slope: gradient.dot(direction).item())
        }
        let found = search.run(from: rate, evaluations: maxEval - evaluations)
        (loss, gradient, rate, computed) = (found.loss, found.gradient, found.rate, search.evaluations)
        state.rate = rate
        move(by: rate, along: direction)
      } else {
        move(by: rate, along: direction)
        if iteration != maxIter {
          loss = enableGrad(closure).item()
          gradient = flatGradient()
          computed = 1
        }
      }
      evaluations += computed
      state.evaluations += computed
      if evaluations >= maxEval || gradient.abs().max().item() <= toleranceGrad { return }
      if (direction * rate).abs().max().item() <= toleranceChange || abs(loss - previousLoss) < toleranceChange { return }
    }
  }

  /// Minus the gradient times what is known of the inverse Hessian matrix.
  private func direction(for gradient: Tensor) -> Tensor {
    guard let last = state.direction, let previous = state.gradient, state.iterations > 1 else {
      (state.changes, state.scale) = ([], 1)
      return -gradient
    }
    let (change, step) = (gradient - previous, last * state.rate)
    let product: Double = change.dot(step).item()
    if product > 1e-10 {
      if state.changes.count == historySize { state.changes.removeFirst() }
      state.changes.append(Change(gradient: change, step: step, inverse: 1 / product))
      state.scale = product / change.dot(change).item()
    }
    var shares: [Double] = []
    let result = -gradient
    for change in state.changes.reversed() {
      shares.append(change.step.dot(result).item() * change.inverse)
      result.add_(change.gradient, alpha: -shares.last!)
    }
    result.mul_(state.scale)
    for (change, share) in zip(state.changes, shares.reversed()) {
      let back: Double = change.gradient.dot(result).item() * change.inverse
      result.add_(change.step, alpha: share - back)
    }
    return result
  }

  private func flatGradient() -> Tensor {
    .cat(parameters.map { $0.grad?.reshape([-1]) ?? $0.tensor.detach().zerosLike().reshape([-1]) })
  }

  private func move(by rate: Double, along direction: Tensor) {
    var start = 0
    for parameter in parameters {
      let tensor = parameter.tensor
      tensor.add_(direction.narrow(0, start: start, length: tensor.count).view(tensor.shape), alpha: rate)
      start += tensor.count
    }
  }
}

extension LBFGS {
  /// The state under torch's names; the lists are numbered: `0.old_dirs.0`. Torch's `state_dict`.
  public func stateDict() -> OptimizerState {
    var saved = StateDict()
    if let direction = state.direction, let gradient = state.gradient {
      for (name, tensor) in [("d", direction), ("prev_flat_grad", gradient)] { saved["0.\(name)"] = noGrad { tensor.clone() } }
      let numbers = [
        ("t", state.rate), ("H_diag", state.scale), ("prev_loss", state.loss), ("n_iter", Double(state.iterations)),
        ("func_evals", Double(state.evaluations)),
      ]
      for (name, number) in numbers { saved["0.\(name)"] = Tensor(number, device: .cpu) }
      for (i, change) in state.changes.enumerated() {
        saved["0.old_dirs.\(i)"] = noGrad { change.gradient.clone() }
        saved["0.old_stps.\(i)"] = noGrad { change.step.clone() }
        saved["0.ro.\(i)"] = Tensor(change.inverse, device: .cpu)
      }
    }
    var numbers = ["lr": [rates[0].lr]]
    if let initialLr = rates[0].initialLr { numbers["initial_lr"] = [initialLr] }
    return OptimizerState(
      state: saved, groups: [OptimizerState.Group(parameters: Array(parameters.indices), hyperparameters: numbers)])
  }

  /// Takes over the rate and the state that ``stateDict()`` of an optimizer of equally many elements gave. Torch's `load_state_dict`.
  public func loadStateDict(_ saved: OptimizerState) throws(OptimizerStateError) {
    guard saved.groups.count == 1, saved.groups[0].parameters.count == parameters.count else {
      throw OptimizerStateError(description: "loaded state dict has other parameter groups than the optimizer's one")
    }
    let count = parameters.reduce(0) { $0 + $1.tensor.count }
    func vector(_ name: String) throws(OptimizerStateError) -> Tensor? {
      guard let tensor = saved.state["0.\(name)"] else { return nil }
      guard tensor.shape == [count] else {
        throw OptimizerStateError(description: "'0.\(name)' has shape \(tensor.shape), but the parameters have \(count) elements")
      }
      let like = parameters[0].tensor
      return noGrad { tensor.to(like.device, dtype: like.dtype).clone() }
    }
    func number(_ name: String) -> Double? {
      saved.state["0.\(name)"].flatMap { $0.count == 1 ? $0.item() : nil }
    }
    func steps(_ name: String) throws(OptimizerStateError) -> Int {
      guard let value = number(name) else { return 0 }
      guard let count = Int(counted: value) else {
        throw OptimizerStateError(description: "'0.\(name)' is a number of steps, but the state dict has \(value)")
      }
      return count
    }
    var loaded = State()
    (loaded.direction, loaded.gradient) = (try vector("d"), try vector("prev_flat_grad"))
    (loaded.rate, loaded.scale, loaded.loss) = (number("t") ?? 0, number("H_diag") ?? 1, number("prev_loss") ?? 0)
    (loaded.iterations, loaded.evaluations) = (try steps("n_iter"), try steps("func_evals"))
    while let gradient = try vector("old_dirs.\(loaded.changes.count)"),
      let step = try vector("old_stps.\(loaded.changes.count)"),
      let inverse = number("ro.\(loaded.changes.count)")
    {
      loaded.changes.append(Change(gradient: gradient, step: step, inverse: inverse))
    }
    state = loaded
    let numbers = saved.groups[0].hyperparameters
    if let lr = numbers["lr"]?.first { rates[0].lr = lr }
    rates[0].initialLr = numbers["initial_lr"]?.first
  }
}
