// Tensors made from nothing. Without a dtype, numbers with a point make float32, whole ones int64 and booleans bool.
extension Tensor {
  /// Elements of `shape` that nobody has written yet. Torch's `empty`.
  public static func empty(
    _ shape: Shape, dtype: DType = .float32, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    create("empty", on: device, at: CallSite(file, line)) { (device) throws(TensorError) in
      try Value(checked: shape, dtype, on: device)
    }
  }

  /// Elements of `shape` that all are `value`. Torch's `full`.
  public static func full(
    _ shape: Shape, _ value: Double, dtype: DType = .float32, device: Device? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor { filled(shape, Number(value), .floatingPoint, dtype, device, "full", CallSite(file, line)) }

  /// Filled with a number. Torch's `full`.
  public static func full(
    _ shape: Shape, _ value: Int, dtype: DType = .int64, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { filled(shape, Number(value), .integer, dtype, device, "full", CallSite(file, line)) }

  /// Filled with a number. Torch's `full`.
  public static func full(
    _ shape: Shape, _ value: Bool, dtype: DType = .bool, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { filled(shape, Number(value), .bool, dtype, device, "full", CallSite(file, line)) }

  /// Torch's `zeros`.
  public static func zeros(
    _ shape: Shape, dtype: DType = .float32, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { filled(shape, 0, .integer, dtype, device, "zeros", CallSite(file, line)) }

  /// Torch's `ones`.
  public static func ones(
    _ shape: Shape, dtype: DType = .float32, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { filled(shape, 1, .integer, dtype, device, "ones", CallSite(file, line)) }

  /// A matrix with ones on its diagonal; square unless `columns` is given. Torch's `eye`.
  public static func eye(
    _ rows: Int, _ columns: Int? = nil, dtype: DType = .float32, device: Device? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    create("eye", on: device, at: CallSite(file, line)) { (device) throws(TensorError) in
      guard rows >= 0 else { throw .argument("n must be greater or equal to 0, got \(rows)") }
      guard columns ?? 0 >= 0 else { throw .argument("m must be greater or equal to 0, got \(columns!)") }
      let matrix = try Value(checked: [rows, columns ?? rows], dtype, on: device)
      try matrix.fillZero()
      let diagonal = matrix.layout.diagonal(DiagonalArguments(offset: 0, dim1: 0, dim2: 1))
      try withExtendedLifetime(matrix.storage) { () throws(TensorError) in try matrix.elements(diagonal).fill(1) }
      return matrix
    }
  }

  private static func filled(
    _ shape: Shape, _ number: Number, _ category: DType.Category, _ dtype: DType, _ device: Device?, _ name: String,
    _ site: CallSite
  ) -> Tensor {
    create(name, on: device, at: site) { (device) throws(TensorError) in
      let element = try dtype.element(number, category)
      let value = try Value(checked: shape, dtype, on: device)
      try value.fill(with: element)
      return value
    }
  }

  /// A leaf from what `body` makes on `device` or on the processor; nil: the current device.
  static func create(
    _ name: String, on device: Device? = nil, at site: CallSite? = nil, _ body: (Device) throws(TensorError) -> Value
  ) -> Tensor {
    let context = Context.current
    if context.isFailed { return Door.poisoned(by: context.failure!, context) }
    do throws(TensorError) {
      let device = device ?? context.device
      let value =
        device.isCPU
        ? try body(device) : try GPUThread.naming(name) { () throws(TensorError) in try body(device).moved(to: device) }
      return Tensor(TensorBody(value, isInference: context.inference))
    } catch {
      return Door.refuse(error, name, Few(), at: site)
    }
  }

  /// A copy of `array` under `shape`, a vector if none is given, converted to `dtype`; `Element`'s stays if none is given. Torch's
  /// `tensor`.
  public init<Element: TensorElement>(
    _ array: [Element], shape: Shape? = nil, dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) {
    let target = shape ?? [array.count]
    self = Tensor.create("tensor", on: device, at: CallSite(file, line)) { (_) throws(TensorError) in
      guard try target.byteCount(of: Element.dtype) == array.count * Element.dtype.byteCount else {
        throw .shape("an array of \(array.count) elements does not fill the shape \(target)")
      }
      let value = try Value(Layout(target), Element.dtype)
      array.withUnsafeBytes { bytes in
        if let start = bytes.baseAddress { value.storage.pointer.copyMemory(from: start, byteCount: bytes.count) }
      }
      return value
    }
    if let dtype { self = to(dtype) }
  }

  /// A scalar tensor, of `Element`'s dtype if no other is given.
  public init<Element: TensorElement>(_ number: Element, dtype: DType? = nil, device: Device? = nil) {
    self.init([number], shape: [], dtype: dtype, device: device)
  }
}

// Tensors like another one: of its shape, its dtype unless one is given, and its order of dimensions in memory.
extension Tensor {
  /// Elements that nobody has written yet. Torch's `empty_like`.
  public func emptyLike(dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    if let poison = body.poison { return Door.poisoned(by: poison, .current) }
    return .create("empty_like", on: device ?? self.device, at: CallSite(file, line)) { (device) throws(TensorError) in
      try Value(body.layout.dense, dtype ?? self.dtype, on: device)
    }
  }

  /// Torch's `zeros_like`.
  public func zerosLike(dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    fullLike(0, dtype: dtype, device: device, file: file, line: line)
  }

  /// Torch's `ones_like`.
  public func onesLike(dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    fullLike(1, dtype: dtype, device: device, file: file, line: line)
  }

  /// Elements that all are `value`. Torch's `full_like`.
  public func fullLike(
    _ value: Double, dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { noGrad { emptyLike(dtype: dtype, device: device, file: file, line: line).fill_(value, file: file, line: line) } }

  /// The same shape, filled with a number. Torch's `full_like`.
  public func fullLike(
    _ value: Int, dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { noGrad { emptyLike(dtype: dtype, device: device, file: file, line: line).fill_(value, file: file, line: line) } }
}

extension Value {
  /// Fresh row-major memory for a shape that a caller chose, contents undefined.
  init(checked shape: Shape, _ dtype: DType, on device: Device = .cpu) throws(TensorError) {
    _ = try shape.byteCount(of: dtype)
    try self.init(Layout(shape), dtype, on: device)
  }

  /// The elements on `device`: itself, where they are there.
  func moved(to device: Device) throws(TensorError) -> Value {
    if storage.device == device { return self }
    let moved = try Value(layout.dense, dtype, on: device)
    try withExtendedLifetime(storage) { () throws(TensorError) in try elements.copy(to: moved.elements) }
    return moved
  }
}

/// A Swift type that is a dtype's element in memory.
public protocol TensorElement: Sendable, NestedElements where Scalar == Self {
  /// The dtype of a tensor whose elements have this type.
  static var dtype: DType { get }
}

/// bool.
extension Bool: TensorElement { public static var dtype: DType { .bool } }
/// uint8.
extension UInt8: TensorElement { public static var dtype: DType { .uint8 } }
/// int8.
extension Int8: TensorElement { public static var dtype: DType { .int8 } }
/// int16.
extension Int16: TensorElement { public static var dtype: DType { .int16 } }
/// int32.
extension Int32: TensorElement { public static var dtype: DType { .int32 } }
/// int64.
extension Int64: TensorElement { public static var dtype: DType { .int64 } }
/// int64.
extension Int: TensorElement { public static var dtype: DType { .int64 } }
#if !(os(macOS) && arch(x86_64))
  /// float16.
  extension Float16: TensorElement { public static var dtype: DType { .float16 } }
#endif
/// float32.
extension Float: TensorElement { public static var dtype: DType { .float32 } }
/// float64.
extension Double: TensorElement { public static var dtype: DType { .float64 } }

extension Tensor {
  /// The elements, row-major, converted to `Element`'s dtype. Torch's `tolist`, flat.
  public func array<Element: TensorElement>(of type: Element.Type) -> [Element] {
    if let poison = body.poison { _ = Door.poisoned(by: poison, .current) }
    if body.poison != nil || count == 0 { return [] }
    do throws(TensorError) {
      return try body.elements.array()
    } catch {
      _ = Door.refuse(error, "tolist", Few(self), at: nil)
      return []
    }
  }
}

extension Elements {
  /// The elements, row-major, converted.
  func array<Element: TensorElement>() throws(TensorError) -> [Element] {
    let count = layout.elementCount
    var failure: TensorError?
    let numbers = [Element](unsafeUninitializedCapacity: count) { buffer, filled in
      guard let start = buffer.baseAddress, count > 0 else { return }
      do throws(TensorError) {
        try copy(to: Elements(UnsafeMutableRawPointer(start), Layout(layout.shape), Element.dtype))
        filled = count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return numbers
  }
}
