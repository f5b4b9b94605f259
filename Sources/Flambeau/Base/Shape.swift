/// The sizes of a tensor's dimensions, outermost first; `[]` is a scalar.
///
/// A collection and an array literal. The subscript takes negative positions, counted from the end.
/// Up to six sizes are stored inline; longer shapes are kept once each for the life of the program, so that a shape is plain bits.
public struct Shape: Sendable, Hashable {
  static let inlineCapacity = 6

  private var inline: (Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0)
  /// How many dimensions there are.
  public private(set) var count: Int = 0
  /// All sizes, when there are more than fit inline; what it points at never changes.
  nonisolated(unsafe) private var spill: UnsafePointer<Int>?

  /// No dimensions: one element.
  @inline(__always)
  public init() {}

  /// `count` dimensions of one size.
  public init(repeating value: Int, count: Int) {
    self.count = count
    if count > Shape.inlineCapacity {
      spill = LongShapes.interned(Array(repeating: value, count: count))
    } else {
      for i in 0..<count { self.at(i, put: value) }
    }
  }

  /// The dimensions with these sizes.
  public init(_ sizes: some Collection<Int>) {
    count = sizes.count
    if count > Shape.inlineCapacity {
      spill = LongShapes.interned(Array(sizes))
    } else {
      var i = 0
      for size in sizes {
        at(i, put: size)
        i += 1
      }
    }
  }

  /// Unchecked read: `i` is in `0..<count`.
  @inline(__always)
  func at(_ i: Int) -> Int {
    if let spill { return spill[i] }
    return withUnsafeBytes(of: inline) { $0.load(fromByteOffset: i * MemoryLayout<Int>.stride, as: Int.self) }
  }

  @inline(__always)
  mutating func at(_ i: Int, put value: Int) {
    if spill != nil {
      putSpilled(i, value)
    } else {
      withUnsafeMutableBytes(of: &inline) {
        $0.storeBytes(of: value, toByteOffset: i * MemoryLayout<Int>.stride, as: Int.self)
      }
    }
  }

  private mutating func putSpilled(_ i: Int, _ value: Int) {
    var all = Array(self)
    all[i] = value
    spill = LongShapes.interned(all)
  }

  @inline(__always)
  mutating func append(_ value: Int) {
    if count < Shape.inlineCapacity {
      count += 1
      at(count - 1, put: value)
    } else {
      self = Shape(Array(self) + [value])
    }
  }

  func inserting(_ value: Int, at position: Int) -> Shape {
    var all = Array(self)
    all.insert(value, at: position)
    return Shape(all)
  }

  func removing(at position: Int) -> Shape {
    var result = Shape()
    for i in 0..<count where i != position { result.append(at(i)) }
    return result
  }

  func replacing(_ position: Int, with value: Int) -> Shape {
    var result = self
    result.at(position, put: value)
    return result
  }

  /// The number of elements: the product of the sizes, 1 for a scalar.
  public var elementCount: Int {
    var product = 1
    for i in 0..<count { product *= at(i) }
    return product
  }

  /// The product of all sizes but the last.
  var rowCount: Int {
    var product = 1
    for i in 0..<count - 1 { product *= at(i) }
    return product
  }

  public static func == (a: Shape, b: Shape) -> Bool {
    guard a.count == b.count else { return false }
    for i in 0..<a.count where a.at(i) != b.at(i) { return false }
    return true
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(count)
    for i in 0..<count { hasher.combine(at(i)) }
  }
}

extension Shape: RandomAccessCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { count }

  /// The size of dimension `position`; negative positions count from the end.
  public subscript(position: Int) -> Int {
    get {
      let i = position < 0 ? position + count : position
      guard i >= 0 && i < count else {
        Door.fail(TensorError.dimensionRange(position, rank: count, operation: "shape"))
        return 0
      }
      return at(i)
    }
    set {
      let i = position < 0 ? position + count : position
      guard i >= 0 && i < count else {
        Door.fail(TensorError.dimensionRange(position, rank: count, operation: "shape"))
        return
      }
      at(i, put: newValue)
    }
  }
}

extension Shape: ExpressibleByArrayLiteral {
  public init(arrayLiteral elements: Int...) { self.init(elements) }
}

extension Shape: CustomStringConvertible {
  public var description: String { "[" + map(String.init).joined(separator: ", ") + "]" }
}

/// Shapes of more dimensions than fit inline, each kept once and never freed: they are rare.
private enum LongShapes {
  private static let lock = Lock()
  /// Guarded by the lock.
  nonisolated(unsafe) private static var known: [[Int]: UnsafePointer<Int>] = [:]

  static func interned(_ sizes: [Int]) -> UnsafePointer<Int> {
    lock.withLock {
      if let found = known[sizes] { return found }
      let copy = UnsafeMutablePointer<Int>.allocate(capacity: sizes.count)
      copy.initialize(from: sizes, count: sizes.count)
      known[sizes] = UnsafePointer(copy)
      return UnsafePointer(copy)
    }
  }
}
