extension Tensor {
  /// Elements of `shape` that all are `value`. Torch's `full`.
  public static func full(_ shape: Shape, _ value: Double, dtype: DType = .float32) -> Tensor {
    filled(shape, Number(value), dtype, "full")
  }

  /// Torch's `zeros`.
  public static func zeros(_ shape: Shape, dtype: DType = .float32) -> Tensor { filled(shape, 0, dtype, "zeros") }
  /// Torch's `ones`.
  public static func ones(_ shape: Shape, dtype: DType = .float32) -> Tensor { filled(shape, 1, dtype, "ones") }
  /// Zeros of this tensor's shape and dtype. Torch's `zeros_like`.
  public func zerosLike() -> Tensor { .filled(shape, 0, dtype, "zeros_like") }

  private static func filled(_ shape: Shape, _ number: Number, _ dtype: DType, _ name: String) -> Tensor {
    create(name) { () throws(TensorError) in
      _ = try shape.byteCount(of: dtype)
      let value = try Value(Layout(shape), dtype)
      if number == 0 { value.fillZero() } else { value.elements.fill(number) }
      return value
    }
  }

  /// A leaf from what `body` makes.
  static func create(_ name: String, at site: CallSite? = nil, _ body: () throws(TensorError) -> Value) -> Tensor {
    let context = Context.current
    if context.isFailed { return Door.poisoned(by: context.openScope!.error!, context) }
    do throws(TensorError) {
      return Tensor(TensorBody(try body(), isInference: context.inference))
    } catch {
      return Door.refuse(error, name, Few(), at: site)
    }
  }

  /// A copy of `array` under `shape`, a vector if none is given. Torch's `tensor`.
  public init<Element: TensorElement>(
    _ array: [Element], shape: Shape? = nil, file: StaticString = #fileID, line: UInt = #line
  ) {
    let target = shape ?? [array.count]
    self = Tensor.create("tensor", at: CallSite(file, line)) { () throws(TensorError) in
      guard try target.byteCount(of: Element.dtype) == array.count * Element.dtype.byteCount else {
        throw .shape("an array of \(array.count) elements does not fill the shape \(target)")
      }
      let value = try Value(Layout(target), Element.dtype)
      array.withUnsafeBytes { bytes in
        if let start = bytes.baseAddress { value.storage.pointer.copyMemory(from: start, byteCount: bytes.count) }
      }
      return value
    }
  }

  /// A scalar tensor.
  public init<Element: TensorElement>(_ number: Element) { self.init([number], shape: []) }
}

/// A Swift type that is a dtype's element in memory.
public protocol TensorElement: Sendable, NestedElements where Scalar == Self {
  static var dtype: DType { get }
}

extension Bool: TensorElement { public static var dtype: DType { .bool } }
extension UInt8: TensorElement { public static var dtype: DType { .uint8 } }
extension Int8: TensorElement { public static var dtype: DType { .int8 } }
extension Int16: TensorElement { public static var dtype: DType { .int16 } }
extension Int32: TensorElement { public static var dtype: DType { .int32 } }
extension Int64: TensorElement { public static var dtype: DType { .int64 } }
extension Int: TensorElement { public static var dtype: DType { .int64 } }
#if !(os(macOS) && arch(x86_64))
  extension Float16: TensorElement { public static var dtype: DType { .float16 } }
#endif
extension Float: TensorElement { public static var dtype: DType { .float32 } }
extension Double: TensorElement { public static var dtype: DType { .float64 } }

extension Tensor {
  /// The elements, row-major, converted to `Element`'s dtype. Torch's `tolist`, flat.
  public func array<Element: TensorElement>(of type: Element.Type) -> [Element] {
    if let poison = body.poison { _ = Door.poisoned(by: poison, .current) }
    if body.poison != nil || count == 0 { return [] }
    return Array(unsafeUninitializedCapacity: count) { buffer, filled in
      body.elements.copy(to: Elements(UnsafeMutableRawPointer(buffer.baseAddress!), Layout(shape), Element.dtype))
      filled = count
    }
  }
}
