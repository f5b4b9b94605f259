struct PutArguments: Sendable {
  let dim: Int
  /// The result's.
  let shape: Shape
}

/// Elements picked along a dimension by int64 positions, and put back: each row is the other's gradient. The positions'
/// shape differs from the whole one only along the dimension, and they lie within it, distinct on each line.
struct Picks: Sendable {
  let take: Operator<Int> = Operator(
    "take_along_dim_backward", saves: { _ in SavePlan(operands: .operand(1)) },
    forward: { (operands, dim) throws(TensorError) in
      let (x, index) = (operands[0]!, operands[1]!.contiguous())
      let result = try Value(Layout(index.shape), x.dtype)
      withExtendedLifetime((x, index)) {
        AlongDimension.take(x.body.elements, dim, index.body.elements, into: result.elements)
      }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      let at = PutArguments(dim: call.attributes, shape: call.shape(0))
      return Few(ops.picks.put(gradient, try call.operand(1), at))
    })

  let put: Operator<PutArguments> = Operator(
    "value_selecting_reduction_backward", saves: { _ in SavePlan(operands: .operand(1)) },
    forward: { (operands, at) throws(TensorError) in
      let (x, index) = (operands[0]!.contiguous(), operands[1]!.contiguous())
      let result = try Value(Layout(at.shape), x.dtype)
      result.fillZero()
      withExtendedLifetime((x, index)) {
        AlongDimension.put(x.body.elements, at.dim, index.body.elements, into: result.elements)
      }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(ops.picks.take(gradient, try call.operand(1), call.attributes.dim))
    })
}
