import Foundation
import Testing

@testable import Flambeau

/// Streams, events and graphs as programs use them, on emulated GPUs whose work runs when it is waited for.
@Suite(.serialized, .enabled(if: EmulatedDevice.isThere, "no clang++")) struct StreamTests {
  private let device = Device.cuda(2)

  @Test func workGoesToTheChosenStream() async {
    let stream = CUDA.Stream(device)
    #expect(CUDA.Stream.current(device).queue === CUDA.Stream.standard(device).queue)
    let x = CUDA.with(stream) {
      #expect(CUDA.Stream.current(device).queue === stream.queue)
      return Tensor.full([2, 3], 1.5, device: device) * 2
    }
    #expect(!stream.isIdle && CUDA.Stream.standard(device).isIdle)
    stream.synchronize()
    #expect(stream.isIdle && x.array(of: Float.self) == [Float](repeating: 3, count: 6))
    await CUDA.with(stream) {
      await Task.yield()
      #expect(CUDA.Stream.current(device).queue === stream.queue)
    }
  }

  @Test func streamsWaitForOneAnother() {
    let (first, second) = (CUDA.Stream(device), CUDA.Stream(device))
    let x = CUDA.with(first) { Tensor.full([2, 3], 2.0, device: device) }
    second.wait(for: first)
    let event = CUDA.Event(device)
    let y = CUDA.with(second) {
      let y = x * x
      x.recordStream(second)
      event.record()
      return y
    }
    #expect(!event.isDone)
    CUDA.Stream.standard(device).wait(for: event)
    #expect((y + 1).array(of: Float.self) == [Float](repeating: 5, count: 6))
    #expect(event.isDone)
  }

  /// Where another stream still reads it, memory is not handed out.
  @Test func recordedMemoryIsKeptUntilItIsRead() {
    let (first, second) = (CUDA.Stream(device), CUDA.Stream(device))
    var x: Tensor? = CUDA.with(first) { Tensor.full([300], 2.0, device: device) }
    let address = x!.body.storage.address
    second.wait(for: first)
    let y = CUDA.with(second) { x! + x! }
    x!.recordStream(second)
    x = nil
    let z = CUDA.with(first) { Tensor.full([300], 9.0, device: device) }
    #expect(z.body.storage.address != address)
    second.synchronize()
    #expect(y.array(of: Float.self) == [Float](repeating: 4, count: 300))
  }

  @Test func eventsNoteTheTime() {
    let (start, end) = (CUDA.Event(device, enableTiming: true), CUDA.Event(device, enableTiming: true))
    start.record()
    let x = Tensor.ones([64, 64], device: device).matmul(Tensor.ones([64, 64], device: device))
    end.record()
    end.synchronize()
    #expect(start.elapsedTime(to: end) > 0)
    withExtendedLifetime(x) {}
  }

  @Test func eventsSayWhatTheyWant() throws {
    func refusal(_ body: () -> Void) -> String {
      #expect(throws: TensorError.self) { try withTensorErrors(body) }?.message ?? ""
    }
    let event = CUDA.Event(device)
    event.record()
    #expect(
      refusal { event.record(on: .current("cuda:1")) } == "Event device cuda:2 does not match recording stream's device cuda:1.")
    #expect(
      refusal { _ = event.elapsedTime(to: CUDA.Event(device, enableTiming: true)) }
        == "Both events must be created with argument 'enableTiming: true'.")
    let x = Tensor.ones([4], device: device)
    // What is queued on another GPU reads none of it.
    x.recordStream(.current("cuda:1"))
    #expect((x + 1).sum().item() == 8)
    #expect(EmulatedDevice.driver.misuses.isEmpty)
  }

  /// Casts of weights made before a graph would be old in its replays, and those that it makes hold nothing before the first.
  @Test func graphsCastWeightsThemselves() {
    let weight = Tensor.eye(4, device: device).requiresGrad_()
    let x = Tensor.full([2, 4], 3.0, device: device)
    let expected = [Float](repeating: 6, count: 8)
    autocast {
      let before = x.matmul(weight).array(of: Float.self)
      #expect(before == [Float](repeating: 3, count: 8))
      let graph = CUDA.graph(device) { x.matmul(weight) }
      #expect(x.matmul(weight).array(of: Float.self) == before)
      noGrad { _ = weight.mul_(2) }
      #expect(graph.replay().array(of: Float.self) == expected)
      #expect(x.matmul(weight).array(of: Float.self) == expected)
    }
    let fresh = Tensor.eye(4, device: device).requiresGrad_()
    autocast {
      let graph = CUDA.graph(device) { x.matmul(fresh) }
      #expect(x.matmul(fresh).array(of: Float.self) == [Float](repeating: 3, count: 8))
      withExtendedLifetime(graph) {}
    }
  }

  @Test func aGraphDoesItsWorkAtEachReplay() {
    let x = Tensor.zeros([4], device: device)
    let sum = Tensor.zeros([4], device: device)
    let graph = CUDA.graph(device) { () -> Tensor in
      let y = (x * 2 + 1).square()
      sum.add_(y)
      return y
    }
    #expect(sum.array(of: Float.self) == [0, 0, 0, 0])
    for k in 1...3 {
      x.copy_(.full([4], Double(k)))
      let expected = Float((2 * k + 1) * (2 * k + 1))
      #expect(graph.replay().array(of: Float.self) == [Float](repeating: expected, count: 4))
    }
    #expect(sum.array(of: Float.self) == [Float](repeating: 9 + 25 + 49, count: 4))
  }

  @Test func whatCannotBeReplayedIsRefused() throws {
    let x = Tensor.ones([4], device: device)
    let error = #expect(throws: TensorError.self) { try withTensorErrors { _ = CUDA.graph(device) { x.sum().item() } } }
    #expect(error?.message.contains("cannot be part of a CUDA graph") == true)
    for body in [{ CUDA.synchronize(device) }, { _ = CUDA.graph(device) { x + 1 } }] {
      let error = #expect(throws: TensorError.self) { try withTensorErrors { _ = CUDA.graph(device) { body() } } }
      #expect(error?.message.hasPrefix("waiting for the GPU cannot be part of a CUDA graph") == true)
    }
    struct Stopped: Error {}
    #expect(throws: Stopped.self) { try CUDA.graph(device) { () throws(Stopped) -> Tensor in throw Stopped() } }
    // Both are left behind.
    #expect((x + 1).array(of: Float.self) == [2, 2, 2, 2])
    #expect(throws: TensorError.self) { try withTensorErrors { _ = CUDA.graph("cuda:9") { x + 1 } } }
    #expect(throws: TensorError.self) { try withTensorErrors { _ = CUDA.Stream(.cpu) } }
  }

  /// Losses of a regression with Adam: its corrections change with each step, and so does the rate.
  private func losses(inGraph: Bool, _ device: Device) -> [Double] {
    let generator = Generator(seed: 3)
    let x = Tensor.randn([16, 4], generator: generator).to(device)
    let y = Tensor.randn([16, 2], generator: generator).to(device)
    let weight = Tensor.randn([4, 2], generator: generator).to(device).requiresGrad_()
    let empty = Tensor.zeros([0, 3], device: device)
    let (first, second) = (weight.detach().zerosLike(), weight.detach().zerosLike())
    var (taken, rate) = (0, 0.1)
    func loss() -> Tensor {
      weight.grad = nil
      let loss = (x.matmul(weight) - y).square().mean()
      loss.backward()
      return loss
    }
    func step() {
      taken += 1
      var formula = StepFormula(.adam, rate: rate / (1 - pow(0.9, Double(taken))))
      (formula.fresh1, formula.beta2, formula.eps) = (0.1, 0.99, 1e-8)
      formula.correction2 = (1 - pow(0.99, Double(taken))).squareRoot()
      noGrad {
        ParameterStep.run(
          [
            ParameterStep(formula, parameter: empty, gradient: empty, state: [empty.clone(), empty.clone(), nil]),
            ParameterStep(formula, parameter: weight, gradient: weight.grad!, state: [first, second, nil]),
          ], operation: "step")
      }
    }
    var all: [Double] = []
    func note(_ loss: Tensor) {
      all.append(loss.item())
      rate *= 0.8
    }
    let begun = loss()
    step()
    note(begun)
    guard inGraph else {
      for _ in 0..<4 {
        let loss = loss()
        step()
        note(loss)
      }
      return all
    }
    let before = taken
    let graph = CUDA.graph(device) { () -> Tensor in
      let loss = loss()
      GraphSteps()!.record(step, again: step)
      return loss
    }
    taken = before
    for _ in 0..<4 { note(graph.replay()) }
    return all
  }

  @Test func optimizersGoOnFromReplayToReplay() {
    let (mine, expected) = (losses(inGraph: true, device), losses(inGraph: false, .cpu))
    for (a, b) in zip(mine, expected) { #expect(abs(a - b) < 1e-5, "\(mine), without a graph \(expected)") }
    #expect(Set(expected).count == 5)
  }

  /// The parameters and states of a graph's steps are gone with it.
  @Test func aGraphThatIsLetGoOfHoldsNothing() {
    func held() -> Int {
      CUDA.synchronize(device)
      CUDA.emptyCache(device)
      return CUDA.memoryAllocated(device)
    }
    let before = held()
    _ = losses(inGraph: true, device)
    #expect(held() == before)
  }
}
