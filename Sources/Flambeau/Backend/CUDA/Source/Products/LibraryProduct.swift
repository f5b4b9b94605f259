/// A product as cuBLASLt is asked for it. Its matrices are stored by columns, so what is row-major here is transposed there: it computes
/// cᵀ = bᵀ aᵀ, of which its a is our b. Equal ones are done alike, wherever their matrices lie.
struct LibraryProduct: Hashable {
  /// Stored columns of `rows` elements at distances of `leading`.
  struct Matrix: Hashable {
    let rows: Int
    let columns: Int
    let leading: Int
    let isTransposed: Bool
    /// From a batch's matrix to the next.
    let step: Int
    /// What addresses are multiples of, 256 at most.
    let alignment: Int
  }

  let dtype: DType
  let batchCount: Int
  let a: Matrix
  let b: Matrix
  /// What is added, or the result again.
  let c: Matrix
  let d: Matrix
  /// The alignment of a vector that is added to every column, or of the sums that a slope's product leaves; 0 for none.
  let biasAlignment: Int
  let finish: LibraryFinish?
  let allowsTF32: Bool

  /// Nil for a product that the library does not do.
  init?(_ task: ProductTask, allowsTF32: Bool) {
    let matrices = ProductMatrices(task)
    let (m, n, k) = (matrices.m, matrices.n, matrices.k)
    let dtype = task.c.dtype
    // Our own kernel reads a vector's matrix once, at the memory's speed.
    guard Swift.min(m, n) > 1, k > 0, matrices.batches.count <= 1, CUBLASLt.type(dtype) != nil,
      task.a.dtype == dtype, task.b.dtype == dtype, Swift.max(m, n, k) <= Int(Int32.max)
    else { return nil }
    let steps = matrices.batches.first?.strides ?? [0, 0, 0, 0]
    func matrix(_ elements: Elements, _ rows: Int, _ columns: Int, _ strides: (Int, Int), _ step: Int, turns: Bool) -> Matrix? {
      let alignment = elements.alignment
      let (down, across) = (rows == 1 ? 1 : strides.0, columns == 1 ? Swift.max(rows, 1) : strides.1)
      if down == 1 && across >= rows {
        return Matrix(rows: rows, columns: columns, leading: across, isTransposed: false, step: step, alignment: alignment)
      }
      if !turns { return nil }
      let flipped = (down: rows == 1 ? columns : strides.0, across: columns == 1 ? 1 : strides.1)
      guard flipped.across == 1, flipped.down >= columns else { return nil }
      return Matrix(rows: columns, columns: rows, leading: flipped.down, isTransposed: true, step: step, alignment: alignment)
    }
    guard let a = matrix(task.b, n, k, (matrices.b.column, matrices.b.depth), steps[1], turns: true),
      let b = matrix(task.a, k, m, (matrices.a.depth, matrices.a.row), steps[0], turns: true),
      let d = matrix(task.c, n, m, (matrices.c.column, matrices.c.row), steps[2], turns: false)
    else { return nil }
    (self.dtype, self.allowsTF32, batchCount) = (dtype, allowsTF32, matrices.batchCount)
    (self.a, self.b, self.d) = (a, b, d)
    if let wanted = task.finish {
      guard matrices.batches.isEmpty, let finish = LibraryFinish(wanted, signs: task.signs, of: task.c),
        task.columnSums == nil || finish.isSlope
      else { return nil }
      self.finish = finish
    } else {
      finish = nil
    }
    guard let added = task.added, task.beta != 0 else {
      (c, biasAlignment) = (d, task.columnSums?.alignment ?? 0)
      return
    }
    guard added.dtype == dtype else { return nil }
    if task.beta == 1, matrices.added.row == 0, matrices.added.column == 1, steps[3] == 0 {
      (c, biasAlignment) = (d, added.alignment)
      return
    }
    if finish != nil { return nil }
    guard let c = matrix(added, n, m, (matrices.added.column, matrices.added.row), steps[3], turns: false) else { return nil }
    (self.c, biasAlignment) = (c, 0)
  }

  var hasBias: Bool { biasAlignment > 0 }

  /// NVIDIA's `cublasLtEpilogue_t`.
  var epilogue: UInt32 {
    typealias Epilogue = CUBLASLt.Epilogue
    guard let finish else { return hasBias ? Epilogue.addsBias : Epilogue.none }
    let isRelu = finish.activation == .relu
    if finish.isSlope {
      return (isRelu ? Epilogue.reluSlope : Epilogue.geluSlope) | (hasBias ? Epilogue.sumsColumns : 0)
    }
    return (isRelu ? Epilogue.relu : Epilogue.gelu) | (finish.hasAuxiliary ? Epilogue.notes : 0)
      | (hasBias ? Epilogue.addsBias : 0)
  }
}
