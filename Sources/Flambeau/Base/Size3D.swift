/// A depth, a height and a width, such as of a kernel: `3` for all, `[3, 5, 7]` or `Size3D(depth: 3, height: 5, width: 7)`.
public struct Size3D: Hashable, Sendable {
  /// Planes.
  public var depth: Int
  /// Rows.
  public var height: Int
  /// Columns.
  public var width: Int

  /// Of these sizes.
  public init(depth: Int, height: Int, width: Int) { (self.depth, self.height, self.width) = (depth, height, width) }

  /// The same in every direction.
  public init(_ all: Int) { self.init(depth: all, height: all, width: all) }

  /// The sizes, outermost first.
  package var sizes: [Int] { [depth, height, width] }
}

extension Size3D: ExpressibleByIntegerLiteral {
  public init(integerLiteral value: Int) { self.init(value) }
}

extension Size3D: ExpressibleByArrayLiteral {
  /// A depth, a height and a width; any other number of elements is an error.
  public init(arrayLiteral elements: Int...) {
    guard elements.count == 3 else {
      Door.fail(.argument("a size in three dimensions is [depth, height, width], but got \(elements)"))
      self.init(0)
      return
    }
    self.init(depth: elements[0], height: elements[1], width: elements[2])
  }
}

extension Size3D: CustomStringConvertible {
  public var description: String { "[\(depth), \(height), \(width)]" }
}

extension Size2D {
  /// The sizes, outermost first.
  package var sizes: [Int] { [height, width] }
}
