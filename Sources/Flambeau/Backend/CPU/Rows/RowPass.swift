import CKernels

/// One run of a row program: rows in chunks cut by shape, each chunk with its own sums of columns.
struct RowPass {
  struct Operand {
    let lane: Lane
    /// Where in the scratch memory the row is made or converted; -1 if it is used where it lies.
    var buffer = -1
  }

  private let plan: RowPlan
  private let scalars: Scalars
  private let rows: Int
  private let width: Int
  private let block: Int
  private let outer: [Int]
  private var inputs: [Operand] = []
  private var outputs: [Operand] = []
  /// The outer strides of the inputs, then of the outputs, in elements.
  private var strides: [Int] = []
  private let memory: Memory

  /// Rows longer than this are walked in blocks.
  private static let longRow = 4096
  private static let blockLength = 2048
  /// Elements of a chunk of rows, and the chunks column sums are kept for.
  private static let chunkElements = 16384
  private static let mostSums = 64

  /// Where things lie in the scratch memory.
  struct Memory {
    var cells = 0
    var rows = 0
    var temporaries = 0
    var byteCount = 0
    let rowByteCount: Int
    let blockByteCount: Int
  }

  init(_ plan: RowPlan, inputs: [Elements], scalars: Scalars, outputs: [Elements], rows: Int, width: Int) {
    self.plan = plan
    self.rows = rows
    self.width = width
    block = width <= RowPass.longRow ? width : RowPass.blockLength
    var all = Scalars()
    for i in 0..<plan.scalarCount - 1 { all.append(scalars[i]) }
    all.append(Number(width))
    self.scalars = all

    let perRow = zip(outputs, plan.outputs).filter { $1.kind != .columnSum }.map(\.0)
    let (outer, strides) = RowPass.outerDimensions(inputs + perRow)
    self.outer = outer
    let computeClass = plan.computeClass
    var memory = Memory(
      rowByteCount: Frame.blockByteCount(computeClass, width), blockByteCount: Frame.blockByteCount(computeClass, block))
    memory.cells = (plan.slotCount * 8 + 63) & ~63
    memory.rows = (memory.cells + RowFrame.cellByteCount(plan) + 63) & ~63
    memory.temporaries = memory.rows + plan.rowCount * memory.rowByteCount
    var at = memory.temporaries + plan.temporaryCount * memory.blockByteCount

    for (i, input) in inputs.enumerated() {
      let last = input.layout.strides.at(input.layout.rank - 1)
      let isDirect = input.dtype == computeClass.dtype && last == 1
      var operand = Operand(
        lane: Lane(
          input, mode: isDirect ? .direct : .block, slot: RowPlan.firstInput + i, innerStride: last, rowStride: 0,
          in: computeClass, isOutput: false))
      self.strides += strides[i]
      if plan.inputs[i] == .row && plan.readsInput[i] && !isDirect {
        operand.buffer = at
        at += memory.rowByteCount
      }
      self.inputs.append(operand)
    }
    var position = inputs.count
    for (k, output) in outputs.enumerated() {
      let last = output.layout.rank > 0 ? output.layout.strides.at(output.layout.rank - 1) : 0
      let isDirect = output.dtype == computeClass.dtype && last == 1
      var operand = Operand(
        lane: Lane(
          output, mode: isDirect ? .direct : .block, slot: plan.firstOutput + k, innerStride: last, rowStride: 0,
          in: computeClass, isOutput: true))
      if plan.outputs[k].kind == .columnSum {
        self.strides += outer.map { _ in 0 }
      } else {
        self.strides += strides[position]
        position += 1
      }
      if plan.outputs[k].kind == .row && !isDirect {
        operand.buffer = at
        at += memory.rowByteCount
      }
      self.outputs.append(operand)
    }
    memory.byteCount = at
    self.memory = memory
  }

  /// All dimensions but the last, merged where every operand allows it: sizes, and each operand's strides.
  private static func outerDimensions(_ operands: [Elements]) -> ([Int], [[Int]]) {
    let shape = operands[0].layout.shape
    var sizes: [Int] = []
    var columns: [[Int]] = []
    for dim in 0..<shape.count - 1 where shape.at(dim) != 1 {
      let column = operands.map { $0.layout.strides.at(dim) }
      if let last = columns.last, zip(last, column).allSatisfy({ $0 == $1 * shape.at(dim) }) {
        sizes[sizes.count - 1] *= shape.at(dim)
        columns[columns.count - 1] = column
      } else {
        sizes.append(shape.at(dim))
        columns.append(column)
      }
    }
    return (sizes, operands.indices.map { operand in columns.map { $0[operand] } })
  }

  func run() {
    let sums = plan.outputs.indices.filter { plan.outputs[$0].kind == .columnSum }
    var perChunk = Swift.max(1, RowPass.chunkElements * 4 / ((plan.kernel == nil ? plan.cost : 1) + 3) / width)
    if !sums.isEmpty { perChunk = Swift.max(perChunk, (rows + RowPass.mostSums - 1) / RowPass.mostSums) }
    let chunks = (rows + perChunk - 1) / perChunk
    let sumByteCount = sums.count * memory.rowByteCount

    Scratch.withBytes(Swift.max(chunks * sumByteCount, 1)) { partials in
      withWalk { walk in
        let chunk = { (i: Int) in
          Scratch.withBytes(memory.byteCount) { scratch in
            let frame = RowFrame(plan, scalars, at: scratch, cells: scratch + memory.cells)
            for t in 0..<plan.temporaryCount {
              frame.slots[plan.firstTemporary + t] = scratch + memory.temporaries + t * memory.blockByteCount
            }
            for r in 0..<plan.rowCount { frame.slots[plan.firstRow + r] = scratch + memory.rows + r * memory.rowByteCount }
            let accumulators = partials + i * sumByteCount
            if !sums.isEmpty { accumulators.initializeMemory(as: UInt8.self, repeating: 0, count: sumByteCount) }
            for (position, k) in sums.enumerated() {
              frame.slots[plan.firstOutput + k] = accumulators + position * memory.rowByteCount
            }
            walk.run(i * perChunk..<Swift.min((i + 1) * perChunk, rows), frame, scratch)
          }
        }
        if chunks == 1 { chunk(0) } else { ThreadPool.run(chunks, chunk) }
      }
      join(sums, partials, chunks, sumByteCount)
    }
  }

  private func withWalk(_ body: (RowWalk) -> Void) {
    inputs.withUnsafeBufferPointer { inputs in
      outputs.withUnsafeBufferPointer { outputs in
        outer.withUnsafeBufferPointer { outer in
          strides.withUnsafeBufferPointer { strides in
            body(
              RowWalk(
                plan, scalars, inputs: inputs, outputs: outputs, outer: outer, strides: strides, width: width, block: block))
          }
        }
      }
    }
  }

  /// Joins the chunks' sums of columns, halves first, and stores them.
  private func join(_ sums: [Int], _ partials: UnsafeMutableRawPointer, _ chunks: Int, _ sumByteCount: Int) {
    if sums.isEmpty { return }
    let add = fb_add.kernel(in: plan.computeClass)!
    let elements = sumByteCount / plan.computeClass.byteCount
    var distance = 1
    while distance < chunks {
      for i in stride(from: 0, to: chunks - distance, by: 2 * distance) {
        let to = partials + i * sumByteCount
        add(to, to, to + distance * sumByteCount, nil, elements, 0)
      }
      distance *= 2
    }
    for (position, k) in sums.enumerated() {
      let lane = outputs[k].lane
      lane.store!(lane.start, lane.innerStride, partials + position * memory.rowByteCount, width)
    }
  }
}
