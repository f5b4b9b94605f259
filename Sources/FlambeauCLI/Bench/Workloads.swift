import Flambeau
import FlambeauNN

private let mega = 1 << 20

/// Gigabytes of so many floats.
private func gigabytes(_ floats: Int) -> Double { 4 * Double(floats) / 1e9 }

/// Numbers around 0, the same for the same shape.
private func numbers(_ shape: Shape) -> Tensor {
  withGenerator(Generator(seed: 0)) { Tensor.zeros(shape).normal_() }
}

/// Classes 0..<classes.
private func classes(_ count: Int, _ classes: Int) -> Tensor { Tensor((0..<count).map { ($0 &* 7919) % classes }) }

extension Workload {
  static let products: [Workload] =
    [256, 512, 1024, 2048].map { n in gemm("gemm_f32_\(n)", n, .float32) } + [
      gemm("gemm_bf16_1024", 1024, .bfloat16),
      Workload("gemv_1x4096x4096", .gigabytes, gigabytes(4096 * 4096)) {
        let (x, w) = (numbers([1, 4096]), numbers([4096, 4096]))
        return { noGrad { _ = x.matmul(w) } }
      },
      Workload("gemv_linear_1x4096x4096", .gigabytes, gigabytes(4096 * 4096)) {
        let (x, w) = (numbers([1, 4096]), numbers([4096, 4096]))
        return { noGrad { _ = x.linear(w) } }
      },
    ]

  private static func gemm(_ name: String, _ n: Int, _ dtype: DType) -> Workload {
    Workload(name, .gflops, 2 * Double(n * n * n) / 1e9) {
      let (a, b) = (numbers([n, n]).to(dtype), numbers([n, n]).to(dtype))
      return { noGrad { _ = a.mm(b) } }
    }
  }

  static let elementwise: [Workload] = [
    Workload("ew_add_16M", .gigabytes, gigabytes(48 * mega)) {
      let (a, b) = (numbers([16 * mega]), numbers([16 * mega]))
      return { _ = a + b }
    },
    unary("ew_chain_1M", mega) { ($0 * 1.25 + 0.5).gelu(approximate: .tanh) * 0.75 },
    unary("ew_chain_16M", 16 * mega) { ($0 * 1.25 + 0.5).gelu(approximate: .tanh) * 0.75 },
    unary("ew_exp_1M", mega) { $0.exp() },
    unary("ew_tanh_1M", mega) { $0.tanh() },
  ]

  private static func unary(_ name: String, _ count: Int, _ body: @escaping @Sendable (Tensor) -> Tensor) -> Workload {
    Workload(name, .gigabytes, gigabytes(2 * count)) {
      let x = numbers([count])
      return { _ = body(x) }
    }
  }

  static let reductions: [Workload] = [
    reduction("sum_all_16M", [16 * mega]) { $0.sum() },
    reduction("sum_last_4096x4096", [4096, 4096]) { $0.sum(dim: -1) },
    reduction("mean_last_4096x4096", [4096, 4096]) { $0.mean(dim: -1) },
    reduction("sum_first_4096x4096", [4096, 4096]) { $0.sum(dim: 0) },
    reduction("mean_first_4096x4096", [4096, 4096]) { $0.mean(dim: 0) },
  ]

  private static func reduction(
    _ name: String, _ shape: Shape, _ body: @escaping @Sendable (Tensor) -> Tensor
  ) -> Workload {
    Workload(name, .gigabytes, gigabytes(16 * mega)) {
      let x = numbers(shape)
      return { noGrad { _ = body(x) } }
    }
  }

  static let rows: [Workload] =
    [
      Workload("softmax_4096x1024", .gigabytes, gigabytes(8 * mega)) {
        let x = numbers([4096, 1024])
        return { noGrad { _ = x.softmax(dim: -1) } }
      },
      Workload("layernorm_fwd_4096x1024", .gigabytes, gigabytes(8 * mega)) {
        let (x, w, b) = (numbers([4096, 1024]), numbers([1024]), numbers([1024]))
        return { noGrad { _ = x.layerNorm([1024], weight: w, bias: b) } }
      },
      Workload("layernorm_fwdbwd_4096x1024", .milliseconds, 1) {
        let operands = [numbers([4096, 1024]), numbers([1024]), numbers([1024])].map { $0.requiresGrad_() }
        let weight = numbers([4096, 1024])
        return {
          let y = operands[0].layerNorm([1024], weight: operands[1], bias: operands[2])
          _ = Tensor.grad(of: [y], withRespectTo: operands, gradients: [weight])
        }
      },
    ]
    + [1024, 4096].map { count in
      Workload("xent_fwdbwd_\(count)x32000", .milliseconds, 1) {
        let (logits, labels) = (numbers([count, 32000]).requiresGrad_(), classes(count, 32000))
        return { _ = Tensor.grad(of: [logits.crossEntropy(labels)], withRespectTo: [logits]) }
      }
    }

  static let attentions: [Workload] = [([8, 6, 256, 64] as Shape, "8x6x256x64"), ([1, 12, 1024, 64], "1x12x1024x64")].flatMap {
    attention("sdpa_causal_\($0.1)", $0.0)
  }

  /// Forward, and forward with all three gradients.
  private static func attention(_ name: String, _ shape: Shape) -> [Workload] {
    [
      Workload(name + "_fwd", .milliseconds, 1) {
        let (q, k, v) = (numbers(shape), numbers(shape), numbers(shape))
        return { noGrad { _ = q.scaledDotProductAttention(k, v, isCausal: true) } }
      },
      Workload(name + "_fwdbwd", .milliseconds, 1) {
        let operands = (0..<3).map { _ in numbers(shape).requiresGrad_() }
        let cotangent = numbers(shape)
        return {
          let y = operands[0].scaledDotProductAttention(operands[1], operands[2], isCausal: true)
          _ = Tensor.grad(of: [y], withRespectTo: operands, gradients: [cotangent])
        }
      },
    ]
  }

  static let overheads: [Workload] =
    [false, true].map { withGrad in
      Workload(withGrad ? "overhead_add4_grad" : "overhead_add4", .nanoseconds, 200) {
        let (a, b) = (numbers([4]).requiresGrad_(withGrad), numbers([4]))
        return { for _ in 0..<200 { _ = a + b } }
      }
    } + [
      Workload("overhead_chain100_fwdbwd", .microseconds, 1) {
        let (x, c) = (numbers([4]).requiresGrad_(), Tensor.full([4], 1.001))
        return {
          x.grad = nil
          var y = x
          for _ in 0..<50 { y = y * c + c }
          y.sum().backward()
        }
      }
    ]

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
    return [
      Workload(name + "_fwd", .gflops, flops) {
        let (x, w, b) = (numbers(images), numbers(weight), numbers([weight[0]]))
        return { noGrad { _ = x.conv2d(w, bias: b, stride: Size2D(stride), padding: Size2D(padding), groups: groups) } }
      },
      Workload(name + "_fwdbwd", .gflops, 3 * flops) {
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
    training("mlp_train", [128, 784]) {
      Sequential(Linear(784, 512), ReLU(), Linear(512, 512), ReLU(), Linear(512, 10))
    },
    training("lenet_train", [128, 1, 28, 28]) {
      Sequential(
        Conv2d(1, 6, 5, padding: 2), ReLU(), MaxPool2d(2), Conv2d(6, 16, 5), ReLU(), MaxPool2d(2), Flatten(),
        Linear(400, 120), ReLU(), Linear(120, 84), ReLU(), Linear(84, 10))
    },
  ]

  /// Steps of cross entropy with Adam; inputs and labels stay the same.
  private static func training(
    _ name: String, _ inputs: Shape, _ network: @escaping @Sendable () -> Sequential
  ) -> Workload {
    Workload(name, .steps, 1) {
      let (model, x, y) = (network(), numbers(inputs), classes(inputs[0], 10))
      let optimizer = Adam(model.parameters())
      return {
        optimizer.zeroGrad()
        model(x).crossEntropy(y).backward()
        optimizer.step()
      }
    }
  }
}
