// Vectors of a few numbers, in and out.
extension Value {
  /// A vector of `numbers`.
  init(_ numbers: [Double], _ dtype: DType) throws(TensorError) {
    self = try Value(Layout([numbers.count]), dtype)
    let target = elements
    numbers.withUnsafeBytes {
      guard let start = $0.baseAddress else { return }
      Elements(UnsafeMutableRawPointer(mutating: start), Layout([numbers.count]), .float64).copyOnProcessor(to: target)
    }
  }
}

extension TensorBody {
  /// The elements of a vector.
  func numbers() throws(TensorError) -> [Double] {
    let wide = try Value(Layout(layout.shape), .float64)
    try elements.copy(to: wide.elements)
    let start = wide.storage.pointer.assumingMemoryBound(to: Double.self)
    return withExtendedLifetime(wide) { Array(UnsafeBufferPointer(start: start, count: layout.elementCount)) }
  }
}
