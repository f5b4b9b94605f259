// Indexing by tensors of positions. Operand 0 is the table.

struct IndexArguments: Sendable {
  /// The dimensions that the index operands choose positions of, rising; counted from either end.
  let dims: [Int]
  /// A position whose elements get no gradient.
  var padding: Int?
  /// The gradient of a position is divided by how often it was chosen.
  var scalesByFrequency = false
}

/// Rows that read a table: operand 1 and those that follow are the indices, one for each of the attribute's dimensions.
struct Indexing: Sendable {
  typealias Check = @Sendable (Few<Tensor>, IndexArguments) throws(TensorError) -> Void

  let index: Operator<IndexArguments> = Indexing.reading(
    "index", negative: true,
    samples: [
      Sample("a[b]", [.real([4, 3]), .integers([2, 3], -4...3)]) { $0[0][$0[1]] },
      Sample("a[:, b]", [.real([2, 4, 3]), .integers([5], 0...3)]) { $0[0][0..., $0[1]] },
      Sample("a[b, c]", [.real([3, 4, 2]), .integers([2, 1], 0...2), .integers([3], -4...3)]) { $0[0][$0[1], $0[2]] },
      Sample("a[b, :, c]", [.real([3, 2, 4]), .integers([3], 0...2), .integers([2, 1], 0...3)]) {
        $0[0][$0[1], 0..., $0[2]]
      },
      Sample("a[b, 1, c]", [.real([3, 2, 4]), .integers([3], 0...2), .integers([3], 0...3)]) { $0[0][$0[1], 1, $0[2]] },
      Sample("a[..., None, b, 1:]", [.real([2, 3, 4]), .integers([2], 0...2)]) { $0[0][.ellipsis, .newAxis, $0[1], 1...] },
      Sample("a[b]", [.real([3, 4]), .mask([3])]) { $0[0][$0[1]] },
      Sample("a[b]", [.real([3, 4]), .mask([3, 4])]) { $0[0][$0[1]] },
      Sample("a[:, b, c[:1]]", [.real([2, 3, 4]), .mask([3]), .integers([2], 0...3)]) {
        $0[0][0..., $0[1], $0[2][..<1]]
      },
    ])

  let indexSelect: Operator<IndexArguments> = Indexing.reading(
    "index_select", negative: false,
    samples: [
      Sample("a.index_select(1, b)", [.real([2, 4, 3]), .integers([5], 0...3)]) { $0[0].indexSelect(dim: 1, index: $0[1]) },
      Sample("a.index_select(-1, b.int())", [.real([2, 3]), .integers([4], 0...2)]) {
        $0[0].indexSelect(dim: -1, index: $0[1].to(.int32))
      },
    ]
  ) { (operands, _) throws(TensorError) in
    try operands[1]!.checkIndexDType("index_select(): Expected dtype int32 or int64 for index")
    guard operands[1]!.ndim == 1 else { throw .index("index_select(): Index is supposed to be a vector") }
  }

  let take: Operator<IndexArguments> = Indexing.reading(
    "take", negative: true,
    samples: [Sample("a.take(b)", [.real([2, 3]), .integers([2, 2], -6...5)]) { $0[0].take($0[1]) }]
  ) { (operands, _) throws(TensorError) in
    guard operands[1]!.dtype == .int64 else {
      throw .dtype("take(): Expected a long tensor for index, but got \(operands[1]!.dtype.torchScalarName)")
    }
  }

  let embedding: Operator<IndexArguments> = Indexing.reading(
    "embedding", negative: false,
    samples: [
      Sample("F.embedding(b, a)", [.real([5, 3]), .integers([2, 3], 0...4)]) { .embedding($0[1], weight: $0[0]) },
      Sample("F.embedding(b, a.detach().clone(), max_norm=1.5, norm_type=1)", [.real([5, 3]), .integers([2, 3], 0...4)]) {
        .embedding($0[1], weight: $0[0].detach().clone(), maxNorm: 1.5, normType: 1)
      },
      Sample(
        "(lambda t: (F.embedding(b, t, max_norm=1.5), t)[1])(a.detach().clone())", [.real([5, 3]), .integers([2, 2], 0...4)]
      ) {
        let table = $0[0].detach().clone()
        _ = Tensor.embedding($0[1], weight: table, maxNorm: 1.5)
        return table
      },
    ]
  ) { (operands, at) throws(TensorError) in
    guard operands[0]!.ndim == 2 else { throw .shape("'weight' must be 2-D") }
    guard operands[1]!.dtype == .int64 || operands[1]!.dtype == .int32 else {
      throw .dtype(
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
          + "torch.\(operands[1]!.dtype.torchScalarName)Tensor instead (while checking arguments for embedding)")
    }
  }

  private static func reading(
    _ name: String, negative: Bool, samples: [Sample], check: @escaping Check = { (_, _) throws(TensorError) in }
  ) -> Operator<IndexArguments> {
    Operator(
      name, saves: { _ in SavePlan(operands: .operands(from: 1)) },
      forward: { (operands, at) throws(TensorError) in
        try check(operands, at)
        let table = operands[0]!.body
        let layout = table.layout.atLeastVector
        let indices = (1..<operands.count).map { operands[$0]!.body }
        let place = try IndexedDimensions(layout, try at.dims.mapDimensions(layout), indices: indices.map(\.layout.shape))
        let offsets = try place.offsets(indices, in: layout, negative: negative)
        let result = try Value(Layout(place.shape), table.dtype, on: table.device)
        _ = try withExtendedLifetime((table, offsets.storage)) { () throws(TensorError) in
          try place.walk(table: layout, value: result.layout).run(
            .read, IndexWalk.Operands(value: result.elements, table: table.elements, index: offsets.elements))
        }
        return result
      },
      backward: { (call, gradient) throws(TensorError) in
        let zeros = Tensor.zeros(call.shape(0), dtype: gradient.dtype, device: gradient.device)
        var shares = gradient
        if call.attributes.scalesByFrequency {
          let chosen = try call.operand(1)
          shares = gradient / chosen.flatten().bincount()[chosen].unsqueeze(-1)
        }
        var sum = ops.scattering.indexPutSum.call(try call.indices(after: Few(zeros, shares)), call.attributes)
        if let padding = call.attributes.padding {
          let index = Tensor([padding], device: gradient.device)
          sum = (consume sum).indexFill(dim: call.attributes.dims[0], index: index, 0)
        }
        return Few(sum)
      }, samples: samples
    ).onGPU()
  }
}

extension Call where Attributes == IndexArguments {
  /// The operands `first` and then this call's indices, which are its last operands.
  func indices(after first: Few<Tensor>) throws(TensorError) -> Few<Tensor> {
    var operands = first
    for i in operandCount - attributes.dims.count..<operandCount { operands.append(try operand(i)) }
    return operands
  }
}

extension Tensor {
  fileprivate func checkIndexDType(_ sentence: String) throws(TensorError) {
    guard dtype == .int64 || dtype == .int32 else { throw .dtype(sentence) }
  }
}

extension Tensor {
  /// The positions `index` of dimension `dim`, in that order. Torch's `index_select`.
  ///
  /// `index` is a vector of int64 or int32 positions from 0; a repeated one appears, and gets its gradient, as often.
  public func indexSelect(dim: Int, index: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    let vector = index.ndim == 0 ? index.reshape([1]) : index
    guard ndim == 0 else { return ops.indexing.indexSelect(self, vector, IndexArguments(dims: [dim]), at: site) }
    return checked("index_select", at: site) { layout throws(TensorError) in
      guard vector.count == 1 else {
        throw .index("index_select(): Index to scalar can have only 1 value, got \(vector.count) value(s)")
      }
      return ops.indexing.indexSelect(self, vector, IndexArguments(dims: [dim]), at: site).reshape([])
    }
  }

  /// The elements at the positions `index` of all elements in a row, in the shape of `index`. Torch's `take`.
  public func take(_ index: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.indexing.take(flatten(), index, IndexArguments(dims: [0]), at: CallSite(file, line))
  }

  /// The rows of the matrix `weight` that `indices` names, as a new last dimension. Torch's `functional.embedding`.
  ///
  /// `indices` are int64 or int32. The gradients of a row that appears more than once add up; row `paddingIdx`, counted
  /// from the end if negative, gets none.
  ///
  /// - Parameters:
  ///   - maxNorm: Chosen rows of `weight` whose norm of order `normType` is larger are first shrunk to it, in place and unseen by
  ///     gradients.
  ///   - scaleGradByFreq: Gradients are divided by how often their row appears.
  public static func embedding(
    _ indices: Tensor, weight: Tensor, paddingIdx: Int? = nil, maxNorm: Double? = nil, normType: Double = 2,
    scaleGradByFreq: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return weight.checked("embedding", with: indices, at: site) { layout throws(TensorError) in
      var padding = paddingIdx
      if let index = padding, let rows = layout.rank > 0 ? layout.shape.at(0) : nil {
        guard index >= -rows, index < rows else { throw .argument("Padding_idx must be within num_embeddings") }
        padding = index < 0 ? index + rows : index
      }
      if let maxNorm { weight.embeddingRenorm_(indices, maxNorm: maxNorm, normType: normType, file: file, line: line) }
      let arguments = IndexArguments(dims: [0], padding: padding, scalesByFrequency: scaleGradByFreq)
      return ops.indexing.embedding(weight, indices, arguments, at: site)
    }
  }

  /// Shrinks the rows that `indices` names to norms of `maxNorm` at most. Torch's `embedding_renorm_`.
  @discardableResult
  func embeddingRenorm_(
    _ indices: Tensor, maxNorm: Double, normType: Double, file: StaticString, line: UInt
  ) -> Tensor {
    noGrad {
      let chosen = indices.flatten().to(.int64).unique()
      if chosen.count == 0 { return self }
      let rows = indexSelect(dim: 0, index: chosen, file: file, line: line)
      let shrunk = rows.renorm(normType, dim: 0, maxNorm: maxNorm, file: file, line: line).to(dtype)
      return indexCopy_(dim: 0, index: chosen, source: shrunk, file: file, line: line)
    }
  }
}
