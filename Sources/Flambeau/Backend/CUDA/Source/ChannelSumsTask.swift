import CKernels

/// What ``ChannelNorm`` needs of the channels of [n, c, inner], in one pass. Sums are formed in float64.
struct ChannelSumsTask: KernelTask {
  enum Kind {
    /// Mean and variance (biased).
    case moments
    /// The sums of a gradient, and of its products with the distance from the mean; all have x's shape.
    case slopes(gradient: Elements, means: Elements, Rectifier? = nil)
  }

  /// The gradient counts as 0 where the distance from the mean times the scale plus the shift is `nothing` or less.
  struct Rectifier {
    var scale: Elements
    var shift: Elements?
    let nothing: Double

    fileprivate var operands: [Elements] { [scale] + [shift].compactMap { $0 } }

    /// The gradient `g` at a distance, as text; `scale` and `shift` are text too.
    func passing(_ g: String, _ distance: String, _ scale: String, _ shift: String) -> String {
      "(fused(\(distance), \(scale), \(self.shift == nil ? "C(0)" : shift)) <= C(\(nothing)) ? C(0) : \(g))"
    }
  }

  private(set) var kind: Kind
  private(set) var x: Elements
  /// float64, [c].
  private(set) var first: Elements
  private(set) var second: Elements

  init(_ kind: Kind, of x: Elements, into first: Elements, _ second: Elements) {
    (self.kind, self.x, self.first, self.second) = (kind, x, first, second)
  }

  var hasSlopes: Bool { if case .slopes = kind { true } else { false } }

  private var inputs: [Elements] {
    if case .slopes(let gradient, let means, let rectifier) = kind {
      [x, gradient, means] + (rectifier?.operands ?? [])
    } else {
      [x]
    }
  }
  var rectifier: Rectifier? { if case .slopes(_, _, let rectifier) = kind { rectifier } else { nil } }
  var operands: [Elements] { inputs + results }
  var results: [Elements] { [first, second] }

  func mapOperands(_ f: (Elements) -> Elements) -> ChannelSumsTask {
    // In the order of the operands.
    let x = f(x)
    var kind = kind
    if case .slopes(let gradient, let means, let rectifier) = kind {
      let (gradient, means) = (f(gradient), f(means))
      kind = .slopes(
        gradient: gradient, means: means,
        rectifier.map { Rectifier(scale: f($0.scale), shift: $0.shift.map(f), nothing: $0.nothing) })
    }
    let first = f(first)
    return ChannelSumsTask(kind, of: x, into: first, f(second))
  }

  enum Attributes: Hashable {
    case moments, slopes
    case passingSlopes(hasShift: Bool, nothing: Number)
  }

  var attributes: Attributes {
    switch kind {
    case .moments: .moments
    case .slopes(_, _, nil): .slopes
    case .slopes(_, _, let rectifier?): .passingSlopes(hasShift: rectifier.shift != nil, nothing: Number(rectifier.nothing))
    }
  }

  static let threads = 256
  /// How the last sums are shared out: neighbouring channels, and threads for each.
  private static let joined = (channels: 8, rows: threads / 8)

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let shape = x.layout.shape
    let (channels, count) = (shape.at(1), shape.at(0) * shape.at(2))
    if channels == 0 { return }
    let isWide = wide || KernelAxes.needsWide(x.layout.elementCount, operands)
    if let side = ChannelsSideBySide(self, inputs, isWide: isWide) {
      let pieces = side.pieces(on: device)
      var arguments = self.arguments(&work, pieces, groups: side.groups)
      add("rows", side.groups * pieces, shared: side.sharedByteCount, side.body(&arguments), arguments, to: &work, device)
      return join(arguments, to: &work, device)
    }
    // Neighbours in memory are read by neighbouring threads: those of a channel, or of one place in several.
    let isAcross = abs(x.layout.strides.at(1)) == 1 && (abs(x.layout.strides.at(2)) != 1 || shape.at(2) == 1) && channels > 1
    let together = isAcross ? 32 : 1
    let rows = ChannelSumsTask.threads / together
    let groups = (channels + together - 1) / together
    // None where channels have no elements: their sums are 0.
    let pieces = Swift.min((count + 8 * rows - 1) / (8 * rows), Swift.max(1, 8 * device.multiprocessorCount / groups))
    let axes = KernelAxes(
      name: "", sizes: [shape.at(0), shape.at(2)], strides: inputs.map { [$0.layout.strides.at(0), $0.layout.strides.at(2)] },
      isWide: isWide)
    var arguments = self.arguments(&work, pieces, groups: groups)
    axes.declare(in: &arguments)
    if pieces > 0 {
      add("sums", groups * pieces, shared: 2 * ChannelSumsTask.threads * 8, sums(axes, together), arguments, to: &work, device)
    }
    join(arguments, to: &work, device)
  }

  private func arguments(_ work: inout KernelWork, _ pieces: Int, groups: Int) -> KernelArguments {
    let shape = x.layout.shape
    let (channels, count) = (shape.at(1), shape.at(0) * shape.at(2))
    var arguments = KernelArguments()
    for (i, input) in inputs.enumerated() {
      arguments.address("p\(i)", input.address)
      arguments.integer("channel\(i)", input.layout.strides.at(1))
    }
    for (name, result) in zip(["first", "second"], results) {
      arguments.address(name, result.address)
      arguments.integer("\(name)Step", result.layout.strides.at(0))
    }
    arguments.workspace("parts", at: work.reserve(pieces * 2 * channels * 8))
    arguments.integer("channels", channels)
    arguments.integer("count", count)
    arguments.integer("groups", groups)
    arguments.integer("pieces", pieces)
    arguments.integer("perPiece", (count + pieces - 1) / Swift.max(pieces, 1))
    return arguments
  }

  private func join(_ arguments: KernelArguments, to work: inout KernelWork, _ device: DeviceShape) {
    let groups = (x.layout.shape.at(1) + ChannelSumsTask.joined.channels - 1) / ChannelSumsTask.joined.channels
    add("join", groups, shared: 2 * ChannelSumsTask.threads * 8, join, arguments, to: &work, device)
  }

  private func add(
    _ kind: String, _ blocks: Int, shared: Int, _ body: String, _ arguments: KernelArguments, to work: inout KernelWork,
    _ device: DeviceShape
  ) {
    let source = KernelSource(
      "channel_\(kind)", arguments: arguments.declaration, parts: x.dtype.computeClass.deviceTypes, body: body)
    work.launches.append(KernelLaunch(source, grid: (device.blocks(blocks), 1), sharedByteCount: shared, arguments))
  }

  // MARK: Text

  /// A number that is subtracted from all elements of a channel: any of them is near enough to their mean.
  private var origin: String {
    switch kind {
    case .moments: "(double)element<C, \(x.dtype.deviceName)>(a.p0, channel * a.channel0).v"
    case .slopes(_, let means, _): "(double)element<C, \(means.dtype.deviceName)>(a.p2, channel * a.channel2).v"
    }
  }

  private func sums(_ axes: KernelAxes, _ together: Int) -> String {
    let threads = ChannelSumsTask.threads
    let positions = inputs.indices.map { "at\($0)" }
    let term: String
    switch kind {
    case .moments: term = "total0 += d, total1 += d * d;"
    case .slopes(let gradient, let means, let rectifier):
      func element(_ i: Int, _ elements: Elements) -> String { "element<C, \(elements.dtype.deviceName)>(a.p\(i), at\(i)).v" }
      var g = element(1, gradient)
      if let rectifier {
        g = rectifier.passing(
          g, "\(element(0, x)) - \(element(2, means))", element(3, rectifier.scale),
          rectifier.shift.map { element(4, $0) } ?? "")
      }
      term = "const double g = (double)\(g);\n        total0 += g, total1 += g * d;"
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
    let (channels, rows, threads) = (ChannelSumsTask.joined.channels, ChannelSumsTask.joined.rows, ChannelSumsTask.threads)
    return """
        FB_SHARED(shared);
        double *cells = (double *)shared;
        const int t = threadIdx.x;
        for (int64_t group = blockIdx.x; group * \(channels) < a.channels; group += gridDim.x) {
          const int64_t channel = group * \(channels) + t % \(channels);
          double total0 = 0, total1 = 0;
          if (channel < a.channels) {
            for (int64_t piece = t / \(channels); piece < a.pieces; piece += \(rows)) {
              total0 += plain<double>(a.parts, piece * 2 * a.channels + channel);
              total1 += plain<double>(a.parts, (piece * 2 + 1) * a.channels + channel);
            }
          }
          cells[t] = total0, cells[\(threads) + t] = total1;
          __syncthreads();
          for (int half = \(threads / 2); half >= \(channels); half /= 2) {
            if (t < half) cells[t] += cells[t + half], cells[\(threads) + t] += cells[\(threads) + t + half];
            __syncthreads();
          }
          if (t < \(channels) && channel < a.channels) {
            total0 = cells[t], total1 = cells[\(threads) + t];
      \(finish)      put_plain<double>(a.first, channel * a.firstStep, total0);
            put_plain<double>(a.second, channel * a.secondStep, total1);
          }
          __syncthreads();
        }

      """
  }
}
