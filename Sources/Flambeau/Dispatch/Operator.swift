/// What every row of the operator table has. Unchecked because it is a base class; rows are immutable.
class AnyOperator: @unchecked Sendable {
  /// The torch function's name, such as `add`; error messages begin with it.
  let name: String

  init(_ name: String) { self.name = name }

  /// `Add` for `add`, `LogSoftmax` for `log_softmax`: torch's node names without `Backward`.
  final var nodeName: String {
    name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }
}

/// One row: what the call computes and how its gradient flows. `Attributes` are the arguments that are not tensors.
final class Operator<Attributes: Sendable>: AnyOperator, @unchecked Sendable {
  typealias Forward = @Sendable (Few<Tensor>, Attributes) throws(TensorError) -> Value
  typealias Backward = @Sendable (Call<Attributes>, Tensor) throws(TensorError) -> Few<Tensor>

  let forward: Forward
  /// Nil where no gradient flows.
  let backward: Backward?
  /// What to save, given which operands need a gradient.
  let saves: @Sendable (_ needs: OperandSet) -> SavePlan

  init(
    _ name: String, saves: @escaping @Sendable (OperandSet) -> SavePlan = { _ in SavePlan() }, forward: @escaping Forward,
    backward: Backward? = nil
  ) {
    self.forward = forward
    self.backward = backward
    self.saves = saves
    super.init(name)
  }
}

/// A set of operand positions.
struct OperandSet: OptionSet, Sendable {
  let rawValue: UInt64
  static func operand(_ i: Int) -> OperandSet { OperandSet(rawValue: 1 << UInt64(i)) }
  func contains(_ i: Int) -> Bool { rawValue >> UInt64(i) & 1 == 1 }
}

/// The operands, and whether the result, that a derivative reads.
struct SavePlan: Sendable {
  var operands: OperandSet = []
  var result = false
}

/// A recorded call, as its derivative sees it.
struct Call<Attributes: Sendable> {
  let node: OperatorNode<Attributes>

  var attributes: Attributes { node.attributes }
  func needs(_ operand: Int) -> Bool { node.needs(operand) }
  func shape(_ operand: Int) -> Shape { node.operandShapes[operand]!.shape }
  func dtype(_ operand: Int) -> DType { node.operandShapes[operand]!.dtype }

  /// An operand that the row saves.
  func operand(_ i: Int) throws(TensorError) -> Tensor { try unpack(i) }
  /// The result, if the row saves it.
  func result() throws(TensorError) -> Tensor { try unpack(node.edges.count) }

  private func unpack(_ slot: Int) throws(TensorError) -> Tensor {
    if node.isReleased { throw .backwardTwice }
    return try node.saved[slot]!.unpack(for: node)
  }
}

extension TensorError {
  static let backwardTwice = TensorError.autograd(
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
      + "freed). Saved intermediate values of the graph are freed when you call backward() or grad(). Specify "
      + "retainGraph: true if you need to backward through the graph a second time.")
}

/// The node of a row.
final class OperatorNode<Attributes: Sendable>: Node, @unchecked Sendable {
  let row: Operator<Attributes>
  let attributes: Attributes

  init(_ row: Operator<Attributes>, _ attributes: Attributes, edges: Few<Edge>, operandShapes: Few<OperandShape>) {
    self.row = row
    self.attributes = attributes
    super.init(edges: edges, operandShapes: operandShapes)
  }

  override var name: String { row.nodeName }

  override func backward(_ gradients: Few<Tensor>) throws(TensorError) -> Few<Tensor> {
    guard let gradient = gradients[0] else { return Few() }
    return try row.backward!(Call(node: self), gradient)
  }
}
