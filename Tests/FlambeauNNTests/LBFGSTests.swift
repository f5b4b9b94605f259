import Flambeau
import FlambeauNN
import Foundation
import Testing

/// A search for a minimum, here and in torch.
struct LBFGSCase: Encodable, CustomTestStringConvertible {
  struct Arguments: Encodable {
    var lr = 1.0
    var max_iter = 20
    var max_eval: Int?
    var tolerance_change = 1e-9
    var history_size = 100
    var line_search_fn: String?
  }

  let arguments: Arguments
  let problem: String
  var start = [-1.2, 1, 0.5, 0.3, 2, -0.7]
  let steps: Int

  var testDescription: String { "\(problem) \(arguments)" }

  static let all: [LBFGSCase] = [
    LBFGSCase(arguments: Arguments(), problem: "smooth", steps: 2),
    LBFGSCase(arguments: Arguments(lr: 0.1, max_iter: 5, history_size: 2), problem: "smooth", steps: 5),
    LBFGSCase(arguments: Arguments(lr: 0.3, max_iter: 9, max_eval: 4), problem: "smooth", steps: 3),
    LBFGSCase(arguments: Arguments(line_search_fn: "strong_wolfe"), problem: "smooth", steps: 2),
    LBFGSCase(arguments: Arguments(max_iter: 4, line_search_fn: "strong_wolfe"), problem: "rosenbrock", steps: 4),
    LBFGSCase(
      arguments: Arguments(lr: 8, max_iter: 6, max_eval: 30, line_search_fn: "strong_wolfe"), problem: "rosenbrock", steps: 3),
    LBFGSCase(
      arguments: Arguments(lr: 0.01, max_iter: 7, history_size: 3, line_search_fn: "strong_wolfe"), problem: "rosenbrock",
      steps: 3),
  ]

  struct Answer: Decodable {
    let losses: [String]
    let counts: [Int]
    let parameters: [String]
  }

  static let torch: [Answer]? = {
    guard Torch.python != nil else { return nil }
    let output = try! Torch.run("lbfgs.py", input: JSONEncoder().encode(all))
    return try! JSONDecoder().decode([Answer].self, from: output)
  }()

  func parameters() -> [Parameter] {
    [Parameter(Tensor(Array(start[..<2]))), Parameter(Tensor(Array(start[2...]), shape: [2, start.count / 2 - 1]))]
  }

  func make(_ parameters: [Parameter]) -> LBFGS {
    LBFGS(
      parameters, lr: arguments.lr, maxIter: arguments.max_iter, maxEval: arguments.max_eval,
      toleranceChange: arguments.tolerance_change, historySize: arguments.history_size,
      lineSearch: arguments.line_search_fn == nil ? nil : .strongWolfe)
  }

  func loss(_ a: Tensor, _ b: Tensor) -> Tensor {
    if problem == "smooth" {
      return (a - 1).square().square().sum() + a.exp().sum() + (b * b).sum() + (a.sum() * b.sum()).sin()
    }
    let x = Tensor.cat([a, b.flatten()])
    let (left, right) = (x.narrow(0, start: 0, length: x.count - 1), x.narrow(0, start: 1, length: x.count - 1))
    return ((right - left.square()).square() * 100 + (1 - left).square()).sum()
  }

  func step(_ optimizer: LBFGS) -> Double {
    optimizer.step {
      optimizer.zeroGrad()
      let loss = loss(optimizer.parameters[0].tensor, optimizer.parameters[1].tensor)
      loss.backward()
      return loss
    }.item()
  }
}

@Suite struct LBFGSTests {
  @Test(.enabled(if: Torch.python != nil), arguments: LBFGSCase.all.indices) func stepsAreTorchs(_ index: Int) throws {
    let (test, torch) = (LBFGSCase.all[index], try #require(LBFGSCase.torch)[index])
    func near(_ ours: [Double], _ theirs: [String]) -> Bool {
      ours.count == theirs.count && zip(ours, theirs).allSatisfy { abs($0 - strtod($1, nil)) <= 1e-7 * Swift.max(1, abs($0)) }
    }
    let optimizer = test.make(test.parameters())
    let losses = (0..<test.steps).map { _ in test.step(optimizer) }
    #expect(near(losses, torch.losses), "\(losses) \(torch.losses.map { strtod($0, nil) })")
    #expect([optimizer.counts.iterations, optimizer.counts.evaluations] == torch.counts)
    #expect(near(optimizer.parameters.flatMap { $0.tensor.doubles }, torch.parameters))
  }

  @Test func aSearchGoesOnFromASavedState() throws {
    for test in LBFGSCase.all {
      let (whole, first, second) = (test.make(test.parameters()), test.make(test.parameters()), test.make(test.parameters()))
      for _ in 0..<2 { _ = test.step(whole) }
      _ = test.step(first)
      for (new, old) in zip(second.parameters, first.parameters) { noGrad { _ = new.tensor.copy_(old.tensor) } }
      second.rates[0].lr = 77
      try second.loadStateDict(first.stateDict())
      _ = test.step(second)
      #expect(zip(whole.parameters, second.parameters).allSatisfy { $0.tensor.doubles == $1.tensor.doubles }, "\(test)")
      #expect(whole.counts == second.counts && second.rates[0].lr == test.arguments.lr)
      var wrong = first.stateDict()
      wrong.state["0.d"] = .ones([5])
      let error = #expect(throws: OptimizerStateError.self) { try second.loadStateDict(wrong) }
      #expect(error?.description == "'0.d' has shape [5], but the parameters have 6 elements")
      var uncounted = first.stateDict()
      uncounted.state["0.n_iter"] = Tensor(Double.nan)
      let refusal = #expect(throws: OptimizerStateError.self) { try second.loadStateDict(uncounted) }
      #expect(refusal?.description == "'0.n_iter' is a number of steps, but the state dict has nan")
    }
  }

  @Test func misuseIsRefused() {
    func problem(_ body: () -> Void) -> String? {
      let error = #expect(throws: TensorError.self) { try withTensorErrors(body) }
      return error?.message
    }
    let weight = Parameter(.ones([2]))
    #expect(problem { _ = LBFGS([]) } == "optimizer got an empty parameter list")
    #expect(problem { _ = LBFGS([weight], lr: -1) } == "Invalid learning rate: -1.0")
    #expect(problem { _ = LBFGS([weight], historySize: 0) } == "historySize must be positive, but got 0")
    #expect(problem { LBFGS([weight]).step() }?.hasPrefix("needs a closure") == true)
    // A closure that fails ends the step.
    #expect(problem { LBFGS([weight]).step { weight.tensor.mm(.ones([3])) } } != nil)
    #expect(weight.tensor.floats == [1, 1])
  }
}
