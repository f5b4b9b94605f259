import CKernels

/// What ``VolumeWindows`` does, a thread for each window.
struct VolumeMaximaTask: KernelTask {
  private let windows: VolumeWindows
  /// [planes, d, h, w], dense.
  private var x: Elements
  /// [planes, windows along each dimension], int64.
  private var positions: Elements
  /// The spans of all planes, where no rule gives them.
  private var listed: Elements?

  init(_ windows: VolumeWindows, _ x: Elements, _ positions: Elements, listed: Elements?) {
    (self.windows, self.x, self.positions, self.listed) = (windows, x, positions, listed)
  }

  var operands: [Elements] { [x, positions] + [listed].compactMap { $0 } }
  var results: [Elements] { [positions] }

  func mapOperands(_ f: (Elements) -> Elements) -> VolumeMaximaTask {
    VolumeMaximaTask(windows, f(x), f(positions), listed: listed.map(f))
  }

  var attributes: [PoolingSpans.Rule] { spansOfAll.map(\.rule) }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let count = positions.layout.elementCount
    if count == 0 { return }
    let isWide = wide || KernelAxes.needsWide(Swift.max(count, x.layout.elementCount), [])
    var arguments = KernelArguments()
    arguments.address("input", x.address)
    arguments.address("positions", positions.address)
    if let listed { arguments.address("listed", listed.address) }
    arguments.integer("count", count)
    let names = ["depth", "row", "column"]
    for (name, spans) in zip(names, spansOfAll) { spans.declare(name, in: &arguments) }
    let source = KernelSource(
      "pool_volumes", arguments: arguments.declaration,
      parts: x.dtype.computeClass.deviceTypes + "typedef \(isWide ? "int64_t" : "int32_t") Int;\n" + PoolingTask.spans,
      body: names.map(PoolingSpans.axisText).joined() + body)
    work.launches.append(KernelLaunch(source, grid: (device.blocks((count + 255) / 256), 1), arguments))
  }

  /// Of every plane, or those of the first, of which only sizes count where they are listed.
  private var spansOfAll: [PoolingSpans] { windows.common ?? windows.of(0) }

  private var spans: String {
    if listed == nil {
      return "    const Span deep = span_of(depths, z), down = span_of(rows, y), along = span_of(columns, x);\n"
    }
    return """
          const int64_t list = (int64_t)plane * 2 * (depths.output + rows.output + columns.output);
          auto span_at = [&](int64_t at) -> Span {
            return Span{(Int)plain<int64_t>(a.listed, list + 2 * at), (Int)plain<int64_t>(a.listed, list + 2 * at + 1), 1, 0};
          };
          const Span deep = span_at(z), down = span_at(depths.output + y), along = span_at(depths.output + rows.output + x);

      """
  }

  private var body: String {
    """
      const int64_t step = (int64_t)gridDim.x * blockDim.x;
      for (int64_t n = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; n < a.count; n += step) {
        const Int i = (Int)n, line = i / columns.output, x = i - line * columns.output;
        const Int sheet = line / rows.output, y = line - sheet * rows.output;
        const Int plane = sheet / depths.output, z = sheet - plane * depths.output;
    \(spans)    const Int start = plane * depths.input * rows.input * columns.input;
        V best = V(lowest<C>);
        int64_t at = -1;
        for (Int d = deep.first; d < deep.end; d += deep.step) {
          for (Int h = down.first; h < down.end; h += down.step) {
            for (Int w = along.first; w < along.end; w += along.step) {
              const Int place = (d * rows.input + h) * columns.input + w;
              const V v = element<C, \(x.dtype.deviceName)>(a.input, start + place);
              if (at < 0 || any_lane((v > best) | (v != v))) best = v, at = place;
            }
          }
        }
        put_plain<int64_t>(a.positions, i, at);
      }

    """
  }
}
