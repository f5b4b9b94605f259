import Flambeau

/// Carries out a pickle as far as it describes data. Nothing in it can call anything but the functions of ``PickleGlobal``.
///
/// Each instruction takes a fixed amount of memory, or is paid from an allowance in proportion to the pickle's bytes.
struct PickleMachine {
  /// What is wrong, and at which byte.
  struct Failure: Error {
    let what: String
    let position: Int
  }

  let bytes: UnsafeRawBufferPointer
  private(set) var position: Int
  /// Where the instruction at hand begins.
  private(set) var start = 0
  var tree = PickleTree()
  private var stack: [PickleTree.ID] = []
  private var marks: [Int] = []
  private var memo: [Int: PickleTree.ID] = [:]
  /// Numbers that may still be copied by instructions whose own size does not bound what they copy.
  private var allowance: Int
  var storages: [String: Int32] = [:]
  /// What the storages take, each once.
  var storedByteCount = 0
  /// What the tensors would take beyond their storages if none of their elements stood for several.
  var repeatedByteCount = 0
  private var singletons: [PickleTree.ID] = []

  /// Reads `bytes` from `position` on.
  init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0) {
    self.bytes = bytes
    self.position = position
    allowance = 64 + 2 * (bytes.count - position)
  }

  func failure(_ what: String) -> Failure { Failure(what: what, position: start) }

  /// Reads one pickle; `position` is then behind it.
  mutating func run() throws(Failure) -> PickleTree {
    while true {
      start = position
      let code = try byte()
      if code == Code.stop { break }
      try step(code)
    }
    tree.root = try pop()
    return tree
  }

  // MARK: bytes

  private mutating func byte() throws(Failure) -> UInt8 {
    guard position < bytes.count else { throw failure("the pickle ends early") }
    defer { position += 1 }
    return bytes[position]
  }

  private mutating func take(_ count: Int) throws(Failure) -> Int {
    guard count >= 0, count <= bytes.count - position else { throw failure("claims \(count) bytes, more than follow") }
    defer { position += count }
    return position
  }

  private mutating func number<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) throws(Failure) -> T {
    let at = try take(MemoryLayout<T>.size)
    return T(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: type))
  }

  private mutating func count(_ size: Int) throws(Failure) -> Int {
    let count: UInt64 =
      switch size {
      case 1: UInt64(try byte())
      case 4: UInt64(try number(UInt32.self))
      default: try number(UInt64.self)
      }
    guard count <= UInt64(UInt32.max) else { throw failure("claims \(count) bytes, more than follow") }
    return Int(count)
  }

  private mutating func line() throws(Failure) -> String {
    let from = position
    while try byte() != 0x0A {}
    guard let line = String(validating: bytes[from..<position - 1], as: UTF8.self) else { throw failure("a name is not UTF-8") }
    return line
  }

  // MARK: the stack

  mutating func add(_ node: PickleTree.Node) throws(Failure) -> PickleTree.ID {
    guard let id = PickleTree.ID(exactly: tree.nodes.count) else { throw failure("the pickle holds too many values") }
    tree.nodes.append(node)
    return id
  }

  private mutating func push(_ node: PickleTree.Node) throws(Failure) { stack.append(try add(node)) }

  private mutating func pop() throws(Failure) -> PickleTree.ID {
    guard stack.count > (marks.last ?? 0), let top = stack.popLast() else { throw failure("the pickle's stack is empty") }
    return top
  }

  private func top() throws(Failure) -> PickleTree.ID {
    guard stack.count > (marks.last ?? 0), let top = stack.last else { throw failure("the pickle's stack is empty") }
    return top
  }

  /// What lies above the last mark, which goes.
  private mutating func popMark() throws(Failure) -> ArraySlice<PickleTree.ID> {
    guard let mark = marks.popLast() else { throw failure("the pickle's mark is missing") }
    let items = stack[mark...]
    stack.removeSubrange(mark...)
    return items
  }

  /// Pays for `count` numbers that are copied.
  mutating func charge(_ count: Int) throws(Failure) {
    allowance -= count
    if allowance < 0 { throw failure("the pickle unfolds to more than its \(bytes.count) bytes can mean") }
  }

  func isText(_ id: PickleTree.ID) -> Bool { if case .text = tree[id] { true } else { false } }

  /// A short string, such as a name; nil for everything else. One string may be asked for at every instruction.
  func text(_ id: PickleTree.ID) -> String? {
    guard case .text(let start, let count) = tree[id], count <= 256 else { return nil }
    return String(decoding: bytes[start..<start + Int(count)], as: UTF8.self)
  }

  private mutating func pushTuple(_ items: some Collection<PickleTree.ID>) throws(Failure) {
    let start = tree.tupleItems.count
    tree.tupleItems.append(contentsOf: items)
    try push(.tuple(start: start, count: UInt32(items.count)))
  }

  mutating func container(_ items: [PickleTree.ID] = []) -> Int32 {
    tree.containers.append(items)
    return Int32(tree.containers.count - 1)
  }

  private mutating func extendList(_ items: ArraySlice<PickleTree.ID>) throws(Failure) {
    guard case .list(let index) = tree[try top()] else { throw failure("something is appended to what is no list") }
    tree.containers[Int(index)].append(contentsOf: items)
  }

  private mutating func extendDict(_ items: ArraySlice<PickleTree.ID>) throws(Failure) {
    guard case .dict(let index) = tree[try top()] else { throw failure("a key is set in what is no dictionary") }
    guard items.count % 2 == 0 else { throw failure("a key has no value") }
    tree.containers[Int(index)].append(contentsOf: items)
  }

  // MARK: instructions

  private enum Code {
    static let stop = UInt8(ascii: ".")
  }

  private mutating func step(_ code: UInt8) throws(Failure) {
    switch code {
    case 0x80:
      let version = try byte()
      guard version <= 5 else { throw failure("the pickle is of protocol \(version); up to 5 are read") }
    case 0x95: _ = try take(8)
    case UInt8(ascii: "("): marks.append(stack.count)
    case UInt8(ascii: "0"):
      if let mark = marks.last, mark == stack.count { marks.removeLast() } else { _ = try pop() }
    case UInt8(ascii: "1"): _ = try popMark()
    case UInt8(ascii: "2"): stack.append(try top())
    case UInt8(ascii: "N"): try pushSingleton(0)
    case 0x88: try pushSingleton(1)
    case 0x89: try pushSingleton(2)
    case UInt8(ascii: ")"): try pushSingleton(3)
    case UInt8(ascii: "J"): try push(.int(Int(try number(Int32.self))))
    case UInt8(ascii: "K"): try push(.int(Int(try byte())))
    case UInt8(ascii: "M"): try push(.int(Int(try number(UInt16.self))))
    case UInt8(ascii: "G"): try push(.double(Double(bitPattern: try number(UInt64.self).byteSwapped)))
    case 0x8A: try pushInteger(count: try count(1))
    case 0x8B: try pushInteger(count: try count(4))
    case UInt8(ascii: "X"), UInt8(ascii: "T"): try pushText(count: try count(4))
    case 0x8C, UInt8(ascii: "U"): try pushText(count: try count(1))
    case 0x8D: try pushText(count: try count(8))
    case UInt8(ascii: "C"): try pushBytes(count: try count(1))
    case UInt8(ascii: "B"): try pushBytes(count: try count(4))
    case 0x8E, 0x96: try pushBytes(count: try count(8))
    case 0x85, 0x86, 0x87:
      let items = code - 0x84
      guard stack.count - (marks.last ?? 0) >= items else { throw failure("the pickle's stack is empty") }
      let slice = stack.suffix(Int(items))
      stack.removeLast(Int(items))
      try pushTuple(slice)
    case UInt8(ascii: "t"): try pushTuple(try popMark())
    case UInt8(ascii: "]"), 0x8F: try push(.list(container()))
    case UInt8(ascii: "}"): try push(.dict(container()))
    case UInt8(ascii: "l"): try push(.list(container(Array(try popMark()))))
    case UInt8(ascii: "d"):
      let items = try popMark()
      try push(.dict(container()))
      try extendDict(items)
    case UInt8(ascii: "a"): try extendList([try pop()])
    case UInt8(ascii: "e"), 0x90: try extendList(try popMark())
    case UInt8(ascii: "s"):
      let value = try pop()
      try extendDict([try pop(), value])
    case UInt8(ascii: "u"): try extendDict(try popMark())
    case UInt8(ascii: "q"): memo[Int(try byte())] = try top()
    case UInt8(ascii: "r"): memo[Int(try number(UInt32.self))] = try top()
    case 0x94: memo[memo.count] = try top()
    case UInt8(ascii: "h"): try pushMemo(Int(try byte()))
    case UInt8(ascii: "j"): try pushMemo(Int(try number(UInt32.self)))
    case UInt8(ascii: "c"):
      let module = try line()
      try pushGlobal(module, try line())
    case 0x93:
      let name = try pop()
      guard let module = text(try pop()), let name = text(name) else { throw failure("a name is no string of up to 256 bytes") }
      try pushGlobal(module, name)
    case UInt8(ascii: "R"), 0x81:
      let arguments = try pop()
      stack.append(try call(try pop(), arguments))
    case UInt8(ascii: "b"):
      // The attributes of an ordered dictionary or a parameter, such as a state dict's version numbers.
      _ = try pop()
      switch tree[try top()] {
      case .dict, .tensor: break
      default: throw failure("sets the attributes of what has none")
      }
    case UInt8(ascii: "Q"): stack.append(try persistent(try pop()))
    default: throw failure("the instruction 0x\(String(code, radix: 16)) is not one that checkpoints need")
    }
  }

  private static let singletonNodes: [PickleTree.Node] = [.none, .bool(true), .bool(false), .tuple(start: 0, count: 0)]

  private mutating func pushSingleton(_ index: Int) throws(Failure) {
    if singletons.isEmpty {
      for node in Self.singletonNodes { singletons.append(try add(node)) }
    }
    stack.append(singletons[index])
  }

  private mutating func pushText(count: Int) throws(Failure) {
    let at = try take(count)
    guard String(validating: bytes[at..<at + count], as: UTF8.self) != nil else { throw failure("a string is not UTF-8") }
    try push(.text(start: at, count: UInt32(count)))
  }

  private mutating func pushBytes(count: Int) throws(Failure) {
    let at = try take(count)
    try push(.bytes(start: at, count: UInt32(count)))
  }

  private mutating func pushInteger(count: Int) throws(Failure) {
    let at = try take(count)
    guard count <= 8 else { return try push(.largeInteger(start: at, count: UInt32(count))) }
    var value: UInt64 = count > 0 && bytes[at + count - 1] >= 0x80 ? .max : 0
    for byte in bytes[at..<at + count].reversed() { value = value << 8 | UInt64(byte) }
    try push(.int(Int(Int64(bitPattern: value))))
  }

  private mutating func pushMemo(_ index: Int) throws(Failure) {
    guard let id = memo[index] else { throw failure("the pickle recalls what it has not stored") }
    stack.append(id)
  }

  private mutating func pushGlobal(_ module: String, _ name: String) throws(Failure) {
    let full = "\(module).\(name)"
    guard let global = PickleGlobal.named(full) else {
      throw failure(PickleGlobal.refusal(of: full.utf8.count > 200 ? "\(full.prefix(200))…" : full))
    }
    try push(.global(global))
  }
}
