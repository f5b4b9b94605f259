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
    self = Tensor.create("empty", on: .cpu) { (_) throws(TensorError) in
      let value = try Value(Layout(shape), dtype)
      memory = UnsafeMutableRawBufferPointer(start: value.storage.pointer, count: value.storage.byteCount)
      return value
    }
    try withExtendedLifetime(self) {
      if let memory { try fill(memory) }
    }
  }

  /// A copy of `bytes`: the elements of `shape`, row-major. A `bool` is false where the byte is 0, true elsewhere.
  public init(
    copying bytes: UnsafeRawBufferPointer, dtype: DType, shape: Shape, device: Device? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    self = Tensor.create("tensor", on: device, at: CallSite(file, line)) { (_) throws(TensorError) in
      let needed = try shape.byteCount(of: dtype)
      guard needed == bytes.count else {
        throw .shape("\(bytes.count) bytes do not fill \(dtype) \(shape), which takes \(needed)")
      }
      let value = try Value(Layout(shape), dtype)
      guard let start = bytes.baseAddress, needed > 0 else { return value }
      if dtype == .bool {
        Elements(UnsafeMutableRawPointer(mutating: start), value.layout, .uint8).copyOnProcessor(to: value.elements)
      } else {
        value.storage.pointer.copyMemory(from: start, byteCount: needed)
      }
      return value
    }
  }

  /// A copy of `elements` under `shape`, a vector if none is given.
  public init<Element: TensorElement>(
    copying elements: UnsafeBufferPointer<Element>, shape: Shape? = nil, file: StaticString = #fileID, line: UInt = #line
  ) {
    self.init(
      copying: UnsafeRawBufferPointer(elements), dtype: Element.dtype, shape: shape ?? [elements.count], file: file, line: line)
  }

  /// The elements at the start of `memory`, where they lie: writing through the tensor or its views writes there, and what
  /// others write there the tensor shows. Torch's `from_numpy`.
  ///
  /// - Parameters:
  ///   - memory: Aligned for `dtype`. For `bool`, every element is a byte of 0 or 1.
  ///   - strides: In elements, not negative; row-major if none are given. All that they reach lies within `memory`.
  ///   - owner: Kept as long as any tensor uses the memory; its end is the place to free it.
  public init(
    sharing memory: UnsafeMutableRawBufferPointer, dtype: DType, shape: Shape, strides: [Int]? = nil,
    owner: any Sendable, file: StaticString = #fileID, line: UInt = #line
  ) {
    self = Tensor.create("from_numpy", on: .cpu, at: CallSite(file, line)) { (_) throws(TensorError) in
      let layout = try Layout(shape, strides: strides, of: dtype, within: memory.count)
      let start = memory.baseAddress ?? Storage.none.pointer
      guard Int(bitPattern: start) % dtype.byteCount == 0 else {
        throw .argument(
          "the memory is not aligned to the \(dtype.byteCount) bytes of a \(dtype); Tensor(copying:) takes it as it is")
      }
      if dtype == .bool, Elements(start, layout, .uint8).exceedOne {
        throw .argument(
          "the memory holds bytes that are neither 0 nor 1, so it cannot be shared as bool; Tensor(copying:) takes it")
      }
      return Value(Storage(sharing: start, byteCount: memory.count, owner: owner), layout, dtype)
    }
  }

  /// Calls `body` with the elements, row-major: where they lie if the tensor is contiguous in the
  /// processor's memory, else in a copy. They are there to
  /// be read, and only until `body` returns. Of a poisoned tensor there are none.
  public func withUnsafeBytes<R, E: Error>(
    file: StaticString = #fileID, line: UInt = #line, _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try withDense(dtype, CallSite(file, line), body)
  }

  /// Calls `body` with the elements, row-major: where they lie if the tensor is contiguous and of `Element`'s dtype, else in a
  /// converted copy. They are there to be read, and only until `body` returns. Of a poisoned tensor there are none.
  public func withUnsafeElements<Element: TensorElement, R, E: Error>(
    of type: Element.Type, file: StaticString = #fileID, line: UInt = #line,
    _ body: (UnsafeBufferPointer<Element>) throws(E) -> R
  ) throws(E) -> R {
    try withDense(Element.dtype, CallSite(file, line)) { (bytes) throws(E) in
      try body(bytes.assumingMemoryBound(to: Element.self))
    }
  }

  private func withDense<R, E: Error>(
    _ dtype: DType, _ site: CallSite, _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    guard let value = dense(dtype, site) else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    defer { withExtendedLifetime(value.storage) {} }
    return try body(UnsafeRawBufferPointer(start: value.elements.start, count: count * dtype.byteCount))
  }

  /// Nil where the door has been told why.
  private func dense(_ dtype: DType, _ site: CallSite) -> Value? {
    if let poison = body.poison {
      _ = Door.poisoned(by: poison, .current)
      return nil
    }
    if dtype == self.dtype && isContiguous && device.isCPU { return body.value }
    do throws(TensorError) {
      let value = try Value(Layout(shape), dtype)
      try body.elements.copy(to: value.elements)
      return value
    } catch {
      _ = Door.refuse(error, "withUnsafeBytes", Few(self), at: site)
      return nil
    }
  }
}

extension Tensor {
  /// A leaf over the storage of `other`, which neither is a view of: what is written through one, both show. Torch's `set_`.
  ///
  /// The layout lies within the storage.
  package init(storageOf other: Tensor, shape: Shape, strides: [Int], offset: Int) {
    if let poison = other.body.poison {
      self.init(TensorBody(poison: poison))
      return
    }
    let layout = Layout(shape: shape, strides: Shape(strides), offset: offset)
    let reach = layout.bounds.map { ($0.upperBound + 1) * other.dtype.byteCount } ?? 0
    precondition(reach <= other.body.storage.byteCount && offset >= 0)
    self.init(TensorBody(Value(other.body.storage, layout, other.dtype)))
  }

  /// Whose elements these are: equal for tensors that share a storage.
  package var storageIdentity: ObjectIdentifier { ObjectIdentifier(body.storage) }

  /// The first and the last of the storage's elements that this tensor shows; nil if it has none.
  package var storageBounds: ClosedRange<Int>? { body.layout.bounds }

  /// What left this tensor without elements, or has failed the current error scope.
  package var failure: TensorError? { body.poison ?? Context.current.failure }
}

extension Shape {
  /// The bytes that elements of `dtype` take; throws where there can be no such tensor.
  func byteCount(of dtype: DType) throws(TensorError) -> Int {
    var bytes = dtype.byteCount
    for i in 0..<count {
      if at(i) < 0 { throw .shape("Trying to create tensor with negative dimension \(at(i)): \(self)") }
      // Strides count as if no size were 0.
      let (product, overflow) = bytes.multipliedReportingOverflow(by: Swift.max(at(i), 1))
      if overflow { throw .shape("Storage size calculation overflowed with sizes=\(self)") }
      bytes = product
    }
    return contains(0) ? 0 : bytes
  }
}

extension Layout {
  /// The layout of elements of `dtype` at the start of `byteCount` bytes; throws where it is none, or reaches further.
  fileprivate init(_ shape: Shape, strides: [Int]?, of dtype: DType, within byteCount: Int) throws(TensorError) {
    _ = try shape.byteCount(of: dtype)
    let row = Layout(shape)
    let steps = strides ?? Array(row.strides)
    guard steps.count == shape.count else {
      throw .shape("mismatch in length of strides and shape: \(steps.count) strides for the shape \(shape)")
    }
    var needed: Int? = row.elementCount == 0 ? 0 : dtype.byteCount
    for (i, step) in steps.enumerated() {
      if step < 0 {
        throw .argument(
          "At least one stride is negative (\(steps)), and tensors with negative strides are not supported. Make a copy of "
            + "the elements in rising order.")
      }
      guard row.elementCount > 0, let sum = needed else { continue }
      let (bytes, tooFar) = step.multipliedReportingOverflow(by: dtype.byteCount)
      let (reach, tooLong) = bytes.multipliedReportingOverflow(by: shape.at(i) - 1)
      let (total, tooMuch) = sum.addingReportingOverflow(reach)
      needed = tooFar || tooLong || tooMuch ? nil : total
    }
    guard let needed, needed <= byteCount else {
      let size = needed.map(String.init) ?? "more than \(Int.max)"
      throw .shape(
        "sizes \(shape), strides \(steps), and itemsize \(dtype.byteCount) requiring a storage size of \(size) are out of bounds "
          + "for storage of size \(byteCount)")
    }
    self.init(shape: shape, strides: Shape(steps), offset: 0)
  }
}

extension Elements {
  private static let exceedsOne = Program { x in gt(x, 1) }

  /// Some element is more than 1.
  fileprivate var exceedOne: Bool {
    var found: UInt8 = 0
    withUnsafeMutableBytes(of: &found) { cell in
      let kept = Shape(repeating: 1, count: layout.rank)
      Reduction.run(
        .any, in: dtype.computeClass, [self], map: Elements.exceedsOne, dims: Array(0..<layout.rank),
        into: Elements(cell.baseAddress!, Layout(kept), .bool))
    }
    return found != 0
  }
}
