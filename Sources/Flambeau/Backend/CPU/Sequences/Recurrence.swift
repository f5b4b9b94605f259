import CKernels

/// The steps of a recurrent layer in one direction, from what comes from the input: a step's product with the weights, which are packed
/// once, and its gates, block by block of units.
///
/// A thread mostly meets the same units in every step, whose weights its caches still hold. Bits depend on the shapes and the instruction
/// set only.
struct Recurrence {
  let run: RecurrentRun
  let cell: RecurrentCell
  /// Units.
  let size: Int
  let dtype: DType

  private let kernels: fb_recurrence
  private let products: GemmTable
  private let bytes: Int

  init(_ cell: RecurrentCell, _ run: RecurrentRun, size: Int, dtype: DType) {
    (self.cell, self.run, self.size, self.dtype) = (cell, run, size, dtype)
    kernels = fb_table_recurrence(Kernels.table, dtype.computeClass, cell.kernel).pointee
    products = GemmTable.current
    bytes = dtype.byteCount
  }

  /// Numbers of each unit that a step keeps for the way back.
  var keptCount: Int { Int(kernels.kept) }
  private var gates: Int { cell.gates }
  private var tileRows: Int { Int(products.compute(dtype).pointee.tile_rows) }
  /// The units of a block: the columns of a product's tile.
  private var tile: Int { Int(products.compute(dtype).pointee.tile_columns) }
  private var blocks: Int { (size + tile - 1) / tile }
  private func units(_ block: Int) -> Range<Int> { block * tile..<Swift.min((block + 1) * tile, size) }
  private var isParallel: Bool { run.sequences * size * size * gates >= Gemm.parallelWork }
  private var operations: Double { 2 * Double(run.rows * size) * Double(size * gates) }

  // MARK: Forward

  /// Everything dense, in the dtype; `result`, [rows + sequences (+ sequences), units], ends with the state: at first that before the
  /// run, in the end that after it.
  struct Forward {
    let input: UnsafeRawPointer
    /// [gates · units, units]
    let weight: UnsafeRawPointer
    let bias: UnsafeRawPointer?
    let result: UnsafeMutableRawPointer
    let kept: UnsafeMutableRawPointer?
    let cells: UnsafeMutableRawPointer?
  }

  func forward(_ at: Forward) {
    if KernelCall.isObserved {
      KernelCall.observed(.task(task(at))) { compute(at) }
    } else {
      compute(at)
    }
  }

  private func compute(_ at: Forward) {
    fb_count_operations(operations)
    let (row, state) = (size * bytes, run.rows * size * bytes)
    let hidden = at.result + state
    let cell = self.cell.hasCell ? hidden + run.sequences * row : nil
    let panelBytes = blocks * gates * tile * size * bytes
    withPacked(of: size) { packed in
      Scratch.withBytes(panelBytes) { weights in
        forEach(blocks, parallel: isParallel) { packGates(at.weight, $0, into: weights) }
        pack(hidden, size, run.batchSizes[run.order[0]], columns: 0..<size, into: packed(0))
        for (position, step) in run.order.enumerated() {
          let (count, start) = (run.batchSizes[step], run.starts[step])
          let next = position + 1 < run.order.count ? run.batchSizes[run.order[position + 1]] : 0
          forEach(blocks, parallel: isParallel) { block in
            let units = self.units(block)
            let first = units.lowerBound * bytes
            Scratch.withBytes(count * gates * tile * bytes) { sums in
              multiply(
                count, gates * tile, size, packed(position), weights + block * gates * tile * size * bytes, into: sums,
                gates * tile, beta: 0)
              var step = fb_recurrent_step(
                rows: count, units: units.count, size: size, sums: sums, tile: tile,
                input: at.input + start * gates * row + first,
                bias: at.bias.map { $0 + first }, hidden: hidden + first, cell: cell.map { $0 + first },
                output: at.result + start * row + first, kept: at.kept.map { $0 + start * keptCount * row + first },
                cells: at.cells.map { $0 + start * row + first })
              kernels.step(&step)
            }
            pack(hidden, size, next, columns: units, into: packed(position + 1))
          }
        }
      }
    }
  }

  // MARK: Backward

  /// Everything dense, in the dtype. `hidden` and `cell`, [sequences, units], are at first the gradients of the state after the run, in
  /// the end those of the state before it.
  struct Backward {
    let gradient: UnsafeRawPointer
    let weight: UnsafeRawPointer
    let output: UnsafeRawPointer
    let kept: UnsafeRawPointer?
    let cells: UnsafeRawPointer?
    /// What every row's step began with.
    let lastHidden: UnsafeRawPointer
    let lastCells: UnsafeRawPointer?
    let hidden: UnsafeMutableRawPointer
    let cell: UnsafeMutableRawPointer?
    /// [rows, gates · units]: of the input's part, and of the product; one array where they are equal.
    let inputSlopes: UnsafeMutableRawPointer
    let productSlopes: UnsafeMutableRawPointer
  }

  func backward(_ at: Backward) {
    if KernelCall.isObserved {
      KernelCall.observed(.task(task(at))) { compute(at) }
    } else {
      compute(at)
    }
  }

  private func compute(_ at: Backward) {
    fb_count_operations(operations)
    let (row, depth) = (size * bytes, gates * size)
    let order = Array(run.order.reversed())
    withPacked(of: depth) { packed in
      Scratch.withBytes(blocks * tile * depth * bytes) { weights in
        /// The step at a place of the order, for a block, and its gradients packed.
        func slope(_ position: Int, _ block: Int) {
          let (count, start, units) = (run.batchSizes[order[position]], run.starts[order[position]], self.units(block))
          let first = units.lowerBound * bytes
          func rows(_ from: UnsafeRawPointer?, _ width: Int) -> UnsafeRawPointer? {
            from.map { $0 + start * width * row + first }
          }
          var step = fb_recurrent_slope(
            rows: count, units: units.count, size: size, gradient: rows(at.gradient, 1), kept: rows(at.kept, keptCount),
            output: rows(at.output, 1), cells: rows(at.cells, 1), last_hidden: rows(at.lastHidden, 1),
            last_cells: rows(at.lastCells, 1), hidden: at.hidden + first, cell: at.cell.map { $0 + first },
            input_slopes: at.inputSlopes + start * gates * row + first,
            product_slopes: at.productSlopes + start * gates * row + first)
          kernels.slope(&step)
          for gate in 0..<gates {
            let columns = gate * size + units.lowerBound..<gate * size + units.upperBound
            pack(at.productSlopes + start * gates * row, depth, count, columns: columns, into: packed(position))
          }
        }
        forEach(blocks, parallel: isParallel) { block in
          packUnits(at.weight, block, into: weights)
          slope(0, block)
        }
        for (position, step) in order.enumerated() {
          forEach(blocks, parallel: isParallel) { block in
            let units = self.units(block)
            multiply(
              run.batchSizes[step], units.count, depth, packed(position), weights + block * tile * depth * bytes,
              into: at.hidden + units.lowerBound * bytes, size, beta: 1)
            if position + 1 < order.count { slope(position + 1, block) }
          }
        }
      }
    }
  }

  // MARK: The same on a GPU

  private func task(_ at: Forward) -> RecurrenceTask {
    RecurrenceTask(
      cell: cell, run: run, input: matrix(at.input, run.rows, gates), weight: matrix(at.weight, gates * size, 1),
      bias: at.bias.map { Elements(UnsafeMutableRawPointer(mutating: $0), Layout([gates * size]), dtype) },
      result: matrix(at.result, run.rows + run.sequences * (cell.hasCell ? 2 : 1), 1),
      kept: at.kept.map { matrix($0, run.rows, keptCount) }, cells: at.cells.map { matrix($0, run.rows, 1) })
  }

  private func task(_ at: Backward) -> RecurrenceGradientTask {
    func rows(_ pointer: UnsafeRawPointer) -> Elements { matrix(pointer, run.rows, 1) }
    return RecurrenceGradientTask(
      cell: cell, run: run, weight: matrix(at.weight, gates * size, 1), gradient: rows(at.gradient), output: rows(at.output),
      kept: keptCount == 0 ? nil : at.kept.map { matrix($0, run.rows, keptCount) },
      cells: cell.hasCell ? at.cells.map(rows) : nil, lastHidden: rows(at.lastHidden), lastCells: at.lastCells.map(rows),
      hidden: matrix(at.hidden, run.sequences, 1), state: at.cell.map { matrix($0, run.sequences, 1) },
      inputSlopes: matrix(at.inputSlopes, run.rows, gates), productSlopes: matrix(at.productSlopes, run.rows, gates))
  }

  /// [rows, parts · units], dense.
  private func matrix(_ pointer: UnsafeRawPointer, _ rows: Int, _ parts: Int) -> Elements {
    Elements(UnsafeMutableRawPointer(mutating: pointer), Layout([rows, parts * size]), dtype)
  }

  // MARK: Products

  /// Room for the packed rows of two steps, one of which is read while the other is written.
  private func withPacked(of depth: Int, _ body: ((Int) -> UnsafeMutableRawPointer) -> Void) {
    let panels = (run.sequences + tileRows - 1) / tileRows
    let size = panels * tileRows * depth * bytes
    Scratch.withBytes(2 * size) { memory in body { memory + $0 % 2 * size } }
  }

  /// Some columns of the first `count` rows, as the product's left side.
  private func pack(
    _ matrix: UnsafeRawPointer, _ depth: Int, _ count: Int, columns: Range<Int>, into packed: UnsafeMutableRawPointer
  ) {
    let kernel = products.type(dtype).pointee.pack_rows!
    for first in stride(from: 0, to: count, by: tileRows) {
      kernel(
        packed + (first * depth + columns.lowerBound * tileRows) * bytes, matrix + (first * depth + columns.lowerBound) * bytes,
        depth, 1, Swift.min(tileRows, count - first), columns.count)
    }
  }

  /// The transposed weights of a block's gates, gate by gate.
  private func packGates(_ weight: UnsafeRawPointer, _ block: Int, into weights: UnsafeMutableRawPointer) {
    let units = self.units(block)
    for gate in 0..<gates {
      products.type(dtype).pointee.pack_columns(
        weights + (block * gates + gate) * tile * size * bytes, weight + (gate * size + units.lowerBound) * size * bytes, size, 1,
        units.count, size)
    }
  }

  /// The weights' columns of a block.
  private func packUnits(_ weight: UnsafeRawPointer, _ block: Int, into weights: UnsafeMutableRawPointer) {
    let units = self.units(block)
    let depth = gates * size
    products.type(dtype).pointee.pack_columns(
      weights + block * tile * depth * bytes, weight + units.lowerBound * bytes, 1, size, units.count, depth)
  }

  private func multiply(
    _ m: Int, _ n: Int, _ depth: Int, _ rows: UnsafeRawPointer, _ columns: UnsafeRawPointer, into c: UnsafeMutableRawPointer,
    _ cRow: Int, beta: Double
  ) {
    var block = fb_gemm_block(
      m: m, n: n, k: depth, a: rows, b: columns, b_row: tile, b_panel: tile * depth, c: c, c_row: cRow, alpha: 1, beta: beta)
    products.compute(dtype).pointee.multiply(&block)
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
