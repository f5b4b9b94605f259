// Views: another layout of the same elements. Each row's gradient undoes it.

struct SliceArguments: Sendable {
  let dim: Int
  let start: Int
  let count: Int
  let step: Int
}

/// One position of a dimension.
struct Position: Sendable {
  let dim: Int
  let index: Int
}

struct DiagonalArguments: Sendable {
  let offset: Int
  let dim1: Int
  let dim2: Int
}

struct Views: Sendable {
  let permute: Operator<[Int]> = Operator<[Int]>(
    "permute",
    forward: { (operands, order) throws(TensorError) in operands[0]!.body.viewed { $0.permuted(order) } },
    backward: { (call, gradient) throws(TensorError) in
      var inverse = call.attributes
      for (i, dim) in call.attributes.enumerated() { inverse[dim] = i }
      return Few(gradient.permute(inverse))
    },
    samples: [
      Sample("a.permute(2, 0, 1)", [.real([2, 3, 4])]) { $0[0].permute([2, 0, -2]) },
      Sample("a.transpose(0, 2)", [.real([2, 3, 4])]) { $0[0].transpose(0, -1) },
      Sample("a.T", [.real([2, 3])]) { $0[0].T },
    ]
  ).onGPU()

  let expand: Operator<Shape> = Operator<Shape>(
    "expand",
    forward: { (operands, shape) throws(TensorError) in
      let wide = try operands[0]!.body.layout.expanded(to: shape, operands[0]!.dtype)
      return operands[0]!.body.viewed { _ in wide }
    },
    backward: { (call, gradient) throws(TensorError) in Few(gradient.fitted(to: call.shape(0), call.dtype(0))) },
    samples: [
      Sample("a.expand(4, -1, 3)", [.real([2, 1])]) { $0[0].expand([4, -1, 3]) },
      Sample("a.expand_as(b)", [.real([3]), .real([2, 3])]) { $0[0].expandAs($0[1]) },
      Sample("a.broadcast_to((2, 3))", [.real([3])]) { $0[0].broadcastTo([2, 3]) },
    ]
  ).onGPU()

  let view: Operator<Shape> = Operator<Shape>(
    "view",
    forward: { (operands, shape) throws(TensorError) in
      guard let layout = operands[0]!.body.layout.viewed(as: shape) else {
        throw .shape(
          "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            + "contiguous subspaces). Use .reshape(...) instead.")
      }
      return operands[0]!.body.viewed { _ in layout }
    },
    backward: { (call, gradient) throws(TensorError) in Few(gradient.reshape(call.shape(0))) },
    samples: [
      Sample("a.reshape(4, -1)", [.real([2, 3, 2])]) { $0[0].reshape([4, -1]) },
      Sample("a.flatten(1)", [.real([2, 3, 2])]) { $0[0].flatten(startDim: 1) },
      Sample("a.flatten()", [.real([2, 3])]) { $0[0].flatten() },
      Sample("a.unflatten(1, (2, -1))", [.real([2, 4])]) { $0[0].unflatten(-1, [2, -1]) },
      Sample("a.contiguous().view_as(b)", [.real([2, 3]), .real([6])]) { $0[0].contiguous().viewAs($0[1]) },
      Sample("a.reshape_as(b)", [.real([2, 3]), .real([6])]) { $0[0].reshapeAs($0[1]) },
    ]
  ).onGPU()

  let slice: Operator<SliceArguments> = Operator<SliceArguments>(
    "slice", selects: { $0.sliced($1) },
    samples: [
      Sample("a.narrow(1, 1, 2)", [.real([2, 4])]) { $0[0].narrow(1, start: -3, length: 2) },
      Sample("a[:, 1::2]", [.real([2, 5])]) { $0[0][0..., .slice(from: 1, step: 2)] },
    ]
  ).onGPU()

  let select: Operator<Position> = Operator<Position>(
    "select", selects: { $0.selected($1.dim, $1.index) },
    samples: [
      Sample("a.select(1, 2)", [.real([2, 3, 4])]) { $0[0].select(dim: 1, index: -1) },
      Sample("a.clone().select(0, 1).mul_(b)", [.real([2, 3]), .real([3])]) {
        $0[0].clone().select(dim: 0, index: 1).mul_($0[1])
      },
    ]
  ).onGPU()

  let squeeze: Operator<[Int]> = Operator<[Int]>(
    "squeeze",
    forward: { (operands, dims) throws(TensorError) in
      operands[0]!.body.viewed { layout in dims.reversed().reduce(layout) { $0.removed($1) } }
    },
    backward: { (call, gradient) throws(TensorError) in Few(gradient.reshape(call.shape(0))) },
    samples: [
      Sample("a.squeeze()", [.real([1, 3, 1])]) { $0[0].squeeze() },
      Sample("a.squeeze(-1)", [.real([1, 3, 1])]) { $0[0].squeeze(-1) },
      Sample("a.squeeze(1)", [.real([1, 3, 1])]) { $0[0].squeeze(1) },
      Sample("a.squeeze((0, 1))", [.real([1, 3, 1])]) { $0[0].squeeze([0, 1]) },
    ]
  ).onGPU()

  let unsqueeze: Operator<Int> = Operator<Int>(
    "unsqueeze",
    forward: { (operands, dim) throws(TensorError) in operands[0]!.body.viewed { $0.inserted(dim) } },
    backward: { (call, gradient) throws(TensorError) in Few(gradient.reshape(call.shape(0))) },
    samples: [
      Sample("a.unsqueeze(1)", [.real([2, 3])]) { $0[0].unsqueeze(1) },
      Sample("a.unsqueeze(-1)", [.real([])]) { $0[0].unsqueeze(-1) },
    ]
  ).onGPU()

  let diagonal: Operator<DiagonalArguments> = Operator<DiagonalArguments>(
    "diagonal", selects: { $0.diagonal($1) },
    samples: [
      Sample("a.diagonal()", [.real([3, 4])]) { $0[0].diagonal() },
      Sample("a.diagonal(-1, 0, 2)", [.real([3, 2, 4])]) { $0[0].diagonal(offset: -1, dim1: 0, dim2: -1) },
      Sample("a.diagonal(1)", [.real([2, 4])]) { $0[0].diagonal(offset: 1) },
      Sample("a.diag(1)", [.real([3, 3])]) { $0[0].diag(1) },
      Sample("a.diag(-2)", [.real([3])]) { $0[0].diag(-2) },
    ]
  ).onGPU()

  let unfold: Operator<UnfoldArguments> = Operator<UnfoldArguments>(
    "unfold",
    forward: { (operands, at) throws(TensorError) in operands[0]!.body.viewed { $0.unfolded(at) } },
    backward: { (call, gradient) throws(TensorError) in
      let at = call.attributes
      return Few(gradient.placed(in: call.shape(0)) { $0.unfolded(at) })
    },
    samples: [
      Sample("a.unfold(1, 3, 2)", [.real([2, 7])]) { $0[0].unfold(1, size: 3, step: 2) },
      Sample("a.unfold(0, 2, 3)", [.real([5, 2])]) { $0[0].unfold(0, size: 2, step: 3) },
      Sample("a.unfold(0, 1, 1)", [.real([])]) { $0[0].unfold(0, size: 1, step: 1) },
    ]
  ).onGPU()
}

/// Pieces of a dimension: `size` positions each, `step` apart.
struct UnfoldArguments: Sendable {
  let dim: Int
  let size: Int
  let step: Int
}

extension Operator {
  /// A view of some of the operand's elements.
  fileprivate convenience init(
    _ name: String, selects: @escaping @Sendable (Layout, Attributes) -> Layout, samples: [Sample]
  ) {
    self.init(
      name, selects: selects,
      forward: { (operands, at) throws(TensorError) in operands[0]!.body.viewed { selects($0, at) } },
      backward: { (call, gradient) throws(TensorError) in
        Few(gradient.placed(in: call.shape(0)) { selects($0, call.attributes) })
      }, samples: samples)
  }
}

/// The attributes of a row that has none.
struct None: Sendable {}

extension TensorBody {
  func viewed(_ change: (Layout) -> Layout) -> Value {
    Value(storage, change(layout), dtype, isView: true)
  }
}

extension Layout {
  func sliced(_ at: SliceArguments) -> Layout { sliced(at.dim, start: at.start, count: at.count, step: at.step) }

  /// The dimension counts pieces; a new last one runs along each.
  func unfolded(_ at: UnfoldArguments) -> Layout {
    if rank == 0 { return Layout(shape: [at.size], strides: [1], offset: offset) }
    let count = (shape.at(at.dim) - at.size) / at.step + 1
    let stride = strides.at(at.dim)
    var (shape, strides) = (shape.replacing(at.dim, with: count), strides.replacing(at.dim, with: stride * at.step))
    shape.append(at.size)
    strides.append(stride)
    return Layout(shape: shape, strides: strides, offset: offset)
  }

  /// The two dimensions become one, the last, that runs along both.
  func diagonal(_ at: DiagonalArguments) -> Layout {
    let (rows, columns) = (shape.at(at.dim1), shape.at(at.dim2))
    let count = Swift.max(0, at.offset >= 0 ? Swift.min(rows, columns - at.offset) : Swift.min(rows + at.offset, columns))
    let (step1, step2) = (strides.at(at.dim1), strides.at(at.dim2))
    let start = count == 0 ? 0 : at.offset >= 0 ? at.offset * step2 : -at.offset * step1
    let (first, second) = (Swift.max(at.dim1, at.dim2), Swift.min(at.dim1, at.dim2))
    var shape = shape.removing(at: first).removing(at: second)
    var strides = strides.removing(at: first).removing(at: second)
    shape.append(count)
    strides.append(step1 + step2)
    return Layout(shape: shape, strides: strides, offset: offset + start)
  }

  /// The layout stretched to `target`, with torch's sentences where that cannot be.
  func expanded(to target: Shape, _ dtype: DType) throws(TensorError) -> Layout {
    let isNegative = target.contains { $0 < 0 }
    if !isNegative { _ = try target.byteCount(of: dtype) }
    if let wide = broadcast(to: target) {
      if isNegative { _ = try target.byteCount(of: dtype) }
      return wide
    }
    guard target.count >= rank else {
      throw .shape(
        "expand(torch.\(dtype.torchScalarName)Tensor{\(shape)}, size=\(target)): the number of sizes provided "
          + "(\(target.count)) must be greater or equal to the number of dimensions in the tensor (\(rank))")
    }
    let lead = target.count - rank
    let dim = (0..<rank).first { shape.at($0) != 1 && shape.at($0) != target.at($0 + lead) }!
    throw .shape(
      "The expanded size of the tensor (\(target.at(dim + lead))) must match the existing size (\(shape.at(dim))) at "
        + "non-singleton dimension \(dim + lead).  Target sizes: \(target).  Tensor sizes: \(shape)")
  }
}

extension Shape {
  /// The shape with its one -1 worked out; throws unless it has `elementCount` elements.
  func resolved(for elementCount: Int) throws(TensorError) -> Shape {
    var known = 1
    var open: Int?
    for i in 0..<count {
      if at(i) == -1 {
        guard open == nil else { throw .shape("only one dimension can be inferred") }
        open = i
      } else {
        guard at(i) >= 0 else { throw .shape("invalid shape dimension \(at(i))") }
        let (product, overflow) = known.multipliedReportingOverflow(by: at(i))
        guard !overflow else { throw .shape("shape '\(self)' is invalid for input of size \(elementCount)") }
        known = product
      }
    }
    if let open {
      guard known > 0 && elementCount % known == 0 else {
        if known == 0 && elementCount == 0 {
          throw .shape(
            "cannot reshape tensor of 0 elements into shape \(self) because the unspecified dimension size -1 can be any "
              + "value and is ambiguous")
        }
        throw .shape("shape '\(self)' is invalid for input of size \(elementCount)")
      }
      return replacing(open, with: elementCount / known)
    }
    guard known == elementCount else { throw .shape("shape '\(self)' is invalid for input of size \(elementCount)") }
    return self
  }
}

extension [Int] {
  /// Dimensions counted from either end, as positions.
  func mapDimensions(_ layout: Layout) throws(TensorError) -> [Int] {
    var result: [Int] = []
    for dim in self { result.append(try layout.dimension(dim)) }
    return result
  }
}
