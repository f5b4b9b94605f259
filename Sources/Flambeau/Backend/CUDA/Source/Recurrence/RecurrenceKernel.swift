import CKernels

/// What a step of a recurrent layer does beside its product with the weights, and that backwards: a thread for each unit of a sequence.
struct RecurrenceKernel {
  let size: Int
  private let cell: RecurrentCell
  private let computeClass: ComputeClass

  init(_ cell: RecurrentCell, _ weight: Elements) {
    (self.cell, size, computeClass) = (cell, weight.layout.shape.at(1), weight.dtype.computeClass)
  }

  /// - Parameter sums: Where the product lies in the workspace.
  func step(
    _ rows: Int, sums: Int, bias: Elements?, hidden: Elements, state: Elements?, input: Elements, output: Elements,
    kept: Elements?,
    cells: Elements?, _ device: DeviceShape
  ) -> KernelLaunch {
    var arguments = KernelArguments()
    arguments.workspace("sums", at: sums)
    let operands = [
      ("input", input), ("bias", bias), ("hidden", hidden), ("state", state), ("output", output), ("kept", kept),
      ("cells", cells),
    ]
    for (name, operand) in operands { arguments.address(name, operand?.address) }
    return launch("recurrent_step", &arguments, rows, stepText(hasBias: bias != nil, keeps: kept != nil), device)
  }

  func slope(
    _ rows: Int, reading operands: KeyValuePairs<String, Elements?>, hidden: Elements, state: Elements?, inputSlopes: Elements,
    productSlopes: Elements, _ device: DeviceShape
  ) -> KernelLaunch {
    var arguments = KernelArguments()
    for (name, operand) in operands { arguments.address(name, operand?.address) }
    for (name, operand) in [
      ("hidden", hidden), ("state", state), ("input_slopes", inputSlopes), ("product_slopes", productSlopes),
    ] {
      arguments.address(name, operand?.address)
    }
    return launch("recurrent_slope", &arguments, rows, slopeText, device)
  }

  private func launch(
    _ name: String, _ arguments: inout KernelArguments, _ rows: Int, _ body: String, _ device: DeviceShape
  ) -> KernelLaunch {
    arguments.integer("count", rows * size)
    arguments.integer("size", size)
    let whole = """
        for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < a.count; i += (int64_t)gridDim.x * blockDim.x) {
          const int64_t row = i / a.size, unit = i - row * a.size;
      \(body)  }

      """
    let source = KernelSource(name, arguments: arguments.declaration, parts: computeClass.deviceTypes + access, body: whole)
    return KernelLaunch(source, grid: (device.blocks((rows * size + 255) / 256), 1), arguments)
  }

  // MARK: Text

  private let access = """
    FB_INLINE V get(const void *from, int64_t at) { return element<C, C>(from, at); }
    FB_INLINE void set(void *to, int64_t at, V value) { put<C, C>(to, at, value); }


    """

  private func stepText(hasBias: Bool, keeps: Bool) -> String {
    let gates = """
          const int64_t first = row * \(cell.gates) * a.size + unit;
          auto from_input = [&](int gate) -> V { return get(a.input, first + gate * a.size); };
          auto from_last = [&](int gate) -> V { return get(a.sums, first + gate * a.size)\(hasBias ? " + get(a.bias, gate * a.size + unit)" : ""); };
          auto both = [&](int gate) -> V { return from_input(gate) + from_last(gate); };

      """
    func keep(_ values: String...) -> String {
      if !keeps { return "" }
      return "    const int64_t own = row * \(values.count) * a.size + unit;\n"
        + values.enumerated().map { "    set(a.kept, own + \($0) * a.size, \($1));\n" }.joined()
    }
    let finish = "    set(a.hidden, i, h);\n    set(a.output, i, h);\n"
    switch cell {
    case .tanh: return gates + "    const V h = op_tanh::of(both(0));\n" + finish
    case .relu: return gates + "    const V h = op_relu::of(both(0));\n" + finish
    case .lstm:
      return gates + """
            const V in = op_sigmoid::of(both(0)), forget = op_sigmoid::of(both(1));
            const V fresh = op_tanh::of(both(2)), out = op_sigmoid::of(both(3));
            const V c = forget * get(a.state, i) + in * fresh;
            const V h = out * op_tanh::of(c);
            set(a.state, i, c);

        """ + keep("in", "forget", "fresh", "out") + (keeps ? "    set(a.cells, i, c);\n" : "") + finish
    case .gru:
      return gates + """
            const V reset = op_sigmoid::of(both(0)), update = op_sigmoid::of(both(1)), last = from_last(2);
            const V fresh = op_tanh::of(from_input(2) + reset * last);
            const V h = (get(a.hidden, i) - fresh) * update + fresh;

        """ + keep("reset", "update", "fresh", "last") + finish
    }
  }

  private var slopeText: String {
    let one = "const V one = V(C(1)), g = get(a.gradient, i) + get(a.hidden, i);"
    switch cell {
    case .tanh:
      return """
            \(one)
            const V y = get(a.output, i);
            set(a.input_slopes, i, g * (one - y * y));
            set(a.hidden, i, V(C(0)));

        """
    case .relu:
      return """
            \(one)
            set(a.input_slopes, i, pick<V>(get(a.output, i) <= V(C(0)), V(C(0)), g));
            set(a.hidden, i, V(C(0)));

        """
    case .lstm:
      return """
            \(one)
            const int64_t n = a.size, first = row * 4 * n + unit;
            const V in = get(a.kept, first), forget = get(a.kept, first + n), fresh = get(a.kept, first + 2 * n), out = get(a.kept, first + 3 * n);
            const V y = op_tanh::of(get(a.cells, i)), gc = get(a.state, i) + g * out * (one - y * y);
            set(a.input_slopes, first, gc * fresh * in * (one - in));
            set(a.input_slopes, first + n, gc * get(a.last_cells, i) * forget * (one - forget));
            set(a.input_slopes, first + 2 * n, gc * in * (one - fresh * fresh));
            set(a.input_slopes, first + 3 * n, g * y * out * (one - out));
            set(a.state, i, gc * forget);
            set(a.hidden, i, V(C(0)));

        """
    case .gru:
      return """
            \(one)
            const int64_t n = a.size, kept = row * 4 * n + unit, first = row * 3 * n + unit;
            const V reset = get(a.kept, kept), update = get(a.kept, kept + n), fresh = get(a.kept, kept + 2 * n), last = get(a.kept, kept + 3 * n);
            const V g_fresh = g * (one - update) * (one - fresh * fresh);
            const V g_reset = g_fresh * last * reset * (one - reset);
            const V g_update = g * (get(a.last_hidden, i) - fresh) * update * (one - update);
            set(a.input_slopes, first, g_reset);
            set(a.input_slopes, first + n, g_update);
            set(a.input_slopes, first + 2 * n, g_fresh);
            set(a.product_slopes, first, g_reset);
            set(a.product_slopes, first + n, g_update);
            set(a.product_slopes, first + 2 * n, g_fresh * reset);
            set(a.hidden, i, g * update);

        """
    }
  }
}
