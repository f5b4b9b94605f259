import Flambeau
import FlambeauNN
import Foundation
import Testing

struct ScheduleCase: Sendable, CustomTestStringConvertible {
  /// In torch.
  let expression: String
  var sgd = false
  let steps: Int
  /// What steps are given: metrics, or epochs.
  var arguments: [Double] = []
  /// Attaches the same schedules here; returns those that are to be stepped.
  let make: @Sendable (any Optimizer) -> [LRScheduler]

  var testDescription: String { expression }

  init(_ expression: String, sgd: Bool = false, steps: Int, _ make: @escaping @Sendable (any Optimizer) -> [LRScheduler]) {
    self.expression = expression
    self.sgd = sgd
    self.steps = steps
    self.make = make
  }

  init(_ expression: String, given arguments: [Double], _ make: @escaping @Sendable (any Optimizer) -> [LRScheduler]) {
    self.init(expression, steps: arguments.count, make)
    self.arguments = arguments
  }

  /// Takes step `i`, from 0.
  func step(_ schedule: LRScheduler, _ i: Int) {
    if arguments.isEmpty { return schedule.step() }
    switch schedule {
    case let schedule as ReduceLROnPlateau: schedule.step(arguments[i])
    case let schedule as CosineAnnealingWarmRestarts: schedule.step(epoch: arguments[i])
    default: fatalError("\(expression) takes no arguments")
    }
  }

  func epoch(after steps: Int) -> Int {
    expression.contains("WarmRestarts") && !arguments.isEmpty && steps > 0 ? Int(arguments[steps - 1]) : steps
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
          $0, maxLr: 0.1, totalSteps: 28, pctStart: 0.25, annealStrategy: .linear, baseMomentum: 0.7, maxMomentum: 0.9,
          divFactor: 10,
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
    ScheduleCase("[MultiStepLR(o, [0, 3, 5, 5, 9], gamma=0.3)]", steps: 11) {
      [MultiStepLR($0, milestones: [0, 3, 5, 5, 9], gamma: 0.3)]
    },
    ScheduleCase("[ExponentialLR(o, 0.93)]", steps: 11) { [ExponentialLR($0, gamma: 0.93)] },
    ScheduleCase("[PolynomialLR(o)]", steps: 8) { [PolynomialLR($0)] },
    ScheduleCase("[PolynomialLR(o, total_iters=13, power=2.3)]", steps: 15) { [PolynomialLR($0, totalIters: 13, power: 2.3)] },
    ScheduleCase("[MultiplicativeLR(o, lambda e: 0.9 + 0.01 * e)]", steps: 12) {
      [MultiplicativeLR($0) { 0.9 + 0.01 * Double($0) }]
    },
    ScheduleCase("[MultiplicativeLR(o, [lambda e: 0.9, lambda e: 1 / e])]", steps: 9) {
      [MultiplicativeLR($0, [{ _ in 0.9 }, { 1 / Double($0) }])]
    },
    ScheduleCase("[LambdaLR(o, [lambda e: 0.9 ** e, lambda e: 1 / (1 + e)])]", steps: 9) {
      [LambdaLR($0, [{ pow(0.9, Double($0)) }, { 1 / Double(1 + $0) }])]
    },
    ScheduleCase("[CosineAnnealingWarmRestarts(o, 4)]", steps: 14) { [CosineAnnealingWarmRestarts($0, t0: 4)] },
    ScheduleCase("[CosineAnnealingWarmRestarts(o, 3, 2, eta_min=1e-4)]", steps: 40) {
      [CosineAnnealingWarmRestarts($0, t0: 3, tMult: 2, etaMin: 1e-4)]
    },
    ScheduleCase("[CosineAnnealingWarmRestarts(o, 5)]", given: epochs) { [CosineAnnealingWarmRestarts($0, t0: 5)] },
    ScheduleCase("[CosineAnnealingWarmRestarts(o, 2, 3, 0.001)]", given: epochs) {
      [CosineAnnealingWarmRestarts($0, t0: 2, tMult: 3, etaMin: 0.001)]
    },
    ScheduleCase("[CyclicLR(o, 0.01, 0.3, step_size_up=5)]", steps: 31) {
      [CyclicLR($0, baseLr: 0.01, maxLr: 0.3, stepSizeUp: 5)]
    },
    ScheduleCase(
      "[CyclicLR(o, [0.01, 0.2], [0.3, 0.7], 7, 3, 'triangular2', base_momentum=0.6, max_momentum=0.95)]", sgd: true, steps: 35
    ) {
      [
        CyclicLR(
          $0, baseLr: [0.01, 0.2], maxLr: [0.3, 0.7], stepSizeUp: 7, stepSizeDown: 3, mode: .triangular2, baseMomentum: 0.6,
          maxMomentum: 0.95)
      ]
    },
    ScheduleCase("[CyclicLR(o, 0.01, 0.3, 4, 6, 'exp_range', gamma=0.97, cycle_momentum=False)]", sgd: true, steps: 35) {
      [
        CyclicLR(
          $0, baseLr: 0.01, maxLr: 0.3, stepSizeUp: 4, stepSizeDown: 6, mode: .expRange(gamma: 0.97), cycleMomentum: false)
      ]
    },
    ScheduleCase("[CyclicLR(o, 0.01, 0.3, 3, scale_fn=lambda x: 1 / (5 ** (x * 0.1)))]", steps: 22) {
      [CyclicLR($0, baseLr: 0.01, maxLr: 0.3, stepSizeUp: 3, mode: .scaledByCycle { 1 / pow(5, Double($0) * 0.1) })]
    },
    ScheduleCase("[CyclicLR(o, 0.01, 0.3, 3, scale_fn=lambda x: 0.99 ** x, scale_mode='iterations')]", steps: 22) {
      [CyclicLR($0, baseLr: 0.01, maxLr: 0.3, stepSizeUp: 3, mode: .scaledByIteration { pow(0.99, Double($0)) })]
    },
    ScheduleCase("[SWALR(o, 0.05)]", steps: 14) { [SWALR($0, swaLr: 0.05)] },
    ScheduleCase("[SWALR(o, 0.05, 6, 'linear')]", steps: 9) {
      [SWALR($0, swaLr: 0.05, annealEpochs: 6, annealStrategy: .linear)]
    },
    ScheduleCase("[SWALR(o, 0.05, 0)]", steps: 3) { [SWALR($0, swaLr: 0.05, annealEpochs: 0)] },
    ScheduleCase("[ExponentialLR(o, 0.9), SWALR(o, 0.05, 4)]", steps: 7) {
      [ExponentialLR($0, gamma: 0.9), SWALR($0, swaLr: 0.05, annealEpochs: 4)]
    },
    // A cycle counts from an older schedule's base rate as it is made, from its own afterwards.
    ScheduleCase("[StepLR(o, 100), CyclicLR(o, 0.01, 0.3, 3)]", steps: 8) {
      [StepLR($0, stepSize: 100), CyclicLR($0, baseLr: 0.01, maxLr: 0.3, stepSizeUp: 3)]
    },
    ScheduleCase("[ReduceLROnPlateau(o, patience=2)]", given: metrics) { [ReduceLROnPlateau($0, patience: 2)] },
    ScheduleCase("[ReduceLROnPlateau(o, 'max', 0.5, 0, 0.03, 'abs', 2, [0.05, 0.001])]", given: metrics) {
      [
        ReduceLROnPlateau(
          $0, mode: .max, factor: 0.5, patience: 0, threshold: .absolute(0.03), cooldown: 2, minLr: [0.05, 0.001])
      ]
    },
    ScheduleCase("[ReduceLROnPlateau(o, 'max', 0.3, 1, 0.1, min_lr=1e-3, eps=0.05)]", given: metrics) {
      [ReduceLROnPlateau($0, mode: .max, factor: 0.3, patience: 1, threshold: .relative(0.1), minLr: 1e-3, eps: 0.05)]
    },
    ScheduleCase("[ReduceLROnPlateau(o, 'min', 0.7, 1, 0.2, 'abs', 1)]", given: metrics) {
      [ReduceLROnPlateau($0, factor: 0.7, patience: 1, threshold: .absolute(0.2), cooldown: 1)]
    },
    ScheduleCase("[ChainedScheduler([ConstantLR(o, 0.1, 4), ExponentialLR(o, 0.9)])]", steps: 9) {
      [ChainedScheduler([ConstantLR($0, factor: 0.1, totalIters: 4), ExponentialLR($0, gamma: 0.9)])]
    },
    ScheduleCase(
      "[ChainedScheduler([SequentialLR(o, [LinearLR(o, 0.2), CosineAnnealingLR(o, 9)], [4]), PolynomialLR(o, 20)], o)]", steps: 15
    ) {
      [
        ChainedScheduler([
          SequentialLR($0, [LinearLR($0, startFactor: 0.2), CosineAnnealingLR($0, tMax: 9)], milestones: [4]),
          PolynomialLR($0, totalIters: 20),
        ])
      ]
    },
    ScheduleCase(
      "[SequentialLR(o, [ExponentialLR(o, 0.9), MultiStepLR(o, [-1, 0, 2], 0.4), CosineAnnealingWarmRestarts(o, 2, 2), "
        + "MultiplicativeLR(o, lambda e: 0.7), PolynomialLR(o, 6, 2), CyclicLR(o, 0.1, 0.4, 3)], milestones=[3, 7, 12, 15, 19])]",
      steps: 26
    ) {
      [
        SequentialLR(
          $0,
          [
            ExponentialLR($0, gamma: 0.9), MultiStepLR($0, milestones: [-1, 0, 2], gamma: 0.4),
            CosineAnnealingWarmRestarts($0, t0: 2, tMult: 2), MultiplicativeLR($0) { _ in 0.7 },
            PolynomialLR($0, totalIters: 6, power: 2), CyclicLR($0, baseLr: 0.1, maxLr: 0.4, stepSizeUp: 3),
          ], milestones: [3, 7, 12, 15, 19])
      ]
    },
  ]

  static let epochs = [0.25, 0.5, 1, 1.75, 2, 2.5, 3.999, 5, 7.3, 7.6, 8, 11.1, 25, 26.5, 80, 3]
  static let metrics = [
    0.9, 0.7, 0.71, 0.72, 0.69995, 0.8, 0.6, 0.75, .nan, 0.9, 1, 0.95, 1.02, 1.5, 0.2, 0.3, 0.25, 0.21, 0.2, 0.2,
  ]

  static let lrs = [Double.random(in: 1e-3...0.5), Double.random(in: 1e-3...0.5)]

  private struct Asked: Encodable {
    let expression: String
    let sgd: Bool
    let steps: Int
    let arguments: [Double]
    let lrs: [Double]
  }

  /// By case, step, group: the learning rate and the momentum.
  static let torch: [[[[Double]]]]? = {
    guard Torch.python != nil else { return nil }
    let asked = all.map { Asked(expression: $0.expression, sgd: $0.sgd, steps: $0.steps, arguments: $0.arguments, lrs: lrs) }
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let output = try! Torch.run("schedules.py", input: encoder.encode(asked))
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
      if step > 0 { for schedule in schedules { test.step(schedule, step - 1) } }
      #expect(optimizer.rates.map { [$0.lr, $0.momentum!] } == rates, "step \(step) of \(test.expression)")
      #expect(schedules.last!.lastLr == rates.map { $0[0] } && schedules[0].lastEpoch == test.epoch(after: step))
    }
  }

  @Test func aScheduleGoesOnFromASavedState() throws {
    for test in ScheduleCase.all {
      let lrs = [0.1, 0.3]
      let (whole, first, second) = (test.optimizer(lrs), test.optimizer(lrs), test.optimizer(lrs))
      let (a, b, c) = (test.make(whole), test.make(first), test.make(second))
      for step in 0..<3 { for schedule in b { test.step(schedule, step) } }
      for (old, new) in zip(b, c) { new.loadStateDict(old.stateDict()) }
      second.rates = first.rates
      for step in 0..<8 {
        for schedule in a { test.step(schedule, step) }
        if step >= 3 { for schedule in c { test.step(schedule, step) } }
      }
      #expect(whole.rates == second.rates && a.last!.lastLr == c.last!.lastLr, "\(test.expression)")
    }
  }

  @Test(arguments: ["last_epoch", "num_bad_epochs", "cooldown_counter"], [-2, 0.5, .nan, 1e30])
  func aSavedStateMustCount(key: String, value: Double) {
    let schedule = ReduceLROnPlateau(SGD([Parameter(.ones([1]))], lr: 1))
    let error = #expect(throws: TensorError.self) { try withTensorErrors { schedule.loadStateDict([key: [value]]) } }
    #expect(error?.description.contains("'\(key)' is a number of steps, but the state dict has \(value)") == true)
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
    #expect(problem { _ = SequentialLR(optimizer, [ReduceLROnPlateau(optimizer)], milestones: []) }?.contains("metric") == true)
    let chain = ChainedScheduler([StepLR(optimizer, stepSize: 1)])
    #expect(problem { _ = SequentialLR(optimizer, [chain], milestones: []) }?.contains("`ChainedScheduler`") == true)
    #expect(problem { _ = ChainedScheduler([]) } == "expects at least one scheduler, but got no scheduler.")
    #expect(
      problem { _ = ChainedScheduler([StepLR(optimizer, stepSize: 1), other]) }
        == "expects all schedulers to belong to the same optimizer, but that at index 1 has another")
    #expect(
      problem { _ = ChainedScheduler([ReduceLROnPlateau(optimizer)]) }
        == "does not support `ReduceLROnPlateau`, whose steps need a metric, but got one at index 0")
    #expect(problem { _ = ReduceLROnPlateau(optimizer, factor: 1) } == "Factor should be < 1.0.")
    #expect(problem { _ = ReduceLROnPlateau(optimizer, minLr: [0, 0]) } == "expected 1 min_lrs, got 2")
    #expect(problem { ReduceLROnPlateau(optimizer).step() } == "the metric is missing: write schedule.step(loss)")
    #expect(problem { _ = CosineAnnealingWarmRestarts(optimizer, t0: 0) } == "Expected positive integer t0, but got 0")
    #expect(
      problem { _ = CosineAnnealingWarmRestarts(optimizer, t0: 1, tMult: 0) } == "Expected integer tMult >= 1, but got 0")
    #expect(
      problem { CosineAnnealingWarmRestarts(optimizer, t0: 1).step(epoch: -1) } == "Expected non-negative epoch, but got -1.0")
    #expect(problem { _ = LambdaLR(optimizer, []) } == "Expected 1 lr_lambdas, but got 0")
    #expect(problem { _ = MultiplicativeLR(optimizer, [{ _ in 1 }, { _ in 1 }]) } == "Expected 1 lr_lambdas, but got 2")
    #expect(
      problem { _ = CyclicLR(optimizer, baseLr: [0.1, 0.2], maxLr: [1]) }
        == "baseLr has 2 values, but the optimizer has 1 parameter groups")
    #expect(
      problem { _ = CyclicLR(optimizer, baseLr: 0.1, maxLr: 1, stepSizeUp: 0) }
        == "stepSizeUp must be positive and stepSizeDown not negative, but got 0 and 0")
    let without = Adagrad([Parameter(.ones([1]))])
    #expect(
      problem { _ = CyclicLR(without, baseLr: 0.1, maxLr: 1) }
        == "optimizer must support momentum or beta1 with `cycleMomentum` option enabled")
    #expect(optimizer.rates[0].lr == 1e-3 && without.rates[0].lr == 1e-2)
    let cycle = OneCycleLR(optimizer, maxLr: 1, totalSteps: 2)
    cycle.step()
    cycle.step()
    let rates = optimizer.rates
    #expect(problem { cycle.step() } == "Tried to step 3 times. The specified number of total steps is 2")
    #expect(optimizer.rates == rates && cycle.lastEpoch == 2)
  }
  /// A schedule that reduces on plateaus leaves it to later ones what they count from.
  @Test func aPlateauSetsNoBaseRates() {
    let optimizer = SGD([Parameter(.ones([1]))], lr: 1)
    let plateau = ReduceLROnPlateau(optimizer, factor: 0.5, patience: 0)
    for loss in [1.0, 2] { plateau.step(loss) }
    #expect(optimizer.rates[0].lr == 0.5 && plateau.lastLr == [0.5] && plateau.best == 1)
    #expect(StepLR(optimizer, stepSize: 1).baseLrs == [0.5])
  }
}
