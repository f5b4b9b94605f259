import Flambeau
import FlambeauNN
import Foundation
import Testing

@Suite struct GradScalerTests {
  private struct Plan: Encodable {
    struct Arguments: Encodable {
      var init_scale = 65536.0
      var growth_factor = 2.0
      var backoff_factor = 0.5
      var growth_interval = 3
    }
    struct Iteration: Encodable {
      /// Of each optimizer's parameters; nil for one without.
      var gradients: [[[Double]?]]
      var unscales = false
    }
    var scaler = Arguments()
    let dtypes = ["float32", "float64", "bfloat16"]
    var iterations: [Iteration]
  }

  private struct Trace: Decodable {
    let state: [String: Double]
    let parameters: [[Double]]
    let gradients: [[String]?]
  }

  /// Iterations of which some overflow: in the scaled loss's gradient, or because a gradient is infinite or undefined already.
  private static func plan(_ number: Int) -> Plan {
    func drawn() -> [Double] { (0..<3).map { _ in Double(Float.random(in: -2...2)) } }
    var iterations = (0..<24).map { _ in
      Plan.Iteration(gradients: [[drawn(), drawn(), drawn()], [drawn(), nil, drawn()]], unscales: Bool.random())
    }
    for i in [2, 3, 9, 17] { iterations[i].gradients[i % 2][0]![1] = 3e37 }
    iterations[20].gradients[1] = [nil, nil, [1e38, 0, 0]]
    var plan = Plan(iterations: iterations)
    if number == 1 {
      plan.scaler = .init(init_scale: 3, growth_factor: 1.7, backoff_factor: 0.3, growth_interval: 2)
    } else if number == 2 {
      // Too large to grow.
      plan.scaler = .init(init_scale: 3e38, growth_factor: 4, backoff_factor: 0.9, growth_interval: 1)
    }
    return plan
  }

  @Test(.enabled(if: Torch.python != nil), arguments: 0..<3) func everyIterationIsTorchs(_ number: Int) throws {
    let plan = Self.plan(number)
    let output = try Torch.run("grad_scaler.py", input: JSONEncoder().encode(plan))
    let lines = String(decoding: output, as: UTF8.self).split(separator: "\n")
    let traces = try lines.map { try JSONDecoder().decode(Trace.self, from: Data($0.utf8)) }
    let arguments = plan.scaler
    let scaler = GradScaler(
      initScale: arguments.init_scale, growthFactor: arguments.growth_factor, backoffFactor: arguments.backoff_factor,
      growthInterval: arguments.growth_interval)
    let dtypes: [DType] = [.float32, .float64, .bfloat16]
    let groups = (0..<2).map { _ in dtypes.map { Parameter(.ones([3], dtype: $0)) } }
    let optimizers = groups.map { SGD($0, lr: 0.5) }
    var skipped = 0
    for (i, iteration) in plan.iterations.enumerated() {
      for optimizer in optimizers { optimizer.zeroGrad() }
      let losses = zip(groups, iteration.gradients).flatMap { group, slopes in
        zip(group, slopes).compactMap { parameter, slope in
          slope.map { (parameter.tensor * Tensor($0, shape: [3]).to(parameter.dtype)).sum() }
        }
      }
      for loss in scaler.scale(losses) { loss.backward() }
      if iteration.unscales { scaler.unscale_(optimizers[0]) }
      for optimizer in optimizers where !scaler.step(optimizer) { skipped += 1 }
      scaler.update()
      let trace = traces[i]
      #expect(scaler.stateDict() == trace.state, "iteration \(i)")
      for (j, parameter) in groups.joined().enumerated() {
        let values = parameter.tensor.to(.float64).doubles
        #expect(zip(values, trace.parameters[j]).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }, "\(i), \(j)")
        let gradient = parameter.grad?.to(.float64).doubles
        let theirs = trace.gradients[j]?.map { Double($0)! }
        #expect(gradient?.map(\.description) == theirs?.map(\.description), "iteration \(i), parameter \(j)")
      }
    }
    #expect(traces.count == 24 && skipped >= 1)
  }

  private func problem(_ body: () -> Void) -> String? {
    let error = #expect(throws: TensorError.self) { try withTensorErrors(body) }
    #expect("\(error!)".contains("GradScalerTests.swift"))
    return error?.message
  }

  @Test func misuseIsRefused() {
    let weight = Parameter(.ones([1]))
    let (optimizer, idle) = (SGD([weight], lr: 0.5), SGD([Parameter(.ones([1]))], lr: 0.5))
    let scaler = GradScaler()
    let unscaled = "This may indicate your script did not use scaler.scale(loss or outputs) earlier in the iteration."
    #expect(problem { scaler.step(optimizer) } == "Attempted step but _scale is None.  " + unscaled)
    #expect(problem { scaler.update() } == "Attempted update but _scale is None.  " + unscaled)
    #expect(problem { scaler.unscale_(optimizer) } == "Attempted unscale_ but _scale is None.  " + unscaled)
    scaler.scale(weight.tensor.sum()).backward()
    #expect(problem { scaler.update() } == "No inf checks were recorded prior to update.")
    #expect(problem { scaler.step(idle) } == "No inf checks were recorded for this optimizer.")
    scaler.unscale_(optimizer)
    #expect(
      problem { scaler.unscale_(optimizer) } == "unscale_() has already been called on this optimizer since the last update().")
    #expect(scaler.step(optimizer) && weight.tensor.item() == 0.5)
    #expect(problem { scaler.step(optimizer) } == "step() has already been called since the last update().")
    #expect(problem { scaler.unscale_(optimizer) } == "unscale_() is being called after step().")
    scaler.update(newScale: 12)
    #expect(scaler.getScale() == 12)
    let half = Parameter(.ones([1], dtype: .float16))
    scaler.scale(half.tensor.sum()).backward()
    #expect(problem { scaler.step(SGD([half], lr: 1)) } == "Attempting to unscale FP16 gradients.")
    #expect(problem { _ = GradScaler(growthFactor: 1) } == "The growth factor must be > 1.0.")
    #expect(problem { _ = GradScaler(backoffFactor: 1) } == "The backoff factor must be < 1.0.")
  }

  @Test func aDisabledScalerOnlySteps() throws {
    let weight = Parameter(.ones([1]))
    let optimizer = SGD([weight], lr: 0.5)
    let scaler = GradScaler(growthFactor: 0, enabled: false)
    let loss = weight.tensor.sum()
    #expect(scaler.scale(loss).isSame(as: loss) && scaler.getScale() == 1 && !scaler.isEnabled)
    loss.backward()
    scaler.unscale_(optimizer)
    #expect(scaler.step(optimizer) && weight.tensor.item() == 0.5)
    scaler.update()
    #expect(scaler.stateDict() == [:])
    try scaler.loadStateDict(["scale": 3])
  }

  @Test func aStateMustBeAScalers() throws {
    let scaler = GradScaler()
    let good = scaler.stateDict()
    func problem(_ change: (inout [String: Double]) -> Void) -> String? {
      var state = good
      state["scale"] = 7
      change(&state)
      let error = #expect(throws: GradScalerStateError.self) { try scaler.loadStateDict(state) }
      #expect(scaler.stateDict() == good)
      return error?.description
    }
    #expect(problem { $0 = [:] }?.hasPrefix("The source state dict is empty") == true)
    #expect(problem { $0["backoff_factor"] = nil } == "the state dict has no 'backoff_factor'")
    #expect(problem { $0["_growth_tracker"] = 0.5 } == "'_growth_tracker' is a number of steps, but the state dict has 0.5")
    #expect(problem { $0["growth_interval"] = 0 } == "'growth_interval' is a number of steps, but the state dict has 0.0")
    // Also where something has been scaled already.
    _ = scaler.scale(Tensor(1))
    var state = good
    state["scale"] = 7
    try scaler.loadStateDict(state)
    #expect(scaler.getScale() == 7 && scaler.scale(Tensor(Float(2))).item() == 14)
  }

  @Test func clippingSeesUnscaledGradients() {
    let weight = Parameter(.ones([4]))
    let optimizer = SGD([weight], lr: 1)
    let scaler = GradScaler()
    scaler.scale((weight.tensor * 3).sum()).backward()
    scaler.unscale_(optimizer)
    #expect(clipGradNorm_([weight], maxNorm: 1).item() == 6)
    scaler.step(optimizer)
    #expect(weight.tensor.floats.allSatisfy { abs($0 - 0.5) < 1e-6 })
  }
}
