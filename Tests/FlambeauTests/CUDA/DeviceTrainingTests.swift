import Foundation
import Synchronization
import Testing

@testable import Flambeau

/// Networks out of tensor operations, trained on an emulated GPU.
@Suite(.enabled(if: EmulatedDevice.isThere, "no clang++")) struct DeviceTrainingTests {
  /// Losses of a convolutional network with steps of Adam, its gradients clipped.
  private static func losses(on device: Device) -> [Double] {
    let generator = Generator(seed: 5)
    func leaf(_ shape: Shape, _ scale: Double) -> Tensor {
      (Tensor.randn(shape, generator: generator) * scale).to(device).requiresGrad_()
    }
    let parameters = [
      leaf([4, 1, 3, 3], 0.3), leaf([4], 0.1), leaf([36, 16], 0.2), leaf([16], 0.1), leaf([16], 0.1), leaf([5, 16], 0.2),
    ]
    let states = parameters.map { ($0.zerosLike(), $0.zerosLike()) }
    let images = Tensor.randn([6, 1, 8, 8], generator: generator).to(device)
    let classes = Tensor([0, 1, 2, 3, 4, 1]).to(device)
    return (1...4).map { step in
      let features = images.conv2d(parameters[0], bias: parameters[1]).relu().maxPool2d(2).flatten(startDim: 1)
      let hidden = features.matmul(parameters[2]).layerNorm([16], weight: parameters[3] + 1, bias: parameters[4]).gelu()
      let loss = hidden.linear(parameters[5]).crossEntropy(classes)
      loss.backward()
      let gradients = parameters.map { $0.grad! }
      let norm = GradientScaling.norm(of: gradients, order: 2, operation: "clip")!
      GradientScaling.clip(gradients, to: 1, norm: norm, operation: "clip")
      var formula = StepFormula(.adam, rate: 0.05 / (1 - pow(0.9, Double(step))))
      (formula.fresh1, formula.beta2, formula.eps) = (0.1, 0.999, 1e-8)
      formula.correction2 = (1 - pow(0.999, Double(step))).squareRoot()
      noGrad {
        ParameterStep.run(
          zip(parameters, zip(gradients, states)).map { parameter, rest in
            ParameterStep(formula, parameter: parameter, gradient: rest.0, state: [rest.1.0, rest.1.1, nil])
          }, operation: "step")
      }
      for parameter in parameters { parameter.grad = nil }
      return loss.item()
    }
  }

  @Test func aNetworkLearnsAsOnTheProcessor() {
    let (mine, expected) = (Self.losses(on: "cuda"), Self.losses(on: .cpu))
    for (a, b) in zip(mine, expected) { #expect(abs(a - b) < 2e-5, "\(mine) on the GPU, \(expected) on the processor") }
    #expect(expected[3] < expected[0])
  }

  @Test func aStepAcrossDevicesTakesNone() throws {
    let (here, there) = (Tensor.ones([3]), Tensor.ones([3], device: "cuda"))
    func step(_ parameter: Tensor, _ gradient: Tensor) -> ParameterStep {
      ParameterStep(StepFormula(.sgd, rate: 1), parameter: parameter, gradient: gradient, state: [nil, nil, nil])
    }
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { ParameterStep.run([step(here, .ones([3])), step(there, .ones([3]))], operation: "SGD.step") }
    }
    #expect(error?.message.contains("at least two devices, cuda:0 and cpu") == true)
    #expect(here.isEqual(to: .ones([3])) && there.cpu().isEqual(to: .ones([3])))
    ParameterStep.run([step(here, .ones([3])), step(there, .ones([3], device: "cuda"))], operation: "SGD.step")
    #expect(here.isEqual(to: .zeros([3])) && there.cpu().isEqual(to: .zeros([3])))
  }

  /// A model whose parts live on several devices.
  @Test func gradientsOfSeveralDevicesAreClippedAndUnscaledTogether() {
    let numbers = [[3, -4], [12], [0.5, 2, -1]].map { $0.map { Float($0) } }
    func outcome(_ devices: [Device], _ bad: Float?) -> [Tensor] {
      let gradients = zip(numbers, devices).map { Tensor($0, device: $1) }
      if let bad { gradients[1].fill_(Double(bad)) }
      let found = GradientScaling.unscale(gradients, by: 0.5, operation: "unscale")!
      let norms = [1, 2, .infinity].map { GradientScaling.norm(of: gradients, order: $0, operation: "clip")! }
      GradientScaling.clip(gradients, to: 2, norm: norms[1], operation: "clip")
      GradientScaling.clamp(gradients, to: 0.75, operation: "clamp")
      for result in norms + [found] { #expect(result.device == devices[0]) }
      for (gradient, device) in zip(gradients, devices) { #expect(gradient.device == device) }
      return ([found] + norms + gradients).map { $0.cpu() }
    }
    for bad in [nil, Float.infinity, .nan] {
      let expected = outcome([.cpu, .cpu, .cpu], bad)
      for devices in [[.cpu, .cuda(0), .cuda(1)], [.cuda(1), .cpu, .cuda(1)]] as [[Device]] {
        for (a, b) in zip(outcome(devices, bad), expected) { #expect(a.allClose(b, rtol: 1e-6, equalNan: true)) }
      }
    }
  }

  @Test func attentionAndNegativeLikelihoodFollowTheProcessor() {
    func outcome(_ device: Device) -> [Tensor] {
      let generator = Generator(seed: 3)
      let operands = (0..<3).map { _ in Tensor.randn([2, 3, 7, 8], generator: generator).to(device).requiresGrad_() }
      let attended = operands[0].scaledDotProductAttention(operands[1], operands[2], isCausal: true)
      let logits = attended.sum(dim: 1).reshape([14, 8]).logSoftmax(dim: 1)
      let loss = logits.nllLoss(Tensor((0..<14).map { $0 % 8 }).to(device))
      loss.backward()
      return [loss.cpu()] + operands.map { $0.grad!.cpu() }
    }
    for (a, b) in zip(outcome("cuda"), outcome(.cpu)) { #expect(a.allClose(b, rtol: 1e-5, atol: 1e-6)) }
  }

  @Test func gradientsThatNobodyElseHoldsBecomeTheLeavesOwn() {
    func leaf(_ shape: Shape) -> Tensor { Tensor.randn(shape, generator: Generator(seed: 1)).to("cuda").requiresGrad_() }
    let (x, weight, logits) = (leaf([8, 4]), leaf([4, 4]), leaf([3, 7]))
    let arrived = Mutex<Set<UInt>>([])
    for leaf in [x, weight, logits] {
      leaf.registerHook { gradient in
        arrived.withLock { _ = $0.insert(UInt(bitPattern: gradient.body.storage.address)) }
        return nil
      }
    }
    x.matmul(weight).gelu().sum().backward()
    logits.crossEntropy(Tensor([1, 6, 0], device: "cuda")).backward()
    #expect(arrived.withLock { $0 } == Set([x, weight, logits].map { UInt(bitPattern: $0.grad!.body.storage.address) }))
    // One gradient for two leaves.
    let (a, b) = (leaf([5]), leaf([5]))
    (a + b).sum().backward()
    a.grad!.mul_(2)
    #expect(a.grad!.cpu().isEqual(to: .full([5], 2)) && b.grad!.cpu().isEqual(to: .ones([5])))
  }

  @Test func gradientsOfSlicesMeetInPlace() {
    func gradient(_ device: Device) -> Tensor {
      let x = Tensor.randn([6, 9], generator: Generator(seed: 2)).to(device).requiresGrad_()
      let parts = (x * 2).split(3, dim: 1)
      (parts[0].square() + parts[1].sin() * parts[2] + parts[0] * parts[1]).sum().backward()
      return x.grad!.cpu()
    }
    #expect(gradient("cuda").allClose(gradient(.cpu), rtol: 1e-5, atol: 1e-6))
  }
}

extension StreamTests {
  /// Nobody waits for a norm, nor for what unscaling finds.
  @Test(arguments: [DType.float32, .bfloat16]) func gradientsAreClippedAndUnscaledWithoutAWait(_ dtype: DType) throws {
    defer { CUDA.synchronize(.cuda(2)) }
    let generator = Generator(seed: 9)
    let numbers = [[300, 40], [7], [0], [9000]].map { Tensor.randn(Shape($0), generator: generator).to(dtype) }
    for (bound, bad) in [(1.0, nil), (1e4, nil), (2, .nan), (2, .infinity)] as [(Double, Double?)] {
      func clipped(_ device: Device) -> (norm: Tensor, gradients: [Tensor], found: Tensor) {
        let gradients = numbers.map { $0.clone().to(device) }
        // Found by many threads.
        if let bad { gradients[3][0..<100].fill_(bad) }
        let event = device.isCPU ? nil : CUDA.Event(device)
        event?.record(on: .current(device))
        let found = GradientScaling.unscale(gradients, by: 0.5, operation: "unscale")!
        let norm = GradientScaling.norm(of: gradients, order: 2, operation: "clip")!
        GradientScaling.clip(gradients, to: bound, norm: norm, operation: "clip")
        #expect(event?.isDone != true)
        return (norm, gradients, found)
      }
      let (mine, expected) = (clipped(.cuda(2)), clipped(.cpu))
      #expect(mine.norm.device == .cuda(2) && mine.norm.dtype == .float64)
      #expect(mine.found.item() == (bad == nil ? 0 : 1) && expected.found.item() == mine.found.item())
      #expect(mine.norm.cpu().allClose(expected.norm, rtol: 1e-6, equalNan: true))
      for (a, b) in zip(mine.gradients, expected.gradients) {
        #expect(a.cpu().allClose(b, rtol: dtype == .float32 ? 1e-6 : 1e-2, atol: 1e-7, equalNan: true), "\(bound) \(bad ?? 0)")
      }
    }
  }
}
