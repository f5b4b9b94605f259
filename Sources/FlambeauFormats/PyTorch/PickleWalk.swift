import Flambeau

/// A walk over a pickle's values, which may fold into each other so that few bytes stand for endlessly many.
struct PickleWalk {
  private static let deepest = 200

  let source: PyTorchFile
  private var steps: Int
  private var characters: Int
  private var strings: [PickleTree.ID: String] = [:]

  init(_ source: PyTorchFile) {
    self.source = source
    steps = 1024 + 2 * source.pickleByteCount
    characters = 1 << 16 + 64 * source.pickleByteCount
  }

  private var tree: PickleTree { source.tree }

  private func failure(_ what: String) -> FormatError { FormatError(file: source.file, what: what) }

  private mutating func enter(_ depth: Int) throws(FormatError) {
    guard depth <= Self.deepest else { throw failure("its values are nested more than \(Self.deepest) deep") }
    steps -= 1
    if steps < 0 { throw failure("its pickle unfolds to more than its \(source.pickleByteCount) bytes can mean") }
  }

  private mutating func spend(_ count: Int) throws(FormatError) {
    characters -= count
    if characters < 0 { throw failure("its texts unfold to more than its pickle's \(source.pickleByteCount) bytes can mean") }
  }

  private mutating func string(_ id: PickleTree.ID, _ start: Int, _ count: UInt32) -> String {
    if let known = strings[id] { return known }
    let text = source.pickle.withUnsafeBytes { String(decoding: $0[start..<start + Int(count)], as: UTF8.self) }
    strings[id] = text
    return text
  }

  private mutating func bytes(_ start: Int, _ count: UInt32) throws(FormatError) -> [UInt8] {
    try spend(Int(count))
    return source.pickle.withUnsafeBytes { Array($0[start..<start + Int(count)]) }
  }

  // MARK: as a list

  /// The tensors, and everything that is not one as text, under the keys that lead to them joined by dots.
  struct Leaves {
    var tensors: [(name: String, tensor: Int32)] = []
    var metadata: [String: String] = [:]
  }

  mutating func leaves() throws(FormatError) -> Leaves {
    var leaves = Leaves()
    try collect(tree.root, "", 0, &leaves)
    return leaves
  }

  private mutating func collect(
    _ id: PickleTree.ID, _ name: String, _ depth: Int, _ leaves: inout Leaves
  ) throws(FormatError) {
    try enter(depth)
    try spend(name.utf8.count)
    let prefix = name.isEmpty ? "" : name + "."
    if case .tensor(let index) = tree[id] {
      leaves.tensors.append((name.isEmpty ? Checkpoint.onlyName : name, index))
    } else if let items = tree.items(id) {
      for (position, item) in items.enumerated() { try collect(item, "\(prefix)\(position)", depth + 1, &leaves) }
    } else if case .dict(let index) = tree[id] {
      let items = tree.containers[Int(index)]
      for position in stride(from: 0, to: items.count, by: 2) {
        let key = scalar(items[position]) ?? "#\(position / 2)"
        try spend(key.utf8.count)
        try collect(items[position + 1], prefix + key, depth + 1, &leaves)
      }
    } else {
      let text = scalar(id) ?? "a storage"
      try spend(text.utf8.count)
      leaves.metadata[name] = text
    }
  }

  /// The text of a value that holds no others.
  private mutating func scalar(_ id: PickleTree.ID) -> String? {
    switch tree[id] {
    case .none: "None"
    case .bool(let value): value ? "True" : "False"
    case .int(let value): String(value)
    case .double(let value): "\(value)"
    case .text(let start, let count): string(id, start, count)
    case .bytes(_, let count), .largeInteger(_, let count): "\(count) bytes"
    case .latin1: "bytes"
    case .global(let global): global.name
    case .word(let index): tree.words[Int(index)]
    case .tuple, .list, .dict, .storage, .tensor: nil
    }
  }

  // MARK: as it was

  mutating func value() throws(FormatError) -> PyTorchValue { try value(tree.root, 0) }

  private mutating func value(_ id: PickleTree.ID, _ depth: Int) throws(FormatError) -> PyTorchValue {
    try enter(depth)
    switch tree[id] {
    case .none: return .none
    case .bool(let value): return .bool(value)
    case .int(let value): return .int(value)
    case .double(let value): return .double(value)
    case .text(let start, let count): return .string(string(id, start, count))
    case .bytes(let start, let count):
      return .bytes(try bytes(start, count))
    case .largeInteger(let start, let count): return .largeInteger(try bytes(start, count))
    case .latin1(let text): return .bytes(try latin1(text))
    case .word(let index): return .string(tree.words[Int(index)])
    case .global(let global): return .string(global.name)
    case .tensor(let index): return .tensor(try source.tensor(index))
    case .storage: throw failure("holds a storage without a tensor, which is not read")
    case .tuple, .list:
      var values: [PyTorchValue] = []
      for item in tree.items(id)! { values.append(try value(item, depth + 1)) }
      if case .tuple = tree[id] { return .tuple(values) }
      return .list(values)
    case .dict(let index):
      let items = tree.containers[Int(index)]
      var pairs: [(key: PyTorchValue, value: PyTorchValue)] = []
      for position in stride(from: 0, to: items.count, by: 2) {
        let key = try value(items[position], depth + 1)
        pairs.append((key, try value(items[position + 1], depth + 1)))
      }
      return .dict(pairs)
    }
  }

  private mutating func latin1(_ id: PickleTree.ID) throws(FormatError) -> [UInt8] {
    guard case .text(let start, let count) = tree[id] else { throw failure("its pickle encodes what is no string") }
    try spend(Int(count))
    var bytes: [UInt8] = []
    for scalar in string(id, start, count).unicodeScalars {
      guard let byte = UInt8(exactly: scalar.value) else { throw failure("its pickle encodes as bytes what are none") }
      bytes.append(byte)
    }
    return bytes
  }
}
