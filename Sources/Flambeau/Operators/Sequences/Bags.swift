/// The bag of each of some places in a list, on the device where the list is.
struct Bags {
  let count: Int
  /// int64 [places]; 0 where a place is in none.
  private let numbers: Tensor
  /// Whether it is in one, bool [places]; nil where all are.
  private let isIn: Tensor?

  /// - Parameters:
  ///   - indices: [bags, n], or all bags one after the other.
  ///   - offsets: Where each bag of a vector begins.
  ///   - includesLast: The last offset is where the last bag ends.
  ///   - padding: The index that is in no bag.
  init(_ indices: Tensor, _ offsets: Tensor?, includesLast: Bool, padding: Int?) throws(TensorError) {
    guard indices.dtype == .int64 || indices.dtype == .int32 else {
      throw .dtype(
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
          + "torch.\(indices.dtype.torchScalarName)Tensor instead (while checking arguments for embedding_bag)")
    }
    let places = Tensor.arange(indices.count, device: indices.device)
    var (numbers, hasOutside) = (places, padding != nil)
    switch indices.ndim {
    case 2:
      guard offsets == nil else {
        throw .argument(
          "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences.")
      }
      count = indices.shape.at(0)
      numbers = places.floorDivide(Swift.max(indices.shape.at(1), 1))
    case 1:
      guard let offsets, offsets.ndim == 1 else {
        throw .argument("offsets has to be a 1D Tensor" + (offsets == nil ? " but got None" : ""))
      }
      guard offsets.count > 0 || !includesLast else {
        throw .argument("include_last_offset: number of offset should be at least 1")
      }
      let starts = offsets.to(.int64)
      if offsets.count > 0 { try Bags.check(starts, indices.count) }
      count = offsets.count - (includesLast ? 1 : 0)
      numbers = starts.to(indices.device).searchSorted(places, right: true) - 1
      hasOutside = hasOutside || includesLast
    default:
      throw .shape("input has to be 1D or 2D Tensor, but got Tensor of dimension \(indices.ndim)")
    }
    guard hasOutside else {
      (self.numbers, isIn) = (numbers, nil)
      return
    }
    var isIn = numbers .< count
    if let padding { isIn = isIn.logicalAnd(indices.reshape([indices.count]) .!= padding) }
    (self.numbers, self.isIn) = (Tensor.where(isIn, numbers, 0), isIn)
  }

  private static func check(_ starts: Tensor, _ places: Int) throws(TensorError) {
    guard starts.device.isCPU else {
      let steps = starts.narrow(0, start: 1, length: starts.count - 1) - starts.narrow(0, start: 0, length: starts.count - 1)
      let areRight = (starts[0] .== 0).logicalAnd((steps .>= 0).all()).logicalAnd((starts .<= places).all())
      return try areRight.orThrow(
        .argument("offsets have to begin with 0, and each has to be between the one before and the number of indices"),
        in: "embedding_bag")
    }
    let starts = try starts.soundArray(of: Int.self)
    guard starts[0] == 0 else {
      throw .argument(
        "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
          + "However, got \(starts[0])")
    }
    for (i, start) in starts.enumerated() where start > places || i > 0 && start < starts[i - 1] {
      throw .argument(
        "offsets[\(i)] has to be between the one before and the number of indices, \(places). However, got \(start)")
    }
  }

  /// Of rows, one a place, the sum of each bag's; zeros for an empty one.
  func sums(_ rows: Tensor) -> Tensor {
    if count == 0 { return rows.narrow(0, start: 0, length: 0) }
    return Tensor.zeros([count, rows.shape.at(1)], dtype: rows.dtype, device: rows.device)
      .indexAdd(dim: 0, index: numbers, source: isIn.map { .where($0.unsqueeze(1), rows, 0) } ?? rows)
  }

  /// How many places are in each, [bags, 1].
  func sizes(_ dtype: DType) -> Tensor {
    sums((isIn ?? Tensor.ones([numbers.count], dtype: .bool, device: numbers.device)).to(dtype).unsqueeze(1))
  }

  /// The largest elements of each bag's rows, which have the gradient at the first place where they are; zeros for an empty one.
  func maxima(_ rows: Tensor) -> Tensor {
    let (places, shape) = (rows.shape.at(0), Shape([count, rows.shape.at(1)]))
    if places == 0 || count == 0 { return sums(rows) }
    let first = noGrad {
      let rows = isIn.map { Tensor.where($0.unsqueeze(1), rows.detach(), -.infinity) } ?? rows.detach()
      let peaks = Tensor.full(shape, -.infinity, dtype: rows.dtype, device: rows.device)
        .indexReduce(dim: 0, index: numbers, source: rows, .amax)
      var isPeak = (rows .== peaks.indexSelect(dim: 0, index: numbers)).logicalOr(rows.isNaN())
      if let isIn { isPeak = isPeak.logicalAnd(isIn.unsqueeze(1)) }
      let place = Tensor.arange(places, device: rows.device).unsqueeze(1)
      return Tensor.full(shape, places, device: rows.device)
        .indexReduce(dim: 0, index: numbers, source: .where(isPeak, place, places), .amin)
    }
    let found = rows.gather(dim: 0, index: first.clamp(max: places - 1))
    return .where(first .< places, found, 0)
  }
}
