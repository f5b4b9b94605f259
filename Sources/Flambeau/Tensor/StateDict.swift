/// Tensors by name, in order: what a checkpoint holds, a module's `stateDict()` gives and its `loadStateDict` takes.
public struct StateDict: Sendable {
  private var entries: [(key: String, value: Tensor)] = []
  private var positions: [String: Int] = [:]

  /// A dictionary without entries.
  public init() {}

  /// A name that comes again replaces the tensor in its first place.
  public init(_ entries: some Sequence<(String, Tensor)>) {
    for (key, value) in entries { self[key] = value }
  }

  /// The tensors of `dictionary` in the order of their names.
  public init(_ dictionary: [String: Tensor]) {
    self.init(dictionary.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) })
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

  /// Copies, which keep what the tensors are now while a model goes on training. Python's `copy.deepcopy` of a state dict.
  public func clone() -> StateDict { StateDict(entries.map { ($0.key, $0.value.clone()) }) }

  /// The same tensors without their order.
  public var dictionary: [String: Tensor] { Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value) }) }
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
