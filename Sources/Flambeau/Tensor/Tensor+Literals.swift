extension Tensor: ExpressibleByArrayLiteral {
  /// `let x: Tensor = [[1, 2.5], [3, 4]]`: booleans give bool, whole numbers int64, a number with a point float32.
  ///
  /// An array keeps its elements' type instead: `Tensor([1, 2.5])` is float64, because its argument is a `[Double]`.
  public init(arrayLiteral elements: TensorLiteral...) {
    self = TensorLiteral(list: elements).tensor
  }
}

/// A number, a boolean or a list of these, within the literal of a tensor.
public struct TensorLiteral: Sendable {
  fileprivate enum Content {
    case boolean(Bool), integer(Int), real(Double), list([TensorLiteral])
  }

  fileprivate let content: Content
}

extension TensorLiteral: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByArrayLiteral
{
  /// A boolean.
  public init(booleanLiteral value: Bool) { content = .boolean(value) }
  public init(integerLiteral value: Int) { content = .integer(value) }
  public init(floatLiteral value: Double) { content = .real(value) }
  public init(arrayLiteral elements: TensorLiteral...) { self.init(list: elements) }

  fileprivate init(list: [TensorLiteral]) { content = .list(list) }
}

extension TensorLiteral {
  fileprivate var tensor: Tensor {
    var leaves: [Content] = []
    do throws(TensorError) {
      try append(to: &leaves, sizes: sizes, dim: 0)
    } catch {
      return Door.refuse(error, "tensor", Few(), at: nil)
    }
    let shape = Shape(sizes)
    switch leaves.lazy.map(\.category).max() ?? .floatingPoint {
    case .bool: return Tensor(leaves.map { $0.real != 0 }, shape: shape)
    case .integer: return Tensor(leaves.map(\.integer), shape: shape)
    case .floatingPoint: return Tensor(leaves.map { Float($0.real) }, shape: shape)
    }
  }

  /// The sizes of the first list of each level.
  private var sizes: [Int] {
    guard case .list(let items) = content else { return [] }
    return [items.count] + (items.first?.sizes ?? [])
  }

  private func append(to leaves: inout [Content], sizes: [Int], dim: Int) throws(TensorError) {
    guard case .list(let items) = content else {
      if dim < sizes.count { throw .ragged(sizes[dim], dim, got: "a number") }
      leaves.append(content)
      return
    }
    guard dim < sizes.count else { throw .shape("expected a number at dim \(dim) (got a list)") }
    guard items.count == sizes[dim] else { throw .ragged(sizes[dim], dim, got: "\(items.count)") }
    for item in items { try item.append(to: &leaves, sizes: sizes, dim: dim + 1) }
  }
}

extension TensorLiteral.Content {
  fileprivate var category: DType.Category {
    switch self {
    case .boolean: .bool
    case .integer: .integer
    case .real, .list: .floatingPoint
    }
  }

  fileprivate var integer: Int {
    switch self {
    case .boolean(let value): value ? 1 : 0
    case .integer(let value): value
    case .real, .list: 0
    }
  }

  fileprivate var real: Double {
    if case .real(let value) = self { return value }
    return Double(integer)
  }
}
