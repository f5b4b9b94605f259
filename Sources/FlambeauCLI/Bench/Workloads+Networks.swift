import Flambeau
import FlambeauModels
import FlambeauNN

extension Workload {
  static let attentions: [Workload] =
    attention("sdpa_causal_8x6x256x64", [8, 6, 256, 64], isCausal: true)
    + attention("sdpa_causal_1x12x1024x64", [1, 12, 1024, 64], isCausal: true)
    + attention("sdpa_4x8x1024x64", [4, 8, 1024, 64], isCausal: false)

  private static func attention(_ name: String, _ shape: Shape, isCausal: Bool) -> [Workload] {
    bothPasses(name, of: Array(repeating: shape, count: 3)) { $0[0].scaledDotProductAttention($0[1], $0[2], isCausal: isCausal) }
  }

  static let convolutions: [Workload] =
    convolution("conv3x3_32x64x56x56_64", [32, 64, 56, 56], [64, 64, 3, 3], padding: 1)
    + convolution("convdw3x3_32x128x28x28", [32, 128, 28, 28], [128, 1, 3, 3], padding: 1, groups: 128)
    + convolution("conv7x7s2_8x3x224x224_64", [8, 3, 224, 224], [64, 3, 7, 7], stride: 2, padding: 3)

  /// Forward, and forward with all three gradients, counted as three times the operations.
  private static func convolution(
    _ name: String, _ images: Shape, _ weight: Shape, stride: Int = 1, padding: Int, groups: Int = 1
  ) -> [Workload] {
    let height = (images[2] + 2 * padding - weight[2]) / stride + 1
    let width = (images[3] + 2 * padding - weight[3]) / stride + 1
    let size: Shape = [images[0], weight[0], height, width]
    let flops = 2 * Double(size.elementCount * weight[1] * weight[2] * weight[3]) / 1e9
    // Of a group of one channel hardly anything is computed for what is read.
    func beside(passes: Int) -> ReferenceLoop.Work? {
      weight[1] > 1 ? nil : floats(read: passes * images.elementCount, written: passes * size.elementCount)
    }
    return [
      Workload(name + "_fwd", .gflops, flops, beside: beside(passes: 1)) {
        let (x, w, b) = (numbers(images), numbers(weight), numbers([weight[0]]))
        return { noGrad { _ = x.conv2d(w, bias: b, stride: Size2D(stride), padding: Size2D(padding), groups: groups) } }
      },
      Workload(name + "_fwdbwd", .gflops, 3 * flops, beside: beside(passes: 3)) {
        let operands = [numbers(images), numbers(weight), numbers([weight[0]])].map { $0.requiresGrad_() }
        let cotangent = numbers(size)
        return {
          let y = operands[0].conv2d(
            operands[1], bias: operands[2], stride: Size2D(stride), padding: Size2D(padding), groups: groups)
          _ = Tensor.grad(of: [y], withRespectTo: operands, gradients: [cotangent])
        }
      },
    ]
  }

  static let trainings: [Workload] = [
    training("mlp_train", numbers([128, 784]), classes(128, 10)) {
      Sequential(Linear(784, 512), ReLU(), Linear(512, 512), ReLU(), Linear(512, 10))
    },
    training("lenet_train", numbers([128, 1, 28, 28]), classes(128, 10)) {
      Sequential(
        Conv2d(1, 6, 5, padding: 2), ReLU(), MaxPool2d(2), Conv2d(6, 16, 5), ReLU(), MaxPool2d(2), Flatten(),
        Linear(400, 120), ReLU(), Linear(120, 84), ReLU(), Linear(84, 10))
    },
    training("resnet18_train_b8", numbers([8, 3, 224, 224]), classes(8, 1000)) { ResNet.resnet18() },
    training("gpt_baby_train", classes(8 * 256, 65).view([8, 256]), classes(8 * 256, 65), { AdamW($0) }) {
      GPT2(GPT2.Config(vocabSize: 65, nPositions: 256, nEmbd: 384, nLayer: 6, nHead: 6, dropout: 0))
    },
  ]

  /// Steps of cross entropy; inputs and labels stay the same.
  private static func training(
    _ name: String, _ inputs: @escaping @autoclosure @Sendable () -> Tensor,
    _ labels: @escaping @autoclosure @Sendable () -> Tensor,
    _ optimizer: @escaping @Sendable ([Parameter]) -> any Optimizer = { Adam($0) },
    _ network: @escaping @Sendable () -> any Layer
  ) -> Workload {
    Workload(name, .steps, 1) {
      let (model, x, y) = (network(), inputs(), labels())
      let rule = optimizer(model.parameters())
      return {
        rule.zeroGrad()
        let logits = model(x)
        logits.view([-1, logits.shape[-1]]).crossEntropy(y).backward()
        rule.step()
      }
    }
  }

  static let inferences: [Workload] = [1, 16].map { count in
    Workload("resnet18_infer_b\(count)", .images, Double(count)) {
      let (model, x) = (ResNet.resnet18().eval(), numbers([count, 3, 224, 224]))
      return { noGrad { _ = model(x) } }
    }
  }

  static let memories: [Workload] = ["resnet18_train_b8", "gpt_baby_train"].map { Workload(peakOf: $0) }
}
