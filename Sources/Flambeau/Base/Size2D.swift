/// A height and a width, such as of a kernel: `3` for both, `[3, 5]`, `Size2D(k)` or `Size2D(height: 3, width: 5)`.
public struct Size2D: Hashable, Sendable {
  /// Rows.
  public var height: Int
  /// Columns.
  public var width: Int

  /// Of this height and width.
  public init(height: Int, width: Int) { (self.height, self.width) = (height, width) }

  /// The same in both directions.
  public init(_ both: Int) { self.init(height: both, width: both) }

  init(_ height: Int, _ width: Int) { self.init(height: height, width: width) }

  var area: Int { height * width }

  /// Both numbers satisfy `condition`.
  func all(_ condition: (Int) -> Bool) -> Bool { condition(height) && condition(width) }
}

extension Size2D: ExpressibleByIntegerLiteral {
  public init(integerLiteral value: Int) { self.init(value) }
}

extension Size2D: ExpressibleByArrayLiteral {
  /// A height and a width; any other number of elements is an error.
  public init(arrayLiteral elements: Int...) {
    guard elements.count == 2 else {
      Door.fail(.argument("a size in two dimensions is [height, width], but got \(elements)"))
      self.init(0)
      return
    }
    self.init(elements[0], elements[1])
  }
}

extension Size2D: CustomStringConvertible {
  public var description: String { "[\(height), \(width)]" }
}
