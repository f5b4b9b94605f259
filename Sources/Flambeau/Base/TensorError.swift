/// What went wrong in a tensor operation, in one sentence: the operation, the operands, what to do.
public struct TensorError: Error, Sendable {
  /// What kinds there are.
  public enum Kind: Sendable {
    /// Shapes that do not fit.
    case shape
    /// A dtype the operation has no meaning for.
    case dtype
    /// Tensors of different devices, or a device that is not there.
    case device
    /// An index out of range.
    case index
    /// An argument outside what the operation takes.
    case argument
    /// A gradient that cannot be had: a changed saved value, a graph that was freed, a leaf that is written.
    case autograd
    /// Memory that could not be had.
    case memory
    /// Two tasks writing one storage at a time.
    case concurrency
    /// Samples that could not be read or put together, or a saved state that does not fit.
    case data
  }

  /// Its kind.
  public let kind: Kind
  /// The sentence, without the operation's name or the place.
  public let message: String
  /// The operation that refused, in the name the caller used; empty until the door fills it in.
  public internal(set) var operation: String
  /// The operands as `float32 [2, 3]`, in order.
  public internal(set) var operands: [String]
  /// Where the caller stood.
  public internal(set) var site: CallSite?

  package init(_ kind: Kind, _ message: String, operation: String = "", operands: [String] = []) {
    self.kind = kind
    self.message = message
    self.operation = operation
    self.operands = operands
  }

  /// The same with more at the end of its sentence.
  func adding(_ text: String) -> TensorError {
    var error = TensorError(kind, message + text, operation: operation, operands: operands)
    error.site = site
    return error
  }
}

extension TensorError: CustomStringConvertible {
  public var description: String {
    var text = operation.isEmpty ? message : "\(operation): \(message)"
    if !operands.isEmpty { text += " (operands: \(operands.joined(separator: ", ")))" }
    if let site { text += " at \(site)" }
    return text
  }
}

/// The line of the program that called an operation.
public struct CallSite: Sendable, CustomStringConvertible {
  let file: StaticString
  let line: UInt

  @inline(__always)
  init(_ file: StaticString, _ line: UInt) {
    self.file = file
    self.line = line
  }

  public var description: String { "\(file):\(line)" }

  /// A line of this package, between the operation and who used it.
  var isInLibrary: Bool {
    let module = description.prefix { $0 != "/" }
    return module.hasPrefix("Flambeau") && !module.hasSuffix("Tests")
  }
}

// Sentences that several operations share.
extension TensorError {
  static func shape(_ message: String) -> TensorError { TensorError(.shape, message) }
  static func dtype(_ message: String) -> TensorError { TensorError(.dtype, message) }
  static func index(_ message: String) -> TensorError { TensorError(.index, message) }
  static func argument(_ message: String) -> TensorError { TensorError(.argument, message) }
  static func autograd(_ message: String) -> TensorError { TensorError(.autograd, message) }

  static func dimensionRange(_ dim: Int, rank: Int, operation: String = "") -> TensorError {
    let bound = Swift.max(rank, 1)
    return TensorError(
      .index, "Dimension out of range (expected to be in range of [\(-bound), \(bound - 1)], but got \(dim))",
      operation: operation)
  }
}
