import CKernels

/// What ``Pooling`` and ``IntegerPooling`` do, a thread for each element that is written. Every sum is in the CPU's order: what windows
/// give an element of the input, too, is gathered by its thread.
struct PoolingTask: KernelTask {
  enum Action: Hashable {
    case max, average, maxGradient, averageGradient, gather
  }

  private let action: Action
  private let pooling: Pooling
  /// Dense planes.
  private var input: Elements
  private var output: Elements
  /// Written by ``Action/max``; not there for averages.
  private var positions: Elements?

  init(
    _ action: Action, _ pooling: Pooling, _ dtype: DType, _ input: UnsafeRawPointer, _ output: UnsafeMutableRawPointer,
    positions: UnsafePointer<Int64>? = nil, on device: Device = .cpu
  ) {
    (self.action, self.pooling) = (action, pooling)
    let outer = Layout([pooling.planes, pooling.rows.count, pooling.columns.count])
    let inner = Layout([pooling.planes, pooling.rows.inputSize, pooling.columns.inputSize])
    let isGradient = action == .maxGradient || action == .averageGradient
    self.input = Elements(UnsafeMutableRawPointer(mutating: input), isGradient ? outer : inner, dtype, on: device)
    self.output = Elements(output, isGradient ? inner : outer, dtype, on: device)
    self.positions = positions.map { Elements(UnsafeMutableRawPointer(mutating: $0), outer, .int64, on: device) }
  }

  var operands: [Elements] { [input, output] + [positions].compactMap { $0 } }
  var results: [Elements] { action == .max ? [output, positions!] : [output] }

  func mapOperands(_ f: (Elements) -> Elements) -> PoolingTask {
    var copy = self
    (copy.input, copy.output, copy.positions) = (f(input), f(output), positions.map(f))
    return copy
  }

  struct Attributes: Hashable {
    let action: Action
    let rows: PoolingSpans.Rule
    let columns: PoolingSpans.Rule
    let divisor: Int?
  }

  var attributes: Attributes {
    Attributes(action: action, rows: pooling.rows.rule, columns: pooling.columns.rule, divisor: pooling.divisor)
  }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let count = output.layout.elementCount
    if count == 0 { return }
    var arguments = KernelArguments()
    arguments.address("input", input.address)
    arguments.address("output", output.address)
    if let positions { arguments.address("positions", positions.address) }
    arguments.integer("count", count)
    arguments.integer("divisor", pooling.divisor ?? 0)
    pooling.rows.declare("row", in: &arguments)
    pooling.columns.declare("column", in: &arguments)
    let isWide = wide || KernelAxes.needsWide(Swift.max(count, input.layout.elementCount), [])
    let source = KernelSource(
      "pool_\(action)", arguments: arguments.declaration,
      parts: output.dtype.computeClass.deviceTypes + "typedef \(isWide ? "int64_t" : "int32_t") Int;\n" + PoolingTask.spans,
      body: body)
    work.launches.append(KernelLaunch(source, grid: (device.blocks((count + 255) / 256), 1), arguments))
  }

  // MARK: Text

  private var isGradient: Bool { action == .maxGradient || action == .averageGradient }

  private var body: String {
    let side = isGradient ? "input" : "output"
    return PoolingSpans.axisText("row") + PoolingSpans.axisText("column") + """
        const int64_t step = (int64_t)gridDim.x * blockDim.x;
        for (int64_t n = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; n < a.count; n += step) {
          const Int i = (Int)n, line = i / columns.\(side), x = i - line * columns.\(side);
          const Int plane = line / rows.\(side), y = line - plane * rows.\(side);
      \(isGradient ? gradient : value)  }

      """
  }

  private var type: String { input.dtype.deviceName }

  private var value: String {
    let spans = "    const Span down = span_of(rows, y), along = span_of(columns, x);\n"
    let start = "    const Int start = plane * rows.input * columns.input;\n"
    let put = "put<C, \(type)>(a.output, i,"
    switch action {
    case .max:
      return spans + start + """
            V best = V(lowest<C>);
            int64_t at = -1;
            for (Int h = down.first; h < down.end; h += down.step) {
              for (Int w = along.first; w < along.end; w += along.step) {
                const V v = element<C, \(type)>(a.input, start + h * columns.input + w);
                if (at < 0 || any_lane((v > best) | (v != v))) best = v, at = h * columns.input + w;
              }
            }
            \(put) best);
            put_plain<int64_t>(a.positions, i, at);

        """
    case .gather:
      return start + """
            const int64_t at = plain<int64_t>(a.positions, i);
            \(put) at < 0 ? V((C)0) : element<C, \(type)>(a.input, start + (Int)at));

        """
    default:
      return spans + start + """
            V sum = V((C)0);
            for (Int w = along.first; w < along.end; w += along.step) {
              V down_sum = V((C)0);
              for (Int h = down.first; h < down.end; h += down.step) {
                down_sum = down_sum + element<C, \(type)>(a.input, start + h * columns.input + w);
              }
              sum = sum + down_sum;
            }
            const bool empty = down.first >= down.end || along.first >= along.end;
            \(put) empty ? V((C)0) : sum / V(divisor_of(a.divisor, down, along)));

        """
    }
  }

  private var gradient: String {
    let windows = """
          Int first_row, end_row, first_column, end_column;
          windows_at(rows, y, first_row, end_row);
          windows_at(columns, x, first_column, end_column);
          V sum = V((C)0);
          for (Int r = first_row; r < end_row; r++) {
            const Int start = (plane * rows.output + r) * columns.output;

      """
    let put = "    put<C, \(type)>(a.output, i, sum);\n"
    if action == .maxGradient {
      return windows + """
              for (Int c = first_column; c < end_column; c++) {
                if (plain<int64_t>(a.positions, start + c) == y * columns.input + x) sum = sum + element<C, \(type)>(a.input, start + c);
              }
            }

        """ + put
    }
    return windows + """
            const Span down = span_of(rows, r);
            if (!sees(down, y)) continue;
            V along_sum = V((C)0);
            for (Int c = first_column; c < end_column; c++) {
              const Span along = span_of(columns, c);
              if (sees(along, x)) along_sum = along_sum + element<C, \(type)>(a.input, start + c) / V(divisor_of(a.divisor, down, along));
            }
            sum = sum + along_sum;
          }

      """ + put
  }

  /// ``PoolingSpans``, and its reverse.
  static let spans = """
    struct Axis {
      Int input, output, kernel, stride, padding, dilation, counts;
    };
    /// Positions first, first + step, … below end.
    struct Span {
      Int first, end, step, size;
    };

    FB_INLINE Span span_of(Axis a, Int i) {
      if (a.kernel == 0) {
        const Int first = (Int)((int64_t)i * a.input / a.output);
        const Int end = (Int)(((int64_t)(i + 1) * a.input + a.output - 1) / a.output);
        return Span{first, end, 1, end - first};
      }
      const Int start = i * a.stride - a.padding, reach = start + a.dilation * (a.kernel - 1) + 1;
      const Int first = start >= 0 ? start : start + (-start + a.dilation - 1) / a.dilation * a.dilation;
      const Int end = reach < a.input ? reach : a.input, padded = a.input + a.padding;
      const Int whole = (start + a.kernel < padded ? start + a.kernel : padded) - start;
      return Span{first, end, a.dilation, a.counts ? whole : end > first ? end - first : 0};
    }

    FB_INLINE bool sees(Span s, Int x) { return x >= s.first && x < s.end && (x - s.first) % s.step == 0; }

    /// No others see x.
    FB_INLINE void windows_at(Axis a, Int x, Int &first, Int &end) {
      if (a.kernel == 0) {
        first = (Int)((int64_t)x * a.output / a.input);
        end = (Int)(((int64_t)(x + 1) * a.output + a.input - 1) / a.input);
        return;
      }
      const Int from = x + a.padding - a.dilation * (a.kernel - 1);
      first = from <= 0 ? 0 : (from + a.stride - 1) / a.stride;
      end = (x + a.padding) / a.stride + 1;
      if (end > a.output) end = a.output;
    }

    FB_INLINE C divisor_of(int64_t divisor, Span down, Span along) {
      return divisor != 0 ? (C)divisor : (C)((double)down.size * (double)along.size);
    }


    """
}

extension PoolingSpans {
  /// What gives the spans, where a rule does.
  struct Rule: Hashable {
    let input: Int
    let output: Int
    let kernel: Int
    let stride: Int
    let padding: Int
    let dilation: Int
    let countsPadding: Bool

    fileprivate var members: KeyValuePairs<String, Int> {
      [
        "input": input, "output": output, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation,
        "counts": countsPadding ? 1 : 0,
      ]
    }
  }

  var rule: Rule {
    Rule(
      input: inputSize, output: count, kernel: window.kernel, stride: window.stride, padding: window.padding,
      dilation: window.dilation, countsPadding: countsPadding)
  }

  /// The rule that gives the spans, as arguments of a kernel.
  func declare(_ name: String, in arguments: inout KernelArguments) {
    for (member, value) in rule.members { arguments.integer("\(name)_\(member)", value) }
  }

  /// The variable `NAMEs`, an `Axis` of these arguments.
  static func axisText(_ name: String) -> String {
    let members = PoolingSpans(input: 0, spans: []).rule.members.map { "(Int)a.\(name)_\($0.key)" }
    return "  const Axis \(name)s = {\(members.joined(separator: ", "))};\n"
  }
}
