/// Reading and writing along one dimension by tensors of positions, which share the others. The attribute is the dimension;
/// the last operand holds the positions. Repeated positions add up in `scatter_add`; elsewhere the last one stays.
struct Gathering: Sendable {
  let gather: Operator<Int> = Operator<Int>(
    "gather", saves: { _ in SavePlan(operands: .operand(1)) },
    forward: { (operands, dim) throws(TensorError) in
      let (table, index) = (operands[0]!.body, operands[1]!.body)
      guard index.dtype == .int64 || index.dtype == .int32 || index.layout.elementCount == 0 else {
        throw .dtype("gather(): Expected dtype int32/int64 for index")
      }
      let result = try Value(Layout(index.layout.shape), table.dtype, on: table.device)
      let layout = table.layout.atLeastVector
      let dim = try layout.dimension(dim)
      if index.layout.elementCount == 0 { return result }
      let positions = try index.asPositions()
      let place = positions.layout.atLeastVector
      guard place.rank == layout.rank else {
        throw .shape("Index tensor must have the same number of dimensions as input tensor")
      }
      for i in 0..<layout.rank where i != dim && place.shape.at(i) > layout.shape.at(i) {
        throw .shape(
          "Size does not match at dimension \(i) expected index \(index.layout.shape) to be no larger than self "
            + "\(table.layout.shape) apart from dimension \(dim)")
      }
      let isWithin = try withExtendedLifetime((table, positions.storage)) { () throws(TensorError) in
        try table.elements.read(along: dim, at: positions.elements, into: result.elements)
      }
      if !isWithin { try positions.checkPositions(layout.shape.at(dim), dim: dim, negative: false) }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      let zeros = Tensor.zeros(call.shape(0), dtype: gradient.dtype, device: gradient.device)
      return Few(ops.gathering.scatterAdd(zeros, gradient, try call.operand(1), call.attributes))
    },
    samples: [
      Sample("a.gather(1, b)", [.real([3, 4]), .integers([3, 6], 0...3)]) { $0[0].gather(dim: 1, index: $0[1]) },
      Sample("a.gather(0, b)", [.real([4, 3, 2]), .integers([5, 2, 2], 0...3)]) { $0[0].gather(dim: 0, index: $0[1]) },
      Sample("a.gather(-1, b.int())", [.real([2, 3, 4]), .integers([2, 3, 1], 0...3)]) {
        $0[0].gather(dim: -1, index: $0[1].to(.int32))
      },
      Sample("a.gather(0, b)", [.real([]), .integers([3], 0...0)]) { $0[0].gather(dim: 0, index: $0[1]) },
      Sample("a.gather(1, b[:, :1].expand(-1, 3, 2))", [.real([2, 4, 2]), .integers([2, 3, 2], 0...3)]) {
        $0[0].gather(dim: 1, index: $0[1][0..., ..<1].expand([-1, 3, 2]))
      },
    ]
  ).onGPU()

  let scatter: Operator<Int> = Gathering.writing(
    "scatter", accumulate: false,
    samples: [
      Sample("a.scatter(1, torch.tensor([[2, 0], [1, 3]]), b)", [.real([3, 4]), .real([2, 3])]) {
        $0[0].scatter(dim: 1, index: Tensor([2, 0, 1, 3], shape: [2, 2]), source: $0[1])
      },
      Sample("a.clone().scatter_(0, torch.tensor([[2, 0, 1]]), b)", [.real([3, 4]), .real([1, 3])]) {
        $0[0].clone().scatter_(dim: 0, index: Tensor([2, 0, 1], shape: [1, 3]), source: $0[1])
      },
      Sample("a.scatter(-1, b, 3)", [.real([2, 4]), .integers([2, 3], 0...3)]) {
        $0[0].scatter(dim: -1, index: $0[1], 3)
      },
      Sample("a.clone().scatter_(0, b, 1.5)", [.real([4, 2]), .integers([2, 2], 0...3)]) {
        $0[0].clone().scatter_(dim: 0, index: $0[1], 1.5)
      },
    ])

  let scatterAdd: Operator<Int> = Gathering.writing(
    "scatter_add", accumulate: true,
    samples: [
      Sample("a.scatter_add(1, c, b)", [.real([3, 4]), .real([3, 6]), .integers([2, 6], 0...3)]) {
        $0[0].scatterAdd(dim: 1, index: $0[2], source: $0[1])
      },
      Sample("a.clone().scatter_add_(0, c, b)", [.real([3, 2, 2]), .real([5, 2, 2]), .integers([5, 2, 1], 0...2)]) {
        $0[0].clone().scatterAdd_(dim: 0, index: $0[2], source: $0[1])
      },
    ])

  /// Operand 1 is what is written.
  private static func writing(_ name: String, accumulate: Bool, samples: [Sample]) -> Operator<Int> {
    let row = Operator<Int>(
      name, saves: { _ in SavePlan(operands: .operand(2)) },
      edit: { (operands, dim, table) throws(TensorError) in
        let (first, source) = (operands[0]!.body, operands[1]!.body)
        let original = table.pointer == first.storage.address ? nil : first.elements
        defer { withExtendedLifetime((first, source)) {} }
        guard let place = try ScatterPlace(table, source, operands[2]!.body, dim) else {
          try original?.copy(to: table)
          return
        }
        // A refused call leaves a tensor as it was; a copy of it is thrown away.
        if original == nil { try place.checkPositions() }
        let isWithin = try place.put(place.source, joinedBy: accumulate ? .sum : nil, over: original)
        if !isWithin { try place.checkPositions() }
      },
      backward: { (call, gradient) throws(TensorError) in
        let index = try call.operand(2)
        var gradients = Few<Tensor>(nil, nil)
        if call.needs(0) {
          gradients[0] = accumulate ? gradient : gradient.scatter(dim: call.attributes, index: index, 0)
        }
        if call.needs(1) {
          let used = ops.gathering.gather(gradient, index, call.attributes)
          gradients[1] = call.shape(1) == used.shape ? used : used.placed(in: call.shape(1)) { $0.beginning(used.shape) }
        }
        return gradients
      }, samples: samples)
    row.copiesFirst = true
    return row.onGPU()
  }
}

/// What is put into a table at positions along a dimension, all checked but the positions.
struct ScatterPlace {
  let table: Elements
  /// As much of it as there are positions.
  let source: Elements
  /// How many positions there are.
  let shape: Shape
  private let positions: Value
  private let dim: Int

  /// Nil if nothing is put.
  init?(_ table: Elements, _ source: TensorBody, _ index: TensorBody, _ dim: Int) throws(TensorError) {
    guard index.dtype == .int64 || index.dtype == .int32 || index.layout.elementCount == 0 else {
      throw .dtype("scatter(): Expected dtype int32/int64 for index")
    }
    guard table.dtype == source.dtype else {
      throw .dtype("scatter(): Expected self.dtype to be equal to src.dtype")
    }
    let layout = table.layout.atLeastVector
    let dim = try layout.dimension(dim)
    if index.layout.elementCount == 0 { return nil }
    let place = index.layout.atLeastVector.shape
    let value = source.layout.atLeastVector
    guard place.count == layout.rank else {
      throw .shape("Index tensor must have the same number of dimensions as self tensor")
    }
    guard place.count == value.rank else {
      throw .shape("Index tensor must have the same number of dimensions as src tensor")
    }
    for i in 0..<place.count {
      guard i == dim || place.at(i) <= layout.shape.at(i), place.at(i) <= value.shape.at(i) else {
        throw .shape(
          "Expected index \(index.layout.shape) to be no larger than self \(table.layout.shape) apart from dimension "
            + "\(dim) and to be no larger size than src \(source.layout.shape)")
      }
    }
    positions = try index.asPositions()
    self.table = table.laid(layout)
    self.source = source.elements(value.beginning(place))
    shape = place
    self.dim = dim
  }

  /// Throws unless all positions lie within the table.
  func checkPositions() throws(TensorError) {
    try positions.checkPositions(table.layout.shape.at(dim), dim: dim, negative: false)
  }

  /// Puts `value`, broadcast to the positions, into the table, or into another one of its shape. False, and only a part is put, if not
  /// all positions lie within it.
  ///
  /// - Parameter original: What the table begins as, if it is yet to be copied from there.
  @discardableResult
  func put(
    _ value: Elements, into table: Elements? = nil, joinedBy kind: Reduction.Kind?, over original: Elements? = nil
  ) throws(TensorError) -> Bool {
    let index = positions.layout.atLeastVector
    return try (table ?? self.table).put(value, shape, at: positions, joinedBy: kind, over: original) {
      IndexWalk(along: dim, table: $0, index: index, value: $1)
    }
  }
}

extension Layout {
  /// The first positions of every dimension.
  func beginning(_ shape: Shape) -> Layout { Layout(shape: shape, strides: strides, offset: offset) }
}

extension Tensor {
  /// Zeros of `shape` with these elements at the positions `index` of `dim`, distinct on each line: the gradient of picking
  /// elements.
  func placed(in shape: Shape, dim: Int, at index: Tensor) -> Tensor {
    ops.gathering.scatter(.zeros(shape, dtype: dtype, device: device), self, index, dim)
  }

  /// The element at position `index[i, j, …]` of dimension `dim`, for every place of `index`, whose other positions it
  /// shares. Torch's `gather`.
  ///
  /// `index` is int64 or int32, with as many dimensions as this tensor, none larger but for `dim`.
  public func gather(dim: Int, index: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.gathering.gather(self, index, dim, at: CallSite(file, line))
  }

  /// With the elements of `source` at the positions `index` of dimension `dim`: the reverse of
  /// ``gather(dim:index:file:line:)``. Of several at one position the last stays. Torch's `scatter`.
  public consuming func scatter(
    dim: Int, index: Tensor, source: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { ops.gathering.scatter(consume self, source, index, dim, at: CallSite(file, line)) }

  /// With `value` at the positions `index` of dimension `dim`. Torch's `scatter`.
  public consuming func scatter(
    dim: Int, index: Tensor, _ value: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let source = scattered(Number(value), .floatingPoint, index, CallSite(file, line))
    return ops.gathering.scatter(consume self, source, index, dim, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func scatter(
    dim: Int, index: Tensor, _ value: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let source = scattered(Number(value), .integer, index, CallSite(file, line))
    return ops.gathering.scatter(consume self, source, index, dim, at: CallSite(file, line))
  }

  /// ``scatter(dim:index:source:file:line:)`` in place. Torch's `scatter_`.
  @discardableResult
  public func scatter_(
    dim: Int, index: Tensor, source: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { ops.gathering.scatter.write(Few(self, source, index), dim, at: CallSite(file, line)) }

  /// `value` written to the positions `index` of dimension `dim`. Torch's `scatter_`.
  @discardableResult
  public func scatter_(
    dim: Int, index: Tensor, _ value: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let source = scattered(Number(value), .floatingPoint, index, CallSite(file, line))
    return scatter_(dim: dim, index: index, source: source, file: file, line: line)
  }

  /// The same with a number.
  @discardableResult
  public func scatter_(
    dim: Int, index: Tensor, _ value: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let source = scattered(Number(value), .integer, index, CallSite(file, line))
    return scatter_(dim: dim, index: index, source: source, file: file, line: line)
  }

  /// With the elements of `source` added to those at the positions `index` of dimension `dim`, in the order of `index`.
  /// Torch's `scatter_add`.
  public consuming func scatterAdd(
    dim: Int, index: Tensor, source: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { ops.gathering.scatterAdd(consume self, source, index, dim, at: CallSite(file, line)) }

  /// ``scatterAdd(dim:index:source:file:line:)`` in place. Torch's `scatter_add_`.
  @discardableResult
  public func scatterAdd_(
    dim: Int, index: Tensor, source: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { ops.gathering.scatterAdd.write(Few(self, source, index), dim, at: CallSite(file, line)) }

  /// A number for every place of `index`.
  private func scattered(
    _ value: Number, _ category: DType.Category, _ index: Tensor, _ site: CallSite
  ) -> Tensor { scalar(value, category, "scatter", at: site).expand(index.shape) }
}
