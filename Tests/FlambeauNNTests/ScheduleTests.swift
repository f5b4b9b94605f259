import Flambeau
import FlambeauNN
import Foundation
import Testing

struct ScheduleCase: Sendable, CustomTestStringConvertible {
  /// In torch.
  let expression: String
  var sgd = false
  let steps: Int
  /// Attaches the same schedules here; returns those that are to be stepped.
  let make: @Sendable (any Optimizer) -> [LRScheduler]

  var testDescription: String { expression }

  init(_ expression: String, sgd: Bool = false, steps: Int, _ make: @escaping @Sendable (any Optimizer) -> [LRScheduler]) {
    self.expression = expression
    self.sgd = sgd
    self.steps = steps
    self.make = make
  }

  func optimizer(_ lrs: [Double]) -> any Optimizer {
    func groups<Rule>(_ optimizer: GroupedOptimizer<Rule>) -> any Optimizer {
      optimizer.paramGroups[0].lr = lrs[0]
      for lr in lrs.dropFirst() { optimizer.addParamGroup([Parameter(.ones([1]))]) { $0.lr = lr } }
      return optimizer
    }
    let first = [Parameter(.ones([1]))]
    return sgd ? groups(SGD(first, momentum: 0.5)) : groups(Adam(first))
  }

  static let all: [ScheduleCase] = [
    ScheduleCase("[StepLR(o, 3)]", steps: 10) { [StepLR($0, stepSize: 3)] },
    ScheduleCase("[StepLR(o, 2, gamma=0.7)]", steps: 9) { [StepLR($0, stepSize: 2, gamma: 0.7)] },
    ScheduleCase("[ConstantLR(o)]", steps: 8) { [ConstantLR($0)] },
    ScheduleCase("[ConstantLR(o, factor=0.3, total_iters=2)]", steps: 4) { [ConstantLR($0, factor: 0.3, totalIters: 2)] },
    ScheduleCase("[LinearLR(o)]", steps: 8) { [LinearLR($0)] },
    ScheduleCase("[LinearLR(o, start_factor=0.01, end_factor=0.8, total_iters=13)]", steps: 16) {
      [LinearLR($0, startFactor: 0.01, endFactor: 0.8, totalIters: 13)]
    },
    ScheduleCase("[CosineAnnealingLR(o, 10)]", steps: 45) { [CosineAnnealingLR($0, tMax: 10)] },
    ScheduleCase("[CosineAnnealingLR(o, 7, eta_min=1e-4)]", steps: 30) { [CosineAnnealingLR($0, tMax: 7, etaMin: 1e-4)] },
    ScheduleCase("[LambdaLR(o, lambda e: 0.95 ** e / (1 + e))]", steps: 12) {
      [LambdaLR($0) { pow(0.95, Double($0)) / Double(1 + $0) }]
    },
    ScheduleCase("[OneCycleLR(o, 0.02, total_steps=50)]", steps: 50) { [OneCycleLR($0, maxLr: 0.02, totalSteps: 50)] },
    ScheduleCase("[OneCycleLR(o, 0.02, total_steps=37)]", sgd: true, steps: 36) {
      [OneCycleLR($0, maxLr: 0.02, totalSteps: 37)]
    },
    ScheduleCase(
      "[OneCycleLR(o, 0.1, epochs=4, steps_per_epoch=7, pct_start=0.25, anneal_strategy='linear', three_phase=True, "
        + "base_momentum=0.7, max_momentum=0.9, div_factor=10, final_div_factor=100)]", sgd: true, steps: 27
    ) {
      [
        OneCycleLR(
          $0, maxLr: 0.1, totalSteps: 28, pctStart: 0.25, anneal: .linear, baseMomentum: 0.7, maxMomentum: 0.9, divFactor: 10,
          finalDivFactor: 100, threePhase: true)
      ]
    },
    ScheduleCase("[OneCycleLR(o, 0.3, total_steps=20, cycle_momentum=False)]", steps: 19) {
      [OneCycleLR($0, maxLr: 0.3, totalSteps: 20, cycleMomentum: false)]
    },
    ScheduleCase(
      "[SequentialLR(o, [LinearLR(o, 0.1, total_iters=4), CosineAnnealingLR(o, 12, eta_min=1e-3)], milestones=[5])]", steps: 20
    ) {
      [
        SequentialLR(
          $0, [LinearLR($0, startFactor: 0.1, totalIters: 4), CosineAnnealingLR($0, tMax: 12, etaMin: 1e-3)],
          milestones: [5])
      ]
    },
    ScheduleCase(
      "[SequentialLR(o, [ConstantLR(o, 0.2, 3), LambdaLR(o, lambda e: 1 / (2 + e)), ConstantLR(o, 0.5, 0), StepLR(o, 2)], "
        + "milestones=[4, 6, 8])]", steps: 14
    ) {
      [
        SequentialLR(
          $0,
          [
            ConstantLR($0, factor: 0.2, totalIters: 3), LambdaLR($0) { 1 / Double(2 + $0) },
            ConstantLR($0, factor: 0.5, totalIters: 0), StepLR($0, stepSize: 2),
          ], milestones: [4, 6, 8])
      ]
    },
    ScheduleCase("[LinearLR(o, 0.5, total_iters=3), StepLR(o, 4)]", steps: 10) {
      [LinearLR($0, startFactor: 0.5, totalIters: 3), StepLR($0, stepSize: 4)]
    },
  ]

  static let lrs = [Double.random(in: 1e-3...0.5), Double.random(in: 1e-3...0.5)]

  private struct Asked: Encodable {
    let expression: String
    let sgd: Bool
    let steps: Int
    let lrs: [Double]
  }

  /// By case, step, group: the learning rate and the momentum.
  static let torch: [[[[Double]]]]? = {
    guard Torch.python != nil else { return nil }
    let asked = all.map { Asked(expression: $0.expression, sgd: $0.sgd, steps: $0.steps, lrs: lrs) }
    let output = try! Torch.run("schedules.py", input: JSONEncoder().encode(asked))
    let texts = try! JSONDecoder().decode([[[[String]]]].self, from: output)
    return texts.map { $0.map { $0.map { $0.map { strtod($0, nil) } } } }
  }()
}

@Suite struct ScheduleTests {
  @Test(.enabled(if: Torch.python != nil), arguments: ScheduleCase.all.indices) func ratesAreTorchs(_ index: Int) throws {
    let torch = try #require(ScheduleCase.torch)[index]
    let test = ScheduleCase.all[index]
    let optimizer = test.optimizer(ScheduleCase.lrs)
    let schedules = test.make(optimizer)
    for (step, rates) in torch.enumerated() {
      if step > 0 { for schedule in schedules { schedule.step() } }
      #expect(optimizer.rates.map { [$0.lr, $0.momentum!] } == rates, "step \(step) of \(test.expression)")
      #expect(schedules.last!.lastLr == rates.map { $0[0] } && schedules[0].lastEpoch == step)
    }
  }

  @Test func aScheduleGoesOnFromASavedState() throws {
    for test in ScheduleCase.all {
      let (whole, first, second) = (test.optimizer([0.1]), test.optimizer([0.1]), test.optimizer([0.1]))
      let (a, b, c) = (test.make(whole), test.make(first), test.make(second))
      for _ in 0..<3 { for schedule in b { schedule.step() } }
      for (old, new) in zip(b, c) { new.loadStateDict(old.stateDict()) }
      second.rates = first.rates
      for step in 0..<8 {
        for schedule in a { schedule.step() }
        if step >= 3 { for schedule in c { schedule.step() } }
      }
      #expect(whole.rates == second.rates && a.last!.lastLr == c.last!.lastLr, "\(test.expression)")
    }
  }

  @Test func misuseIsRefused() throws {
    func problem(_ body: () -> Void) -> String? {
      let error = #expect(throws: TensorError.self) { try withTensorErrors(body) }
      return error?.message
    }
    let optimizer = SGD([Parameter(.ones([1]))])
    #expect(problem { _ = StepLR(optimizer, stepSize: 0) } == "stepSize must be positive, but got 0")
    #expect(
      problem { _ = ConstantLR(optimizer, factor: 2) } == "Constant multiplicative factor expected to be between 0 and 1.")
    #expect(problem { _ = LinearLR(optimizer, startFactor: 0) }?.hasPrefix("Starting multiplicative factor") == true)
    #expect(problem { _ = SequentialLR(optimizer, [], milestones: []) }?.contains("at least one scheduler") == true)
    let other = StepLR(SGD([Parameter(.ones([1]))]), stepSize: 1)
    #expect(problem { _ = SequentialLR(optimizer, [other], milestones: []) }?.contains("the same optimizer") == true)
    #expect(optimizer.rates[0].lr == 1e-3)
    let cycle = OneCycleLR(optimizer, maxLr: 1, totalSteps: 2)
    cycle.step()
    cycle.step()
    let rates = optimizer.rates
    #expect(problem { cycle.step() } == "Tried to step 3 times. The specified number of total steps is 2")
    #expect(optimizer.rates == rates && cycle.lastEpoch == 2)
  }
}
