import CKernels

/// The short way for few elements that lie flat and are of the compute class.
struct Quick {
  private let plan: Unmanaged<Plan>
  private let n: Int
  private let output: UnsafeMutableRawPointer
  private(set) var isSimple: Bool
  private var count = 0
  private var first: UnsafeMutableRawPointer?
  private var second: UnsafeMutableRawPointer?
  private var third: UnsafeMutableRawPointer?
  private var numbers: UInt64 = 0

  /// The program keeps its plan, and the caller the program.
  @inline(__always)
  init(_ plan: Plan, _ output: borrowing Elements) {
    self.plan = .passUnretained(plan)
    n = output.layout.elementCount
    self.output = output.start
    let isPlain = output.layout.isContiguous
    let isOwnClass = output.dtype == plan.computeClass.dtype
    isSimple =
      isPlain && isOwnClass && plan.outputCount == 1 && Quick.takes(n, plan)
  }

  /// For `n` elements of the plan's class at `output`.
  @inline(__always)
  init(_ plan: Plan, _ n: Int, at output: UnsafeMutableRawPointer) {
    self.plan = .passUnretained(plan)
    self.n = n
    self.output = output
    isSimple = true
  }

  /// As many as pay: a larger array is cut, and shared with other threads.
  @inline(__always)
  static func takes(_ n: Int, _ plan: Plan) -> Bool {
    n <= (plan.isOneStep ? 8 * Interpreter.block : Interpreter.block) && !KernelCall.isObserved
  }

  @inline(__always)
  func and(_ input: borrowing Elements) -> Quick {
    var result = self
    let isOwnClass = input.dtype == plan._withUnsafeGuaranteedRef { $0.computeClass.dtype }
    if isSimple, isOwnClass, let stride = input.flatStride {
      result.take(input.start, isNumber: stride == 0)
    } else {
      result.isSimple = false
    }
    return result
  }

  /// Takes a tensor's elements as the next input; broadcast only if it has one element.
  @inline(__always)
  mutating func add(_ body: TensorBody) {
    guard isSimple, body.dtype == plan._withUnsafeGuaranteedRef({ $0.computeClass.dtype }), body.layout.isContiguous,
      body.layout.elementCount == n || body.layout.elementCount == 1
    else {
      isSimple = false
      return
    }
    take(body.storage.address + body.layout.offset * body.dtype.byteCount, isNumber: body.layout.elementCount != n)
  }

  @inline(__always)
  mutating func take(_ start: UnsafeMutableRawPointer, isNumber: Bool) {
    if isNumber { numbers |= 1 << UInt64(count) }
    switch count {
    case 0: first = start
    case 1: second = start
    default: third = start
    }
    count += 1
  }

  @inline(__always)
  func run() -> Bool {
    if n == 0 { return true }
    plan._withUnsafeGuaranteedRef { plan in
      if plan.isOneStep { runStep(plan, nil) } else { runFrame(plan, Scalars()) }
    }
    return true
  }

  @inline(__always)
  @discardableResult
  func run(_ scalars: Scalars) -> Bool {
    if n == 0 { return true }
    plan._withUnsafeGuaranteedRef { plan in
      if plan.isOneStep { runStep(plan, scalars) } else { runFrame(plan, scalars) }
    }
    return true
  }

  private func runFrame(_ plan: Plan, _ scalars: Scalars) {
    Scratch.withBytes(Frame.byteCount(plan, block: n)) { memory in
      let frame = Frame(plan, at: memory, block: n, scalars: scalars, numbers: numbers)
      frame.slots[1] = first
      if count > 1 { frame.slots[2] = second }
      if count > 2 { frame.slots[3] = third }
      frame.slots[plan.firstOutput] = output
      frame.run(n)
    }
  }

  private func runStep(_ plan: Plan, _ scalars: Scalars) {
    withUnsafeTemporaryAllocation(byteCount: 8 * Scalars.capacity, alignment: 8) { bytes in
      let cells = bytes.baseAddress!
      for i in 0..<plan.scalarCount { plan.computeClass.store(scalars[i], cells + 8 * i) }
      runStep(plan, cells)
    }
  }

  @inline(__always)
  private func runStep(_ plan: Plan, _ cells: UnsafeMutableRawPointer?) {
    let step = plan.oneStep
    var mask = step.scalars
    if numbers != 0 {
      // Slots 1, 2 and 3 are the inputs; slot 0 is none.
      let known = numbers << 1
      mask |= UInt32((known >> UInt64(step.a)) & 1)
      mask |= UInt32((known >> UInt64(step.b)) & 1) << 1
      mask |= UInt32((known >> UInt64(step.c)) & 1) << 2
    }
    step.kernel(output, pointer(plan, step.a, cells), pointer(plan, step.b, cells), pointer(plan, step.c, cells), n, mask)
  }

  @inline(__always)
  private func pointer(_ plan: Plan, _ slot: Int, _ cells: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if slot == 0 { return nil }
    if slot <= count { return slot == 1 ? first : slot == 2 ? second : third }
    if slot < plan.firstScalar { return plan.constants + 8 * (slot - plan.firstConstant) }
    return cells! + 8 * (slot - plan.firstScalar)
  }
}
