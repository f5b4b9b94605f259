import CKernels

/// The kernels of attention; see attention.inc and attention_gradients.inc. Of the scores a block has one tile at a time, and up to
/// 256 columns of what it sums up, in registers.
struct AttentionKernel {
  let computeClass: ComputeClass
  let inputs: AttentionInputs
  private let isWide: Bool
  private let tile: TileShape

  /// `others`: the operands besides the inputs.
  init(_ inputs: AttentionInputs, _ others: [Elements], wide: Bool) {
    (self.inputs, computeClass) = (inputs, inputs.q.dtype.computeClass)
    isWide = wide || KernelAxes.needsWide(inputs.heads * inputs.queries, inputs.operands + others)
    if let halves = TileShape.halves(inputs.q.dtype) {
      tile = TileShape(rows: 64, columns: 64, depth: 32, means: .tensorCores(halves, down: 4, over: 1))
    } else {
      let side = computeClass == fb_f32 ? 64 : 32
      tile = TileShape(rows: side, columns: side, depth: 16, means: .threads(high: side / 16, wide: side / 16))
    }
  }

  /// Where there are few queries of many keys, the keys are shared out to blocks, whose results another launch joins.
  func appendForward(to work: inout KernelWork, into result: Elements, logSums: Elements, _ device: DeviceShape) {
    let tiles = (inputs.queries + tile.rows - 1) / tile.rows * inputs.heads
    let pieces = DepthPieces(of: inputs.keys, blocks: tiles, step: tile.columns, least: 4 * tile.columns, device)
    if pieces.count == 1 {
      work.launches.append(forward(pieces, into: result, logSums: logSums, partials: nil))
      return
    }
    let partials = reservePartials(pieces.count, in: &work)
    work.launches.append(forward(pieces, into: result, logSums: logSums, partials: partials))
    work.launches.append(join(pieces.count, partials, into: result, logSums: logSums, device))
  }

  /// Room for results of pieces of the keys.
  func reservePartials(_ pieces: Int, in work: inout KernelWork) -> (results: Int, logSums: Int) {
    let rows = pieces * inputs.heads * inputs.queries
    return (work.reserve(rows * inputs.width * computeClass.byteCount), work.reserve(rows * computeClass.byteCount))
  }

  /// What kernels of the forward direction share: pieces of the keys, and where log Σ exp and results of pieces go.
  func arguments(_ pieces: DepthPieces, logSums: Elements, partials: (results: Int, logSums: Int)?) -> KernelArguments {
    var arguments = KernelArguments()
    if let partials {
      arguments.workspace("log_sums", at: partials.logSums)
      arguments.workspace("partials", at: partials.results)
    } else {
      arguments.address("log_sums", logSums.address)
    }
    arguments.integer("pieces", pieces.count)
    arguments.integer("chunk", pieces.chunk)
    return arguments
  }

  private func forward(
    _ pieces: DepthPieces, into result: Elements, logSums: Elements, partials: (results: Int, logSums: Int)?
  ) -> KernelLaunch {
    var arguments = arguments(pieces, logSums: logSums, partials: partials)
    arguments.integer("heads", inputs.heads)
    let axes = declare(in: &arguments, [("result", result)], dims: headCount)
    let blocks = declareBlocks(in: &arguments, inputs.queries, times: inputs.heads * pieces.count)
    let (chunks, groups) = shares(of: inputs.width)
    let partial =
      "Matrix{(const C *)a.partials + log_row * a.width, (Position)a.width, 1, (Position)a.queries, (Position)a.width}"
    let (type, to) = partials == nil ? ("S", matrix("result")) : ("C", partial)
    let body = """
        FB_SHARED(shared);
        for (int64_t job = blockIdx.x; job < a.jobs; job += gridDim.x) {
          const int64_t piece = job % a.pieces, block = job / a.pieces, head = block / a.blocks, log_row = (piece * a.heads + head) * a.queries;
          const Position begin = (Position)(piece * a.chunk), end = least(begin + (Position)a.chunk, (Position)a.keys);
      \(positions(axes, ["result"], "head"))
          attend<\(type)>(a, (Cell *)shared, \(matrix("q")), \(matrix("k")), \(matrix("v")), \(to), bias_at, \(lastFirst("block")), begin, end, log_row);
        }

      """
    let text = parts([inputs.q, inputs.k, inputs.v], partials == nil ? result : nil, chunks) + KernelSource.attention
    return launch("attention", arguments, text, body, grid: (blocks, groups))
  }

  /// Results of pieces of the keys, weighted by their shares of Σ exp(score).
  func join(
    _ pieces: Int, _ partials: (results: Int, logSums: Int), into result: Elements, logSums: Elements, _ device: DeviceShape
  ) -> KernelLaunch {
    var arguments = KernelArguments()
    arguments.workspace("partials", at: partials.results)
    arguments.workspace("partial_sums", at: partials.logSums)
    arguments.address("log_sums", logSums.address)
    arguments.integer("pieces", pieces)
    let axes = declare(in: &arguments, [("result", result)], dims: headCount)
    let rows = inputs.heads * inputs.queries
    arguments.integer("rows", rows)
    let body = """
        for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < a.rows * a.width; i += (int64_t)gridDim.x * blockDim.x) {
          const int64_t row = i / a.width, column = i % a.width, head = row / a.queries, query = row % a.queries;
          // A piece that no query sees has +∞, and no share.
          V largest = V(lowest<C>), total = V(C(0)), sum = V(C(0));
          for (int64_t piece = 0; piece < a.pieces; piece++) {
            const V x = V(((const C *)a.partial_sums)[piece * a.rows + row]);
            largest = op_max::of(largest, pick<V>(x == V(highest<C>), V(lowest<C>), x));
          }
          for (int64_t piece = 0; piece < a.pieces; piece++) {
            const V x = V(((const C *)a.partial_sums)[piece * a.rows + row]);
            const V share = pick<V>(x == V(highest<C>), V(C(0)), op_exp::of(x - largest));
            total = total + share;
            sum = mad<V>(share, V(((const C *)a.partials)[(piece * a.rows + row) * a.width + column]), sum);
          }
          const bool is_blind = any_lane(total == V(C(0)));
      \(positions(axes, ["result"], "head"))
          put<C, S>(a.result, result_at + (Position)query * (Position)a.result_row + (Position)column * (Position)a.result_column, is_blind ? V(C(0)) : sum / total);
          if (column == 0) put<C, C>(a.log_sums, row, is_blind ? V(highest<C>) : largest + op_log::of(total));
        }

      """
    let source = KernelSource("attention_join", arguments: arguments.declaration, parts: types, body: body)
    return KernelLaunch(source, grid: (device.blocks((rows * inputs.width + 255) / 256), 1), arguments)
  }

  // MARK: Arguments

  var headCount: Int { inputs.q.layout.rank - 2 }

  /// The inputs and others; returns how a head's number is taken apart.
  func declare(in arguments: inout KernelArguments, _ others: [(String, Elements)], dims: Int) -> KernelAxes {
    for (name, value) in [
      ("queries", inputs.queries), ("keys", inputs.keys), ("depth", inputs.depth), ("width", inputs.width),
    ] {
      arguments.integer(name, value)
    }
    arguments.number("scale", Number(inputs.scale), in: computeClass)
    var operands = [("q", inputs.q), ("k", inputs.k), ("v", inputs.v)]
    if let bias = inputs.bias { operands.append(("bias", bias)) } else { arguments.address("bias", nil) }
    if inputs.bias == nil { for name in ["bias_row", "bias_column"] { arguments.integer(name, 0) } }
    return declareOperands(operands + others, axes: "head", dims: dims, in: &arguments)
  }

  func declareOperands(
    _ operands: [(name: String, elements: Elements)], axes name: String, dims: Int, in arguments: inout KernelArguments
  ) -> KernelAxes {
    for (name, elements) in operands {
      arguments.address(name, elements.address)
      let last = elements.layout.rank - 1
      arguments.integer("\(name)_row", elements.layout.strides.at(last - 1))
      arguments.integer("\(name)_column", elements.layout.strides.at(last))
    }
    let shape = operands[0].elements.layout.shape
    let used = (0..<dims).filter { shape.at($0) != 1 }
    let axes = KernelAxes(
      name: name, sizes: used.map { shape.at($0) },
      strides: operands.map { operand in used.map { operand.elements.layout.strides.at($0) } }, isWide: isWide)
    axes.declare(in: &arguments)
    return axes
  }

  /// Tiles of rows; returns blocks for them.
  func declareBlocks(in arguments: inout KernelArguments, _ rows: Int, times: Int) -> Int {
    let blocks = (rows + tile.rows - 1) / tile.rows
    arguments.integer("blocks", blocks)
    arguments.integer("jobs", blocks * times)
    return Swift.max(1, Swift.min(blocks * times, KernelLaunch.mostBlocks))
  }

  /// Tiles of columns that a block sums up, and how many blocks share them. `sums`: how many it sums up at a time.
  func shares(of columns: Int, sums: Int = 1) -> (Int, Int) {
    let all = Swift.max(1, (columns + tile.columns - 1) / tile.columns)
    // As many as registers hold: half the threads have to hold twice as much.
    let most = (tile.threads < 256 && sums > 1 ? 128 : 256) / tile.columns
    return (Swift.min(all, most), (all + most - 1) / most)
  }

  func launch(
    _ name: String, _ arguments: KernelArguments, _ parts: String, _ body: String, grid: (Int, Int)
  ) -> KernelLaunch {
    return KernelLaunch(
      KernelSource(name, arguments: arguments.declaration, parts: parts, body: body), grid: grid, block: (tile.threads, 1),
      sharedByteCount: tile.residentByteCount(computeClass) + tile.sharedByteCount(computeClass), arguments)
  }

  // MARK: Text

  private var position: String { isWide ? "int64_t" : "int32_t" }

  var types: String {
    computeClass.deviceTypes + "typedef \(position) Position;\ntypedef \(inputs.q.dtype.deviceName) S;\n"
  }

  /// `feeds`: q, k, v and maybe the result's gradient. `result`: nil where rows are not written together.
  func parts(_ feeds: [Elements], _ result: Elements?, _ chunks: Int) -> String {
    var text = types + KernelSource.tiles + "\ntypedef \(tile.text) T;\nconstexpr int chunks = \(chunks);\n"
    for (name, feed) in zip(["q", "k", "v", "g"], feeds) { text += "constexpr int \(name)_width = \(width(feed));\n" }
    text += "constexpr bool is_causal = \(inputs.isCausal), has_bias = \(inputs.bias != nil);\n"
    return text + "constexpr bool result_together = \(result.map(isWrittenTogether) ?? false);\n\n"
  }

  /// Features that are read together.
  private func width(_ elements: Elements) -> Int {
    let (layout, rank) = (elements.layout, elements.layout.rank)
    let steps = (0..<rank - 2).map { layout.shape.at($0) == 1 ? 0 : layout.strides.at($0) }
    let operand = ProductOperand(
      elements, line: layout.strides.at(rank - 2), depth: layout.strides.at(rank - 1), lines: layout.shape.at(rank - 2),
      depths: layout.shape.at(rank - 1), steps: steps, most: 8)
    return operand.isAlongDepth ? operand.width : 1
  }

  /// A thread's neighbours in a row of a result may be written in one access.
  func isWrittenTogether(_ elements: Elements) -> Bool {
    let count = tile.broad(computeClass)
    let (layout, rank) = (elements.layout, elements.layout.rank)
    return layout.strides.at(rank - 1) == 1
      && UInt(bitPattern: elements.address) % UInt(count * elements.dtype.byteCount) == 0
      && (0..<rank - 1).allSatisfy { layout.shape.at($0) == 1 || layout.strides.at($0) % count == 0 }
  }

  /// Positions of a head's matrices: q_at, …
  func positions(_ axes: KernelAxes, _ others: [String], _ number: String) -> String {
    let names = ["q", "k", "v"] + (inputs.bias == nil ? [] : ["bias"]) + others
    let own = names.map { "\($0)_at" }
    return "    Position bias_at = 0, " + own.filter { $0 != "bias_at" }.map { "\($0) = 0" }.joined(separator: ", ") + ";\n"
      + axes.text("(\(axes.counter))\(number)", own)
  }

  func matrix(_ name: String, columns: String? = nil) -> String {
    let rows = ["k", "v", "dk", "dv"].contains(name) ? "keys" : "queries"
    let columns = columns ?? (["q", "k", "dk"].contains(name) ? "depth" : "width")
    return "Matrix{(const Bits<S> *)a.\(name) + \(name)_at, (Position)a.\(name)_row, (Position)a.\(name)_column, "
      + "(Position)a.\(rows), (Position)a.\(columns)}"
  }

  /// The first query of a block: those with the most keys begin first, where later queries see more.
  func lastFirst(_ number: String) -> String {
    "(Position)(\(inputs.isCausal ? "a.blocks - 1 - \(number) % a.blocks" : "\(number) % a.blocks")) * T::rows"
  }
}
