/// A large result of a cheap row (an activation, a row's norm) is not kept for the calls that read it: the backward pass computes it
/// again from what its own derivative keeps anyway. The bits are the same.
final class Recomputation: Sendable {
  typealias Again = @Sendable () throws(TensorError) -> Value

  /// Of the operand, which may be a view of the result.
  let layout: Layout
  let dtype: DType
  let edge: Edge?
  private let again: Again

  private static let leastByteCount = 1 << 20

  private init(_ operand: TensorBody, _ again: @escaping Again) {
    (layout, dtype, edge, self.again) = (operand.layout, operand.dtype, operand.edge, again)
  }

  /// Nil where `operand` is better kept.
  @inline(__always)
  static func of(_ operand: TensorBody) -> Recomputation? {
    if operand.storage.byteCount < leastByteCount { return nil }
    return again(operand, operand.base ?? operand).map { Recomputation(operand, $0) }
  }

  /// Somebody who watches what is saved sees it all. A result that was written to is not what the row computes.
  private static func again(_ operand: TensorBody, _ result: TensorBody) -> Again? {
    guard operand.dtype == result.dtype, result.storage.version.load(ordering: .relaxed) == 0, operand.node != nil,
      result.layout.isContiguous, result.layout.offset == 0, Context.current.watch == nil
    else { return nil }
    return result.node?.again
  }

  /// The operand, with its history.
  func value() throws(TensorError) -> Tensor {
    let result = try again()
    return Tensor(
      TensorBody(Value(result.storage, layout, dtype), node: edge?.node, resultIndex: edge?.index ?? 0))
  }
}

extension OperatorNode {
  /// What the row computes from the operands it saved.
  func computedAgain() -> Recomputation.Again? {
    guard row.isCheap else { return nil }
    let kept = try? whileVisited { () throws(TensorError) in isReleased || record != nil ? nil : saved }
    guard let saved = kept ?? nil, (0..<edges.count).allSatisfy({ saved[$0] != nil || operandShapes[$0].isMissing }) else {
      return nil
    }
    let operands = (0..<edges.count).map { saved[$0] }
    return { () throws(TensorError) in
      var values = Few<Tensor>(count: operands.count)
      for (i, operand) in operands.enumerated() { values[i] = try operand?.unpack(for: self) }
      let value = try self.row.computed(values, self.attributes)
      return Value(value.storage, value.layout, value.dtype)
    }
  }
}

extension Operator {
  /// What the row computes, in fresh memory.
  fileprivate func computed(_ operands: Few<Tensor>, _ attributes: Attributes) throws(TensorError) -> Value {
    switch body {
    case .makes(let forward): return try forward(operands, attributes)
    case .fills(let plan, let fill):
      let plan = try plan(operands, attributes)
      let value = try Value(plan.layout, plan.dtype, on: operands.device)
      try fill(operands, attributes, plan, value.elements)
      return value
    case .edits(let edit):
      let first = operands[0]!.body
      let value = try Value(Layout(first.layout.shape), first.dtype, on: first.device)
      try first.elements.copy(to: value.elements)
      try edit(operands, attributes, value.elements)
      return value
    }
  }

  /// The same row, whose large results are computed again rather than kept. It saves all its operands.
  func cheap() -> Self {
    isCheap = true
    return self
  }
}
