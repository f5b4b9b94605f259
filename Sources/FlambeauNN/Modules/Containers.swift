/// Modules in a row, named `0`, `1`, … in state dicts. Torch's `nn.ModuleList`.
///
/// An array in a property of a module does the same; this one is a module of its own.
public final class ModuleList<Element: Sendable>: Module, RandomAccessCollection {
  /// The modules, first to last.
  public let elements: [Element]

  /// Of these modules.
  public init(_ elements: [Element]) { self.elements = elements }

  public static var stateNames: [String: String] { ["elements": ""] }

  public var startIndex: Int { 0 }
  public var endIndex: Int { elements.count }
  /// Negative positions count from the end.
  public subscript(position: Int) -> Element { elements[position < 0 ? position + elements.count : position] }
}

/// Modules by name, in the order they were given in. Torch's `nn.ModuleDict`.
///
/// A dictionary in a property of a module does the same in alphabetical order.
public final class ModuleDict<Element: Sendable>: Module {
  let members: NamedMembers<Element>

  /// Of these modules.
  public init(_ elements: KeyValuePairs<String, Element>) {
    members = NamedMembers(entries: elements.map { ($0.key, $0.value) })
  }

  public static var stateNames: [String: String] { ["members": ""] }

  /// The names, in order.
  public var keys: [String] { members.entries.map(\.name) }
  /// The modules, in order.
  public var values: [Element] { members.entries.map(\.element) }
  /// The module of that name.
  public subscript(key: String) -> Element? { members.entries.first { $0.name == key }?.element }
}

/// Parameters in a row, named `0`, `1`, … in state dicts. Torch's `nn.ParameterList`.
public typealias ParameterList = ModuleList<Parameter>

/// Parameters by name, in the order they were given in. Torch's `nn.ParameterDict`.
public typealias ParameterDict = ModuleDict<Parameter>
