/// Shapes brought to one another, and back; made of other rows.
struct Broadcasts: Sendable {
  let composites: [Sample] = [
    .several("torch.broadcast_tensors(a, b)", [.real([3, 1]), .real([4])]) { Array(Tensor.broadcastTensors($0)) },
    Sample("a.sum_to_size(1, 4)", [.real([3, 4])]) { $0[0].sumToSize([1, 4]) },
    Sample("a.sum_to_size(4)", [.real([2, 3, 4])]) { $0[0].sumToSize([4]) },
    Sample("a.sum_to_size(())", [.real([2, 3])]) { $0[0].sumToSize([]) },
    Sample("torch.diagflat(a, 1)", [.real([2, 2])]) { $0[0].diagflat(1) },
    Sample("a.contiguous().as_strided_scatter(b, (2, 2), (1, 3), 1)", [.real([3, 4]).withoutGradient, .real([2, 2])]) {
      $0[0].contiguous().asStridedScatter($0[1], [2, 2], strides: [1, 3], offset: 1)
    },
    Sample("a.contiguous().clone().fill_diagonal_(7)", [.real([3, 4])]) { $0[0].contiguous().clone().fillDiagonal_(7) },
    Sample("a.contiguous().clone().fill_diagonal_(7, wrap=True)", [.real([7, 3])]) {
      $0[0].contiguous().clone().fillDiagonal_(7, wrap: true)
    },
    Sample("a.contiguous().clone().fill_diagonal_(1)", [.real([2, 2, 2])]) { $0[0].contiguous().clone().fillDiagonal_(1) },
  ]
}

extension Tensor {
  /// Views of all tensors, of the shape they broadcast to. Torch's `broadcast_tensors`.
  public static func broadcastTensors(
    _ tensors: [Tensor], file: StaticString = #fileID, line: UInt = #line
  ) -> TensorList {
    guard let first = tensors.first else { return TensorList([]) }
    if let poison = tensors.lazy.compactMap(\.body.poison).first {
      return TensorList(poison: Door.poisoned(by: poison, .current))
    }
    return first.list("broadcast_tensors", CallSite(file, line)) { _ throws(TensorError) in
      var shape = Shape()
      for tensor in tensors { shape = try Shape.broadcast(shape, tensor.shape) }
      return tensors.map { $0.expand(shape) }
    }
  }

  /// The shape that tensors of `shapes` broadcast to. Torch's `broadcast_shapes`.
  public static func broadcastShapes(
    _ shapes: Shape..., file: StaticString = #fileID, line: UInt = #line
  ) -> Shape {
    do throws(TensorError) {
      var shape = Shape()
      for other in shapes {
        guard !other.contains(where: { $0 < 0 }) else {
          throw .argument("Trying to create tensor with negative dimension in \(other)")
        }
        shape = try Shape.broadcast(shape, other)
      }
      return shape
    } catch {
      return Door.refuse(error, "broadcast_shapes", Few(), at: CallSite(file, line)).shape
    }
  }

  /// The sums over what broadcasting from `shape` would stretch. Torch's `sum_to_size`.
  public func sumToSize(_ shape: Shape, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("sum_to_size", at: CallSite(file, line)) { layout throws(TensorError) in
      let lead = layout.rank - shape.count
      let fits = lead >= 0 && shape.indices.allSatisfy { shape.at($0) == 1 || shape.at($0) == layout.shape.at(lead + $0) }
      guard fits else { throw .shape("size {\(shape)} is not expandable to size {\(layout.shape)}.") }
      let stretched = shape.indices.filter { shape.at($0) == 1 && layout.shape.at(lead + $0) != 1 }
      let dims = Array(0..<lead) + stretched.map { $0 + lead }
      if shape.isEmpty { return sum(file: file, line: line) }
      if dims.isEmpty { return self }
      return sum(dim: dims, keepDim: true).reshape(shape)
    }
  }

  /// The elements, row by row, on a diagonal of a matrix of zeros. Torch's `diagflat`.
  public func diagflat(_ offset: Int = 0, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    flatten().diag(offset, file: file, line: line)
  }

  /// A copy, of which the view that ``asStrided(_:strides:offset:file:line:)`` names has taken the elements of `source`. Torch's
  /// `as_strided_scatter`.
  public func asStridedScatter(
    _ source: Tensor, _ shape: Shape, strides: [Int], offset: Int? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("as_strided_scatter", with: source, at: site) { layout throws(TensorError) in
      let view = try stridedLayout("as_strided_scatter", shape, strides, offset)
      guard source.shape == shape else {
        throw .shape("expected src to have a size equal to the slice of self. src size = \(source.shape), slice size = \(shape)")
      }
      guard !view.overlapsItself else {
        throw .argument(
          "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation."
        )
      }
      let inside = source.to(dtype)
      return ops.stridedViews.replace(self, inside, StridedView(base: layout, view: view), at: site)
    }
  }

  /// `value` on the main diagonal, in place; of more than two dimensions, all of one size, where all positions are alike.
  /// Torch's `fill_diagonal_`.
  ///
  /// - Parameter wrap: Begin a tall matrix's diagonal anew under its end, a row left out between.
  @discardableResult
  public func fillDiagonal_(
    _ value: Double, wrap: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("fill_diagonal_", at: CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank >= 2 else { throw .shape("dimensions must larger than 1") }
      let sizes = layout.shape
      guard layout.rank == 2 || sizes.allSatisfy({ $0 == sizes.at(0) }) else {
        throw .shape("all dimensions of input must be of equal length")
      }
      let side = sizes.min() ?? 0
      let step = layout.strides.reduce(0, +)
      func fill(_ count: Int, _ offset: Int) {
        asStrided([count], strides: [step], offset: offset, file: file, line: line).fill_(value, file: file, line: line)
      }
      fill(side, layout.offset)
      let width = sizes.at(sizes.count - 1)
      if wrap, layout.rank == 2, sizes.at(0) > width + 1 {
        let offset = layout.strides.at(0) * (width + 1)
        var start = layout.offset + offset
        var row = width + 1
        while row < sizes.at(0) {
          fill(Swift.min(width, sizes.at(0) - row), start)
          start += offset
          row += width + 1
        }
      }
      return self
    }
  }
}
