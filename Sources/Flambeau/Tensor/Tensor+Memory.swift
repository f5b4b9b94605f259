extension Tensor {
  /// Elements that `fill` writes: row-major without gaps, anything before, in a bool 0 or 1.
  ///
  /// In an error scope that has failed, `fill` is not called.
  public init(
    shape: Shape, dtype: DType, file: StaticString = #fileID, line: UInt = #line,
    initializedBy fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) rethrows {
    if let negative = shape.first(where: { $0 < 0 }) {
      self = Door.refuse(
        .shape("Trying to create tensor with negative dimension \(negative): \(shape)"), "empty", Few(),
        at: CallSite(file, line))
      return
    }
    var memory: UnsafeMutableRawBufferPointer?
    self = Tensor.create("empty") { () throws(TensorError) in
      let value = try Value(Layout(shape), dtype)
      memory = UnsafeMutableRawBufferPointer(start: value.storage.pointer, count: value.storage.byteCount)
      return value
    }
    try withExtendedLifetime(self) {
      if let memory { try fill(memory) }
    }
  }

  /// The bytes of the elements, row-major; of a poisoned tensor none.
  package func withRowMajorBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    if self.body.poison != nil { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    let source = noGrad { contiguous() }
    return try withExtendedLifetime(source) {
      try body(UnsafeRawBufferPointer(start: source.body.elements.start, count: source.count * source.dtype.byteCount))
    }
  }
}
