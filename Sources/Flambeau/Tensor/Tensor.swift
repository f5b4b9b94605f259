/// An n-dimensional array of numbers of one dtype on one device, that remembers how it was made.
///
/// A tensor is a value that names storage: copies and views of it see in-place writes. Torch's `Tensor`.
public struct Tensor: Sendable {
  var body: TensorBody

  @inline(__always)
  init(_ body: TensorBody) { self.body = body }

  /// The sizes of the dimensions.
  public var shape: Shape { body.layout.shape }
  /// The steps between neighbours along each dimension, in elements.
  public var strides: [Int] { Array(body.layout.strides) }
  /// Where the first element lies in the storage, in elements; torch's `storage_offset`.
  public var storageOffset: Int { body.layout.offset }
  /// The number of dimensions, `dim()`.
  public var ndim: Int { body.layout.rank }
  /// The number of elements, `numel()`.
  public var count: Int { body.layout.elementCount }
  /// The dtype of the elements.
  public var dtype: DType { body.dtype }
  /// Where the elements are.
  public var device: Device { body.storage.device }
  /// Row-major without gaps.
  public var isContiguous: Bool { body.layout.isContiguous }
  /// Whether `other` is the very same tensor, not only equal.
  public func isSame(as other: Tensor) -> Bool { body === other.body }

  /// `float32 [2, 3]`, as messages name an operand.
  var summary: String { "\(dtype) \(shape)" }
}
