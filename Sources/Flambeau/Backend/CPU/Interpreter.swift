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

  /// The same for one input and one output, without any set-up where the operands are simple.
  static func run(
    _ program: Program, in computeClass: ComputeClass, _ a: borrowing Elements, scalars: Scalars = Scalars(),
    into output: borrowing Elements
  ) {
    var quick = Quick(program, computeClass, output)
    quick.add(a)
    if quick.run(scalars) { return }
    run(program, in: computeClass, inputs: [copy a], scalars: scalars, into: [copy output])
  }

  static func run(
    _ program: Program, in computeClass: ComputeClass, _ a: borrowing Elements, _ b: borrowing Elements,
    scalars: Scalars = Scalars(), into output: borrowing Elements
  ) {
    var quick = Quick(program, computeClass, output)
    quick.add(a)
    quick.add(b)
    if quick.run(scalars) { return }
    run(program, in: computeClass, inputs: [copy a, copy b], scalars: scalars, into: [copy output])
  }

  static func run(
    _ program: Program, in computeClass: ComputeClass, _ a: borrowing Elements, _ b: borrowing Elements,
    _ c: borrowing Elements, scalars: Scalars = Scalars(), into output: borrowing Elements
  ) {
    var quick = Quick(program, computeClass, output)
    quick.add(a)
    quick.add(b)
    quick.add(c)
    if quick.run(scalars) { return }
    run(program, in: computeClass, inputs: [copy a, copy b, copy c], scalars: scalars, into: [copy output])
  }
}

/// The short way for few elements that lie flat and are of the compute class.
private struct Quick {
  private let plan: Plan
  private let n: Int
  private let output: UnsafeMutableRawPointer
  private var isSimple: Bool
  private var count = 0
  private var pointers: (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) = (nil, nil, nil)
  private var numbers: UInt64 = 0

  @inline(__always)
  init(_ program: Program, _ computeClass: ComputeClass, _ output: borrowing Elements) {
    plan = program.plan(in: computeClass)
    n = output.layout.elementCount
    self.output = output.start
    isSimple = output.layout.isContiguous && output.dtype == computeClass.dtype && plan.outputCount == 1
  }

  @inline(__always)
  mutating func add(_ input: borrowing Elements) {
    guard isSimple, input.dtype == plan.computeClass.dtype, let stride = input.flatStride else {
      isSimple = false
      return
    }
    if stride == 0 { numbers |= 1 << UInt64(count) }
    switch count {
    case 0: pointers.0 = input.start
    case 1: pointers.1 = input.start
    default: pointers.2 = input.start
    }
    count += 1
  }

  /// False if the operands need the general way.
  @inline(__always)
  func run(_ scalars: Scalars) -> Bool {
    guard isSimple else { return false }
    if n == 0 { return true }
    if let step = plan.only, n <= Interpreter.block * 8 {
      runOnly(step, scalars)
      return true
    }
    guard n <= Interpreter.block else { return false }
    Scratch.with(Frame.byteCount(plan, block: n)) { memory in
      let frame = Frame(plan, at: memory, block: n, scalars: scalars, numbers: numbers)
      frame.slots[1] = pointers.0
      if count > 1 { frame.slots[2] = pointers.1 }
      if count > 2 { frame.slots[3] = pointers.2 }
      frame.slots[plan.firstOutput] = output
      frame.run(n)
    }
    return true
  }

  @inline(__always)
  private func runOnly(_ step: Plan.Step, _ scalars: Scalars) {
    if plan.scalarCount == 0 {
      step.kernel(output, pointer(step.a, nil), pointer(step.b, nil), pointer(step.c, nil), n, mask(step))
      return
    }
    var cells = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))
    withUnsafeMutableBytes(of: &cells) { bytes in
      let cells = bytes.baseAddress!
      for i in 0..<plan.scalarCount { plan.computeClass.store(scalars[i], cells + 8 * i) }
      step.kernel(output, pointer(step.a, cells), pointer(step.b, cells), pointer(step.c, cells), n, mask(step))
    }
  }

  @inline(__always)
  private func mask(_ step: Plan.Step) -> UInt32 {
    if numbers == 0 { return step.scalars }
    // Slots 1, 2 and 3 are the inputs; slot 0 is none.
    let known = numbers << 1 & (1 << UInt64(plan.firstConstant) - 1)
    return step.scalars | UInt32(known >> UInt64(step.a) & 1) | UInt32(known >> UInt64(step.b) & 1) << 1
      | UInt32(known >> UInt64(step.c) & 1) << 2
  }

  @inline(__always)
  private func pointer(_ slot: Int, _ cells: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    switch slot {
    case 0: return nil
    case 1 where plan.inputCount > 0: return pointers.0
    case 2 where plan.inputCount > 1: return pointers.1
    case 3 where plan.inputCount > 2: return pointers.2
    default:
      if slot < plan.firstScalar { return plan.constants + 8 * (slot - plan.firstConstant) }
      return cells! + 8 * (slot - plan.firstScalar)
    }
  }
}
