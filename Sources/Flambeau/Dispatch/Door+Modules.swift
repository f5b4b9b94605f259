// Misuse that the package's other modules find.
extension Door {
  /// Reports `error` as found by `operation`, which the caller used at `file` and `line`.
  package static func fail(_ error: TensorError, in operation: String, file: StaticString, line: UInt) {
    var error = error
    if error.operation.isEmpty { error.operation = operation }
    fail(error, at: CallSite(file, line))
  }

  /// The same, with what the caller gets if the program goes on.
  package static func refuse(
    _ error: TensorError, in operation: String, _ operand: Tensor, file: StaticString, line: UInt
  ) -> Tensor {
    refuse(error, operation, Few(operand), at: CallSite(file, line))
  }

  /// The same where the caller's line is not known: it is looked for on the stack if the program ends.
  package static func refuse(_ error: TensorError, in operation: String, _ operand: Tensor) -> Tensor {
    refuse(error, operation, Few(operand), at: nil)
  }
}
