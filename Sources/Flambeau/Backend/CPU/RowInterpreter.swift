import CKernels

enum RowInterpreter {
  /// Runs `program` on every row. Inputs have one shape, the last dimension being the row; what is one number per row
  /// or one row for all has strides of 0. Outputs are shaped as the inputs; `perRow` ones with a last size of 1,
  /// `columnSum` ones as one row.
  static func run(
    _ program: RowProgram, in computeClass: ComputeClass, inputs: [Elements], scalars: Scalars = Scalars(),
    into outputs: [Elements]
  ) {
  }
}
