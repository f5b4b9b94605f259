/// The caching allocator of the CPU, and its figures.
public enum Memory {
  static func allocate(_ byteCount: Int) throws(TensorError) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer.allocate(byteCount: Swift.max(byteCount, 1), alignment: 64)
  }
  static func free(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) { pointer.deallocate() }
}
