import CKernels

/// Rows through a row plan.
struct RowWalk {
  private let inputs: UnsafeBufferPointer<RowPass.Operand>
  private let outputs: UnsafeBufferPointer<RowPass.Operand>
  private let outer: UnsafeBufferPointer<Int>
  private let strides: UnsafeBufferPointer<Int>
  private let segments: UnsafeBufferPointer<RowPlan.Segment>
  private let steps: UnsafeBufferPointer<RowPlan.Step>
  private let loads: UnsafeBufferPointer<Int>
  private let inputKinds: UnsafeBufferPointer<RowProgram.Input>
  private let outputPlans: UnsafeBufferPointer<RowPlan.Output>
  private let reads: UnsafeBufferPointer<Bool>
  private let width: Int
  private let block: Int
  private let firstRow: Int
  private let rowCount: Int
  private let firstOutput: Int
  private let byteCount: Int
  private let kernel: RowPlan.Kernel?
  private let eps: Double
  /// The kernel can go from row to row by itself: nothing is converted, and each operand's rows are equally far apart.
  private let isDirect: Bool

  /// `plan` outlives the walk, as do the buffers.
  init(
    _ plan: RowPlan, _ scalars: Scalars, inputs: UnsafeBufferPointer<RowPass.Operand>,
    outputs: UnsafeBufferPointer<RowPass.Operand>,
    outer: UnsafeBufferPointer<Int>, strides: UnsafeBufferPointer<Int>, width: Int, block: Int
  ) {
    self.inputs = inputs
    self.outputs = outputs
    self.outer = outer
    self.strides = strides
    self.width = width
    self.block = block
    segments = plan.segments
    steps = plan.steps
    loads = plan.loads
    inputKinds = plan.inputs
    outputPlans = plan.outputs
    reads = plan.readsInput
    firstRow = plan.firstRow
    rowCount = plan.rowCount
    firstOutput = plan.firstOutput
    byteCount = plan.computeClass.byteCount
    kernel = plan.kernel
    eps = plan.scalarCount > 1 ? scalars[0].double : 0
    isDirect =
      outer.count <= 1 && inputs.allSatisfy { $0.buffer < 0 && !$0.lane.converts }
      && outputs.indices.allSatisfy {
        plan.outputs[$0].kind == .columnSum || outputs[$0].buffer < 0 && !outputs[$0].lane.converts
      }
  }

  func run(_ rows: Range<Int>, _ frame: RowFrame, _ scratch: UnsafeMutableRawPointer) {
    if let kernel, isDirect {
      run(kernel, rows, frame)
      return
    }
    for row in rows {
      place(row, frame, scratch)
      if let kernel {
        for i in 0..<inputs.count { load(i, row, scratch) }
        run(kernel, frame)
      } else {
        run(row, frame, scratch)
      }
      for k in 0..<outputs.count { write(k, row, frame) }
    }
  }

  // MARK: By a kernel

  /// Rows where they lie; sums over rows go to their slots.
  private func run(_ kernel: RowPlan.Kernel, _ rows: Range<Int>, _ frame: RowFrame) {
    var work = fb_rows()
    (work.rows, work.width, work.eps) = (rows.count, width, eps)
    let step = { (lane: Lane, operand: Int) in outer.isEmpty ? 0 : strides[operand] * lane.byteCount }
    for (k, i) in kernel.inputs.enumerated() where i >= 0 {
      let lane = inputs[i].lane
      fb_rows_set_in(&work, k, place(lane, i, rows.lowerBound), step(lane, i))
    }
    for (k, o) in kernel.outputs.enumerated() where o >= 0 {
      if outputPlans[o].kind == .columnSum {
        fb_rows_set_out(&work, k, frame.slots[firstOutput + o], 0)
      } else {
        let (lane, operand) = (outputs[o].lane, inputs.count + o)
        fb_rows_set_out(&work, k, place(lane, operand, rows.lowerBound), step(lane, operand))
      }
    }
    kernel.function(&work)
  }

  /// The row that lies in the slots.
  private func run(_ kernel: RowPlan.Kernel, _ frame: RowFrame) {
    var work = fb_rows()
    (work.rows, work.width, work.eps) = (1, width, eps)
    for (k, i) in kernel.inputs.enumerated() where i >= 0 {
      fb_rows_set_in(&work, k, frame.slots[RowPlan.firstInput + i], 0)
    }
    for (k, o) in kernel.outputs.enumerated() where o >= 0 {
      fb_rows_set_out(&work, k, frame.slots[outputPlans[o].slot], 0)
    }
    kernel.function(&work)
  }

  // MARK: Step by step

  private func place(_ row: Int, _ frame: RowFrame, _ scratch: UnsafeMutableRawPointer) {
    for i in 0..<inputs.count where reads[i] {
      let from = place(inputs[i].lane, i, row)
      if inputKinds[i] == .row {
        frame.slots[RowPlan.firstInput + i] = inputs[i].buffer < 0 ? from : scratch + inputs[i].buffer
      } else {
        frame.positions[i] = from
        inputs[i].lane.load!(frame.slots[RowPlan.firstInput + i], from, 0, 1)
      }
    }
    for k in 0..<outputs.count where outputPlans[k].kind == .row {
      frame.slots[firstOutput + k] =
        outputs[k].buffer < 0 ? place(outputs[k].lane, inputs.count + k, row) : scratch + outputs[k].buffer
    }
  }

  private func load(_ i: Int, _ row: Int, _ scratch: UnsafeMutableRawPointer) {
    let input = inputs[i]
    if input.buffer < 0 { return }
    input.lane.load!(scratch + input.buffer, place(input.lane, i, row), input.lane.innerStride, width)
  }

  private func run(_ row: Int, _ frame: RowFrame, _ scratch: UnsafeMutableRawPointer) {
    for s in 0..<segments.count {
      for l in segments[s].loads { load(loads[l], row, scratch) }
      for step in segments[s].numbers { frame.map(steps[step], 1) }
      for step in segments[s].whole { frame.whole(steps[step], width) { inputs[$0].lane } }
      if block == width {
        for step in segments[s].blocks { frame.run(steps[step], width, isFirst: true) }
      } else if !segments[s].blocks.isEmpty {
        runBlocks(segments[s].blocks, frame)
      }
    }
  }

  private func runBlocks(_ range: Range<Int>, _ frame: RowFrame) {
    var at = 0
    while at < width {
      let n = Swift.min(block, width - at)
      for step in range { frame.run(steps[step], n, isFirst: at == 0) }
      advance(frame, block)
      at += block
    }
    advance(frame, -at)
  }

  /// Moves what lies along the row.
  private func advance(_ frame: RowFrame, _ elements: Int) {
    let step = elements * byteCount
    for i in 0..<inputs.count where inputKinds[i] == .row { frame.move(RowPlan.firstInput + i, step) }
    for i in 0..<rowCount { frame.move(firstRow + i, step) }
    for k in 0..<outputs.count where outputPlans[k].kind != .number { frame.move(firstOutput + k, step) }
  }

  private func write(_ k: Int, _ row: Int, _ frame: RowFrame) {
    let output = outputPlans[k]
    let lane = outputs[k].lane
    switch output.kind {
    case .columnSum: return
    case .number: lane.store!(place(lane, inputs.count + k, row), 1, frame.slots[output.slot]!, 1)
    case .row:
      let values = frame.slots[output.slot]!
      if output.patchSlot != 0,
        let index = frame.index(inputs[output.patchIndex].lane, output.patchIndex, below: width)
      {
        frame.add(frame.slots[output.patchSlot]!, to: values + index * byteCount)
      }
      if outputs[k].buffer >= 0 { lane.store!(place(lane, inputs.count + k, row), lane.innerStride, values, width) }
    }
  }

  @inline(__always)
  private func place(_ lane: Lane, _ operand: Int, _ row: Int) -> UnsafeMutableRawPointer {
    let first = operand * outer.count
    var rest = row
    var position = 0
    var dim = outer.count - 1
    while dim > 0 {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: outer[dim])
      position += index * strides[first + dim]
      rest = quotient
      dim -= 1
    }
    if dim == 0 { position += rest * strides[first] }
    return lane.start + position * lane.byteCount
  }
}
