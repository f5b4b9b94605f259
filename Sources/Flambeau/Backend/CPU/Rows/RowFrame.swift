import CKernels

/// A row plan laid out in scratch memory.
struct RowFrame {
  let slots: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  /// Where the per-row inputs of this row lie.
  let positions: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private let computeClass: ComputeClass
  /// A cell for a block's part of a reduction.
  private let part: UnsafeMutableRawPointer
  private let dot: fb_dot
  private let expSum: fb_exp_sum
  private let maxExpSum: fb_max_exp_sum
  private let addOne: fb_map

  /// The bytes of cells a frame takes, the last of them for the per-row inputs.
  static func cellByteCount(_ plan: RowPlan) -> Int {
    8 * (plan.constants.count + plan.scalarCount + plan.cellCount + 1 + 2 * plan.inputs.count)
  }

  init(_ plan: RowPlan, _ scalars: Scalars, at memory: UnsafeMutableRawPointer, cells: UnsafeMutableRawPointer) {
    computeClass = plan.computeClass
    let kind = Int(plan.computeClass.rawValue)
    dot = KernelAccess.dot[kind]!
    expSum = KernelAccess.expSum[kind]!
    maxExpSum = KernelAccess.maxExpSum[kind]!
    addOne = fb_add.kernel(in: plan.computeClass)!
    slots = memory.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
    slots.initialize(repeating: nil, count: plan.slotCount)
    var cell = cells
    for (i, number) in plan.constants.enumerated() {
      computeClass.store(number, cell)
      slots[plan.firstConstant + i] = cell
      cell += 8
    }
    for i in 0..<plan.scalarCount {
      computeClass.store(scalars[i], cell)
      slots[plan.firstScalar + i] = cell
      cell += 8
    }
    for i in 0..<plan.cellCount {
      slots[plan.firstCell + i] = cell
      cell += 8
    }
    part = cell
    positions = (cell + 8).assumingMemoryBound(to: UnsafeMutableRawPointer.self)
    let numbers = cell + 8 + 8 * plan.inputs.count
    for i in 0..<plan.inputs.count where plan.inputs[i] != .row {
      slots[RowPlan.firstInput + i] = numbers + 8 * i
    }
  }

  @inline(__always)
  func move(_ slot: Int, _ byteCount: Int) { slots[slot] = slots[slot].map { $0 + byteCount } }

  @inline(__always)
  func map(_ step: RowPlan.Step, _ n: Int) {
    step.map!(slots[step.destination], slots[step.a], slots[step.b], slots[step.c], n, step.scalars)
  }

  /// One block of a step; reductions join what came before, unless it is the first.
  @inline(__always)
  func run(_ step: RowPlan.Step, _ n: Int, isFirst: Bool) {
    switch step.kind {
    case .map:
      map(step, n)
    case .fold:
      step.reduce!(isFirst ? slots[step.destination] : part, slots[step.a], n)
      if !isFirst { join(step, step.destination) }
    case .dot:
      dot(isFirst ? slots[step.destination] : part, slots[step.a], slots[step.b], n)
      if !isFirst { join(step, step.destination) }
    case .expSum:
      expSum(slots[step.destination], isFirst ? slots[step.second] : part, slots[step.a], slots[step.b], n)
      if !isFirst { join(step, step.second) }
    case .maxExpSum, .pick:
      break
    }
  }

  private func join(_ step: RowPlan.Step, _ cell: Int) { step.join!(slots[cell], slots[cell], part, nil, 1, 0) }

  /// A step on the whole row; `lane` gives an input's.
  @inline(__always)
  func whole(_ step: RowPlan.Step, _ n: Int, _ lane: (Int) -> Lane) {
    switch step.kind {
    case .maxExpSum:
      maxExpSum(slots[step.destination], slots[step.second], slots[step.a], n)
    case .pick:
      let cell = slots[step.destination]!
      let input = step.b - RowPlan.firstInput
      if let index = index(lane(input), input, below: n) {
        cell.copyMemory(from: slots[step.a]! + index * computeClass.byteCount, byteCount: computeClass.byteCount)
      } else {
        computeClass.store(0, cell)
      }
    case .map, .fold, .dot, .expSum:
      run(step, n, isFirst: true)
    }
  }

  /// The position an index input names in this row; nil if the row has no such position.
  func index(_ lane: Lane, _ input: Int, below width: Int) -> Int? {
    var value: Int64 = 0
    lane.loadIndex!(&value, positions[input], 0, 1)
    return value >= 0 && value < Int64(width) ? Int(value) : nil
  }

  func add(_ number: UnsafeMutableRawPointer, to value: UnsafeMutableRawPointer) { addOne(value, value, number, nil, 1, 0) }
}
