import Flambeau
import FlambeauNN
import FlambeauTraining
import Foundation
import Testing

@Suite struct AveragedModelTests {
  private static func model() -> Sequential { Sequential(Linear(2, 3), BatchNorm1d(3), Linear(3, 1)) }

  /// Parameters and buffers at `step` of a made-up run.
  private static func set(_ model: Sequential, _ step: Int) {
    noGrad {
      for (i, parameter) in model.parameters().enumerated() {
        parameter.tensor.detach().copy_(
          (Tensor.arange(parameter.count).to(.float32) + Double(step * (i + 1))).sin().view(parameter.shape))
      }
      for (i, buffer) in model.buffers().enumerated() { buffer.tensor.copy_(Tensor.full(buffer.shape, Double(3 * step + i))) }
    }
  }

  @Test(.enabled(if: Python.hasTorch), arguments: [nil, 0.9, 0.5], [false, true])
  func averagesAreTorchs(decay: Double?, useBuffers: Bool) throws {
    let script = """
      import torch
      from torch.optim import swa_utils as s
      model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
      rule = s.get_ema_multi_avg_fn(data["decay"]) if data["decay"] >= 0 else None
      average = s.AveragedModel(model, multi_avg_fn=rule, use_buffers=data["buffers"])
      with torch.no_grad():
        for step in range(1, 5):
          for i, p in enumerate(model.parameters()):
            p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) + step * (i + 1)).view(p.shape))
          for i, b in enumerate(model.buffers()): b.copy_(torch.full(b.shape, 3 * step + i))
          average.update_parameters(model)
      print(json.dumps({k: v.flatten().tolist() for k, v in average.state_dict().items()}))
      """
    // Equal averages of whole numbers are not to be had from torch 2.13: it divides by a float in place and refuses.
    if decay == nil && useBuffers { return }
    let theirs: [String: [Double]] = try Python.ask(script, ["decay": decay ?? -1, "buffers": useBuffers])
    let model = Self.model()
    let average = AveragedModel(model, decay.map { .exponential(decay: $0) } ?? .equal, useBuffers: useBuffers)
    for step in 1...4 {
      Self.set(model, step)
      average.updateParameters()
    }
    let ours = average.stateDict()
    #expect(Set(ours.keys) == Set(theirs.keys))
    for (name, tensor) in ours {
      #expect(zip(tensor.doubles, theirs[name]!).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }, "\(name)")
    }
  }

  @Test func theModelHasTheAveragesForAWhile() throws {
    let model = Self.model()
    Self.set(model, 1)
    let average = AveragedModel(model, .exponential(decay: 0.5))
    average.updateParameters()
    Self.set(model, 2)
    average.updateParameters()
    let before = model.stateDict().map { $0.value.bytes }
    let inside = average.withAverages { model.stateDict()["0.weight"]!.clone() }
    #expect(inside.allClose(average.stateDict()["module.0.weight"]!) && !inside.allClose(model.stateDict()["0.weight"]!))
    #expect(model.stateDict().map { $0.value.bytes } == before)
    let other = AveragedModel(Self.model(), .exponential(decay: 0.5))
    try other.loadStateDict(average.stateDict())
    #expect(other.averagedCount == 2 && other.stateDict().map { $0.value.bytes } == average.stateDict().map { $0.value.bytes })
    #expect(throws: StateDictError.self) { try AveragedModel(Linear(2, 3)).loadStateDict(average.stateDict()) }
    var uncounted = average.stateDict()
    uncounted["n_averaged"] = Tensor(Double.infinity)
    #expect(throws: StateDictError.self) { try other.loadStateDict(uncounted) }
    #expect(other.averagedCount == 2)
  }

  @Test func decaysOutsideTheirRangeAreRefused() {
    #expect(throws: TensorError.self) { try withTensorErrors { _ = AveragedModel(Self.model(), .exponential(decay: 1.5)) } }
  }

  /// Four batches of a quarter, whose gradients add up, are the whole batch.
  @Test func accumulatedGradientsAreThoseOfTheWholeBatch() {
    let (model, x, y) = (Linear(3, 2), Tensor.randn([8, 3]), Tensor.randn([8, 2]))
    (model(x) - y).square().mean().backward()
    let whole = model.parameters().map { $0.grad! }
    model.zeroGrad()
    for i in 0..<4 {
      let (part, target) = (x.narrow(0, start: 2 * i, length: 2), y.narrow(0, start: 2 * i, length: 2))
      ((model(part) - target).square().mean() / 4).backward()
    }
    #expect(zip(model.parameters(), whole).allSatisfy { $0.grad!.allClose($1, rtol: 1e-5, atol: 1e-6) })
  }

  @Test func theNormOfAllGradientsIsThatOfThemInOneVector() {
    let model = Self.model()
    #expect(gradNorm(model.parameters()) == 0)
    for parameter in model.parameters() { parameter.grad = .randn(parameter.shape) }
    let all = Tensor.cat(model.parameters().map { $0.grad!.flatten() })
    #expect(abs(gradNorm(model.parameters()) - all.square().sum().sqrt().item()) < 1e-5)
    #expect(gradNorm(model.parameters(), normType: .infinity) == all.abs().max().item())
  }
}
