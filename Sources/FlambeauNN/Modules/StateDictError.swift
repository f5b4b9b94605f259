import Flambeau

/// Names that a state dict and a module do not have in common.
public struct IncompatibleKeys: Sendable, Hashable {
  /// In the module only.
  public var missingKeys: [String] = []
  /// In the state dict only.
  public var unexpectedKeys: [String] = []

  /// No missing and no unexpected keys.
  public init() {}
}

/// A state dict that does not fit a module: everything that is wrong with it.
public struct StateDictError: Error, Sendable {
  /// A tensor of another shape than the module's.
  public struct Mismatch: Sendable {
    /// The key in the state dict.
    public let key: String
    /// The shape in the state dict.
    public let found: Shape
    /// The shape in the module.
    public let expected: Shape

    /// A tensor of one shape where the module has another.
    public init(key: String, found: Shape, expected: Shape) {
      (self.key, self.found, self.expected) = (key, found, expected)
    }
  }

  /// The module's type.
  public let module: String
  /// The keys that are missing or not expected.
  public let keys: IncompatibleKeys
  /// The tensors of another shape.
  public let mismatches: [Mismatch]

  /// What did not fit `module`.
  public init(module: String, keys: IncompatibleKeys, mismatches: [Mismatch]) {
    (self.module, self.keys, self.mismatches) = (module, keys, mismatches)
  }
}

extension StateDictError: CustomStringConvertible {
  public var description: String {
    func list(_ keys: [String]) -> String { keys.map { "\"\($0)\"" }.joined(separator: ", ") }
    var lines: [String] = []
    if !keys.missingKeys.isEmpty { lines.append("Missing key(s) in state_dict: \(list(keys.missingKeys)). ") }
    if !keys.unexpectedKeys.isEmpty { lines.append("Unexpected key(s) in state_dict: \(list(keys.unexpectedKeys)). ") }
    for mismatch in mismatches {
      lines.append(
        "size mismatch for \(mismatch.key): copying a param with shape \(mismatch.found) from checkpoint, the shape in "
          + "current model is \(mismatch.expected).")
    }
    return "Error(s) in loading state_dict for \(module):\n\t" + lines.joined(separator: "\n\t")
  }
}
