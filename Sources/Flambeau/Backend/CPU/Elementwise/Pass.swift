import CKernels

/// One pass of a plan over its operands, cut into tiles that fit the first-level cache; chunks of tiles go to threads.
///
/// A tile is a few rows of a piece of the inner dimension. Where the inner dimension is short, a tile is instead a run of
/// whole rows collected into one block (`collects`).
struct Pass {
  let plan: Plan
  let scalars: Scalars
  private let iteration: Iteration
  private let collects: Bool
  private let rowsPerTile: Int
  private let columnsPerTile: Int
  private var inputs: [Lane] = []
  private var outputs: [Lane] = []
  private var numbers: UInt64 = 0
  private var scratchByteCount = 0

  /// Rows shorter than this are collected.
  private static let shortRow = 64
  /// Rows collected together from an operand that lies across.
  private static let tileRows = 16
  /// Results at least this large go past the caches.
  static let streamByteCount = 16 << 20

  init(_ plan: Plan, inputs: [Elements], scalars: Scalars, outputs: [Elements]) {
    self.plan = plan
    self.scalars = scalars
    var iteration = Iteration(outputs + inputs, leading: 0)
    let inner = iteration.innerSize
    let length = Interpreter.block
    collects = inner < Pass.shortRow && iteration.rank > 1

    if !collects && iteration.rank > 1 {
      let across = inputs.indices.first { Pass.liesAcross($0 + outputs.count, iteration) != nil }
      if let across { iteration.moveToRow(Pass.liesAcross(across + outputs.count, iteration)!) }
    }
    self.iteration = iteration
    columnsPerTile = Swift.min(inner, length)

    for (i, input) in inputs.enumerated() {
      let mode: Lane.Mode =
        !plan.readsInput[i] ? .unused : Pass.mode(i + outputs.count, iteration, input, plan.computeClass, collects)
      if mode == .number { numbers |= 1 << UInt64(i) }
      self.inputs.append(
        Lane(
          input, mode: mode, slot: Plan.firstInput + i, innerStride: iteration.innerStride(i + outputs.count),
          rowStride: iteration.rowStride(i + outputs.count), in: plan.computeClass, isOutput: false))
    }
    for (k, output) in outputs.enumerated() {
      self.outputs.append(
        Lane(
          output, mode: Pass.outputMode(k, iteration, outputs, inputs, plan.computeClass, collects),
          slot: plan.firstOutput + k, innerStride: iteration.innerStride(k), rowStride: iteration.rowStride(k),
          in: plan.computeClass, isOutput: true))
    }

    let hasTile = self.inputs.contains { $0.mode == .tile }
    rowsPerTile = collects ? length / inner : hasTile ? Pass.tileRows : Swift.max(1, length / inner)
    placeBlocks(length)
  }

  // MARK: Choosing how operands are read

  /// The dimension along which an operand that is strided along the inner one is dense.
  private static func liesAcross(_ operand: Int, _ iteration: Iteration) -> Int? {
    let inner = abs(iteration.innerStride(operand))
    guard inner >= 8 else { return nil }
    return (0..<iteration.rank - 1).first { iteration.stride(operand, $0) == 1 && iteration.sizes[$0] >= 8 }
  }

  private static func mode(
    _ operand: Int, _ iteration: Iteration, _ elements: Elements, _ computeClass: ComputeClass, _ collects: Bool
  ) -> Lane.Mode {
    let isOfClass = elements.dtype == computeClass.dtype
    if collects {
      if iteration.isConstant(operand) { return .number }
      return isOfClass && iteration.isDense(operand) ? .direct : .block
    }
    let inner = iteration.innerStride(operand)
    if inner == 0 { return .number }
    if inner == 1 && isOfClass { return .direct }
    if inner != 1, iteration.rank > 1, liesAcross(operand, iteration) == iteration.rank - 2 { return .tile }
    return .block
  }

  private static func outputMode(
    _ k: Int, _ iteration: Iteration, _ outputs: [Elements], _ inputs: [Elements], _ computeClass: ComputeClass,
    _ collects: Bool
  ) -> Lane.Mode {
    let output = outputs[k]
    guard output.dtype == computeClass.dtype else { return .block }
    guard collects ? iteration.isDense(k) : iteration.innerStride(k) == 1 else { return .block }
    let isInPlace = inputs.contains { $0.start == output.start }
    // A later step may still read what an earlier output would overwrite.
    if outputs.count > 1 && isInPlace { return .block }
    let byteCount = output.layout.elementCount * output.dtype.byteCount
    return !collects && !isInPlace && byteCount >= streamByteCount ? .stream : .direct
  }

  private mutating func placeBlocks(_ length: Int) {
    let block = Frame.blockByteCount(plan.computeClass, length)
    var at = Frame.byteCount(plan, block: length)
    let tile = Pass.tileRows * columnsPerTile * 8
    for i in inputs.indices {
      inputs[i].block = at
      at += inputs[i].mode == .unused || (inputs[i].mode == .direct) ? 0 : block
      inputs[i].raw = at
      if inputs[i].mode == .tile { at += tile } else if collects && inputs[i].mode == .block { at += length * 8 }
    }
    for k in outputs.indices {
      outputs[k].block = at
      at += outputs[k].mode == .direct ? 0 : block
      outputs[k].raw = at
      if collects && outputs[k].mode == .block { at += length * 8 }
    }
    scratchByteCount = at
  }

  // MARK: Running

  func run() {
    let rows = collects ? iteration.sizes.dropLast().reduce(1, *) : iteration.rowCount
    let groups = (rows + rowsPerTile - 1) / rowsPerTile
    let columns = (iteration.innerSize + columnsPerTile - 1) / columnsPerTile
    let outer = collects ? 1 : iteration.sizes.dropLast(2).reduce(1, *)
    let tiles = outer * groups * columns

    let tileElements = Swift.min(rowsPerTile, rows) * columnsPerTile
    let perChunk = Swift.max(1, Interpreter.chunkElements(plan) / tileElements)
    let chunks = (tiles + perChunk - 1) / perChunk
    inputs.withUnsafeBufferPointer { inputs in
      outputs.withUnsafeBufferPointer { outputs in
        let chunk = { (i: Int) in
          let range = i * perChunk..<Swift.min((i + 1) * perChunk, tiles)
          Scratch.withBytes(scratchByteCount) { memory in
            let frame = Frame(plan, at: memory, block: Interpreter.block, scalars: scalars, numbers: numbers)
            for output in outputs where output.mode != .direct { frame.slots[output.slot] = memory + output.block }
            if collects {
              runCollected(range, rows, frame, memory, inputs, outputs)
            } else {
              runTiles(range, groups, columns, frame, memory, inputs, outputs)
            }
          }
        }
        if chunks == 1 { chunk(0) } else { ThreadPool.run(chunks, chunk) }
      }
    }
  }

  /// The position of row-and-column (0, 0) of the outer index `outer`, in elements.
  private func offset(_ operand: Int, _ outer: Int) -> Int {
    var rest = outer
    var offset = 0
    var dim = iteration.rank - 3
    while dim >= 0 {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: iteration.sizes[dim])
      offset += index * iteration.stride(operand, dim)
      rest = quotient
      dim -= 1
    }
    return offset
  }

  private func runTiles(
    _ tiles: Range<Int>, _ groups: Int, _ columns: Int, _ frame: Frame, _ memory: UnsafeMutableRawPointer,
    _ inputs: UnsafeBufferPointer<Lane>, _ outputs: UnsafeBufferPointer<Lane>
  ) {
    let width = iteration.innerSize
    let rowCount = iteration.rowCount
    var (rest, column) = tiles.lowerBound.quotientAndRemainder(dividingBy: columns)
    var (outer, group) = rest.quotientAndRemainder(dividingBy: groups)
    rest = 0
    withUnsafeTemporaryAllocation(of: Int.self, capacity: inputs.count + outputs.count) { offsets in
      var placed = -1
      for _ in tiles {
        if placed != outer {
          placed = outer
          for i in 0..<offsets.count { offsets[i] = offset(i, outer) }
        }
        let firstColumn = column * columnsPerTile
        let n = Swift.min(columnsPerTile, width - firstColumn)
        let firstRow = group * rowsPerTile
        let rows = Swift.min(rowsPerTile, rowCount - firstRow)

        for (i, lane) in inputs.enumerated() where lane.mode == .tile {
          let corner = offsets[outputs.count + i] + firstRow + firstColumn * lane.innerStride
          Gather.read(
            lane.sizeLog, memory + lane.raw, lane.start + corner * lane.byteCount, rows: rows, columns: n, rowStride: 1,
            columnStride: lane.innerStride)
        }
        for r in 0..<rows {
          for i in 0..<inputs.count {
            let lane = inputs[i]
            if lane.mode == .unused { continue }
            if lane.mode == .tile {
              let row = memory + lane.raw + r * n * lane.byteCount
              if lane.converts {
                lane.load!(memory + lane.block, row, 1, n)
                frame.slots[lane.slot] = memory + lane.block
              } else {
                frame.slots[lane.slot] = row
              }
              continue
            }
            let position = offsets[outputs.count + i] + (firstRow + r) * lane.rowStride + firstColumn * lane.innerStride
            let from = lane.start + position * lane.byteCount
            if lane.mode == .direct || (lane.mode == .number && !lane.converts) {
              frame.slots[lane.slot] = from
            } else {
              lane.load!(memory + lane.block, from, lane.innerStride, lane.mode == .number ? 1 : n)
              frame.slots[lane.slot] = memory + lane.block
            }
          }
          for k in 0..<outputs.count where outputs[k].mode == .direct {
            frame.slots[outputs[k].slot] = place(outputs[k], offsets[k], firstRow + r, firstColumn)
          }
          frame.run(n)
          for k in 0..<outputs.count where outputs[k].mode != .direct {
            let lane = outputs[k]
            let to = place(lane, offsets[k], firstRow + r, firstColumn)
            if lane.mode == .stream {
              KernelAccess.streamCopy(to, memory + lane.block, n * lane.byteCount)
            } else {
              lane.store!(to, lane.innerStride, memory + lane.block, n)
            }
          }
        }

        column += 1
        if column == columns {
          column = 0
          group += 1
          if group == groups {
            group = 0
            outer += 1
          }
        }
      }
    }
  }

  @inline(__always)
  private func place(_ lane: Lane, _ offset: Int, _ row: Int, _ column: Int) -> UnsafeMutableRawPointer {
    lane.start + (offset + row * lane.rowStride + column * lane.innerStride) * lane.byteCount
  }

  private func runCollected(
    _ tiles: Range<Int>, _ rowCount: Int, _ frame: Frame, _ memory: UnsafeMutableRawPointer,
    _ inputs: UnsafeBufferPointer<Lane>, _ outputs: UnsafeBufferPointer<Lane>
  ) {
    let width = iteration.innerSize
    for (i, lane) in inputs.enumerated() where lane.mode == .number {
      let from = lane.start
      if lane.converts { lane.load!(memory + lane.block, from, 0, 1) }
      frame.slots[inputs[i].slot] = lane.converts ? memory + lane.block : from
    }
    for tile in tiles {
      let first = tile * rowsPerTile
      let rows = Swift.min(rowsPerTile, rowCount - first)
      let n = rows * width
      for (i, lane) in inputs.enumerated() {
        if lane.mode == .direct {
          frame.slots[lane.slot] = lane.start + first * width * lane.byteCount
        } else if lane.mode == .block {
          let raw = memory + (lane.converts ? lane.raw : lane.block)
          forEachRun(outputs.count + i, first, rows) { offset, row, count in
            Gather.read(
              lane.sizeLog, raw + row * width * lane.byteCount, lane.start + offset * lane.byteCount, rows: count,
              columns: width, rowStride: lane.rowStride, columnStride: lane.innerStride)
          }
          if lane.converts { lane.load!(memory + lane.block, raw, 1, n) }
          frame.slots[lane.slot] = memory + lane.block
        }
      }
      for lane in outputs where lane.mode == .direct {
        frame.slots[lane.slot] = lane.start + first * width * lane.byteCount
      }
      frame.run(n)
      for (k, lane) in outputs.enumerated() where lane.mode != .direct {
        let raw = memory + (lane.converts ? lane.raw : lane.block)
        if lane.converts { lane.store!(raw, 1, memory + lane.block, n) }
        forEachRun(k, first, rows) { offset, row, count in
          Gather.write(
            lane.sizeLog, lane.start + offset * lane.byteCount, raw + row * width * lane.byteCount, rows: count,
            columns: width, rowStride: lane.rowStride, columnStride: lane.innerStride)
        }
      }
    }
  }

  /// Splits `rows` rows from `first` on into runs within one outer index: the run's position in memory, its first row
  /// among these, its length.
  @inline(__always)
  private func forEachRun(_ operand: Int, _ first: Int, _ rows: Int, _ body: (Int, Int, Int) -> Void) {
    let rowCount = iteration.rowCount
    let rowStride = iteration.rowStride(operand)
    var done = 0
    var (outer, row) = first.quotientAndRemainder(dividingBy: rowCount)
    while done < rows {
      let count = Swift.min(rows - done, rowCount - row)
      body(offset(operand, outer) + row * rowStride, done, count)
      done += count
      outer += 1
      row = 0
    }
  }
}
