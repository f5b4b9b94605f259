// Writing where tensors of positions say. Operand 0 is the table, operand 1 what is put into it.

/// Rows that change a table. Repeated positions add up where a row adds; elsewhere the last one stays.
struct Scattering: Sendable {
  typealias Check = Indexing.Check

  let indexPut: Operator<IndexArguments> = Scattering.writing(
    "index_put", accumulate: false, negative: true,
    samples: [
      Sample("a.index_put((torch.tensor([2, 0]),), b)", [.real([4, 3]), .real([2, 3])]) {
        $0[0].indexPut([Tensor([2, 0])], $0[1])
      },
      Sample("a.clone().index_put_((torch.tensor([2, 0]), torch.tensor([[-1], [1]])), b)", [.real([4, 3]), .real([2])]) {
        $0[0].clone().indexPut_([Tensor([2, 0]), Tensor([-1, 1], shape: [2, 1])], $0[1])
      },
      Sample(
        "(t := a.clone(), t[:, 1:].__setitem__((torch.tensor([1, 0]), 0), b))[0]", [.real([3, 4]), .real([2])]
      ) {
        let t = $0[0].clone()
        t[0..., 1...][Tensor([1, 0]), 0] = $0[1]
        return t
      },
    ]
  ) { (operands, at) throws(TensorError) in try Scattering.checkSource(operands) }

  let indexPutSum: Operator<IndexArguments> = Scattering.writing(
    "index_put", accumulate: true, negative: true,
    samples: [
      Sample("a.index_put((c,), b, accumulate=True)", [.real([3, 2]), .real([5, 2]), .integers([5], -3...2)]) {
        $0[0].indexPut([$0[2]], $0[1], accumulate: true)
      },
      Sample("a.clone().index_put_((c, c[:1]), b, accumulate=True)", [.real([3, 4]), .real([]), .integers([5], 0...2)]) {
        $0[0].clone().indexPut_([$0[2], $0[2][..<1]], $0[1], accumulate: true)
      },
    ]
  ) { (operands, at) throws(TensorError) in try Scattering.checkSource(operands) }

  let indexAdd: Operator<IndexArguments> = Scattering.writing(
    "index_add", accumulate: true, negative: false,
    samples: [
      Sample("a.index_add(0, c, b)", [.real([3, 2]), .real([5, 2]), .integers([5], 0...2)]) {
        $0[0].indexAdd(dim: 0, index: $0[2], source: $0[1])
      },
      Sample("a.clone().index_add_(1, c, b, alpha=2)", [.real([2, 3]), .real([2, 4]), .integers([4], 0...2)]) {
        $0[0].clone().indexAdd_(dim: -1, index: $0[2], source: $0[1], alpha: 2)
      },
    ]
  ) { (operands, at) throws(TensorError) in
    let (table, source, index) = (operands[0]!, operands[1]!, operands[2]!)
    guard index.ndim == 1 else {
      throw .index(
        "index_add_(): Index is supposed to be a vector, but got dim: \(index.ndim) with type: "
          + "\(index.dtype.torchScalarName) and size: \(index.shape)")
    }
    guard index.dtype == .int64 || index.dtype == .int32 else {
      throw .dtype("index_add_(): Expected dtype int32/int64 for index but got: \(index.dtype.torchScalarName)")
    }
    guard table.dtype == source.dtype else {
      throw .dtype(
        "index_add_(): self (\(table.dtype.torchScalarName)) and source (\(source.dtype.torchScalarName)) must have the "
          + "same scalar type")
    }
    let dim = try table.body.layout.dimension(at.dims[0])
    let (to, from) = (table.body.layout.atLeastVector.shape, source.body.layout.atLeastVector.shape)
    guard to.count == from.count, to.removing(at: dim) == from.removing(at: dim) else {
      throw .shape(
        "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
          + "\(table.shape) source.shape = \(source.shape)")
    }
    guard from.at(dim) == index.count else {
      throw .index(
        "index_add_(): Number of indices (\(index.count)) should be equal to source.size(dim): (\(from.at(dim))), for "
          + "dim: \(dim)")
    }
  }

  let indexCopy: Operator<IndexArguments> = Scattering.writing(
    "index_copy", accumulate: false, negative: false,
    samples: [
      Sample("a.index_copy(0, torch.tensor([2, 0]), b)", [.real([3, 2]), .real([2, 2])]) {
        $0[0].indexCopy(dim: 0, index: Tensor([2, 0]), source: $0[1])
      },
      Sample("a.clone().index_copy_(-1, torch.tensor([1]), b)", [.real([2, 3]), .real([2, 1])]) {
        $0[0].clone().indexCopy_(dim: -1, index: Tensor([1]), source: $0[1])
      },
    ]
  ) { (operands, at) throws(TensorError) in
    let (table, source, index) = (operands[0]!, operands[1]!, operands[2]!)
    guard index.ndim == 1 else { throw .index("index_copy_(): Index should have dimension 1 or 0 (got \(index.ndim))") }
    guard index.dtype == .int64 else {
      throw .dtype("index_copy_(): Expected a long tensor for index, but got \(index.dtype.torchScalarName)")
    }
    guard table.dtype == source.dtype else {
      throw .dtype(
        "index_copy_(): self and source expected to have the same dtype, but got (self) \(table.dtype.torchScalarName) and "
          + "(source) \(source.dtype.torchScalarName)")
    }
    let dim = try table.body.layout.dimension(at.dims[0])
    let (to, from) = (table.body.layout.atLeastVector.shape, source.body.layout.atLeastVector.shape)
    guard to.count == from.count, to.removing(at: dim) == from.removing(at: dim) else {
      throw .shape(
        "index_copy_(): Source/destination tensor must have same slice shapes. Destination \(table.shape) and source "
          + "\(source.shape) at dimension \(dim).")
    }
    guard from.at(dim) == index.count else {
      throw .index(
        "index_copy_(): Number of indices (\(index.count)) should be equal to source.size(dim) (\(from.at(dim)))")
    }
  }

  let indexFill: Operator<IndexArguments> = Scattering.writing(
    "index_fill", accumulate: false, negative: true,
    samples: [
      Sample("a.index_fill(1, b, 2)", [.real([2, 3]), .integers([2], -3...2)]) { $0[0].indexFill(dim: 1, index: $0[1], 2) },
      Sample("a.clone().index_fill_(0, b, 1.5)", [.real([3, 2]), .integers([], 0...2)]) {
        $0[0].clone().indexFill_(dim: 0, index: $0[1], 1.5)
      },
      Sample("a.index_fill(0, c, b)", [.real([3, 2]), .real([]), .integers([2], 0...2)]) {
        $0[0].indexFill(dim: 0, index: $0[2], $0[1])
      },
    ]
  ) { (call, gradient) throws(TensorError) in
    // The value counts once where it was written, however often.
    let zeros = Tensor.zeros(gradient.shape, dtype: gradient.dtype, device: gradient.device)
    let written = zeros.indexFill(dim: call.attributes.dims[0], index: try call.operand(2), 1)
    return (gradient * written).sum()
  } check: { (operands, at) throws(TensorError) in
    let (value, index) = (operands[1]!, operands[2]!)
    guard value.ndim == 0 else {
      throw .shape(
        "index_fill_ only supports a 0-dimensional value tensor, but got tensor with \(value.ndim) dimension(s).")
    }
    guard index.ndim <= 1 else { throw .index("Index has to be a vector/scalar") }
    guard index.dtype == .int64 else { throw .dtype("index_fill_(): Expected dtype int64 for index.") }
  }

  typealias ValueGradient = @Sendable (Call<IndexArguments>, Tensor) throws(TensorError) -> Tensor

  /// `valueGradient`: what arrives at the value; what arrives where it is put, unless given.
  private static func writing(
    _ name: String, accumulate: Bool, negative: Bool, samples: [Sample],
    valueGradient: @escaping ValueGradient = { (call, gradient) throws(TensorError) in
      ops.indexing.index.call(try call.indices(after: Few(gradient)), call.attributes)
    }, check: @escaping Check
  ) -> Operator<IndexArguments> {
    Operator(
      name, saves: { _ in SavePlan(operands: .operands(from: 2)) },
      edit: { (operands, at, table) throws(TensorError) in
        try check(operands, at)
        let value = operands[1]!.body
        let indices = (2..<operands.count).map { operands[$0]!.body }
        let layout = table.layout.atLeastVector
        let table = table.laid(layout)
        let place = try IndexedDimensions(layout, try at.dims.mapDimensions(layout), indices: indices.map(\.layout.shape))
        guard value.layout.broadcast(to: place.shape) != nil else {
          throw .shape(
            "shape mismatch: value tensor of shape \(value.layout.shape) cannot be broadcast to indexing result of shape "
              + "\(place.shape)")
        }
        let offsets = try place.offsets(indices, in: layout, negative: negative)
        _ = try withExtendedLifetime(value) { () throws(TensorError) in
          try table.put(value.elements, place.shape, at: offsets, joinedBy: accumulate ? .sum : nil, place.walk)
        }
      },
      backward: { (call, gradient) throws(TensorError) in
        var gradients = Few<Tensor>(nil, nil)
        if call.needs(0) {
          gradients[0] = gradient
          if !accumulate {
            let zero = Tensor.zeros([], dtype: gradient.dtype, device: gradient.device)
            gradients[0] = ops.scattering.indexPut.call(try call.indices(after: Few(gradient, zero)), call.attributes)
          }
        }
        if call.needs(1) {
          gradients[1] = try valueGradient(call, gradient).fitted(to: call.shape(1), call.dtype(1))
        }
        return gradients
      }, samples: samples
    ).onGPU()
  }

  private static func checkSource(_ operands: Few<Tensor>) throws(TensorError) {
    let (table, source) = (operands[0]!, operands[1]!)
    guard table.dtype == source.dtype else {
      throw .dtype(
        "Index put requires the source and destination dtypes match, got \(table.dtype.torchScalarName) for the "
          + "destination and \(source.dtype.torchScalarName) for the source.")
    }
  }
}

extension Tensor {
  /// `source` added to the positions `index` of dimension `dim`, `alpha` times. Torch's `index_add`.
  ///
  /// `source` has this tensor's dtype and shape, but for `dim`, where it has as many positions as `index`.
  public consuming func indexAdd(
    dim: Int, index: Tensor, source: Tensor, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.scattering.indexAdd(
      consume self, source.scaled(by: alpha), index.atLeastVector, IndexArguments(dims: [dim]), at: CallSite(file, line))
  }

  /// ``indexAdd(dim:index:source:alpha:file:line:)`` in place. Torch's `index_add_`.
  @discardableResult
  public func indexAdd_(
    dim: Int, index: Tensor, source: Tensor, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.scattering.indexAdd.write(
      Few(self, source.scaled(by: alpha), index.atLeastVector), IndexArguments(dims: [dim]), at: CallSite(file, line))
  }

  /// `source` in place of the positions `index` of dimension `dim`. Torch's `index_copy`.
  ///
  /// `source` has this tensor's dtype and shape, but for `dim`, where it has as many positions as `index`.
  public consuming func indexCopy(
    dim: Int, index: Tensor, source: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.scattering.indexCopy(
      consume self, source, index.atLeastVector, IndexArguments(dims: [dim]), at: CallSite(file, line))
  }

  /// ``indexCopy(dim:index:source:file:line:)`` in place. Torch's `index_copy_`.
  @discardableResult
  public func indexCopy_(
    dim: Int, index: Tensor, source: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.scattering.indexCopy.write(
      Few(self, source, index.atLeastVector), IndexArguments(dims: [dim]), at: CallSite(file, line))
  }

  /// `value` at the positions `index` of dimension `dim`. Torch's `index_fill`.
  public consuming func indexFill(
    dim: Int, index: Tensor, _ value: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    let value = scalar(Number(value), .floatingPoint, "index_fill", at: site)
    return ops.scattering.indexFill(consume self, value, index, IndexArguments(dims: [dim]), at: site)
  }

  /// The same with a whole number.
  public consuming func indexFill(
    dim: Int, index: Tensor, _ value: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    let value = scalar(Number(value), .integer, "index_fill", at: site)
    return ops.scattering.indexFill(consume self, value, index, IndexArguments(dims: [dim]), at: site)
  }

  /// The scalar tensor `value` at the positions `index` of dimension `dim`. Torch's `index_fill`.
  public consuming func indexFill(
    dim: Int, index: Tensor, _ value: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let value = value.to(dtype)
    return ops.scattering.indexFill(
      consume self, value, index, IndexArguments(dims: [dim]), at: CallSite(file, line))
  }

  /// `value` written to the positions `index` of dimension `dim`. Torch's `index_fill_`.
  @discardableResult
  public func indexFill_(
    dim: Int, index: Tensor, _ value: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    indexFill_(
      dim: dim, index: index, scalar(Number(value), .floatingPoint, "index_fill_", at: CallSite(file, line)), file: file,
      line: line)
  }

  /// The same with a whole number.
  @discardableResult
  public func indexFill_(
    dim: Int, index: Tensor, _ value: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    indexFill_(
      dim: dim, index: index, scalar(Number(value), .integer, "index_fill_", at: CallSite(file, line)), file: file, line: line)
  }

  /// The scalar tensor `value` written to the positions `index` of dimension `dim`. Torch's `index_fill_`.
  @discardableResult
  public func indexFill_(
    dim: Int, index: Tensor, _ value: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.scattering.indexFill.write(
      Few(self, value.to(dtype), index), IndexArguments(dims: [dim]), at: CallSite(file, line))
  }

  fileprivate var atLeastVector: Tensor { ndim == 0 ? reshape([1]) : self }

  /// Times a number, which loses its fraction on the way to an integer dtype.
  fileprivate func scaled(by alpha: Double) -> Tensor {
    if alpha == 1 { return self }
    if dtype == .bool { return alpha == 0 ? zerosLike() : self }
    return dtype.isFloatingPoint ? self * alpha : self * Int(Number(alpha).integer)
  }
}
