// What a node holds for each operand. Written out, not generic: a generic list is copied and released through its type's
// description, which costs more than the few words it holds.

/// Where a gradient goes: a result of a recorded call, or a leaf's accumulator.
struct Edge {
  var node: Node
  let index: Int
}

/// The edges of a call's operands, nil where no gradient is wanted. Three need no memory of their own.
struct Edges {
  private(set) var count: Int
  private var first: Node?
  private var second: Node?
  private var third: Node?
  private var indices: (UInt32, UInt32, UInt32) = (0, 0, 0)
  private var rest: [Edge?]?

  @inline(__always)
  init(count: Int = 0) {
    self.count = count
    if count > 3 { rest = Array(repeating: nil, count: count - 3) }
  }

  init(_ edge: Edge?) {
    self.init(count: 1)
    self[0] = edge
  }

  /// A gradient is wanted of operand `i`.
  @inline(__always)
  func isWanted(_ i: Int) -> Bool {
    switch i {
    case 0: first != nil
    case 1: second != nil
    case 2: third != nil
    default: rest![i - 3] != nil
    }
  }

  @inline(__always)
  subscript(i: Int) -> Edge? {
    get {
      switch i {
      case 0: first.map { Edge(node: $0, index: Int(indices.0)) }
      case 1: second.map { Edge(node: $0, index: Int(indices.1)) }
      case 2: third.map { Edge(node: $0, index: Int(indices.2)) }
      default: rest![i - 3]
      }
    }
    set {
      switch i {
      case 0:
        first = newValue?.node
        indices.0 = UInt32(newValue?.index ?? 0)
      case 1:
        second = newValue?.node
        indices.1 = UInt32(newValue?.index ?? 0)
      case 2:
        third = newValue?.node
        indices.2 = UInt32(newValue?.index ?? 0)
      default: rest![i - 3] = newValue
      }
    }
  }

  /// Releasing this list may release a node.
  @inline(__always)
  var holdsAlone: Bool {
    mutating get {
      if rest != nil { return true }
      return first != nil && isKnownUniquelyReferenced(&first) || second != nil && isKnownUniquelyReferenced(&second)
        || third != nil && isKnownUniquelyReferenced(&third)
    }
  }
}

/// What a node saved: at an operand's place the operand, after them the result and the results after it. Four need no memory of
/// their own.
struct SavedValues {
  private(set) var count: Int
  private var first: SavedTensor?
  private var second: SavedTensor?
  private var third: SavedTensor?
  private var fourth: SavedTensor?
  private var rest: [SavedTensor?]?

  @inline(__always)
  init(count: Int = 0) {
    self.count = count
    if count > 4 { rest = Array(repeating: nil, count: count - 4) }
  }

  @inline(__always)
  subscript(i: Int) -> SavedTensor? {
    get {
      switch i {
      case 0: first
      case 1: second
      case 2: third
      case 3: fourth
      default: rest![i - 4]
      }
    }
    set {
      switch i {
      case 0: first = newValue
      case 1: second = newValue
      case 2: third = newValue
      case 3: fourth = newValue
      default: rest![i - 4] = newValue
      }
    }
  }
}
