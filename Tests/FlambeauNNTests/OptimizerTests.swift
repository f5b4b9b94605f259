import Foundation
import Testing

@testable import Flambeau
@testable import FlambeauNN

/// Settings under which an optimizer is compared with torch's.
struct OptimizerCase: Encodable, CustomTestStringConvertible {
  let optimizer: String
  let arguments: [String: Argument]
  let state: [String]
  var dtype = "float32"

  enum Argument: Encodable {
    case number(Double), pair(Double, Double), flag(Bool)

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .number(let number): try container.encode(number)
      case .pair(let first, let second): try container.encode([first, second])
      case .flag(let flag): try container.encode(flag)
      }
    }

    var number: Double {
      switch self {
      case .number(let number): number
      default: fatalError("not a number")
      }
    }
    var pair: (Double, Double) {
      switch self {
      case .pair(let first, let second): (first, second)
      default: fatalError("not a pair")
      }
    }
  }

  var testDescription: String { "\(optimizer) \(dtype) \(arguments)" }

  private func number(_ name: String, _ other: Double = 0) -> Double { arguments[name]?.number ?? other }
  private func flag(_ name: String) -> Bool { arguments[name] != nil }

  func make(_ parameters: [Parameter]) -> any TestedOptimizer {
    let (lr, decay, maximize) = (number("lr"), arguments["weight_decay"]?.number, flag("maximize"))
    let (betas, eps) = (arguments["betas"]?.pair ?? (0.9, 0.999), number("eps", 1e-8))
    switch optimizer {
    case "SGD":
      return SGD(
        parameters, lr: lr, momentum: number("momentum"), dampening: number("dampening"), weightDecay: decay ?? 0,
        nesterov: flag("nesterov"), maximize: maximize)
    case "Adam":
      return Adam(
        parameters, lr: lr, betas: betas, eps: eps, weightDecay: decay ?? 0, amsgrad: flag("amsgrad"), maximize: maximize)
    case "RMSprop":
      return RMSprop(
        parameters, lr: lr, alpha: number("alpha", 0.99), eps: eps, weightDecay: decay ?? 0, momentum: number("momentum"),
        centered: flag("centered"), maximize: maximize)
    case "Adagrad":
      return Adagrad(
        parameters, lr: lr, lrDecay: number("lr_decay"), weightDecay: decay ?? 0,
        initialAccumulatorValue: number("initial_accumulator_value"), eps: number("eps", 1e-10), maximize: maximize)
    case "Adadelta":
      return Adadelta(
        parameters, lr: lr, rho: number("rho", 0.9), eps: number("eps", 1e-6), weightDecay: decay ?? 0, maximize: maximize)
    case "Adamax":
      return Adamax(parameters, lr: lr, betas: betas, eps: eps, weightDecay: decay ?? 0, maximize: maximize)
    case "RAdam":
      return RAdam(
        parameters, lr: lr, betas: betas, eps: eps, weightDecay: decay ?? 0,
        decoupledWeightDecay: flag("decoupled_weight_decay"), maximize: maximize)
    case "NAdam":
      return NAdam(
        parameters, lr: lr, betas: betas, eps: eps, weightDecay: decay ?? 0, momentumDecay: number("momentum_decay", 4e-3),
        decoupledWeightDecay: flag("decoupled_weight_decay"), maximize: maximize)
    case "ASGD":
      return ASGD(
        parameters, lr: lr, lambd: number("lambd", 1e-4), alpha: number("alpha", 0.75), t0: number("t0", 1e6),
        weightDecay: decay ?? 0, maximize: maximize)
    case "Rprop":
      return Rprop(
        parameters, lr: lr, etas: arguments["etas"]?.pair ?? (0.5, 1.2), stepSizes: arguments["step_sizes"]?.pair ?? (1e-6, 50),
        maximize: maximize)
    default:
      return AdamW(
        parameters, lr: lr, betas: betas, eps: eps, weightDecay: decay ?? 0.01, amsgrad: flag("amsgrad"),
        maximize: maximize)
    }
  }

  static let momentum = ["momentum_buffer"]
  static let adam = ["exp_avg", "exp_avg_sq"]

  static let all: [OptimizerCase] = {
    let single: [OptimizerCase] = [
      OptimizerCase(optimizer: "SGD", arguments: ["lr": .number(0.1)], state: []),
      OptimizerCase(optimizer: "SGD", arguments: ["lr": .number(0.1), "weight_decay": .number(0.03)], state: []),
      OptimizerCase(optimizer: "SGD", arguments: ["lr": .number(0.1), "momentum": .number(0.9)], state: momentum),
      OptimizerCase(
        optimizer: "SGD",
        arguments: [
          "lr": .number(0.02), "momentum": .number(0.8), "dampening": .number(0.3), "weight_decay": .number(0.01),
          "maximize": .flag(true),
        ], state: momentum),
      OptimizerCase(
        optimizer: "SGD",
        arguments: [
          "lr": .number(0.05), "momentum": .number(0.95), "nesterov": .flag(true), "weight_decay": .number(1e-3),
        ], state: momentum),
      OptimizerCase(optimizer: "Adam", arguments: ["lr": .number(1e-3)], state: adam),
      OptimizerCase(
        optimizer: "Adam",
        arguments: ["lr": .number(0.03), "betas": .pair(0.3, 0.7), "eps": .number(1e-5), "weight_decay": .number(0.1)],
        state: adam),
      OptimizerCase(
        optimizer: "Adam", arguments: ["lr": .number(0.01), "amsgrad": .flag(true), "maximize": .flag(true)],
        state: adam + ["max_exp_avg_sq"]),
      OptimizerCase(optimizer: "AdamW", arguments: ["lr": .number(1e-3)], state: adam),
      OptimizerCase(
        optimizer: "AdamW",
        arguments: [
          "lr": .number(0.02), "betas": .pair(0.85, 0.99), "weight_decay": .number(0.3), "amsgrad": .flag(true),
        ], state: adam + ["max_exp_avg_sq"]),
      OptimizerCase(optimizer: "RMSprop", arguments: ["lr": .number(0.01)], state: ["square_avg"]),
      OptimizerCase(
        optimizer: "RMSprop",
        arguments: ["lr": .number(0.02), "alpha": .number(0.8), "momentum": .number(0.7), "weight_decay": .number(0.1)],
        state: ["square_avg", "momentum_buffer"]),
      OptimizerCase(
        optimizer: "RMSprop",
        arguments: ["lr": .number(0.01), "alpha": .number(0.4), "centered": .flag(true), "maximize": .flag(true)],
        state: ["square_avg", "grad_avg"]),
      OptimizerCase(
        optimizer: "RMSprop", arguments: ["lr": .number(0.01), "momentum": .number(0.5), "centered": .flag(true)],
        state: ["square_avg", "momentum_buffer", "grad_avg"]),
      OptimizerCase(optimizer: "Adagrad", arguments: ["lr": .number(0.1)], state: ["sum"]),
      OptimizerCase(
        optimizer: "Adagrad",
        arguments: [
          "lr": .number(0.05), "lr_decay": .number(0.03), "initial_accumulator_value": .number(0.2),
          "weight_decay": .number(0.02), "maximize": .flag(true),
        ], state: ["sum"]),
      OptimizerCase(optimizer: "Adadelta", arguments: ["lr": .number(1)], state: ["square_avg", "acc_delta"]),
      OptimizerCase(
        optimizer: "Adadelta",
        arguments: ["lr": .number(0.7), "rho": .number(0.6), "eps": .number(1e-3), "weight_decay": .number(0.05)],
        state: ["square_avg", "acc_delta"]),
      OptimizerCase(optimizer: "Adamax", arguments: ["lr": .number(2e-3)], state: ["exp_avg", "exp_inf"]),
      OptimizerCase(
        optimizer: "Adamax",
        arguments: [
          "lr": .number(0.02), "betas": .pair(0.4, 0.8), "weight_decay": .number(0.1), "maximize": .flag(true),
        ], state: ["exp_avg", "exp_inf"]),
      OptimizerCase(optimizer: "RAdam", arguments: ["lr": .number(0.01)], state: adam),
      OptimizerCase(
        optimizer: "RAdam",
        arguments: ["lr": .number(0.02), "betas": .pair(0.6, 0.9), "weight_decay": .number(0.1)], state: adam),
      OptimizerCase(
        optimizer: "RAdam",
        arguments: [
          "lr": .number(0.02), "weight_decay": .number(0.1), "decoupled_weight_decay": .flag(true), "maximize": .flag(true),
        ], state: adam),
      OptimizerCase(optimizer: "NAdam", arguments: ["lr": .number(0.01)], state: adam),
      OptimizerCase(
        optimizer: "NAdam",
        arguments: ["lr": .number(0.02), "betas": .pair(0.6, 0.9), "eps": .number(1e-5), "weight_decay": .number(0.1)],
        state: adam),
      OptimizerCase(
        optimizer: "NAdam",
        arguments: [
          "lr": .number(0.02), "weight_decay": .number(0.1), "momentum_decay": .number(0.3),
          "decoupled_weight_decay": .flag(true), "maximize": .flag(true),
        ], state: adam),
      OptimizerCase(optimizer: "ASGD", arguments: ["lr": .number(0.01)], state: ["ax"]),
      OptimizerCase(
        optimizer: "ASGD",
        arguments: [
          "lr": .number(0.1), "lambd": .number(0.03), "alpha": .number(0.6), "t0": .number(5), "weight_decay": .number(0.02),
          "maximize": .flag(true),
        ], state: ["ax"]),
      OptimizerCase(optimizer: "Rprop", arguments: ["lr": .number(0.01)], state: ["prev", "step_size"]),
      OptimizerCase(
        optimizer: "Rprop",
        arguments: [
          "lr": .number(0.02), "etas": .pair(0.3, 1.7), "step_sizes": .pair(0.005, 0.05), "maximize": .flag(true),
        ], state: ["prev", "step_size"]),
    ]
    return single
      + single.map { OptimizerCase(optimizer: $0.optimizer, arguments: $0.arguments, state: $0.state, dtype: "float64") }
  }()
}

/// What the tests need of every grouped optimizer, whatever its rule.
protocol TestedOptimizer: Optimizer {
  func addGroup(_ parameters: [Parameter], lr: Double)
  func setLr(_ lr: Double, ofGroup group: Int)
  func stateDict() -> OptimizerState
  func loadStateDict(_ saved: OptimizerState) throws(OptimizerStateError)
}

extension GroupedOptimizer: TestedOptimizer {
  func addGroup(_ parameters: [Parameter], lr: Double) { addParamGroup(parameters) { $0.lr = lr } }
  func setLr(_ lr: Double, ofGroup group: Int) { paramGroups[group].lr = lr }
}

/// Parameters and the gradients of twenty steps, drawn anew for every run of the tests.
struct OptimizerTraining: Encodable {
  /// Fewer elements than a vector has, an odd number of them, none, and more than one piece.
  static let shapes = [[1], [7], [3, 11], [0, 2], [130, 131]]
  static let steps = 20

  let parameters: [[Float]]
  let gradients: [[[Float]]]

  init() {
    func drawn() -> [[Float]] {
      Self.shapes.map { shape in
        let scale = Float.random(in: 0.01...3)
        return (0..<shape.reduce(1, *)).map { _ in scale * Float.random(in: -1...1) }
      }
    }
    parameters = drawn()
    gradients = (0..<Self.steps).map { _ in drawn() }
  }

  enum CodingKeys: String, CodingKey { case shapes, steps, cases }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.shapes, forKey: .shapes)
    try container.encode(Self.steps, forKey: .steps)
    try container.encode(OptimizerCase.all, forKey: .cases)
  }

  /// The parameters and their state after the last step.
  func run(_ test: OptimizerCase) -> [Tensor] {
    let dtype: DType = test.dtype == "float64" ? .float64 : .float32
    func tensor(_ numbers: [Float], _ i: Int) -> Tensor { Tensor(numbers, shape: Shape(Self.shapes[i])).to(dtype) }
    let boxes = parameters.enumerated().map { Parameter(tensor($1, $0)) }
    let optimizer = test.make(Array(boxes.dropLast()))
    let lr = test.arguments["lr"]!.number
    optimizer.addGroup([boxes.last!], lr: 0.5 * lr)
    for step in 0..<Self.steps {
      for (i, box) in boxes.enumerated() { box.grad = i == 1 && step % 2 == 1 ? nil : tensor(gradients[step][i], i) }
      if step == Self.steps / 2 { optimizer.setLr(lr * 0.3, ofGroup: 0) }
      optimizer.step()
    }
    let state = optimizer.stateDict().state
    return boxes.enumerated().flatMap { i, box in [box.tensor.detach()] + test.state.map { state["\(i).\($0)"]! } }
  }

  static let shared = OptimizerTraining()

  /// What torch gives for each case, with exact square roots and with its own: bytes, in the order of `run`.
  static let torch: Data? = {
    guard Torch.python != nil else { return nil }
    let plan = try! JSONEncoder().encode(shared)
    var input = withUnsafeBytes(of: UInt64(plan.count).littleEndian) { Data($0) } + plan
    for array in shared.parameters + shared.gradients.flatMap({ $0 }) { array.withUnsafeBytes { input.append(contentsOf: $0) } }
    return try! Torch.run("optimizers.py", input: input)
  }()
}

@Suite struct OptimizerTests {
  @Test(.enabled(if: Torch.python != nil), arguments: OptimizerCase.all.indices)
  func twentyStepsAreTorchs(_ index: Int) throws {
    let all = try #require(OptimizerTraining.torch)
    var at = 0
    for test in OptimizerCase.all[..<index] { at += 2 * Self.byteCount(test) }
    let test = OptimizerCase.all[index]
    let ours = OptimizerTraining.shared.run(test)
    for isExact in [true, false] {
      for tensor in ours {
        let size = tensor.count * tensor.dtype.byteCount
        let bytes = all[at..<at + size]
        at += size
        if isExact && Self.hasFusedMultiply {
          #expect(tensor.dtype == .float64 ? same(tensor, Double.self, bytes) : same(tensor, Float.self, bytes), "\(test)")
        } else {
          let theirs = tensor.dtype == .float64 ? numbers(Double.self, bytes) : numbers(Float.self, bytes)
          let bound = tensor.dtype == .float64 ? 1e-13 : 3e-6
          #expect(zip(tensor.doubles, theirs).allSatisfy { abs($0 - $1) <= bound * Swift.max(1, abs($1)) }, "\(test)")
        }
      }
    }
  }

  private static func byteCount(_ test: OptimizerCase) -> Int {
    OptimizerTraining.shapes.map { $0.reduce(1, *) }.reduce(0, +) * (1 + test.state.count) * (test.dtype == "float64" ? 8 : 4)
  }

  /// Torch's kernels multiply and add in one rounding wherever the processor can.
  private static var hasFusedMultiply: Bool {
    #if arch(x86_64)
      return Kernels.instructionSet != "baseline"
    #else
      return true
    #endif
  }

  private func same<Element: TensorElement>(_ tensor: Tensor, _ type: Element.Type, _ bytes: Data) -> Bool {
    tensor.array(of: type).withUnsafeBytes { Data($0) == bytes }
  }

  private func numbers<Element: TensorElement & BinaryFloatingPoint>(_ type: Element.Type, _ bytes: Data) -> [Double] {
    bytes.withUnsafeBytes { raw in
      stride(from: 0, to: raw.count, by: MemoryLayout<Element>.size).map {
        Double(raw.loadUnaligned(fromByteOffset: $0, as: Element.self))
      }
    }
  }

  /// A step in a half type is the step in float32 on what was stored, rounded once.
  @Test(arguments: [DType.float16, .bfloat16], OptimizerCase.all.indices.prefix(OptimizerCase.all.count / 2))
  func halfTypesComputeInFloat32(_ dtype: DType, _ index: Int) throws {
    let test = OptimizerCase.all[index]
    let shape: Shape = [5, 431]
    let narrow = Parameter(Tensor.random(shape).to(dtype))
    let optimizer = test.make([narrow])
    for _ in 0..<3 {
      narrow.grad = Tensor.random(shape).to(dtype)
      let wide = Parameter(narrow.tensor.to(.float32))
      wide.grad = narrow.grad!.to(.float32)
      let reference = test.make([wide])
      try reference.loadStateDict(optimizer.stateDict())
      optimizer.step()
      reference.step()
      #expect(narrow.tensor.floats == wide.tensor.to(dtype).floats)
      let (state, expected) = (optimizer.stateDict().state, reference.stateDict().state)
      for (name, tensor) in state where tensor.shape == shape {
        #expect(tensor.dtype == dtype && tensor.floats == expected[name]!.to(dtype).floats)
      }
    }
  }

  @Test func threadsDoNotChangeTheBits() {
    let before = Flambeau.threadCount
    defer { Flambeau.threadCount = before }
    let test = OptimizerCase.all[6]
    let results = [1, 2, 8].map { threads in
      Flambeau.threadCount = threads
      return OptimizerTraining.shared.run(test).map(\.bits)
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  @Test func anyLayoutIsUpdated() {
    let rows = Tensor.random([4, 3])
    let gradient = Tensor.random([3, 4])
    let wide = Tensor.random([6, 4])
    let (plain, transposed, strided) = (
      Parameter(rows.T.contiguous()), Parameter(rows.T), Parameter(wide.narrow(0, start: 0, length: 3))
    )
    noGrad { _ = strided.tensor.copy_(plain.tensor) }
    let rest = wide.narrow(0, start: 3, length: 3).floats
    for parameter in [plain, transposed, strided] {
      let optimizer = Adam([parameter], lr: 0.1)
      for _ in 0..<3 {
        parameter.grad = gradient.T.contiguous().T
        optimizer.step()
      }
    }
    #expect(transposed.tensor.floats == plain.tensor.floats && strided.tensor.floats == plain.tensor.floats)
    #expect(rows.T.floats == plain.tensor.floats)
    #expect(wide.narrow(0, start: 3, length: 3).floats == rest)
  }

  @Test func aStepCountsAsAWrite() throws {
    let weight = Parameter(.ones([2]))
    let loss = (weight.tensor * weight.tensor).sum()
    weight.grad = .ones([2])
    SGD([weight], lr: 1).step()
    #expect(weight.tensor.floats == [0, 0])
    let error = #expect(throws: TensorError.self) { try withTensorErrors { loss.backward() } }
    #expect(error?.message.contains("modified by an inplace operation") == true)
  }

  @Test func aFailedScopeLeavesEverythingUntouched() throws {
    let layer = Linear(3, 2)
    let optimizer = Adam(layer.parameters(), lr: 0.1)
    layer(.ones([1, 3])).sum().backward()
    optimizer.step()
    let state = optimizer.stateDict().state.map { $0.value.floats }
    let (weight, gradient) = (layer.weight.tensor.floats, layer.weight.grad!.floats)
    #expect(throws: TensorError.self) {
      try withTensorErrors {
        layer(.ones([1, 4])).sum().backward()
        clipGradNorm_(layer.parameters(), maxNorm: 1e-3)
        clipGradValue_(layer.parameters(), clipValue: 1e-3)
        optimizer.step()
        optimizer.rates[0].lr = 5
      }
    }
    #expect(layer.weight.tensor.floats == weight && layer.weight.grad!.floats == gradient)
    #expect(optimizer.stateDict().state.map { $0.value.floats } == state)
    #expect(optimizer.paramGroups[0].lr == 0.1)
  }

  /// In a process of its own: the limit holds for every task.
  @Test func memoryRefusedForNewStateChangesNothing() async {
    await #expect(processExitsWith: .success) {
      let weights = (0..<2).map { _ in Parameter(.ones([1 << 20])) }
      for weight in weights { weight.grad = .ones([1 << 20]) }
      let optimizer = Adam(weights)
      Memory.limit = Memory.allocated + 3 << 22
      let error = #expect(throws: TensorError.self) { try withTensorErrors { optimizer.step() } }
      Memory.limit = nil
      #expect(error?.kind == .memory)
      #expect(weights.allSatisfy { $0.tensor.narrow(0, start: 0, length: 1).item() == 1 })
      #expect(optimizer.stateDict().state.isEmpty)
    }
  }

  @Test func misuseIsRefused() {
    func problem(_ body: () -> Void) -> String? {
      let error = #expect(throws: TensorError.self) { try withTensorErrors(body) }
      #expect("\(error!)".contains("OptimizerTests.swift"))
      return error?.message
    }
    let weight = Parameter(.ones([1]))
    #expect(problem { _ = SGD([]) } == "optimizer got an empty parameter list")
    #expect(problem { _ = SGD([weight], lr: -1) } == "Invalid learning rate: -1.0")
    #expect(problem { _ = SGD([weight], nesterov: true) } == "Nesterov momentum requires a momentum and zero dampening")
    #expect(problem { _ = Adam([weight], betas: (0.9, 1)) } == "Invalid beta parameter at index 1: 1.0")
    #expect(problem { _ = AdamW([weight], eps: -.infinity) } == "Invalid epsilon value: -inf")
    #expect(problem { _ = RMSprop([weight], alpha: -1) } == "Invalid alpha value: -1.0")
    #expect(problem { _ = Adagrad([weight], lrDecay: -1) } == "Invalid lr_decay value: -1.0")
    #expect(problem { _ = Adadelta([weight], rho: 1.5) } == "Invalid rho value: 1.5")
    #expect(problem { _ = RAdam([weight], betas: (-0.1, 0.9)) } == "Invalid beta parameter at index 0: -0.1")
    #expect(problem { _ = NAdam([weight], momentumDecay: -1) } == "Invalid momentum_decay value: -1.0")
    #expect(problem { _ = ASGD([weight], weightDecay: -1) } == "Invalid weight_decay value: -1.0")
    #expect(problem { _ = Rprop([weight], etas: (0.5, 1)) } == "Invalid eta values: 0.5, 1.0")
    #expect(
      problem { SGD([weight]).addParamGroup([Parameter(.ones([1])), weight]) }
        == "some parameters appear in more than one parameter group")
  }

  @Test func aTiedParameterTakesOneStep() {
    let weight = Parameter(.ones([1]))
    let optimizer = SGD([weight, weight], lr: 0.25)
    weight.grad = .ones([1])
    optimizer.step()
    #expect(weight.tensor.item() == 0.75 && optimizer.paramGroups[0].parameters.count == 1)
    optimizer.zeroGrad()
    #expect(weight.grad == nil)
    optimizer.step()
    #expect(weight.tensor.item() == 0.75)
  }

  @Test func stateFollowsTheParameterToAnotherDtype() {
    let weight = Parameter(.ones([3]))
    let optimizer = Adam([weight], lr: 0.5)
    weight.grad = .ones([3])
    optimizer.step()
    final class Model: Module {
      let weight: Parameter
      init(_ weight: Parameter) { self.weight = weight }
    }
    Model(weight).double()
    optimizer.step()
    #expect(weight.dtype == .float64 && abs(weight.tensor.doubles[0]) < 1e-7)
    #expect(optimizer.stateDict().state["0.exp_avg"]!.dtype == .float64)
  }

  @Test func trainingGoesOnFromASavedState() throws {
    func model() -> [Parameter] { [Parameter(.ones([2, 3])), Parameter(.ones([4]))] }
    let gradients = (0..<4).map { _ in [Tensor.random([2, 3]), Tensor.random([4])] }
    func train(_ optimizer: any Optimizer, _ parameters: [Parameter], _ steps: Range<Int>) {
      for step in steps {
        for (parameter, gradient) in zip(parameters, gradients[step]) { parameter.grad = gradient }
        optimizer.step()
      }
    }
    for test in OptimizerCase.all.prefix(OptimizerCase.all.count / 2) {
      let (whole, half, rest) = (model(), model(), model())
      train(test.make(whole), whole, 0..<4)
      let first = test.make(half)
      train(first, half, 0..<2)
      for (a, b) in zip(rest, half) { noGrad { _ = a.tensor.copy_(b.tensor) } }
      let second = test.make(rest)
      second.setLr(77, ofGroup: 0)
      try second.loadStateDict(first.stateDict())
      train(second, rest, 2..<4)
      #expect(zip(whole, rest).allSatisfy { $0.tensor.bits == $1.tensor.bits }, "\(test)")
    }
  }

  @Test func numbersOfAParameterAreSavedAsScalars() throws {
    let weight = Parameter(.ones([2]))
    let (nadam, asgd) = (NAdam([weight]), ASGD([weight], lr: 0.5, lambd: 0.1, t0: 0))
    for optimizer in [nadam, asgd] as [any TestedOptimizer] {
      for _ in 0..<2 {
        weight.grad = .ones([2])
        optimizer.step()
      }
    }
    let (product, state) = (nadam.stateDict().state["0.mu_product"]!, asgd.stateDict().state)
    #expect(product.shape == [] && abs(product.item() - 0.2027) < 1e-3)
    #expect(state["0.mu"]!.item() == 0.5 && abs(state["0.eta"]!.item() - 0.5 / pow(1.1, 0.75)) < 1e-7)
    var wrong = asgd.stateDict()
    wrong.state["0.eta"] = .ones([2])
    let error = #expect(throws: OptimizerStateError.self) { try asgd.loadStateDict(wrong) }
    #expect(error?.description == "'0.eta' has shape [2], but is one number")
  }

  @Test func aSavedStateMustFit() throws {
    let optimizer = Adam([Parameter(.ones([2]))])
    optimizer.addParamGroup([Parameter(.ones([3]))])
    let good = optimizer.stateDict()
    #expect(good.groups.map(\.parameters) == [[0], [1]] && good.groups[0].hyperparameters["betas"] == [0.9, 0.999])
    func problem(_ change: (inout OptimizerState) -> Void) -> String? {
      var state = good
      state.groups[0].hyperparameters["lr"] = [9]
      change(&state)
      let error = #expect(throws: OptimizerStateError.self) { try optimizer.loadStateDict(state) }
      #expect(optimizer.paramGroups[0].lr == 1e-3)
      return error?.description
    }
    #expect(problem { $0.groups.removeLast() } == "loaded state dict has a different number of parameter groups")
    #expect(problem { $0.groups[1].parameters = [] }?.hasPrefix("loaded state dict contains a parameter group") == true)
    #expect(problem { $0.groups[1].hyperparameters["betas"] = [1] } == "'betas' has 2 numbers, but the state dict gives 1")
    #expect(problem { $0.groups[1].hyperparameters["eps"] = [-1] } == "Invalid epsilon value: -1.0")
    #expect(
      problem { $0.state["1.exp_avg"] = .ones([4]) } == "'1.exp_avg' has shape [4], but the parameter has [3]")
    #expect(problem { $0.state["1.step"] = .ones([4]) } == "'1.step' has shape [4], but is one number")
    for step in [-1, 0.5, .nan, .infinity, 1e30] {
      #expect(
        problem { $0.state["1.step"] = Tensor(step) }?.hasPrefix("'1.step' is a number of steps, but the state dict has ") == true
      )
    }
    var torchs = good
    torchs.groups[0].hyperparameters["fused"] = [0]
    torchs.groups[0].hyperparameters["lr"] = [9]
    try optimizer.loadStateDict(torchs)
    #expect(optimizer.paramGroups[0].lr == 9 && optimizer.paramGroups[1].lr == 1e-3)
  }
}
