extension Tensor {
  /// The product of vectors, matrices or batches of matrices. Torch's `matmul`.
  ///
  /// Vectors [k] count as a row on the left and as a column on the right, and their dimension is missing in the result; the
  /// dimensions before the last two broadcast. Both operands have one dtype.
  public func matmul(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("matmul", at: site) { layout throws(TensorError) in
      if let poison = other.body.poison { return Door.poisoned(by: poison, .current) }
      if let autocast = AutocastMethod("matmul", on: self) {
        return try autocast(self, other) { $0[0]!.matmul($0[1]!, file: file, line: line) }
      }
      let (x, y) = (layout.shape, other.body.layout.shape)
      guard x.count > 0, y.count > 0 else {
        throw .shape("both arguments to matmul need to be at least 1D, but they are \(x.count)D and \(y.count)D")
      }
      switch (x.count, y.count) {
      case (1, 1): return ops.products.dot(self, other, None(), at: site)
      case (2, 1): return ops.products.mv(self, other, None(), at: site)
      case (2, 2): return ops.products.mm(self, other, None(), at: site)
      case (1, 2):
        let row = ops.products.mm(reshape([1, x.at(0)]), other, None(), at: site)
        return row.reshape([y.at(1)])
      case (1, _):
        let row = ops.products.bmm(reshape([1, x.at(0)]), other, None(), at: site)
        return row.reshape(row.shape.removing(at: y.count - 2))
      case (_, 1):
        return ops.products.mv(asRows, other, None(), at: site).reshape(Shape(x.dropLast()))
      default: return ops.products.bmm(self, other, None(), at: site)
      }
    }
  }
}
