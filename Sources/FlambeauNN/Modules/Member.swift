/// What a stored property of a module holds, as far as modules care.
indirect enum Content {
  case parameter(Parameter)
  case buffer(Buffer)
  case mode(Mode)
  case module(any Module)
  /// An array's or a dictionary's elements, by index or key.
  case group([(name: String, content: Content)])

  init?(_ value: Any) {
    switch value {
    case let parameter as Parameter: self = .parameter(parameter)
    case let buffer as Buffer: self = .buffer(buffer)
    case let mode as Mode: self = .mode(mode)
    case let module as any Module: self = .module(module)
    case let container as any Container:
      guard let content = container.content else { return nil }
      self = content
    default: return nil
    }
  }

  /// The modules reached without passing through another one.
  var nearestModules: [any Module] {
    switch self {
    case .module(let module): [module]
    case .group(let members): members.flatMap(\.content.nearestModules)
    default: []
    }
  }
}

/// A stored property of a module that holds state or modules.
struct Member {
  /// The property's name.
  let label: String
  /// PyTorch's; empty if the property adds nothing to the path.
  let name: String
  let content: Content

  static func of(_ module: any Module) -> [Member] {
    let names = type(of: module).stateNames
    var members: [Member] = []
    var mirror: Mirror? = Mirror(reflecting: module)
    while let level = mirror {
      var here: [Member] = []
      for (label, value) in level.children {
        guard let label, let content = Content(value) else { continue }
        here.append(Member(label: label, name: names[label] ?? label.snakeCased, content: content))
      }
      members = here + members
      mirror = level.superclassMirror
    }
    return members
  }
}

/// Optionals, arrays and dictionaries that may hold what modules are made of.
private protocol Container {
  var content: Content? { get }
}

extension Optional: Container {
  fileprivate var content: Content? { flatMap { Content($0) } }
}

extension Array: Container {
  fileprivate var content: Content? {
    // One look at the first element spares a walk over a table of numbers.
    guard let first, Content(first) != nil || first is any Container else { return nil }
    let members = enumerated().compactMap { i, element in Content(element).map { (name: "\(i)", content: $0) } }
    return members.isEmpty ? nil : .group(members)
  }
}

extension Dictionary: Container {
  fileprivate var content: Content? {
    guard let first, Content(first.value) != nil || first.value is any Container else { return nil }
    let members = compactMap { key, value in Content(value).map { (name: "\(key)", content: $0) } }
    return members.isEmpty ? nil : .group(members.sorted { $0.name < $1.name })
  }
}

extension NamedParameters: Container {
  fileprivate var content: Content? {
    entries.isEmpty ? nil : .group(entries.map { (name: $0.name, content: .parameter($0.parameter)) })
  }
}

/// Parts of a module that have names of their own, in their order.
struct NamedMembers<Element: Sendable>: Sendable {
  let entries: [(name: String, element: Element)]
}

extension NamedMembers: Container {
  fileprivate var content: Content? {
    let members = entries.compactMap { entry in Content(entry.element).map { (name: entry.name, content: $0) } }
    return members.isEmpty ? nil : .group(members)
  }
}

extension String {
  /// `running_mean` for `runningMean`; a run of capitals is one word, `mlp_head` for `MLPHead`.
  var snakeCased: String {
    let letters = Array(self)
    var result = ""
    for (i, letter) in letters.enumerated() {
      if letter.isUppercase && i > 0 && letters[i - 1] != "_" {
        let startsWord = !letters[i - 1].isUppercase || (i + 1 < letters.count && letters[i + 1].isLowercase)
        if startsWord { result.append("_") }
      }
      result += letter.lowercased()
    }
    return result
  }
}
