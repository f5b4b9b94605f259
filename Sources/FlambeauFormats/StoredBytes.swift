#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A stretch of memory that belongs to a mapped file, a decoded buffer or somebody else's storage, and keeps its owner alive.
///
/// The address has no alignment to rely on. Unchecked: only a tensor made of the bytes may write to them.
package struct StoredBytes: @unchecked Sendable {
  private let start: UnsafeRawPointer?
  private let owner: any AnyObject & Sendable
  package let count: Int

  /// Bytes that live at `start` for as long as `owner` does, and that nobody else changes meanwhile.
  init(start: UnsafeRawPointer?, count: Int, owner: any AnyObject & Sendable) {
    self.start = start
    self.count = count
    self.owner = owner
  }

  /// The bytes and what keeps them, to be shared further.
  var memory: (UnsafeMutableRawBufferPointer, owner: any AnyObject & Sendable) {
    (UnsafeMutableRawBufferPointer(start: UnsafeMutableRawPointer(mutating: start), count: count), owner)
  }

  /// A copy of `bytes`.
  package init(_ bytes: some Collection<UInt8>) {
    guard let block = Block(count: bytes.count) else { fatalError("no memory for \(bytes.count) bytes") }
    UnsafeMutableRawBufferPointer(start: block.start, count: block.count).copyBytes(from: bytes)
    self.init(start: block.start, count: block.count, owner: block)
  }

  /// `count` bytes that `fill` writes; they hold anything before. nil if the machine has no such memory.
  init?<E: Error>(count: Int, filledBy fill: (UnsafeMutableRawBufferPointer) throws(E) -> Void) throws(E) {
    guard let block = Block(count: count) else { return nil }
    try fill(UnsafeMutableRawBufferPointer(start: block.start, count: count))
    self.init(start: block.start, count: count, owner: block)
  }

  package func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    defer { withExtendedLifetime(owner) {} }
    return try body(UnsafeRawBufferPointer(start: start, count: count))
  }

  /// The bytes of `range`, which lies within; nothing is copied.
  func slice(_ range: Range<Int>) -> StoredBytes {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    return StoredBytes(start: start.map { $0 + range.lowerBound }, count: range.count, owner: owner)
  }
}

extension StoredBytes {
  /// The same elements with the bytes of each in the opposite order; nil if the machine has no memory for them.
  func swapped(elementByteCount size: Int) -> StoredBytes? {
    guard size > 1 else { return self }
    return StoredBytes(count: count) { target in
      withUnsafeBytes { source in
        for start in stride(from: 0, to: source.count - source.count % size, by: size) {
          for byte in 0..<size { target[start + byte] = source[start + size - 1 - byte] }
        }
      }
    }
  }
}

/// Memory of our own. Untouched pages of a large one cost nothing, so a lying size claim does not either. Unchecked: its
/// fields never change.
private final class Block: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  let count: Int

  init?(count: Int) {
    guard let start = malloc(max(count, 1)) else { return nil }
    self.start = start
    self.count = count
  }

  deinit { free(start) }
}
