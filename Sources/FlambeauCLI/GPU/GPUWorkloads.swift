import Flambeau
import FlambeauModels
import FlambeauNN

private func numbers(_ shape: Shape, _ device: Device, _ dtype: DType = .float32) -> Tensor {
  ((Tensor.arange(shape.elementCount, device: device) % 1013).to(.float32) / 1013.0 - 0.5).to(dtype).reshape(shape)
}

private func classes(_ count: Int, _ kinds: Int, _ device: Device) -> Tensor {
  Tensor.arange(count, device: device) * 7919 % kinds
}

extension GPUWorkload {
  static let all = memory + products + trainings

  // Bound by the memory.
  private static let memory: [GPUWorkload] = [
    GPUWorkload("copy_256M", bytes: 2 * 4 * 0x1p28) { device, small in
      let x = numbers([small ? 1 << 10 : 1 << 28], device)
      return { _ = x.clone() }
    },
    GPUWorkload("add_64M", bytes: 3 * 4 * 0x1p26) { device, small in
      let (x, y) = (numbers([small ? 1 << 10 : 1 << 26], device), numbers([small ? 1 << 10 : 1 << 26], device))
      return { _ = x + y }
    },
    GPUWorkload("gelu_64M", bytes: 2 * 4 * 0x1p26) { device, small in
      let x = numbers([small ? 1 << 10 : 1 << 26], device)
      return { _ = x.gelu() }
    },
    GPUWorkload("sum_64M", bytes: 4 * 0x1p26) { device, small in
      let x = numbers([small ? 1 << 10 : 1 << 26], device)
      return { _ = x.sum() }
    },
    rows("layernorm_8192x4096", [8192, 4096], passes: 5) { x, _ in x.layerNorm([x.shape[1]]) },
    rows("softmax_8192x4096", [8192, 4096], passes: 5) { x, _ in x.softmax(dim: -1) },
    GPUWorkload("xent_8192x50304", bytes: 2 * 4 * 8192 * 50304) { device, small in
      let (n, kinds) = small ? (8, 32) : (8192, 50304)
      let x = numbers([n, kinds], device).requiresGrad_()
      let target = classes(n, kinds, device)
      return {
        x.grad = nil
        x.crossEntropy(target).backward()
      }
    },
    GPUWorkload("adamw_gpt2", bytes: 7 * 4 * 124_439_808) { device, small in
      let sizes = small ? [[40, 8], [8]] : gpt2Shapes
      let parameters = sizes.map { Parameter(numbers(Shape($0), device)) }
      for parameter in parameters { parameter.grad = numbers(parameter.shape, device) }
      let optimizer = AdamW(parameters)
      return { optimizer.step() }
    },
    GPUWorkload("launch_add", isLaunch: true) { device, _ in
      let x = numbers([16], device)
      return { _ = x + 1 }
    },
  ]

  /// Forward and backward of a function of rows, which moves so many times the input at least.
  private static func rows(
    _ name: String, _ shape: Shape, passes: Double, _ function: @escaping @Sendable (Tensor, Device) -> Tensor
  ) -> GPUWorkload {
    GPUWorkload(name, bytes: passes * 4 * Double(shape.elementCount)) { device, small in
      let shape: Shape = small ? [8, 64] : shape
      let (x, g) = (numbers(shape, device).requiresGrad_(), numbers(shape, device))
      return { _ = Tensor.grad(of: [function(x, device)], withRespectTo: [x], gradients: [g]) }
    }
  }

  private static let gpt2Shapes: [[Int]] =
    [[50257, 768], [1024, 768], [768], [768]]
    + (0..<12).flatMap { _ in
      [[768], [768], [768, 2304], [2304], [768, 768], [768], [768], [768], [768, 3072], [3072], [3072, 768], [768]]
    }

  // Bound by arithmetic.
  private static let products: [GPUWorkload] = [
    product("gemm_f32_4096", 4096, .float32), product("gemm_bf16_8192", 8192, .bfloat16),
    // Two products forward and five backward, of the half of the pairs that see each other.
    GPUWorkload("attention_b16h12t1024d64", operations: 7 * 2 * 16 * 12 * 1024 * 1024 * 64 / 2) { device, small in
      let (n, heads, length, width) = small ? (2, 2, 40, 16) : (16, 12, 1024, 64)
      let x = numbers([n, length, 3, heads, width], device, .bfloat16)
      let g = numbers([n, length, heads, width], device, .bfloat16).transpose(1, 2)
      let parts = (0..<3).map { x.select(dim: 2, index: $0).transpose(1, 2).detach().requiresGrad_() }
      return {
        let y = parts[0].scaledDotProductAttention(parts[1], parts[2], isCausal: true)
        _ = Tensor.grad(of: [y], withRespectTo: parts, gradients: [g])
      }
    },
  ]

  private static func product(_ name: String, _ n: Int, _ dtype: DType) -> GPUWorkload {
    let (count, size) = (Double(n) * Double(n), Double(dtype.byteCount))
    return GPUWorkload(name, bytes: 3 * size * count, operations: 2 * count * Double(n)) { device, small in
      let n = small ? 32 : n
      let (a, b) = (numbers([n, n], device, dtype), numbers([n, n], device, dtype))
      return { _ = a.matmul(b) }
    }
  }

  // Whole steps.
  private static let trainings: [GPUWorkload] = [
    // Six operations a parameter and token, and attention's.
    training("gpt2_train_b16x1024_bf16", operations: 16 * 1024 * (6 * 124_439_808 + 12 * 12 * 768 * 1024), inGraph: false, gpt2),
    training(
      "gpt2_train_b16x1024_bf16_graph", operations: 16 * 1024 * (6 * 124_439_808 + 12 * 12 * 768 * 1024), inGraph: true, gpt2),
    training("resnet50_train_b128_bf16", operations: 128 * 3 * 2 * 4.09e9, inGraph: false) { device, small in
      let model = ResNet.resnet50(numClasses: small ? 10 : 1000, stem: small ? .cifar : .imageNet)
      model.to(device).to(memoryFormat: .channelsLast)
      let (n, side) = small ? (2, 16) : (128, 224)
      let x = numbers([n, 3, side, side], device).contiguous(memoryFormat: .channelsLast)
      let y = classes(n, small ? 10 : 1000, device)
      return (model.parameters(), { autocast(.bfloat16) { model(x).crossEntropy(y) } })
    },
  ]

  @Sendable private static func gpt2(_ device: Device, _ small: Bool) -> ([Parameter], () -> Tensor) {
    let config =
      small
      ? GPT2.Config(vocabSize: 64, nPositions: 16, nEmbd: 32, nLayer: 1, nHead: 2, dropout: 0) : GPT2.Config(dropout: 0)
    let model = GPT2(config)
    model.to(device)
    let (n, length) = small ? (2, 16) : (16, 1024)
    let tokens = classes(n * length, config.vocabSize, device)
    let shaped = tokens.reshape([n, length])
    return (
      model.parameters(),
      { autocast(.bfloat16) { model(shaped).view([n * length, config.vocabSize]).crossEntropy(tokens) } }
    )
  }

  private static func training(
    _ name: String, operations: Double, inGraph: Bool,
    _ make: @escaping @Sendable (_ device: Device, _ small: Bool) -> ([Parameter], () -> Tensor)
  ) -> GPUWorkload {
    GPUWorkload(name, operations: operations) { device, small in
      let (parameters, loss) = make(device, small)
      let optimizer = AdamW(parameters)
      let step = {
        optimizer.zeroGrad()
        loss().backward()
        optimizer.step()
      }
      if !inGraph { return step }
      step()
      let graph = CUDA.graph(device, step)
      return { graph.replay() }
    }
  }
}
