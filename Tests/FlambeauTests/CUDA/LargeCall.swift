@testable import Flambeau

/// Calls that need more than a block or a warp: reductions in pieces, rows of a whole block, rows that wait in shared memory or are
/// read again, lines scanned in several goes, elements a thread comes to in a second round.
struct LargeCall: Sendable {
  let name: String
  let run: @Sendable () -> Void

  private init(_ name: String, _ shapes: Shape..., of dtype: DType = .float32, call: @escaping @Sendable ([Tensor]) -> Tensor) {
    self.name = "\(name) of \(dtype) \(shapes)"
    run = {
      let operands = withGenerator(Generator(seed: 1)) {
        shapes.map { dtype.isFloatingPoint ? Tensor.randn($0).to(dtype).requiresGrad_() : (Tensor.randn($0) * 30).to(dtype) }
      }
      let result = call(operands)
      if !result.requiresGrad { return }
      let weight = withGenerator(Generator(seed: 2)) { Tensor.randn(result.shape).to(result.dtype) }
      _ = Tensor.grad(of: [result], withRespectTo: operands, gradients: [weight])
    }
  }

  private static func places(_ count: Int, of size: Int) -> Tensor { Tensor((0..<count).map { ($0 * $0 + 3 * $0) % size }) }

  static let all: [LargeCall] = [
    LargeCall("sum", [200_000]) { $0[0].sum() },
    LargeCall("mean", [700, 90]) { $0[0].mean(dim: [0]) },
    LargeCall("mean", [3, 9000], of: .bfloat16) { $0[0].mean(dim: [1]) },
    LargeCall("amax", [40, 3000]) { $0[0].T.amax(dim: [0]) },
    LargeCall("argmax", [70_000]) { $0[0].argmax() },
    LargeCall("argmin", [5000, 6]) { $0[0].argmin(dim: 0) },
    LargeCall("softmax", [3, 1500]) { $0[0].softmax(dim: -1) },
    LargeCall("softmax", [2, 3000], of: .float16) { $0[0].softmax(dim: -1) },
    LargeCall("softmax", [2, 9000], of: .bfloat16) { $0[0].softmax(dim: -1) },
    LargeCall("softmax", [2, 5000], of: .float64) { $0[0].softmax(dim: -1) },
    LargeCall("logSoftmax", [2, 9000]) { $0[0].logSoftmax(dim: -1) },
    LargeCall("logSoftmax", [2, 30_000]) { $0[0].logSoftmax(dim: -1) },
    LargeCall("layerNorm", [70, 1100], [1100], [1100]) { $0[0].layerNorm([1100], weight: $0[1], bias: $0[2]) },
    LargeCall("layerNorm", [5, 9001], [9001], [9001]) { $0[0].layerNorm([9001], weight: $0[1], bias: $0[2]) },
    LargeCall("layerNorm", [70, 768], [768], [768], of: .bfloat16) { $0[0].layerNorm([768], weight: $0[1], bias: $0[2]) },
    LargeCall("layerNorm", [9, 1000], [1000], [1000], of: .float64) { $0[0].layerNorm([1000], weight: $0[1], bias: $0[2]) },
    LargeCall("rmsNorm", [50, 40], [40]) { $0[0].rmsNorm([40], weight: $0[1]) },
    LargeCall("crossEntropy", [4, 12_000]) { $0[0].crossEntropy(Tensor([5, 11_999, 0, 700])) },
    // Rows that begin and end within 16 bytes, each elsewhere.
    LargeCall("crossEntropy", [4, 9001]) { $0[0].crossEntropy(Tensor([9000, 1, 0, 700])) },
    LargeCall("crossEntropy", [5, 16_389], of: .bfloat16) { $0[0].crossEntropy(Tensor([16_388, 1, 0, 700, 7])) },
    LargeCall("crossEntropy", [3, 9003], of: .float16) { $0[0].crossEntropy(Tensor([5, 9002, 0]), labelSmoothing: 0.1) },
    LargeCall("crossEntropy", [3, 5003], of: .float64) { $0[0].crossEntropy(Tensor([5, 5002, 0])) },
    LargeCall("crossEntropy", [3, 9001], of: .bfloat16) {
      $0[0].narrow(1, start: 1, length: 8999).crossEntropy(Tensor([5, 8998, 0]))
    },
    // Far apart, and infinite: shares that are nothing, and none.
    LargeCall("crossEntropy", [4, 9001]) { ($0[0] * 300).crossEntropy(Tensor([9000, 1, 0, 700])) },
    LargeCall("crossEntropy", [4, 9001]) {
      Tensor.where($0[0] .> 0.5, -.infinity, $0[0]).crossEntropy(Tensor([9000, 1, 0, 700]))
    },
    LargeCall("softmax", [3, 9005]) { $0[0].softmax(dim: -1) },
    LargeCall("layerNorm", [5, 9005], [9005], of: .bfloat16) { $0[0].layerNorm([9005], weight: $0[1]) },
    LargeCall("cumsum", [3, 5000]) { $0[0].cumsum(dim: 1) },
    LargeCall("cumsum", [2100, 7]) { $0[0].cumsum(dim: 0) },
    // Lines scanned by blocks and by threads, from either end.
    LargeCall("cumprod", [3, 5000]) { (1 + $0[0] / 100).cumprod(dim: 1) },
    LargeCall("cumprod", [2100, 7], of: .float64) { (1 + $0[0] / 100).cumprod(dim: 0) },
    LargeCall("cummax", [3, 5000]) { $0[0].cummax(dim: 1).values },
    LargeCall("cummax", [2, 3000], of: .bfloat16) { $0[0].cummax(dim: 1).values },
    LargeCall("cummin", [2100, 7]) { ($0[0] + 2).log().cummin(dim: 0).values },
    LargeCall("cummin", [2, 4000], of: .int32) { $0[0].cummin(dim: 1).indices },
    LargeCall("cummax", [2, 4000]) { Tensor.where($0[0] .> 3, .nan, $0[0]).cummax(dim: 1).indices },
    LargeCall("logCumSumExp", [3, 5000]) { ($0[0] * 20).logCumSumExp(dim: 1) },
    LargeCall("logCumSumExp", [1100, 7], of: .float64) { Tensor.where($0[0] .> 0, -.infinity, $0[0]).logCumSumExp(dim: 0) },
    LargeCall("mode", [3, 5000]) { ($0[0] * 40).round().mode(dim: 1).values },
    LargeCall("mode", [2100, 7], of: .int8) { $0[0].mode(dim: 0).indices },
    LargeCall("mode", [3, 1500], of: .float64) { $0[0].mode(dim: 1).indices },
    LargeCall("mode", [3, 1500]) { $0[0].log().mode(dim: 1).indices },
    LargeCall("frexp", [3001], of: .float16) { ($0[0] * 1000).frexp().mantissa },
    LargeCall("frexp", [40, 30]) { ($0[0] / 0).T.frexp().exponent },
    LargeCall("nextAfter", [70, 30], [30], of: .bfloat16) { $0[0].detach().nextAfter($0[1].detach().round()) },
    LargeCall("nextAfter", [30, 70], [70, 30], of: .float16) { $0[0].detach().nextAfter($0[1].detach().T / 0) },
    LargeCall("gelu", [100_003]) { $0[0].gelu() },
    // Rows that meet, few of them in a dimension that threads share: sums and others by atomic operations.
    LargeCall("indexAdd", [7, 3], [400, 3]) { $0[0].indexAdd(dim: 0, index: places(400, of: 7), source: $0[1]) },
    LargeCall("indexAdd", [7, 3], [400, 3], of: .float64) { $0[0].indexAdd(dim: 0, index: places(400, of: 7), source: $0[1]) },
    LargeCall("scatterReduce", [5, 2], [300, 2]) {
      $0[0].scatterReduce(dim: 0, index: places(300, of: 5).unsqueeze(1).expand([300, 2]), source: $0[1], .amax)
    },
    LargeCall("scatterReduce", [5, 2], [90, 2]) {
      $0[0].scatterReduce(dim: 0, index: places(90, of: 5).unsqueeze(1).expand([90, 2]), source: $0[1], .prod)
    },
    // Rows wide enough for accesses of 16 bytes, and for a thread each.
    LargeCall("embedding", [40, 64], of: .bfloat16) { Tensor.embedding(places(50, of: 40), weight: $0[0]) },
    LargeCall("embedding", [9, 2200]) { Tensor.embedding(places(100, of: 9), weight: $0[0]) },
    // Rows that no block sorts by itself, in one piece and in several.
    LargeCall("sort", [3, 2600]) { $0[0].sort(dim: 1).values },
    LargeCall("sort", [2100, 2], of: .float16) { $0[0].sort(dim: 0, descending: true).values },
    LargeCall("sort", [2100]) { $0[0].log().sort(descending: true).values },
    // More of them than blocks, which take a second turn with the same shared memory.
    LargeCall("sort", [20, 1100], of: .float16) { $0[0].sort(dim: 1).values },
    LargeCall("sort", [17, 2100], of: .int8) { $0[0].sort(dim: 1).values },
    LargeCall("argsort", [9000], of: .int8) { $0[0].argsort() },
    LargeCall("argsort", [2300], of: .int64) { ($0[0] * 1000).argsort(descending: true) },
    LargeCall("topK", [2, 2500], of: .float64) { $0[0].topK(7, sorted: false).values },
    LargeCall("topK", [2, 700], of: .bfloat16) { $0[0].topK(30, sorted: false).values },
    LargeCall("median", [2501]) { $0[0].log().median() },
    LargeCall("nanMedian", [50, 60]) { $0[0].T.log().nanMedian() },
    LargeCall("kthValue", [2200, 2]) { $0[0].kthValue(700, dim: 0).values },
    LargeCall("nonzero", [3, 50_000]) { ($0[0].T .> 0.3).nonzero() },
    LargeCall("searchSorted", [40, 9], [40, 7]) { $0[0].sort().values.searchSorted($0[1], outInt32: true) },
    // Channels in several pieces, in rows and side by side.
    LargeCall("batchNorm", [6, 3, 900], [3]) { $0[0].batchNorm(weight: $0[1]).output },
    LargeCall("batchNorm", [5000, 40]) { $0[0].batchNorm().output },
    LargeCall("batchNorm", [2, 20, 30]) { $0[0].batchNorm().output },
    LargeCall("batchNorm", [2, 4400], of: .float16) { $0[0].batchNorm().output },
    LargeCall("maxPool2d", [3, 2, 40, 45]) { $0[0].maxPool2d(3, stride: 2, padding: 1) },
    LargeCall("product", [300, 250], [250, 300]) { $0[0] * $0[1].T },
    LargeCall("mm", [130, 70], [70, 150]) { $0[0].mm($0[1]) },
    LargeCall("mm", [64, 132], [72, 132]) { $0[0].mm($0[1].T) },
    LargeCall("mm", [70, 136], [72, 70], of: .bfloat16) { $0[0].T.mm($0[1].T) },
    LargeCall("mm", [140, 96], [96, 135], of: .float16) { $0[0].mm($0[1]) },
    LargeCall("mm", [67, 40], [40, 70], of: .float64) { $0[0].mm($0[1]) },
    LargeCall("mm", [40, 2500], [2500, 34], of: .float16) { $0[0].mm($0[1]) },
    // By few blocks, each of a part of the depth.
    LargeCall("mm", [40, 1100], [1100, 30]) { $0[0].mm($0[1] / 40) },
    LargeCall("mm", [4, 1500], [1500, 300]) { $0[0].mm($0[1] / 40) },
    LargeCall("linear", [1, 1024], [72, 1024], [72], of: .bfloat16) { $0[0].linear($0[1], $0[2]) },
    LargeCall("linear", [2, 25, 64], [90, 64], [90]) { $0[0].linear($0[1], $0[2]) },
    LargeCall("baddbmm", [3, 1, 40], [3, 48, 30], [3, 30, 40]) { $0[0].baddbmm($0[1], $0[2], beta: 0.5, alpha: -2) },
    LargeCall("conv2d", [2, 16, 12, 12], [24, 16, 3, 3], [24]) { $0[0].conv2d($0[1] / 12, bias: $0[2], padding: 1) },
    LargeCall("conv2d", [3, 40, 9, 8], [48, 40, 1, 1], [48], of: .bfloat16) { $0[0].conv2d($0[1] / 6, bias: $0[2]) },
    LargeCall("conv2d", [3, 8, 27, 31], [16, 4, 3, 5], of: .bfloat16) {
      $0[0].conv2d($0[1], stride: [2, 3], padding: [1, 2], dilation: [2, 1], groups: 2)
    },
    LargeCall("conv2d", [2, 40, 17, 9], [80, 1, 3, 3], [80]) {
      $0[0].conv2d($0[1], bias: $0[2], stride: 2, padding: 1, groups: 40)
    },
    LargeCall("lstm", [25, 132], [9, 33], [9, 33], [132, 33], [132]) {
      let run = RecurrentRun(batchSizes: [9, 9, 5, 2], isReversed: true)
      return $0[0].recurrence(.lstm, run, hidden: $0[1], cellState: $0[2], $0[3], $0[4]).output
    },
    LargeCall("gru", [25, 99], [9, 33], [99, 33], [99]) {
      let run = RecurrentRun(batchSizes: [9, 9, 5, 2], isReversed: false)
      return $0[0].recurrence(.gru, run, hidden: $0[1], cellState: nil, $0[2], $0[3]).output
    },
    LargeCall("attention", [2, 70, 24], [2, 100, 24], [2, 100, 40]) { $0[0].scaledDotProductAttention($0[1], $0[2]) },
    LargeCall("attention", [1, 4, 80, 64], [1, 2, 80, 64], [1, 2, 80, 64], of: .bfloat16) {
      $0[0].scaledDotProductAttention($0[1], $0[2], isCausal: true, enableGQA: true)
    },
    LargeCall("attention", [2, 80, 72], [2, 90, 72], [2, 90, 136], of: .float16) {
      $0[0].scaledDotProductAttention($0[1], $0[2])
    },
    LargeCall("attention", [2, 40, 70], [2, 50, 70], [2, 50, 40], of: .float64) { $0[0].scaledDotProductAttention($0[1], $0[2]) },
    LargeCall("attention", [1, 4, 1, 16], [1, 2, 600, 16], [1, 2, 600, 24]) {
      $0[0].scaledDotProductAttention($0[1], $0[2], enableGQA: true)
    },
    LargeCall("attention", [1, 9, 8], [1, 70, 8], [1, 70, 300]) {
      $0[0].scaledDotProductAttention($0[1], $0[2], attnMask: Tensor.ones([9, 70]).tril(2) .> 0)
    },
  ]
}
