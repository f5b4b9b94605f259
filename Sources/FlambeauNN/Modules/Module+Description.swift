extension Module {
  /// The module and what is in it, one line each, as torch prints it.
  public var description: String {
    let name = "\(type(of: self))"
    let parts = Member.of(self).flatMap { member in
      Self.parts(type(of: self).stateNames[member.label] == "" ? "" : member.label, member.content)
    }
    if parts.isEmpty { return "\(name)(\(configuration))" }
    let lines = (configuration.isEmpty ? [] : [configuration]) + Self.counted(parts)
    return "\(name)(\n" + lines.map { "  " + $0.replacing("\n", with: "\n  ") }.joined(separator: "\n") + "\n)"
  }

  private static func parts(_ label: String, _ content: Content) -> [(label: String, text: String)] {
    switch content {
    case .module(let module): [(label, module.description)]
    case .group(let members):
      members.flatMap { parts(label.isEmpty ? $0.name : "\(label).\($0.name)", $0.content) }
    default: []
    }
  }

  /// Equal neighbours in one array share a line: `(layers.0-11): 12 x Block(…)`.
  private static func counted(_ parts: [(label: String, text: String)]) -> [String] {
    var lines: [String] = []
    var start = 0
    while start < parts.count {
      var end = start + 1
      let (path, index) = parts[start].label.splitIndex
      while index != nil, !path.isEmpty, end < parts.count, parts[end].text == parts[start].text,
        parts[end].label.splitIndex.path == path
      {
        end += 1
      }
      let count = end - start
      let label = count == 1 ? parts[start].label : "\(parts[start].label)-\(parts[end - 1].label.splitIndex.index!)"
      lines.append("(\(label)): \(count == 1 ? "" : "\(count) x ")\(parts[start].text)")
      start = end
    }
    return lines
  }
}

extension String {
  /// `layers` and 3 of `layers.3`.
  fileprivate var splitIndex: (path: Substring, index: Int?) {
    guard let dot = lastIndex(of: ".") else { return (self[...], nil) }
    return (self[..<dot], Int(self[index(after: dot)...]))
  }
}
