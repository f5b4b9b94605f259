import CKernels

/// The sums of a ``ChannelSumsTask`` where channels lie side by side: a thread has some neighbours and walks down the pixels, whose rows
/// blocks share. A few elements are added in the compute class, these sums in float64.
struct ChannelsSideBySide {
  private let task: ChannelSumsTask
  private let inputs: [Elements]
  private let isWide: Bool
  private let channels: Int
  private let count: Int
  /// Channels of a thread.
  private let width: Int
  /// Threads along the channels.
  private let lanes: Int

  private static let rowsAtOnce = 4
  /// How often so many rows are added before the sums become float64.
  private static let turns = 8

  /// Nil where they lie otherwise, or cannot be read some at a time.
  init?(_ task: ChannelSumsTask, _ inputs: [Elements], isWide: Bool) {
    let shape = task.x.layout.shape
    (self.task, self.inputs, self.isWide) = (task, inputs, isWide)
    (channels, count) = (shape.at(1), shape.at(0) * shape.at(2))
    width = task.x.dtype.byteCount == 8 ? 2 : 4
    let width = width
    guard count > 0, channels % width == 0 else { return nil }
    let images = inputs.prefix(task.hasSlopes ? 2 : 1)
    for image in images {
      let strides = image.layout.strides
      guard strides.at(1) == 1, image.dtype.byteCount <= 8, ChannelsSideBySide.rowStride(image) % width == 0,
        shape.at(0) == 1 || shape.at(2) == 1 || strides.at(0) == shape.at(2) * strides.at(2),
        UInt(bitPattern: image.address) % UInt(Swift.min(16, width * image.dtype.byteCount)) == 0
      else { return nil }
    }
    var lanes = 1
    while lanes < 32 && lanes * width < channels { lanes *= 2 }
    self.lanes = lanes
  }

  /// From a pixel to the next.
  private static func rowStride(_ image: Elements) -> Int { image.layout.strides.at(image.layout.shape.at(2) == 1 ? 0 : 2) }

  private var rows: Int { ChannelSumsTask.threads / lanes }
  var groups: Int { (channels + lanes * width - 1) / (lanes * width) }
  var sharedByteCount: Int { 2 * ChannelSumsTask.threads * width * 8 }

  func pieces(on device: DeviceShape) -> Int {
    Swift.min((count + 8 * rows - 1) / (8 * rows), Swift.max(1, 4 * device.multiprocessorCount / groups))
  }

  /// What the rectifier's text reads.
  private var passing: String {
    zip(["scale", "shift"], inputs.indices.dropFirst(3)).map { name, i in
      """
            C \(name)[W];
      #pragma unroll
            for (int k = 0; k < W; k++) \(name)[k] = element<C, \(inputs[i].dtype.deviceName)>(a.p\(i), (channel + k) * a.channel\(i)).v;

      """
    }.joined()
  }

  /// Declares what it needs besides the task's arguments.
  func body(_ arguments: inout KernelArguments) -> String {
    for i in 0..<(task.hasSlopes ? 2 : 1) { arguments.integer("row\(i)", ChannelsSideBySide.rowStride(inputs[i])) }
    let (x, position) = (inputs[0].dtype.deviceName, isWide ? "int64_t" : "int32_t")
    let slope = task.hasSlopes ? inputs[1].dtype.deviceName : nil
    func read(_ at: String, _ number: String) -> String {
      "x\(number) = pack<\(x), W>(a.p0, (Position)(\(at)) * (Position)a.row0 + channel);"
        + (slope.map { " slope\(number) = pack<\($0), W>(a.p1, (Position)(\(at)) * (Position)a.row1 + channel);" } ?? "")
    }
    func gradient(_ number: String) -> String {
      let g = "element_of<C>(slope\(number), k).v"
      return task.rectifier.map { $0.passing(g, "d", "scale[k]", "shift[k]") } ?? g
    }
    func add(_ number: String) -> String {
      """
      for (int k = 0; k < W; k++) {
                    const C d = element_of<C>(x\(number), k).v - origin[k];
                    \(slope == nil
          ? "part0[k] += d, part1[k] += d * d;"
          : "const C g = \(gradient(number));\n              part0[k] += g, part1[k] += g * d;")
                  }
      """
    }
    let origin =
      slope == nil
      ? "element<C, \(x)>(a.p0, channel + k).v"
      : "(C)element<C, \(inputs[2].dtype.deviceName)>(a.p2, (channel + k) * a.channel2).v"
    let packs = { (count: String) in "Pack<\(x), W> x\(count);" + (slope.map { " Pack<\($0), W> slope\(count);" } ?? "") }
    return """
        typedef \(position) Position;
        constexpr int W = \(width), lanes = \(lanes), rows = \(rows), U = \(ChannelsSideBySide.rowsAtOnce);
        FB_SHARED(shared);
        double *cells = (double *)shared;
        const int t = threadIdx.x, row = t / lanes;
        for (int64_t group = blockIdx.x; group < a.groups * a.pieces; group += gridDim.x) {
          const int64_t piece = group / a.groups;
          const Position channel = (Position)((group - piece * a.groups) * lanes + t % lanes) * W;
          const int64_t begin = piece * a.perPiece, end = begin + a.perPiece < a.count ? begin + a.perPiece : a.count;
          double total0[W] = {}, total1[W] = {};
          if (channel < a.channels) {
            C origin[W];
      #pragma unroll
            for (int k = 0; k < W; k++) origin[k] = \(origin);
      \(passing)            int64_t e = begin + row;
            while (e < end) {
              C part0[W] = {}, part1[W] = {};
              for (int turn = 0; turn < \(ChannelsSideBySide.turns) && e < end; turn++) {
                if (e + (U - 1) * rows < end) {
                  \(packs("[U]"))
      #pragma unroll
                  for (int u = 0; u < U; u++) { \(read("e + u * rows", "[u]")) }
      #pragma unroll
                  for (int u = 0; u < U; u++) {
      #pragma unroll
                    \(add("[u]"))
                  }
                  e += U * rows;
                } else {
                  \(packs(""))
                  \(read("e", ""))
      #pragma unroll
                  \(add(""))
                  e += rows;
                }
              }
      #pragma unroll
              for (int k = 0; k < W; k++) total0[k] += (double)part0[k], total1[k] += (double)part1[k];
            }
          }
      #pragma unroll
          for (int k = 0; k < W; k++) cells[k * \(ChannelSumsTask.threads) + t] = total0[k], cells[(W + k) * \(ChannelSumsTask.threads) + t] = total1[k];
          __syncthreads();
          for (int half = rows / 2; half > 0; half /= 2) {
            if (row < half) {
              for (int k = 0; k < 2 * W; k++) cells[k * \(ChannelSumsTask.threads) + t] += cells[k * \(ChannelSumsTask.threads) + t + half * lanes];
            }
            __syncthreads();
          }
          if (row == 0 && channel < a.channels) {
            for (int k = 0; k < W; k++) {
              put_plain<double>(a.parts, piece * 2 * a.channels + channel + k, cells[k * \(ChannelSumsTask.threads) + t]);
              put_plain<double>(a.parts, (piece * 2 + 1) * a.channels + channel + k, cells[(W + k) * \(ChannelSumsTask.threads) + t]);
            }
          }
          __syncthreads();
        }

      """
  }
}
