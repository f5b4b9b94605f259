import Flambeau
import FlambeauNN

extension Workload {
  static let layers: [Workload] = sequenceConvolution + transposedConvolution + groupNorm + resizing + lstm + gru

  private static let sequenceConvolution = bothPasses(
    "conv1d_16x128x1024_128", of: [[16, 128, 1024], [128, 128, 5], [128]], gflops: 2.684354560
  ) { $0[0].conv1d($0[1], bias: $0[2], padding: 2) }

  private static let transposedConvolution = bothPasses(
    "convt4x4s2_16x64x28x28_64", of: [[16, 64, 28, 28], [64, 64, 4, 4], [64]], gflops: 1.644167168
  ) { $0[0].convTranspose2d($0[1], bias: $0[2], stride: 2, padding: 1) }

  private static let groupNorm = bothPasses(
    "groupnorm_16x256x32x32", of: [[16, 256, 32, 32], [256], [256]], least: floats(read: 4 * mega, written: 4 * mega),
    gradientLeast: floats(read: 12 * mega, written: 8 * mega)
  ) { $0[0].groupNorm(32, weight: $0[1], bias: $0[2]) }

  private static let resizing = bothPasses(
    "bilinear2x_8x64x64x64", of: [[8, 64, 64, 64]], least: floats(read: 2 * mega, written: 8 * mega),
    gradientLeast: floats(read: 10 * mega, written: 10 * mega)
  ) { $0[0].interpolate(scaleFactor: 2, mode: .bilinear) }

  private static let lstm = recurrent("lstm_64x32x256", LSTM(256, 256)) { $0($1).output }
  private static let gru = recurrent("gru_64x32x256", GRU(256, 256)) { $0($1).output }

  /// 64 steps of 32 sequences; gradients of the input and of all parameters.
  private static func recurrent<Network: Module>(
    _ name: String, _ network: @escaping @autoclosure @Sendable () -> Network,
    _ output: @escaping @Sendable (Network, Tensor) -> Tensor
  ) -> [Workload] {
    let shape: Shape = [64, 32, 256]
    return [
      Workload(name + "_fwd", .milliseconds, 1) {
        let (model, x) = (network(), numbers(shape))
        return { noGrad { _ = output(model, x) } }
      },
      Workload(name + "_fwdbwd", .milliseconds, 1) {
        let (model, x, cotangent) = (network(), numbers(shape).requiresGrad_(), numbers(shape))
        let operands = [x] + model.parameters().map(\.tensor)
        return { _ = Tensor.grad(of: [output(model, x)], withRespectTo: operands, gradients: [cotangent]) }
      },
    ]
  }

  static let selections: [Workload] = [
    selection("sort_1M", least: floats(read: mega, written: 3 * mega), [mega]) { x, _ in x.sort().values },
    selection("topk100_1M", least: floats(read: mega), [mega]) { x, _ in x.topK(100).values },
    selection("topk10_4096x1024", least: floats(read: 4 * mega), [4096, 1024]) { x, _ in x.topK(10).values },
    // Positions are twice as wide as floats.
    selection("gather_4096x1024", least: floats(read: 12 * mega, written: 4 * mega), [4096, 1024], places: [4096, 1024]) {
      $0.gather(dim: 1, index: $1)
    },
    selection(
      "scatter_add_4096x1024", least: floats(read: 16 * mega, written: 4 * mega), [4096, 1024], places: [4096, 1024]
    ) { $0.scatterAdd(dim: 1, index: $1, source: $0) },
    selection("index_select_65536x256", least: floats(read: 16 * mega, written: 16 * mega), [65536, 256], places: [65536]) {
      $0.indexSelect(dim: 0, index: $1)
    },
  ]

  /// `places` is the shape of random positions within the dimension that the operation goes along.
  private static func selection(
    _ name: String, least: ReferenceLoop.Work, _ shape: Shape, places: Shape = [1],
    _ operation: @escaping @Sendable (Tensor, Tensor) -> Tensor
  ) -> Workload {
    Workload(name, .milliseconds, 1, least: least) {
      let x = numbers(shape)
      let size = places.count == 1 ? shape[0] : shape[1]
      let index = withGenerator(Generator(seed: 1)) { Tensor.randint(0, size, places) }
      return { noGrad { _ = operation(x, index) } }
    }
  }
}
