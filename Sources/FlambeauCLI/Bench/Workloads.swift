import Flambeau

extension Workload {
  static let products: [Workload] =
    [256, 512, 1024, 2048].map { n in gemm("gemm_f32_\(n)", n, .float32) } + [
      gemm("gemm_bf16_1024", 1024, .bfloat16),
      Workload("gemv_1x4096x4096", .gigabytes, gigabytes(4096 * 4096), least: floats(read: 4096 * 4096)) {
        let (x, w) = (numbers([1, 4096]), numbers([4096, 4096]))
        return { noGrad { _ = x.matmul(w) } }
      },
      Workload("gemv_linear_1x4096x4096", .gigabytes, gigabytes(4096 * 4096), least: floats(read: 4096 * 4096)) {
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
    Workload("ew_add_16M", .gigabytes, gigabytes(48 * mega), least: floats(read: 32 * mega, written: 16 * mega)) {
      let (a, b) = (numbers([16 * mega]), numbers([16 * mega]))
      return { _ = a + b }
    },
    Workload("ew_add_out_16M", .gigabytes, gigabytes(48 * mega)) {
      let (a, b, c) = (numbers([16 * mega]), numbers([16 * mega]), numbers([16 * mega]))
      return { a.add(b, out: c) }
    },
    unary("ew_chain_1M", mega, cost: 150) { ($0 * 1.25 + 0.5).gelu(approximate: .tanh) * 0.75 },
    unary("ew_chain_16M", 16 * mega, cost: 150) { ($0 * 1.25 + 0.5).gelu(approximate: .tanh) * 0.75 },
    unary("ew_exp_1M", mega, cost: 50) { $0.exp() },
    unary("ew_tanh_1M", mega, cost: 60) { $0.tanh() },
  ]

  private static func unary(
    _ name: String, _ count: Int, cost: Int, _ body: @escaping @Sendable (Tensor) -> Tensor
  ) -> Workload {
    Workload(name, .gigabytes, gigabytes(2 * count), beside: operations(cost, count)) {
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
    reduction("max_last_4096x4096", [4096, 4096]) { $0.amax(dim: -1) },
    reduction("var_last_4096x4096", [4096, 4096]) { $0.var(dim: -1) },
    reduction("argmax_last_4096x4096", [4096, 4096]) { $0.argmax(dim: -1) },
    reduction("logsumexp_last_4096x4096", [4096, 4096]) { $0.logSumExp(dim: -1) },
    reduction("cumsum_last_4096x4096", [4096, 4096]) { $0.cumsum(dim: -1) },
  ]

  private static func reduction(
    _ name: String, _ shape: Shape, _ body: @escaping @Sendable (Tensor) -> Tensor
  ) -> Workload {
    Workload(name, .gigabytes, gigabytes(16 * mega), least: floats(read: 16 * mega)) {
      let x = numbers(shape)
      return { noGrad { _ = body(x) } }
    }
  }

  static let rows: [Workload] =
    [
      Workload("softmax_4096x1024", .gigabytes, gigabytes(8 * mega), beside: operations(100, 4 * mega)) {
        let x = numbers([4096, 1024])
        return { noGrad { _ = x.softmax(dim: -1) } }
      },
      Workload("layernorm_fwd_4096x1024", .gigabytes, gigabytes(8 * mega), beside: operations(100, 4 * mega)) {
        let (x, w, b) = (numbers([4096, 1024]), numbers([1024]), numbers([1024]))
        return { noGrad { _ = x.layerNorm([1024], weight: w, bias: b) } }
      },
      // Forward reads x and writes y; backward reads x and the gradient of y, and writes that of x.
      Workload(
        "layernorm_fwdbwd_4096x1024", .milliseconds, 1, least: floats(read: 12 * mega, written: 8 * mega),
        beside: operations(250, 4 * mega)
      ) {
        let operands = [numbers([4096, 1024]), numbers([1024]), numbers([1024])].map { $0.requiresGrad_() }
        let weight = numbers([4096, 1024])
        return {
          let y = operands[0].layerNorm([1024], weight: operands[1], bias: operands[2])
          _ = Tensor.grad(of: [y], withRespectTo: operands, gradients: [weight])
        }
      },
    ]
    + [1024, 4096].map { count in
      Workload(
        "xent_fwdbwd_\(count)x32000", .milliseconds, 1, least: floats(read: count * 32000, written: count * 32000)
      ) {
        let (logits, labels) = (numbers([count, 32000]).requiresGrad_(), classes(count, 32000))
        return { _ = Tensor.grad(of: [logits.crossEntropy(labels)], withRespectTo: [logits]) }
      }
    }

  static let overheads: [Workload] =
    [false, true].map { withGrad in
      // A tensor's body and its storage, and with a gradient the node.
      Workload(
        withGrad ? "overhead_add4_grad" : "overhead_add4", .nanoseconds, 200, least: .objects(200 * (withGrad ? 3 : 2))
      ) {
        let (a, b) = (numbers([4]).requiresGrad_(withGrad), numbers([4]))
        return { for _ in 0..<200 { _ = a + b } }
      }
    } + [
      // Forward makes three objects an operation; backward, a body and a storage for half of them.
      Workload("overhead_chain100_fwdbwd", .microseconds, 1, least: .objects(400)) {
        let (x, c) = (numbers([4]).requiresGrad_(), Tensor.full([4], 1.001))
        return {
          x.grad = nil
          var y = x
          for _ in 0..<50 { y = y * c + c }
          y.sum().backward()
        }
      }
    ]
}
