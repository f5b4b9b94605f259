import Flambeau

/// Tensors by name, in order. What ``Module/stateDict()`` gives and ``Module/loadStateDict(_:strict:)`` takes.
public struct StateDict: Sendable {
  private var entries: [(key: String, value: Tensor)] = []
  private var positions: [String: Int] = [:]

  public init() {}

  /// A name that comes again replaces the tensor in its first place.
  public init(_ entries: some Sequence<(String, Tensor)>) {
    for (key, value) in entries { self[key] = value }
  }

  /// Setting a new name appends it, setting nil removes it.
  public subscript(key: String) -> Tensor? {
    get { positions[key].map { entries[$0].value } }
    set {
      switch (positions[key], newValue) {
      case (let position?, let value?): entries[position].value = value
      case (let position?, nil):
        entries.remove(at: position)
        positions = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.key, $0) })
      case (nil, let value?):
        positions[key] = entries.count
        entries.append((key, value))
      case (nil, nil): break
      }
    }
  }

  /// The names in order.
  public var keys: [String] { entries.map(\.key) }
}

extension StateDict: RandomAccessCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { entries.count }
  public subscript(position: Int) -> (key: String, value: Tensor) { entries[position] }
}

extension StateDict: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, Tensor)...) { self.init(elements) }
}

extension StateDict: CustomStringConvertible {
  public var description: String {
    "StateDict(" + entries.map { "\($0.key): \($0.value.dtype) \($0.value.shape)" }.joined(separator: ", ") + ")"
  }
}

/// Names that a state dict and a module do not have in common.
public struct IncompatibleKeys: Sendable, Hashable {
  /// In the module only.
  public var missingKeys: [String] = []
  /// In the state dict only.
  public var unexpectedKeys: [String] = []

  public init() {}
}

/// A state dict that does not fit a module: everything that is wrong with it.
public struct StateDictError: Error, Sendable {
  public struct Mismatch: Sendable {
    public let key: String
    /// The shape in the state dict.
    public let found: Shape
    /// The shape in the module.
    public let expected: Shape
  }

  /// The module's type.
  public let module: String
  public let keys: IncompatibleKeys
  public let mismatches: [Mismatch]
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
