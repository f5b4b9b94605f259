import Flambeau

/// An array as a file holds it: little-endian elements without gaps.
struct StoredArray: Sendable {
  let name: String
  let dtype: DType
  let shape: [Int]
  /// `shape` times `dtype.byteCount` bytes. A `bool` is false if its byte is 0 and true otherwise.
  let bytes: StoredBytes
  /// Whether the first dimension, not the last, is the one whose elements are neighbours.
  let isFortranOrder: Bool

  /// Stops the program when `bytes` is not of the size that `dtype` and `shape` ask for.
  init(name: String, dtype: DType, shape: [Int], bytes: StoredBytes, isFortranOrder: Bool = false) {
    precondition(
      StoredArray.byteCount(dtype, shape) == bytes.count, "'\(name)': \(bytes.count) bytes for \(dtype) of shape \(shape)")
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
    self.isFortranOrder = isFortranOrder
  }

  /// The bytes an array takes; nil for a negative size and for more than `Int` counts.
  static func byteCount(_ dtype: DType, _ shape: [Int]) -> Int? {
    var count = 1
    for size in shape + [dtype.byteCount] {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      if overflow || size < 0 { return nil }
      count = product
    }
    return count
  }

  /// The distance, in elements, between neighbours along each dimension.
  var strides: [Int] { Self.strides(shape, isFortranOrder: isFortranOrder) }

  static func strides(_ shape: [Int], isFortranOrder: Bool = false) -> [Int] {
    var strides = [Int](repeating: 0, count: shape.count)
    var step = 1
    for axis in isFortranOrder ? Array(shape.indices) : shape.indices.reversed() {
      strides[axis] = step
      step = step &* max(shape[axis], 1)
    }
    return strides
  }

  /// The same array with the last dimension's elements side by side; itself where they are already.
  func rowMajor() -> StoredArray {
    guard isFortranOrder else { return self }
    let size = dtype.byteCount
    let steps = strides.map { $0 &* size }
    let copy = StoredBytes(count: bytes.count) { target in
      bytes.withUnsafeBytes { source in
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        var index = [Int](repeating: 0, count: shape.count)
        var offset = 0
        for position in stride(from: 0, to: source.count, by: size) {
          (to + position).copyMemory(from: from + offset, byteCount: size)
          var axis = shape.count - 1
          while axis >= 0 {
            index[axis] += 1
            offset += steps[axis]
            if index[axis] < shape[axis] { break }
            offset -= shape[axis] * steps[axis]
            index[axis] = 0
            axis -= 1
          }
        }
      }
    }
    guard let copy else { fatalError("no memory for \(bytes.count) bytes") }
    return StoredArray(name: name, dtype: dtype, shape: shape, bytes: copy)
  }
}
