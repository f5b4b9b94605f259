import CKernels

/// Attention of halves whose rows are 16 bytes each time, by tensor cores alone; see tensor_attention.inc.
struct TensorAttentionKernel {
  private let kernel: AttentionKernel
  private let device: DeviceShape

  private var inputs: AttentionInputs { kernel.inputs }

  /// Nil where operands are or lie otherwise. `others`: operands besides the inputs that are read or written by rows.
  init?(_ kernel: AttentionKernel, _ others: [Elements], _ device: DeviceShape) {
    (self.kernel, self.device) = (kernel, device)
    let inputs = kernel.inputs
    let jobs = (Swift.max(inputs.queries, inputs.keys) / 64 + 1) * inputs.heads * ProductOutput.mostPieces
    // The largest of scores is looked for before they are scaled.
    guard inputs.q.dtype.isHalf, device.hasTensorCores, inputs.scale > 0, Float(factor).isNormal,
      ([inputs.q, inputs.k, inputs.v] + others).allSatisfy(TensorAttentionKernel.liesInRows), jobs <= KernelLaunch.mostBlocks
    else { return nil }
  }

  /// What makes products scores in base 2.
  private var factor: Double { inputs.scale * 1.4426950408889634 }

  private static func liesInRows(_ elements: Elements) -> Bool {
    let (layout, last) = (elements.layout, elements.layout.rank - 1)
    return UInt(bitPattern: elements.address) % 16 == 0 && layout.strides.at(last) == 1
      && layout.shape.at(last) > 0 && layout.shape.at(last) % 8 == 0 && Int32(exactly: layout.strides.at(last - 1)) != nil
      && (0..<last).allSatisfy { layout.shape.at($0) == 1 || layout.strides.at($0) % 8 == 0 }
  }

  /// Says whether a block has room for it.
  func appendForward(to work: inout KernelWork, into result: Elements, logSums: Elements) -> Bool {
    guard let form = TensorAttentionForm(.forward, of: inputs, on: device) else { return false }
    let blocks = form.blocks(inputs.queries) * inputs.heads
    let pieces = DepthPieces(of: inputs.keys, blocks: blocks, step: form.tile, least: 4 * form.tile, device)
    if pieces.count == 1 {
      work.launches.append(forward(form, pieces, into: result, logSums: logSums, partials: nil))
      return true
    }
    let partials = kernel.reservePartials(pieces.count, in: &work)
    work.launches.append(forward(form, pieces, into: result, logSums: logSums, partials: partials))
    work.launches.append(kernel.join(pieces.count, partials, into: result, logSums: logSums, device))
    return true
  }

  private func forward(
    _ form: TensorAttentionForm, _ pieces: DepthPieces, into result: Elements, logSums: Elements,
    partials: (results: Int, logSums: Int)?
  ) -> KernelLaunch {
    var arguments = kernel.arguments(pieces, logSums: logSums, partials: partials)
    let axes = declare(in: &arguments, [("result", result)], blocks: form.blocks(inputs.queries))
    let partial = partials == nil ? "nullptr" : "(float *)a.partials + row * a.width"
    let body = """
        FB_SHARED(shared);
        const int pieces = (int)a.pieces, piece = int(blockIdx.x) % pieces;
        const Place place = place_of<is_causal>(a, int(blockIdx.x) / pieces);
        const int64_t row = (piece * a.heads + place.head) * a.queries;
      \(kernel.positions(axes, ["result"], "place.head"))
        const Attended to{\(rows("result")), \(partial), (float *)a.log_sums + row};
        attend<\(partials != nil)>(a, (Cell *)shared, \(rows("q")), \(rows("k")), \(rows("v")), to, (const float *)a.bias + bias_at, place.row0,
                      piece * (int)a.chunk, (int)(piece + 1 < pieces ? (piece + 1) * a.chunk : a.keys));

      """
    return launch(
      "attention_halves", arguments, form, KernelSource.tensorAttention, body,
      blocks: form.blocks(inputs.queries) * inputs.heads * pieces.count)
  }

  /// Says whether a block has room for them.
  func appendGradients(
    to work: inout KernelWork, _ result: Elements, _ gradient: Elements, logSums: Elements, into dq: Elements, _ dk: Elements,
    _ dv: Elements
  ) -> Bool {
    guard let queryForm = TensorAttentionForm(.queryGradient, of: inputs, on: device),
      let keyForm = TensorAttentionForm(.keyGradients, of: inputs, on: device)
    else { return false }
    let sides = work.reserve(inputs.heads * inputs.queries * 2 * MemoryLayout<Float>.size)
    work.launches.append(queryGradient(queryForm, result, gradient, logSums: logSums, sides: sides, into: dq))
    work.launches.append(keyGradients(keyForm, gradient, sides: sides, into: dk, dv))
    return true
  }

  private func queryGradient(
    _ form: TensorAttentionForm, _ result: Elements, _ gradient: Elements, logSums: Elements, sides: Int, into dq: Elements
  ) -> KernelLaunch {
    var arguments = KernelArguments()
    arguments.address("log_sums", logSums.address)
    arguments.workspace("sides", at: sides)
    let axes = declare(
      in: &arguments, [("result", result), ("gradient", gradient), ("dq", dq)], blocks: form.blocks(inputs.queries))
    let body = """
        FB_SHARED(shared);
        const Place place = place_of<is_causal>(a, int(blockIdx.x));
        const int64_t row = place.head * a.queries;
      \(kernel.positions(axes, ["result", "gradient", "dq"], "place.head"))
        slope_queries(a, (Cell *)shared, \(rows("q")), \(rows("k")), \(rows("v")), \(rows("result")), \(rows("gradient")), \(rows("dq")),
                      (const float *)a.bias + bias_at, (const float *)a.log_sums + row, (Side *)a.sides + row, place.row0);

      """
    return launch(
      "attention_halves_queries", arguments, form, KernelSource.tensorAttentionGradients, body,
      blocks: form.blocks(inputs.queries) * inputs.heads)
  }

  private func keyGradients(
    _ form: TensorAttentionForm, _ gradient: Elements, sides: Int, into dk: Elements, _ dv: Elements
  ) -> KernelLaunch {
    var arguments = KernelArguments()
    arguments.workspace("sides", at: sides)
    let heads = inputs.heads / inputs.group
    let axes = declare(in: &arguments, [("gradient", gradient)], blocks: form.blocks(inputs.keys), heads: heads)
    let ownAxes = kernel.declareOperands([("dk", dk), ("dv", dv)], axes: "own", dims: kernel.headCount - 1, in: &arguments)
    arguments.integer("group", inputs.group)
    let body = """
        FB_SHARED(shared);
        const Place place = place_of<false>(a, int(blockIdx.x));
        KeySlopes slopes((Cell *)shared, place.row0);
        const int first = place.head * (int)a.group;
        for (int head = first; head < first + (int)a.group; head++) {
      \(kernel.positions(axes, ["gradient"], "head"))
          if (head == first) slopes.copy_own(\(rows("k")), \(rows("v")));
          slopes.add(a, \(rows("q")), \(rows("gradient")), (const float *)a.bias + bias_at, (const Side *)a.sides + head * a.queries);
        }
        Position dk_at = 0, dv_at = 0;
      \(ownAxes.text("(\(ownAxes.counter))place.head", ["dk_at", "dv_at"]))
        slopes.put(a, \(rows("dk")), \(rows("dv")));

      """
    return launch(
      "attention_halves_keys", arguments, form, KernelSource.tensorAttentionGradients, body,
      blocks: form.blocks(inputs.keys) * heads)
  }

  // MARK: Arguments and text

  /// `blocks`: those of a head.
  private func declare(
    in arguments: inout KernelArguments, _ others: [(String, Elements)], blocks: Int, heads: Int? = nil
  ) -> KernelAxes {
    arguments.number("factor", Number(factor), in: fb_f32)
    arguments.integer("blocks", blocks)
    arguments.integer("heads", heads ?? inputs.heads)
    return kernel.declare(in: &arguments, others, dims: kernel.headCount)
  }

  private func rows(_ name: String) -> String {
    let rows = ["k", "v", "dk", "dv"].contains(name) ? "keys" : "queries"
    let columns = ["q", "k", "dq", "dk"].contains(name) ? "depth" : "width"
    return "Rows{(const Cell *)a.\(name) + \(name)_at, (int)a.\(name)_row, (int)a.\(rows), (int)a.\(columns)}"
  }

  private func launch(
    _ name: String, _ arguments: KernelArguments, _ form: TensorAttentionForm, _ text: String, _ body: String, blocks: Int
  ) -> KernelLaunch {
    let parts =
      kernel.types + KernelSource.tiles + form.text
      + "constexpr bool is_causal = \(inputs.isCausal), has_bias = \(inputs.bias != nil);\n" + text
    return KernelLaunch(
      KernelSource(name, arguments: arguments.declaration, parts: parts, body: body), grid: (blocks, 1),
      block: (form.threads, 1), sharedByteCount: form.sharedByteCount, arguments)
  }
}
