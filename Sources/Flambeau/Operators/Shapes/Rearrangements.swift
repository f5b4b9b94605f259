/// The same elements in another order, again and again, or only some of them; copies.
struct Rearrangements: Sendable {
  let flip: Operator<[Int]> = Operator<[Int]>(
    "flip",
    forward: { (operands, dims) throws(TensorError) in
      let source = operands[0]!.body
      let result = try Value(source.layout.dense, source.dtype, on: source.device)
      let backwards = dims.reduce(source.layout) { $0.reversed($1) }
      try source.elements(backwards).copy(to: result.elements)
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(ops.rearrangements.flip(gradient, call.attributes))
    },
    samples: [
      Sample("a.flip(0)", [.real([3, 4])]) { $0[0].flip(0) },
      Sample("a.flip([0, 2])", [.real([2, 3, 4])]) { $0[0].flip([0, -1]) },
    ]
  ).onGPU()

  let tril: Operator<Int> = Rearrangements.triangle(
    "tril", upper: false,
    samples: [
      Sample("a.tril()", [.real([3, 4])]) { $0[0].tril() },
      Sample("a.tril(-1)", [.real([2, 4, 3])]) { $0[0].tril(-1) },
      Sample("a.clone().tril_(1)", [.real([3, 3])]) { $0[0].clone().tril_(1) },
    ])

  let triu: Operator<Int> = Rearrangements.triangle(
    "triu", upper: true,
    samples: [
      Sample("a.triu(1)", [.real([2, 3, 3])]) { $0[0].triu(1) },
      Sample("a.triu(-1)", [.real([4, 3])]) { $0[0].triu(-1) },
      Sample("a.clone().triu_()", [.real([3, 3])]) { $0[0].clone().triu_() },
    ])

  /// Made of other rows.
  let composites: [Sample] = [
    Sample("a.repeat(2, 3)", [.real([2, 3])]) { $0[0].repeat([2, 3]) },
    Sample("a.repeat(2, 1, 2)", [.real([2, 3])]) { $0[0].repeat([2, 1, 2]) },
    Sample("a.tile((2,))", [.real([2, 3])]) { $0[0].tile([2]) },
    Sample("a.roll(2)", [.real([2, 3])]) { $0[0].roll(2) },
    Sample("a.roll((1, -1), (0, 1))", [.real([2, 3])]) { $0[0].roll([1, -1], dim: [0, 1]) },
    Sample("a.movedim(0, 2)", [.real([2, 3, 4])]) { $0[0].moveDim(0, -1) },
    Sample("a.movedim((0, 1), (2, 0))", [.real([2, 3, 4])]) { $0[0].moveDim([0, 1], [2, 0]) },
    Sample("a.swapdims(0, 1)", [.real([2, 3])]) { $0[0].swapDims(0, 1) },
  ]
}

extension Rearrangements {
  /// A triangle of the last two dimensions; the attribute is the number of its diagonal.
  private static func triangle(_ name: String, upper: Bool, samples: [Sample]) -> Operator<Int> {
    Operator(
      name,
      forward: { (operands, diagonal) throws(TensorError) in
        let source = operands[0]!.body
        guard source.layout.rank >= 2 else { throw .shape("\(name): input tensor must have at least 2 dimensions") }
        let result = try Value(Layout(source.layout.shape), source.dtype, on: source.device)
        let (rows, columns) = (source.layout.shape[-2], source.layout.shape[-1])
        let diagonal = Swift.min(Swift.max(diagonal, -rows), columns)
        if source.device.isCPU { try source.elements.copy(to: result.elements) }
        try withExtendedLifetime((source, result.storage)) { () throws(TensorError) in
          try KernelCall.task(
            on: source.device, TriangleTask(upper: upper, diagonal, of: source.elements, into: result.elements)
          ) { result.clear(outside: diagonal, upper: upper) }
        }
        return result
      },
      backward: { (call, gradient) throws(TensorError) in
        Few(upper ? gradient.triu(call.attributes) : gradient.tril(call.attributes))
      }, samples: samples
    ).onGPU()
  }
}

extension Layout {
  /// The dimension from its end to its beginning.
  fileprivate func reversed(_ dim: Int) -> Layout {
    if elementCount == 0 { return self }
    return sliced(dim, start: shape.at(dim) - 1, count: shape.at(dim), step: -1)
  }
}

extension Value {
  /// Zeroes what lies outside a triangle of the last two dimensions; the layout is row-major, the diagonal no further away than the
  /// corners.
  fileprivate func clear(outside diagonal: Int, upper: Bool) {
    let (rows, columns) = (layout.shape[-2], layout.shape[-1])
    let (bytes, count) = (dtype.byteCount, layout.elementCount)
    if count == 0 { return }
    let start = elements.start
    let rowsAPiece = Swift.max(1, (1 << 15) / columns)
    let allRows = count / columns
    ThreadPool.run((allRows + rowsAPiece - 1) / rowsAPiece) { piece in
      for row in piece * rowsAPiece..<Swift.min((piece + 1) * rowsAPiece, allRows) {
        // The first column above the diagonal, or on it.
        let edge = Swift.min(Swift.max(row % rows + diagonal + (upper ? 0 : 1), 0), columns)
        let cleared = upper ? 0..<edge : edge..<columns
        (start + (row * columns + cleared.lowerBound) * bytes)
          .initializeMemory(as: UInt8.self, repeating: 0, count: cleared.count * bytes)
      }
    }
  }
}

extension Tensor {
  /// The elements of `dim` in reverse order, copied. Torch's `flip`.
  public func flip(_ dim: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    flip([dim], file: file, line: line)
  }

  /// The elements of `dims` in reverse order, copied. Torch's `flip`.
  public func flip(_ dims: [Int], file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("flip", at: site) { layout throws(TensorError) in
      let positions = try dims.mapDimensions(layout)
      try positions.checkDistinct()
      return ops.rearrangements.flip(self, layout.rank == 0 ? [] : positions, at: site)
    }
  }

  /// The lower triangle of the last two dimensions, 0 above diagonal number `diagonal`. Torch's `tril`.
  public func tril(_ diagonal: Int = 0, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.rearrangements.tril(self, diagonal, at: CallSite(file, line))
  }

  /// The upper triangle of the last two dimensions, 0 below diagonal number `diagonal`. Torch's `triu`.
  public func triu(_ diagonal: Int = 0, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.rearrangements.triu(self, diagonal, at: CallSite(file, line))
  }

  /// ``tril(_:file:line:)`` in place. Torch's `tril_`.
  @discardableResult
  public func tril_(_ diagonal: Int = 0, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.rearrangements.tril.write(Few(self), diagonal, at: CallSite(file, line))
  }

  /// ``triu(_:file:line:)`` in place. Torch's `triu_`.
  @discardableResult
  public func triu_(_ diagonal: Int = 0, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.rearrangements.triu.write(Few(self), diagonal, at: CallSite(file, line))
  }

  /// The diagonal of a matrix as a vector, copied, or a vector as the diagonal of a matrix of zeros. Torch's `diag`.
  public func diag(_ diagonal: Int = 0, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("diag", at: CallSite(file, line)) { layout throws(TensorError) in
      switch layout.rank {
      case 1:
        let (side, overflow) = layout.elementCount.addingReportingOverflow(Int(clamping: diagonal.magnitude))
        let shape: Shape = [overflow ? .max : side, overflow ? .max : side]
        _ = try shape.byteCount(of: dtype)
        return placed(in: shape) { $0.diagonal(DiagonalArguments(offset: diagonal, dim1: 0, dim2: 1)) }
      case 2: return self.diagonal(offset: diagonal, file: file, line: line).clone()
      default: throw .shape("diag(): Supports 1D or 2D tensors. Got \(layout.rank)D")
      }
    }
  }

  /// The whole again and again: `counts[i]` times along dimension i, where further dimensions come in front. Torch's
  /// `repeat`.
  public func `repeat`(_ counts: Shape, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("repeat", at: CallSite(file, line)) { layout throws(TensorError) in
      let lead = counts.count - layout.rank
      guard lead >= 0 else {
        throw .shape(
          "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
      }
      var (apart, wide, target) = (Shape(), Shape(), Shape())
      for i in 0..<counts.count {
        let size = i < lead ? 1 : layout.shape.at(i - lead)
        apart.append(1)
        apart.append(size)
        wide.append(counts.at(i))
        wide.append(size)
        target.append(counts.at(i).multipliedReportingOverflow(by: size).overflow ? .max : counts.at(i) * size)
      }
      _ = try target.byteCount(of: dtype)
      return reshape(apart).expand(wide).rowMajorCopy().view(target)
    }
  }

  /// ``repeat(_:file:line:)``, with missing counts in front taken as 1. Torch's `tile`.
  public func tile(_ counts: Shape, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let missing = Swift.max(ndim - counts.count, 0)
    return self.repeat(Shape([Int](repeating: 1, count: missing) + counts), file: file, line: line)
  }

  /// Moved by `shift` places along `dim`, or through all elements without one; what leaves at the end comes in at the
  /// beginning. Torch's `roll`.
  public func roll(_ shift: Int, dim: Int? = nil, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    if let dim { return roll([shift], dim: [dim], file: file, line: line) }
    return checked("roll", at: CallSite(file, line)) { layout throws(TensorError) in
      flatten().roll([shift], dim: [0]).view(layout.shape)
    }
  }

  /// Moved by several shifts, each along a dimension of its own. Torch's `roll`.
  public func roll(_ shifts: [Int], dim: [Int], file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("roll", at: CallSite(file, line)) { layout throws(TensorError) in
      guard shifts.count == dim.count, !dim.isEmpty else {
        throw .argument("shifts and dimensions must align. shifts: \(shifts.count), dims:\(dim.count)")
      }
      guard layout.rank > 0 else {
        throw .argument("Dimension specified as \(dim[0]) but tensor has no dimensions")
      }
      let dims = try dim.mapDimensions(layout)
      if layout.elementCount == 0 { return clone() }
      var result = self
      for (shift, dim) in zip(shifts, dims) {
        let size = layout.shape.at(dim)
        let cut = ((size - shift % size) % size)
        let parts = [
          result.narrow(dim, start: cut, length: size - cut), result.narrow(dim, start: 0, length: cut),
        ]
        result = .cat(parts, dim: dim)
      }
      return result
    }
  }
}
