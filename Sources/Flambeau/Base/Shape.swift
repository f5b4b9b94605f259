/// The sizes of a tensor's dimensions, outermost first; `[]` is a scalar.
///
/// A collection and an array literal. The subscript takes negative positions, counted from the end.
/// Up to six sizes are stored inline.
public struct Shape: Sendable, Hashable {
  static let inlineCapacity = 6

  private var inline: (Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0)
  public private(set) var count: Int = 0
  /// All sizes, when there are more than fit inline.
  private var spill: [Int]?

  public init() {}

  public init(repeating value: Int, count: Int) {
    self.count = count
    if count > Shape.inlineCapacity {
      spill = Array(repeating: value, count: count)
    } else {
      for i in 0..<count { self.at(i, put: value) }
    }
  }

  public init(_ sizes: some Collection<Int>) {
    self.init(repeating: 0, count: sizes.count)
    var i = 0
    for size in sizes {
      at(i, put: size)
      i += 1
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
      spill![i] = value
    } else {
      withUnsafeMutableBytes(of: &inline) {
        $0.storeBytes(of: value, toByteOffset: i * MemoryLayout<Int>.stride, as: Int.self)
      }
    }
  }

  @inline(__always)
  mutating func append(_ value: Int) {
    if count < Shape.inlineCapacity {
      count += 1
      at(count - 1, put: value)
    } else {
      var all = spill ?? Array(self)
      all.append(value)
      spill = all
      count += 1
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
