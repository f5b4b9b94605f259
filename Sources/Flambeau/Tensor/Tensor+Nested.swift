/// A number, or an array of arrays of numbers: what tensors are made from and turned into.
public protocol NestedElements {
  /// The type of the innermost elements.
  associatedtype Scalar: TensorElement
  /// How many arrays lie around a number.
  static var depth: Int { get }
  /// The sizes of `array` and of the first elements within.
  static func sizes(of array: [Self]) -> [Int]
  /// Appends the numbers of `array`, dimension `dim` of nested arrays of `sizes`; throws where it has another size.
  static func append(_ array: [Self], to numbers: inout [Scalar], sizes: [Int], dim: Int) throws(TensorError)
  /// Row-major numbers as arrays of `sizes`.
  static func arrays(of numbers: ArraySlice<Scalar>, sizes: ArraySlice<Int>) -> [Self]
}

extension TensorElement {
  /// How deeply arrays are nested.
  public static var depth: Int { 0 }

  /// The sizes of nested arrays.
  public static func sizes(of array: [Self]) -> [Int] { [array.count] }

  /// Adds the numbers of an array.
  public static func append(
    _ array: [Self], to numbers: inout [Self], sizes: [Int], dim: Int
  ) throws(TensorError) {
    guard array.count == sizes[dim] else { throw .ragged(sizes[dim], dim, got: "\(array.count)") }
    numbers += array
  }

  /// Nested arrays of these numbers.
  public static func arrays(of numbers: ArraySlice<Self>, sizes: ArraySlice<Int>) -> [Self] { Array(numbers) }
}

extension Array: NestedElements where Element: NestedElements {
  /// What the innermost arrays hold.
  public typealias Scalar = Element.Scalar

  /// How deeply arrays are nested.
  public static var depth: Int { Element.depth + 1 }

  /// The sizes of nested arrays.
  public static func sizes(of array: [[Element]]) -> [Int] { [array.count] + Element.sizes(of: array.first ?? []) }

  /// Adds the numbers of an array.
  public static func append(
    _ array: [[Element]], to numbers: inout [Scalar], sizes: [Int], dim: Int
  ) throws(TensorError) {
    guard array.count == sizes[dim] else { throw .ragged(sizes[dim], dim, got: "\(array.count)") }
    for inner in array { try Element.append(inner, to: &numbers, sizes: sizes, dim: dim + 1) }
  }

  /// Nested arrays of these numbers.
  public static func arrays(of numbers: ArraySlice<Scalar>, sizes: ArraySlice<Int>) -> [[Element]] {
    let inner = sizes.dropFirst()
    let step = inner.reduce(1, *)
    return (0..<sizes.first!).map { i in
      let start = numbers.startIndex + i * step
      return Element.arrays(of: numbers[start..<start + step], sizes: inner)
    }
  }
}

extension TensorError {
  static func ragged(_ size: Int, _ dim: Int, got: String) -> TensorError {
    .shape("expected sequence of length \(size) at dim \(dim) (got \(got))")
  }
}

extension Tensor {
  /// A copy of arrays of arrays, all of a dimension of one size, converted to `dtype`; the numbers' stays if none is given. Torch's
  /// `tensor`.
  public init<Row: NestedElements>(
    _ rows: [[Row]], dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) {
    let sizes = [Row].sizes(of: rows)
    var numbers: [Row.Scalar] = []
    do throws(TensorError) {
      try [Row].append(rows, to: &numbers, sizes: sizes, dim: 0)
      self.init(numbers, shape: Shape(sizes), dtype: dtype, device: device, file: file, line: line)
    } catch {
      self = Door.refuse(error, "tensor", Few(), at: CallSite(file, line))
    }
  }
}

extension Array where Element: NestedElements {
  /// The elements of a tensor of as many dimensions as the array has levels, converted: `[[Float]](matrix)`.
  /// Torch's `tolist`. ``Tensor/array(of:)`` gives them flat.
  public init(_ tensor: Tensor, file: StaticString = #fileID, line: UInt = #line) {
    self = []
    let numbers = tensor.array(of: Element.Scalar.self)
    if tensor.body.poison != nil { return }
    guard tensor.ndim == Self.depth else {
      _ = Door.refuse(
        .shape("a Tensor of \(tensor.ndim) dimensions does not fit arrays nested \(Self.depth) deep; array(of:) gives it flat"),
        "Array", Few(tensor), at: CallSite(file, line))
      return
    }
    self = Element.arrays(of: numbers[...], sizes: Array<Int>(tensor.shape)[...])
  }
}
