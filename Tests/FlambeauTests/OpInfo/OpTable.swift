@testable import Flambeau

/// Flambeau's call for a name of torch's operator database.
struct OpEntry: Sendable {
  let call: @Sendable (OpCall) throws -> [Tensor]
  /// Only shapes and dtypes are held: the values are random or undefined.
  var isShapeOnly = false
  /// Which of several equal elements an index names is nobody's promise: `pointing` holds what it points at instead.
  var hasFreeIndices = false
  /// Nothing to differentiate by: torch's gradient is another function's, or there is none of ours.
  var hasGradient = true
}

/// All that is held beside torch's database: names as torch lists them, variants as `name.variant`.
struct OpTable: Sendable {
  private(set) var entries: [String: OpEntry] = [:]

  subscript(name: String) -> OpEntry? {
    get { entries[name] }
    set { entries[name] = newValue }
  }

  static let all: OpTable = {
    var table = OpTable()
    table.addPointwise()
    table.addReductions()
    table.addShapes()
    table.addIndexing()
    table.addCreation()
    table.addProducts()
    table.addNeural()
    table.addWindows()
    table.addStatistics()
    table.addPlaces()
    table.addMoreLosses()
    table.addLayers()
    table.addNames()
    return table
  }()

  /// One function of the input alone.
  mutating func unary(_ names: String..., call: @escaping @Sendable (Tensor) -> Tensor) {
    for name in names { entries[name] = OpEntry { [call(try $0.x)] } }
  }

  /// Input and another tensor.
  mutating func binary(_ name: String, call: @escaping @Sendable (Tensor, Tensor) -> Tensor) {
    entries[name] = OpEntry { [call(try $0.x, try $0.tensor("other", 1))] }
  }

  /// Input and another tensor or number.
  mutating func binary(
    _ name: String, _ call: @escaping @Sendable (Tensor, Tensor) -> Tensor,
    _ double: @escaping @Sendable (Tensor, Double) -> Tensor,
    _ int: @escaping @Sendable (Tensor, Int) -> Tensor
  ) {
    entries[name] = OpEntry { c in
      let x = try c.x
      switch c.argument("other", 1) ?? c.argument("exponent", 1) {
      case .tensor(let other)?: return [call(x, other)]
      case .float(let other)?: return [double(x, other)]
      case .int(let other)?: return [int(x, other)]
      default: throw Unmapped(reason: "other is neither tensor nor number")
      }
    }
  }

  /// One result.
  mutating func one(_ names: String..., call: @escaping @Sendable (OpCall) throws -> Tensor) {
    for name in names { entries[name] = OpEntry { [try call($0)] } }
  }

  mutating func several(_ names: String..., call: @escaping @Sendable (OpCall) throws -> [Tensor]) {
    for name in names { entries[name] = OpEntry(call: call) }
  }

  /// Values and their indices along a dimension, where equal values may come in any order.
  mutating func ranked(_ name: String, call: @escaping @Sendable (OpCall) throws -> (values: Tensor, indices: Tensor, dim: Int)) {
    let checked: @Sendable (OpCall) throws -> [Tensor] = { c in
      let (values, indices, dim) = try call(c)
      let x = try c.x
      let isReduced = indices.ndim < x.ndim
      let pointed = x.gather(dim: dim, index: isReduced ? indices.unsqueeze(dim) : indices)
      guard (isReduced ? pointed.squeeze(dim) : pointed).allClose(values, rtol: 0, atol: 0, equalNan: true) else {
        throw Disagreement(what: "an index does not point at its value")
      }
      return [values, indices]
    }
    entries[name] = OpEntry(call: checked, hasFreeIndices: true)
  }

  mutating func random(_ names: String..., call: @escaping @Sendable (OpCall) throws -> Tensor) {
    for name in names { entries[name] = OpEntry(call: { [try call($0)] }, isShapeOnly: true) }
  }
}
