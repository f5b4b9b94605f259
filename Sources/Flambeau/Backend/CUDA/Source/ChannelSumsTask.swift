import CKernels

/// What ``ChannelNorm`` needs of the channels of [n, c, inner], in one pass. Sums are formed in float64.
struct ChannelSumsTask: KernelTask {
  enum Kind {
    /// Mean and variance (biased).
    case moments
    /// The sums of a gradient, and of its products with the distance from the mean; all have x's shape.
    case slopes(gradient: Elements, means: Elements)
  }

  private(set) var kind: Kind
  private(set) var x: Elements
  /// float64, [c].
  private(set) var first: Elements
  private(set) var second: Elements

  init(_ kind: Kind, of x: Elements, into first: Elements, _ second: Elements) {
    (self.kind, self.x, self.first, self.second) = (kind, x, first, second)
  }

  private var inputs: [Elements] {
    if case .slopes(let gradient, let means) = kind { [x, gradient, means] } else { [x] }
  }
  var operands: [Elements] { inputs + results }
  var results: [Elements] { [first, second] }

  func mapOperands(_ f: (Elements) -> Elements) -> ChannelSumsTask {
    let kind: Kind =
      if case .slopes(let gradient, let means) = self.kind { .slopes(gradient: f(gradient), means: f(means)) } else { .moments }
    return ChannelSumsTask(kind, of: f(x), into: f(first), f(second))
  }

  /// Whether it is of moments.
  var attributes: Bool { if case .moments = kind { true } else { false } }

  private static let threads = 256

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let shape = x.layout.shape
    let (channels, count) = (shape.at(1), shape.at(0) * shape.at(2))
    if channels == 0 { return }
    // Neighbours in memory are read by neighbouring threads: those of a channel, or of one place in several.
    let isAcross = abs(x.layout.strides.at(1)) == 1 && (abs(x.layout.strides.at(2)) != 1 || shape.at(2) == 1) && channels > 1
    let together = isAcross ? 32 : 1
    let rows = ChannelSumsTask.threads / together
    let groups = (channels + together - 1) / together
    // None where channels have no elements: their sums are 0.
    let pieces = Swift.min((count + 8 * rows - 1) / (8 * rows), Swift.max(1, 8 * device.multiprocessorCount / groups))
    let isWide = wide || KernelAxes.needsWide(x.layout.elementCount, operands)
    let axes = KernelAxes(
      name: "", sizes: [shape.at(0), shape.at(2)], strides: inputs.map { [$0.layout.strides.at(0), $0.layout.strides.at(2)] },
      isWide: isWide)
    let parts = work.reserve(pieces * 2 * channels * 8)

    var arguments = KernelArguments()
    for (i, input) in inputs.enumerated() {
      arguments.address("p\(i)", input.address)
      arguments.integer("channel\(i)", input.layout.strides.at(1))
    }
    for (name, result) in zip(["first", "second"], results) {
      arguments.address(name, result.address)
      arguments.integer("\(name)Step", result.layout.strides.at(0))
    }
    arguments.workspace("parts", at: parts)
    arguments.integer("channels", channels)
    arguments.integer("count", count)
    arguments.integer("groups", groups)
    arguments.integer("pieces", pieces)
    arguments.integer("perPiece", (count + pieces - 1) / Swift.max(pieces, 1))
    axes.declare(in: &arguments)
    func add(_ kind: String, _ blocks: Int, shared: Int, _ body: String) {
      let source = KernelSource(
        "channel_\(kind)", arguments: arguments.declaration, parts: x.dtype.computeClass.deviceTypes, body: body)
      work.launches.append(
        KernelLaunch(source, grid: (device.blocks(blocks), 1), sharedByteCount: shared, arguments))
    }
    if pieces > 0 { add("sums", groups * pieces, shared: 2 * ChannelSumsTask.threads * 8, sums(axes, together)) }
    add("join", (channels + 255) / 256, shared: 0, join)
  }

  // MARK: Text

  /// A number that is subtracted from all elements of a channel: any of them is near enough to their mean.
  private var origin: String {
    switch kind {
    case .moments: "(double)element<C, \(x.dtype.deviceName)>(a.p0, channel * a.channel0).v"
    case .slopes(_, let means): "(double)element<C, \(means.dtype.deviceName)>(a.p2, channel * a.channel2).v"
    }
  }

  private func sums(_ axes: KernelAxes, _ together: Int) -> String {
    let threads = ChannelSumsTask.threads
    let positions = inputs.indices.map { "at\($0)" }
    let term: String
    switch kind {
    case .moments: term = "total0 += d, total1 += d * d;"
    case .slopes(let gradient, _):
      term =
        "const double g = (double)element<C, \(gradient.dtype.deviceName)>(a.p1, at1).v;\n        total0 += g, total1 += g * d;"
    }
    return """
        FB_SHARED(shared);
        double *cells = (double *)shared;
        const int t = threadIdx.x;
        for (int64_t group = blockIdx.x; group < a.groups * a.pieces; group += gridDim.x) {
          const int64_t piece = group / a.groups, channel = (group - piece * a.groups) * \(together) + t % \(together);
          const int64_t begin = piece * a.perPiece, end = begin + a.perPiece < a.count ? begin + a.perPiece : a.count;
          double total0 = 0, total1 = 0;
          if (channel < a.channels) {
            const double origin = \(origin);
            for (int64_t e = begin + t / \(together); e < end; e += \(threads / together)) {
              \(axes.position) \(positions.enumerated().map { "\($1) = (\(axes.position))(channel * a.channel\($0))" }.joined(separator: ", "));
      \(axes.text("(\(axes.counter))e", positions))        const double d = (double)element<C, \(x.dtype.deviceName)>(a.p0, at0).v - origin;
              \(term)
            }
          }
          cells[t] = total0, cells[\(threads) + t] = total1;
          __syncthreads();
          for (int half = \(threads / 2); half >= \(together); half /= 2) {
            if (t < half) cells[t] += cells[t + half], cells[\(threads) + t] += cells[\(threads) + t + half];
            __syncthreads();
          }
          if (t < \(together) && channel < a.channels) {
            put_plain<double>(a.parts, piece * 2 * a.channels + channel, cells[t]);
            put_plain<double>(a.parts, (piece * 2 + 1) * a.channels + channel, cells[\(threads) + t]);
          }
          __syncthreads();
        }

      """
  }

  private var join: String {
    let finish: String
    switch kind {
    case .moments:
      finish = """
            const double mean = total0 / a.count, variance = (total1 - total0 * mean) / a.count;
            total0 = a.count == 0 ? mean : mean + \(origin);
            total1 = variance < 0 ? 0 : variance;

        """
    case .slopes: finish = ""
    }
    return """
        const int64_t step = (int64_t)gridDim.x * blockDim.x;
        for (int64_t channel = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; channel < a.channels; channel += step) {
          double total0 = 0, total1 = 0;
          for (int64_t piece = 0; piece < a.pieces; piece++) {
            total0 += plain<double>(a.parts, piece * 2 * a.channels + channel);
            total1 += plain<double>(a.parts, (piece * 2 + 1) * a.channels + channel);
          }
      \(finish)    put_plain<double>(a.first, channel * a.firstStep, total0);
          put_plain<double>(a.second, channel * a.secondStep, total1);
        }

      """
  }
}
