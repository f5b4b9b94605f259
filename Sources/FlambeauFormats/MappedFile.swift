#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A regular file in memory. What is written there stays there: the file does not change.
///
/// Like every mapping's, the file must not be cut short while in use. Unchecked: its fields never change.
package final class MappedFile: @unchecked Sendable {
  private let start: UnsafeMutableRawPointer?
  private let count: Int

  /// The whole of the file at `path`.
  package static func bytes(of path: String) throws(FormatError) -> StoredBytes {
    let file = try MappedFile(path)
    return StoredBytes(start: UnsafeRawPointer(file.start), count: file.count, owner: file)
  }

  private init(_ path: String) throws(FormatError) {
    let file = try RegularFile(path)
    count = file.byteCount
    guard count > 0 else {
      start = nil
      return
    }
    // Only the pages that are written take memory, so none is set aside for all of them.
    let address = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.descriptor, 0)
    guard let address, address != MAP_FAILED else {
      throw FormatError(file: path, what: "cannot be mapped into memory: \(systemMessage())")
    }
    start = address
  }

  deinit {
    if let start { munmap(start, count) }
  }
}
