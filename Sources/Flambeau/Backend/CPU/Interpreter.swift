import CKernels

/// Runs programs on the CPU, block by block, so that a whole expression makes one pass over memory.
enum Interpreter {
  /// Elements a step works on at a time: several blocks stay in the first-level cache.
  static let block = 512

  /// Elements worth a thread's while: a few microseconds of work.
  static func chunkElements(_ plan: Plan) -> Int {
    Swift.max(8 * block, Swift.min(32768, 65536 / plan.cost))
  }

  /// Applies `program` to every element. All layouts have one shape (broadcast operands have strides of 0); any strides,
  /// any dtypes: elements are converted to `computeClass` and back. The program is defined in that class.
  ///
  /// An output may be an input, element for element; otherwise outputs overlap nothing and not themselves.
  static func run(
    _ program: Program, in computeClass: ComputeClass, inputs: [Elements], scalars: Scalars = Scalars(),
    into outputs: [Elements]
  ) {
    if outputs[0].layout.elementCount == 0 { return }
    Pass(program.plan(in: computeClass), inputs: inputs, scalars: scalars, outputs: outputs).run()
  }

  /// The same for one output and one to three inputs, without any set-up where the operands are simple.
  static func run(
    _ program: Program, in computeClass: ComputeClass, _ a: borrowing Elements, into output: borrowing Elements
  ) {
    let quick = Quick(program.plan(in: computeClass), output).and(a)
    if quick.isSimple && quick.run() { return }
    run(program, in: computeClass, inputs: [copy a], into: [copy output])
  }

  static func run(
    _ program: Program, in computeClass: ComputeClass, _ a: borrowing Elements, _ b: borrowing Elements,
    into output: borrowing Elements
  ) {
    let quick = Quick(program.plan(in: computeClass), output).and(a).and(b)
    if quick.isSimple && quick.run() { return }
    run(program, in: computeClass, inputs: [copy a, copy b], into: [copy output])
  }

  static func run(
    _ program: Program, in computeClass: ComputeClass, _ a: borrowing Elements, _ b: borrowing Elements,
    _ c: borrowing Elements, into output: borrowing Elements
  ) {
    let quick = Quick(program.plan(in: computeClass), output).and(a).and(b).and(c)
    if quick.isSimple && quick.run() { return }
    run(program, in: computeClass, inputs: [copy a, copy b, copy c], into: [copy output])
  }

  static func run(
    _ program: Program, in computeClass: ComputeClass, _ a: borrowing Elements, scalars: Scalars,
    into output: borrowing Elements
  ) {
    let quick = Quick(program.plan(in: computeClass), output).and(a)
    if quick.isSimple && quick.run(scalars) { return }
    run(program, in: computeClass, inputs: [copy a], scalars: scalars, into: [copy output])
  }

  static func run(
    _ program: Program, in computeClass: ComputeClass, _ a: borrowing Elements, _ b: borrowing Elements,
    scalars: Scalars, into output: borrowing Elements
  ) {
    let quick = Quick(program.plan(in: computeClass), output).and(a).and(b)
    if quick.isSimple && quick.run(scalars) { return }
    run(program, in: computeClass, inputs: [copy a, copy b], scalars: scalars, into: [copy output])
  }

  static func run(
    _ program: Program, in computeClass: ComputeClass, _ a: borrowing Elements, _ b: borrowing Elements,
    _ c: borrowing Elements, scalars: Scalars, into output: borrowing Elements
  ) {
    let quick = Quick(program.plan(in: computeClass), output).and(a).and(b).and(c)
    if quick.isSimple && quick.run(scalars) { return }
    run(program, in: computeClass, inputs: [copy a, copy b, copy c], scalars: scalars, into: [copy output])
  }
}

/// The short way for few elements that lie flat and are of the compute class.
private struct Quick {
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
    isSimple =
      output.layout.isContiguous && output.dtype == plan.computeClass.dtype && plan.outputCount == 1
      && n <= (plan.isOneStep ? 8 * Interpreter.block : Interpreter.block)
  }

  @inline(__always)
  func and(_ input: borrowing Elements) -> Quick {
    var result = self
    guard isSimple, input.dtype == plan._withUnsafeGuaranteedRef({ $0.computeClass.dtype }), let stride = input.flatStride
    else {
      result.isSimple = false
      return result
    }
    if stride == 0 { result.numbers |= 1 << UInt64(count) }
    switch count {
    case 0: result.first = input.start
    case 1: result.second = input.start
    default: result.third = input.start
    }
    result.count += 1
    return result
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
