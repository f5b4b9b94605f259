import Testing

@testable import Flambeau

/// Cross entropies on an emulated GPU: what they read and write of logits that are half numbers, and of gradients that are ones.
@Suite(.enabled(if: EmulatedDevice.isThere, "no clang++")) struct DeviceLossTests {
  private static let targets = Tensor([3, 0, 36, -100, 7])

  private static func logits(_ dtype: DType) -> Tensor {
    (Tensor.randn([5, 37], generator: Generator(seed: 4)) * 3).to(dtype)
  }

  @Test(arguments: [DType.bfloat16, .float16], [LossReduction.mean, .sum, .none])
  func autocastReadsHalvesAsIfTheyHadBeenCast(dtype: DType, reduction: LossReduction) {
    let weight = Tensor.rand([37], generator: Generator(seed: 5))
    func outcome(_ device: Device) -> (loss: Tensor, gradient: Tensor) {
      let x = Self.logits(dtype).to(device).requiresGrad_()
      let scale = (Tensor.arange(5.0).to(.float32) + 1).to(device)
      let loss = autocast(dtype) {
        x.crossEntropy(Self.targets.to(device), weight: weight.to(device), reduction: reduction, labelSmoothing: 0.1)
      }
      #expect(loss.dtype == .float32)
      (reduction == .none ? (loss * scale).sum() : loss).backward()
      return (loss.cpu(), x.grad!.cpu())
    }
    let (mine, expected) = (outcome("cuda"), outcome(.cpu))
    #expect(mine.loss.allClose(expected.loss, rtol: 1e-5, atol: 1e-6), "\(mine.loss), \(expected.loss)")
    #expect(mine.gradient.dtype == dtype)
    // Rounded to the half type once, and once more where a scale comes after.
    #expect(mine.gradient.to(.float32).allClose(expected.gradient.to(.float32), rtol: 2e-2, atol: 1e-4))
  }

  @Test func onlyUntouchedOnesAreKnownToBeOnes() throws {
    func gradient(_ device: Device, _ pass: (Tensor) -> Void) -> Tensor {
      let x = Self.logits(.float32).to(device).requiresGrad_()
      pass(x.crossEntropy(Self.targets.to(device)))
      return x.grad!.cpu()
    }
    let passes: [@Sendable (Tensor) -> Void] = [
      { $0.backward() },
      { ($0 * 3).backward() },
      { $0.backward(gradient: .full([], 0.25, device: $0.device)) },
      { loss in
        _ = loss.registerHook { $0.mul_(2) }
        loss.backward()
      },
      { loss in
        loss.backward(retainGraph: true)
        loss.backward()
      },
    ]
    for (i, pass) in passes.enumerated() {
      let (mine, expected) = (gradient("cuda", pass), gradient(.cpu, pass))
      #expect(mine.allClose(expected, rtol: 1e-5, atol: 1e-7), "pass \(i)")
    }
    let ones = Tensor.ones([2])
    #expect(!ones.body.storage.holdsOnes)
    ones.body.storage.rememberOnes()
    #expect(ones.body.storage.holdsOnes)
    ones.mul_(2)
    #expect(!ones.body.storage.holdsOnes)
  }

  @Test func gradientsDifferentiateAgain() {
    func outcome(_ device: Device) -> Tensor {
      let x = Self.logits(.bfloat16).to(device).requiresGrad_()
      let loss = autocast(.bfloat16) { x.crossEntropy(Self.targets.to(device)) }
      let first = Tensor.grad(of: [loss], withRespectTo: [x], createGraph: true)[0]!
      return Tensor.grad(of: [first.square().sum()], withRespectTo: [x])[0]!.cpu().to(.float32)
    }
    #expect(outcome("cuda").allClose(outcome(.cpu), rtol: 5e-2, atol: 5e-3))
  }

  @Test func largeCopiesMoveBytes() {
    let x = Tensor.arange(300_000.0).to(.float32).reshape([500, 600])
    let there = x.to("cuda")
    #expect(there.clone().cpu().isEqual(to: x))
    #expect(there.T.clone().cpu().isEqual(to: x.T))
    let target = Tensor.zeros([2, 500, 600], device: "cuda")
    target[1].copy_(there)
    #expect(target.cpu()[1].isEqual(to: x) && target.cpu()[0].isEqual(to: .zeros([500, 600])))
    #expect(there.to(.bfloat16).cpu().isEqual(to: x.to(.bfloat16)))
  }
}
