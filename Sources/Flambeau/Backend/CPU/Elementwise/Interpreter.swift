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
    let pass = Pass(program.plan(in: computeClass), inputs: inputs, scalars: scalars, outputs: outputs)
    if KernelCall.isObserved {
      KernelCall.observed(.map(program, computeClass, inputs, scalars, into: outputs)) { pass.run() }
    } else {
      pass.run()
    }
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
