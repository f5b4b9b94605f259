import CKernels

/// How the CPU runs a row program: segments, each a walk over the row that ends in the reductions the next one needs.
///
/// Slots, in order: none, inputs, constants, scalars, cells (one number per row), rows (values later segments read),
/// temporaries (blocks), outputs. What lies along the row moves with the block.
final class RowPlan: Sendable {
  enum Kind: Sendable {
    case map
    /// A reduction to a cell, joined from block to block.
    case fold
    case dot
    /// Exponentials kept, and their sum.
    case expSum
    /// A maximum and a sum of exponentials of the whole row, in one read.
    case maxExpSum
    case pick
  }

  struct Step: Sendable {
    var kind: Kind
    var map: fb_map?
    var reduce: fb_reduce?
    /// Joins a cell with the next block's.
    var join: fb_map?
    var destination: Int
    /// The second result.
    var second = 0
    var a = 0
    var b = 0
    var c = 0
    /// Bit k: operand k is one number.
    var scalars: UInt32 = 0
  }

  /// Parts of `loads` and `steps`.
  struct Segment: Sendable {
    /// Inputs first read here.
    var loads: Range<Int>
    /// Steps on one number per row.
    var numbers: Range<Int>
    /// Steps on the whole row.
    var whole: Range<Int>
    /// Steps run block by block.
    var blocks: Range<Int>
  }

  struct Output: Sendable {
    enum Kind: Sendable { case row, number, columnSum }
    let kind: Kind
    /// Where the value is: for rows and column sums a slot of its own.
    let slot: Int
    /// The number to add, and the index input that says where; 0 and 0 without.
    let patchSlot: Int
    let patchIndex: Int
  }

  /// Computes whole rows instead of the segments; `inputs` and `outputs` are its own operands' places, -1 where there is none. Written
  /// before anybody has the plan.
  struct Kernel: Sendable {
    let function: fb_row_function
    nonisolated(unsafe) let inputs: UnsafeBufferPointer<Int>
    nonisolated(unsafe) let outputs: UnsafeBufferPointer<Int>
  }

  let computeClass: ComputeClass
  let kernel: Kernel?
  // By address, so that no row touches a reference count; written before anybody has the plan.
  nonisolated(unsafe) let inputs: UnsafeBufferPointer<RowProgram.Input>
  nonisolated(unsafe) let segments: UnsafeBufferPointer<Segment>
  nonisolated(unsafe) let loads: UnsafeBufferPointer<Int>
  nonisolated(unsafe) let steps: UnsafeBufferPointer<Step>
  nonisolated(unsafe) let outputs: UnsafeBufferPointer<Output>
  nonisolated(unsafe) let readsInput: UnsafeBufferPointer<Bool>
  let constants: [Number]
  let scalarCount: Int
  let cellCount: Int
  let rowCount: Int
  let temporaryCount: Int
  let cost: Int

  static let firstInput = 1
  let firstConstant: Int
  let firstScalar: Int
  let firstCell: Int
  let firstRow: Int
  let firstTemporary: Int
  let firstOutput: Int
  let slotCount: Int

  init(_ code: RowProgram.Code, in computeClass: ComputeClass, kernel: RowProgram.Kernel?) {
    let draft = RowDraft(code, in: computeClass)
    self.computeClass = computeClass
    self.kernel = kernel.map {
      Kernel(
        function: computeClass.rows($0.kind), inputs: RowPlan.table($0.inputs.map { $0 ?? -1 }),
        outputs: RowPlan.table($0.outputs.map { $0 ?? -1 }))
    }
    inputs = RowPlan.table(code.inputs)
    constants = draft.constants
    scalarCount = code.scalarCount + 1
    cellCount = draft.cellCount
    rowCount = draft.rowCount
    temporaryCount = draft.temporaryCount
    readsInput = RowPlan.table(draft.readsInput)
    cost = draft.cost

    let firstConstant = 1 + code.inputs.count
    let firstScalar = firstConstant + draft.constants.count
    let firstCell = firstScalar + code.scalarCount + 1
    let firstRow = firstCell + draft.cellCount
    let firstTemporary = firstRow + draft.rowCount
    let firstOutput = firstTemporary + draft.temporaryCount
    (self.firstConstant, self.firstScalar, self.firstCell) = (firstConstant, firstScalar, firstCell)
    (self.firstRow, self.firstTemporary, self.firstOutput) = (firstRow, firstTemporary, firstOutput)
    slotCount = firstOutput + code.outputs.count

    let slot = { (place: RowDraft.Place) -> Int in
      switch place {
      case .none: 0
      case .input(let i): RowPlan.firstInput + i
      case .constant(let i): firstConstant + i
      case .scalar(let i): firstScalar + i
      case .cell(let i): firstCell + i
      case .row(let i): firstRow + i
      case .temporary(let i): firstTemporary + i
      case .output(let i): firstOutput + i
      }
    }
    let lower = { (step: RowDraft.Step) -> Step in
      var operands = step.operands
      while operands.count < 3 { operands.append(.none) }
      var scalars: UInt32 = 0
      for (k, place) in operands.enumerated() where draft.isNumber(place) { scalars |= 1 << UInt32(k) }
      return Step(
        kind: step.kind, map: step.primitive?.kernel(in: computeClass),
        reduce: step.reduction.map { computeClass.reduce($0) },
        join: (step.reduction == fb_reduce_max ? fb_max : fb_add).kernel(in: computeClass),
        destination: slot(step.destination), second: slot(step.second), a: slot(operands[0]), b: slot(operands[1]),
        c: slot(operands[2]), scalars: scalars)
    }
    var steps: [Step] = []
    var loads: [Int] = []
    let append = { (drafts: [RowDraft.Step]) -> Range<Int> in
      steps += drafts.map(lower)
      return steps.count - drafts.count..<steps.count
    }
    let segments = draft.segments.map { segment in
      loads += segment.loads
      return Segment(
        loads: loads.count - segment.loads.count..<loads.count, numbers: append(segment.numbers),
        whole: append(segment.whole), blocks: append(segment.blocks))
    }
    self.segments = RowPlan.table(segments)
    self.steps = RowPlan.table(steps)
    self.loads = RowPlan.table(loads)
    let outputs = draft.outputs.map { output in
      Output(
        kind: output.kind, slot: slot(output.place), patchSlot: output.patch.map { slot($0.0) } ?? 0,
        patchIndex: output.patch?.1 ?? 0)
    }
    self.outputs = RowPlan.table(outputs)
  }

  deinit {
    inputs.deallocate()
    segments.deallocate()
    loads.deallocate()
    steps.deallocate()
    outputs.deallocate()
    readsInput.deallocate()
    kernel?.inputs.deallocate()
    kernel?.outputs.deallocate()
  }

  private static func table<Element>(_ elements: [Element]) -> UnsafeBufferPointer<Element> {
    let buffer = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
    _ = buffer.initialize(from: elements)
    return UnsafeBufferPointer(buffer)
  }
}
