/// Tensors put side by side.
struct Joins: Sendable {
  let cat: Operator<Int> = Operator<Int>(
    "cat",
    forward: { (operands, dim) throws(TensorError) in
      guard operands.count > 0 else { throw .argument("expected a non-empty list of Tensors") }
      let layouts = operands.map { $0!.body.layout }
      if let scalar = layouts.firstIndex(where: { $0.rank == 0 }) {
        throw .shape("zero-dimensional tensor (at position \(scalar)) cannot be concatenated")
      }
      let joined = layouts.filter { !$0.isLegacyEmpty }
      guard let first = joined.first else { return try Value(Layout([0]), operands.promoted, on: operands.device) }
      let dim = try first.dimension(dim)
      var shape = first.shape.replacing(dim, with: 0)
      for (i, layout) in layouts.enumerated() where !layout.isLegacyEmpty {
        try layout.checkJoins(first, dim, position: i)
        shape.at(dim, put: shape.at(dim) + layout.shape.at(dim))
      }
      return try Joins.join(operands, layouts, into: shape, dim)
    },
    backward: { (call, gradient) throws(TensorError) in
      let dim = try gradient.body.layout.dimension(call.attributes)
      var gradients = Few<Tensor>(count: call.operandCount)
      var start = 0
      for i in 0..<call.operandCount {
        let shape = call.shape(i)
        if Layout(shape).isLegacyEmpty {
          if call.needs(i) { gradients[i] = .zeros(shape, dtype: call.dtype(i), device: call.device(i)) }
          continue
        }
        if call.needs(i) {
          gradients[i] = gradient.narrow(dim, start: start, length: shape.at(dim)).to(call.dtype(i))
        }
        start += shape.at(dim)
      }
      return gradients
    },
    samples: [
      Sample("torch.cat([a, b, a], 1)", [.real([2, 3]), .real([2, 1])]) { .cat([$0[0], $0[1], $0[0]], dim: 1) },
      Sample("torch.cat([a, b])", [.real([2, 3]), .real([1, 3])]) { .cat($0) },
      Sample("torch.cat([a, b, c.int()], -1)", [.real([2, 2]), .real([0]), .real([2, 1])]) {
        .cat([$0[0], $0[1], $0[2].to(.int32)], dim: -1)
      },
    ]
  ).onGPU()

  let stack: Operator<Int> = Operator<Int>(
    "stack",
    forward: { (operands, dim) throws(TensorError) in
      guard let first = operands[0]?.body.layout.shape else { throw .argument("stack expects a non-empty TensorList") }
      for (i, operand) in operands.enumerated() where operand!.body.layout.shape != first {
        throw .shape(
          "stack expects each tensor to be equal size, but got \(first) at entry 0 and \(operand!.shape) at entry \(i)")
      }
      let dim = try Layout(first).dimension(dim, rank: first.count + 1)
      let layouts = operands.map { $0!.body.layout.inserted(dim) }
      return try Joins.join(operands, layouts, into: first.inserting(operands.count, at: dim), dim)
    },
    backward: { (call, gradient) throws(TensorError) in
      let dim = try gradient.body.layout.dimension(call.attributes)
      var gradients = Few<Tensor>(count: call.operandCount)
      for i in 0..<call.operandCount where call.needs(i) {
        gradients[i] = gradient.select(dim: dim, index: i).to(call.dtype(i))
      }
      return gradients
    },
    samples: [
      Sample("torch.stack([a, b, a])", [.real([2, 3]), .real([2, 3])]) { .stack([$0[0], $0[1], $0[0]]) },
      Sample("torch.stack([a, b], -1)", [.real([2, 3]), .real([2, 3])]) { .stack($0, dim: -1) },
      Sample("torch.stack([a, b.double()], 1)", [.real([2, 3]), .real([2, 3])]) {
        .stack([$0[0], $0[1].to(.float64)], dim: 1)
      },
    ]
  ).onGPU()

  /// The operands, seen as `layouts`, one after the other along `dim`.
  private static func join(
    _ operands: Few<Tensor>, _ layouts: [Layout], into shape: Shape, _ dim: Int
  ) throws(TensorError) -> Value {
    let result = try Value(Layout(shape), operands.promoted, on: operands.device)
    var start = 0
    for (i, layout) in layouts.enumerated() where !layout.isLegacyEmpty {
      let (body, count) = (operands[i]!.body, layout.shape.at(dim))
      let place = result.layout.sliced(dim, start: start, count: count)
      try withExtendedLifetime(body) { () throws(TensorError) in
        try body.elements(layout).copy(to: result.elements(place))
      }
      start += count
    }
    return result
  }
}

extension Layout {
  /// Torch joins a vector without elements to anything.
  fileprivate var isLegacyEmpty: Bool { shape == [0] }

  fileprivate func checkJoins(_ first: Layout, _ dim: Int, position: Int) throws(TensorError) {
    guard rank == first.rank else {
      throw .shape("Tensors must have same number of dimensions: got \(first.rank) and \(rank)")
    }
    for i in 0..<rank where i != dim && shape.at(i) != first.shape.at(i) {
      throw .shape(
        "Sizes of tensors must match except in dimension \(dim). Expected size \(first.shape.at(i)) but got size "
          + "\(shape.at(i)) for tensor number \(position) in the list.")
    }
  }
}

extension Few where Element == Tensor {
  /// The dtype that holds every operand's; scalar tensors count as the others.
  fileprivate var promoted: DType {
    reduce(self[0]!.dtype) { $0.promoted(with: $1!.dtype) }
  }
}

extension Tensor {
  /// The tensors one after the other along `dim`, in the dtype that holds them all. The other sizes are equal; vectors
  /// without elements are skipped. Torch's `cat`.
  public static func cat(
    _ tensors: some Collection<Tensor>, dim: Int = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { ops.joins.cat.call(Few(tensors.map { Optional($0) }), dim, at: CallSite(file, line)) }

  /// The tensors, all of one shape, along a new dimension `dim`. Torch's `stack`.
  public static func stack(
    _ tensors: some Collection<Tensor>, dim: Int = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { ops.joins.stack.call(Few(tensors.map { Optional($0) }), dim, at: CallSite(file, line)) }
}
