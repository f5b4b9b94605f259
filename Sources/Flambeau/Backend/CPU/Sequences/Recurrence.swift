import CKernels

/// The steps of a recurrent layer in one direction, from what comes from the input: a step's product with the weights, which are packed
/// once, and its gates.
///
/// Where there are sequences enough, a thread takes some of them through all steps by itself and waits for nobody. Otherwise threads
/// share the units of every step: a thread mostly meets the same ones, whose weights its caches still hold. Bits depend on the shapes
/// and the instruction set only.
struct Recurrence {
  let run: RecurrentRun
  let cell: RecurrentCell
  /// Units.
  let size: Int
  let dtype: DType

  private let kernels: fb_recurrence
  private let products: GemmTable
  private let bytes: Int
  /// Sequences in a panel of packed rows, at most the rows of a product's tile.
  private let height: Int
  private let panels: Int
  private let isBySequences: Bool

  init(_ cell: RecurrentCell, _ run: RecurrentRun, size: Int, dtype: DType) {
    (self.cell, self.run, self.size, self.dtype) = (cell, run, size, dtype)
    kernels = fb_table_recurrence(Kernels.table, dtype.computeClass, cell.kernel).pointee
    products = GemmTable.current
    bytes = dtype.byteCount
    let tileRows = Int(products.compute(dtype).pointee.tile_rows)
    let least = Swift.max(1, (run.sequences + tileRows - 1) / tileRows)
    let threads = run.sequences * size * size * cell.gates >= Gemm.parallelWork ? threadCount : 1
    let shared = (least + threads - 1) / threads * threads
    let sharedHeight = (run.sequences + shared - 1) / shared
    // Thinner panels wait for the weights, and so do threads that all read more than the caches hold.
    isBySequences = 2 * sharedHeight >= tileRows && cell.gates * size * size * bytes <= 2 << 20
    panels = isBySequences ? shared : least
    height = Swift.max(1, (run.sequences + panels - 1) / panels)
  }

  /// Numbers of each unit that a step keeps for the way back.
  var keptCount: Int { Int(kernels.kept) }
  private var gates: Int { cell.gates }
  private var tileRows: Int { Int(products.compute(dtype).pointee.tile_rows) }
  /// The units of a block: the columns of a product's tile.
  private var tile: Int { Int(products.compute(dtype).pointee.tile_columns) }
  private var blocks: Int { (size + tile - 1) / tile }
  private func units(_ blocks: Range<Int>) -> Range<Int> {
    blocks.lowerBound * tile..<Swift.min(blocks.upperBound * tile, size)
  }
  private var isParallel: Bool { run.sequences * size * size * gates >= Gemm.parallelWork }
  private var operations: Double { 2 * Double(run.rows * size) * Double(size * gates) }

  /// Some of a step's work: sequences, beginning with a panel, and blocks of units.
  private struct Part {
    let sequences: Range<Int>
    let blocks: Range<Int>

    /// The sequences among the first `count`.
    func rows(of count: Int) -> Range<Int> {
      sequences.lowerBound..<Swift.max(sequences.lowerBound, Swift.min(count, sequences.upperBound))
    }
  }

  /// Cuts the run into parts and calls `start` for each, and then `advance` for each and every place in the order of steps. All parts
  /// have come to a place before one goes on that needs the others.
  ///
  /// Both get memory for the packed rows of a step; what is packed at a place is read at the next.
  private func share(
    depth: Int, start: (Part, UnsafeMutableRawPointer) -> Void,
    advance: (Part, _ place: Int, _ packed: UnsafeMutableRawPointer, _ next: UnsafeMutableRawPointer) -> Void
  ) {
    let panelBytes = tileRows * depth * bytes
    if isBySequences {
      forEach(panels, parallel: isParallel) { panel in
        let first = panel * height
        let part = Part(sequences: first..<Swift.max(first, Swift.min(first + height, run.sequences)), blocks: 0..<blocks)
        Scratch.withBytes(panelBytes) { packed in
          start(part, packed)
          for place in run.order.indices { advance(part, place, packed, packed) }
        }
      }
      return
    }
    Scratch.withBytes(2 * panels * panelBytes) { memory in
      let (even, odd) = (memory, memory + panels * panelBytes)
      func forEachPart(_ body: (Part) -> Void) {
        forEach(blocks, parallel: isParallel) { body(Part(sequences: 0..<run.sequences, blocks: $0..<$0 + 1)) }
      }
      forEachPart { start($0, even) }
      for place in run.order.indices {
        forEachPart { place % 2 == 0 ? advance($0, place, even, odd) : advance($0, place, odd, even) }
      }
    }
  }

  // MARK: Forward

  func forward(_ at: RecurrenceTask) throws(TensorError) {
    try KernelCall.task(on: at.input.device, at) { compute(at) }
  }

  private func compute(_ at: RecurrenceTask) {
    fb_count_operations(operations)
    let order = run.order
    let hidden = at.result.start + run.rows * size * bytes
    Scratch.withBytes(blocks * gates * tile * size * bytes) { weights in
      forEach(blocks, parallel: isParallel) { packGates(at.weight.start, $0, into: weights) }
      share(depth: size) { part, packed in
        pack(hidden, size, part.rows(of: run.batchSizes[order[0]]), columns: units(part.blocks), into: packed)
      } advance: { part, place, packed, next in
        step(at, weights, part, order[place], packed)
        let following = place + 1 < order.count ? run.batchSizes[order[place + 1]] : 0
        pack(hidden, size, part.rows(of: following), columns: units(part.blocks), into: next)
      }
    }
  }

  /// The product of a step, and what its gates make of it.
  private func step(
    _ at: RecurrenceTask, _ weights: UnsafeRawPointer, _ part: Part, _ step: Int, _ packed: UnsafeRawPointer
  ) {
    let rows = part.rows(of: run.batchSizes[step])
    if rows.isEmpty { return }
    let width = part.blocks.count * tile
    let units = self.units(part.blocks)
    let state = run.rows * size * bytes
    /// Where a part begins in the rows of a step, or in the state.
    func offset(_ row: Int, _ width: Int) -> Int { ((row + rows.lowerBound) * width * size + units.lowerBound) * bytes }
    Scratch.withBytes(rows.count * gates * width * bytes) { sums in
      for (i, block) in part.blocks.enumerated() {
        for gate in 0..<gates {
          multiply(
            rows, tile, size, packed, weights + (block * gates + gate) * tile * size * bytes,
            into: sums + (gate * width + i * tile) * bytes, gates * width, beta: 0)
        }
      }
      let start = run.starts[step]
      let hidden = at.result.start + state
      let cell = self.cell.hasCell ? hidden + run.sequences * size * bytes : nil
      var call = fb_recurrent_step(
        rows: rows.count, units: units.count, size: size, sums: sums, tile: width, input: at.input.start + offset(start, gates),
        bias: at.bias.map { $0.start + units.lowerBound * bytes }, hidden: hidden + offset(0, 1),
        cell: cell.map { $0 + offset(0, 1) },
        output: at.result.start + offset(start, 1), kept: at.kept.map { $0.start + offset(start, keptCount) },
        cells: at.cells.map { $0.start + offset(start, 1) })
      kernels.step(&call)
    }
  }

  // MARK: Backward

  func backward(_ at: RecurrenceGradientTask) throws(TensorError) {
    try KernelCall.task(on: at.weight.device, at) { compute(at) }
  }

  private func compute(_ at: RecurrenceGradientTask) {
    fb_count_operations(operations)
    let depth = gates * size
    let order = Array(run.order.reversed())
    Scratch.withBytes(blocks * tile * depth * bytes) { weights in
      forEach(blocks, parallel: isParallel) { packUnits(at.weight.start, $0, into: weights) }
      share(depth: depth) { part, packed in
        slope(at, part, order[0], packed)
      } advance: { part, place, packed, next in
        for block in part.blocks {
          let units = self.units(block..<block + 1)
          let rows = part.rows(of: run.batchSizes[order[place]])
          multiply(
            rows, units.count, depth, packed, weights + block * tile * depth * bytes,
            into: at.hidden.start + (rows.lowerBound * size + units.lowerBound) * bytes, size, beta: 1)
        }
        if place + 1 < order.count { slope(at, part, order[place + 1], next) }
      }
    }
  }

  /// A step, and its gradients packed.
  private func slope(_ at: RecurrenceGradientTask, _ part: Part, _ step: Int, _ packed: UnsafeMutableRawPointer) {
    let rows = part.rows(of: run.batchSizes[step])
    if rows.isEmpty { return }
    let units = self.units(part.blocks)
    let start = run.starts[step]
    func offset(_ row: Int, _ width: Int) -> Int { ((row + rows.lowerBound) * width * size + units.lowerBound) * bytes }
    var call = fb_recurrent_slope(
      rows: rows.count, units: units.count, size: size, gradient: at.gradient.start + offset(start, 1),
      kept: at.kept.map { $0.start + offset(start, keptCount) }, output: at.output.start + offset(start, 1),
      cells: at.cells.map { $0.start + offset(start, 1) }, last_hidden: at.lastHidden.start + offset(start, 1),
      last_cells: at.lastCells.map { $0.start + offset(start, 1) }, hidden: at.hidden.start + offset(0, 1),
      cell: at.state.map { $0.start + offset(0, 1) }, input_slopes: at.inputSlopes.start + offset(start, gates),
      product_slopes: at.productSlopes.start + offset(start, gates))
    kernels.slope(&call)
    for gate in 0..<gates {
      let columns = gate * size + units.lowerBound..<gate * size + units.upperBound
      pack(at.productSlopes.start + start * gates * size * bytes, gates * size, rows, columns: columns, into: packed)
    }
  }

  // MARK: Products

  /// Where the panel that begins with a sequence lies among those packed: by sequences, each has memory of its own.
  private func panel(_ sequence: Int, _ depth: Int) -> Int {
    isBySequences ? 0 : sequence / height * tileRows * depth * bytes
  }

  /// Some columns of some rows of a step, as the product's left side.
  private func pack(
    _ matrix: UnsafeRawPointer, _ depth: Int, _ rows: Range<Int>, columns: Range<Int>, into packed: UnsafeMutableRawPointer
  ) {
    let kernel = products.type(dtype).pointee.pack_rows!
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: height) {
      kernel(
        packed + panel(first, depth) + columns.lowerBound * tileRows * bytes,
        matrix + (first * depth + columns.lowerBound) * bytes, depth, 1, Swift.min(height, rows.upperBound - first), columns.count
      )
    }
  }

  /// The transposed weights of a block's gates, gate by gate.
  private func packGates(_ weight: UnsafeRawPointer, _ block: Int, into weights: UnsafeMutableRawPointer) {
    let units = self.units(block..<block + 1)
    for gate in 0..<gates {
      products.type(dtype).pointee.pack_columns(
        weights + (block * gates + gate) * tile * size * bytes, weight + (gate * size + units.lowerBound) * size * bytes, size, 1,
        units.count, size)
    }
  }

  /// The weights' columns of a block.
  private func packUnits(_ weight: UnsafeRawPointer, _ block: Int, into weights: UnsafeMutableRawPointer) {
    let units = self.units(block..<block + 1)
    let depth = gates * size
    products.type(dtype).pointee.pack_columns(
      weights + block * tile * depth * bytes, weight + units.lowerBound * bytes, 1, size, units.count, depth)
  }

  /// The product of packed rows and at most a tile's packed columns; `c` is where the first of the rows goes.
  private func multiply(
    _ rows: Range<Int>, _ n: Int, _ depth: Int, _ packed: UnsafeRawPointer, _ columns: UnsafeRawPointer,
    into c: UnsafeMutableRawPointer, _ cRow: Int, beta: Double
  ) {
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: height) {
      var block = fb_gemm_block(
        m: Swift.min(height, rows.upperBound - first), n: n, k: depth, a: packed + panel(first, depth), b: columns, b_row: tile,
        b_panel: tile * depth, c: c + (first - rows.lowerBound) * cRow * bytes, c_row: cRow, alpha: 1, beta: beta)
      products.compute(dtype).pointee.multiply(&block)
    }
  }
}

extension RecurrentCell {
  fileprivate var kernel: fb_recurrent_cell {
    switch self {
    case .tanh: fb_cell_tanh
    case .relu: fb_cell_relu
    case .lstm: fb_cell_lstm
    case .gru: fb_cell_gru
    }
  }
}
