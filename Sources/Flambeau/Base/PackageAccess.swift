/// What the package's other modules reach of the core's insides.
package enum Core {
  /// The task is inside an error scope that has failed: nothing is to be computed, written or drawn.
  package static var hasFailed: Bool { Context.current.isFailed }

  /// Reports misuse: to the task's error scope, or by ending the program with the sentence.
  package static func refuse(
    _ kind: TensorError.Kind, _ message: String, operation: String, file: StaticString, line: UInt
  ) {
    Door.fail(TensorError(kind, message, operation: operation), at: CallSite(file, line))
  }

  package static func refuse(_ kind: TensorError.Kind, _ message: String, operation: String) {
    Door.fail(TensorError(kind, message, operation: operation))
  }
}
