import CKernels

/// Runs programs on the CPU, block by block, so that a whole expression makes one pass over memory.
enum Interpreter {
  /// Elements a step works on at a time: several blocks stay in the first-level cache.
  static let block = 512

  /// Applies `program` to every element. All layouts have one shape (broadcast operands have strides of 0); any strides,
  /// any dtypes: elements are converted to `computeClass` and back. The program is defined in that class.
  ///
  /// An output may be an input, element for element; otherwise outputs overlap nothing and not themselves.
  static func run(
    _ program: Program, in computeClass: ComputeClass, inputs: [Elements], scalars: Scalars = Scalars(),
    into outputs: [Elements]
  ) {
  }

  /// The same for one input and one output, without any set-up where the operands are simple.
  static func run(
    _ program: Program, in computeClass: ComputeClass, _ a: borrowing Elements, scalars: borrowing Scalars = Scalars(),
    into output: borrowing Elements
  ) {
  }

  static func run(
    _ program: Program, in computeClass: ComputeClass, _ a: borrowing Elements, _ b: borrowing Elements,
    scalars: borrowing Scalars = Scalars(), into output: borrowing Elements
  ) {
  }

  static func run(
    _ program: Program, in computeClass: ComputeClass, _ a: borrowing Elements, _ b: borrowing Elements,
    _ c: borrowing Elements, scalars: borrowing Scalars = Scalars(), into output: borrowing Elements
  ) {
  }
}
