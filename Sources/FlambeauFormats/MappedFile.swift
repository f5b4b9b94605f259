#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A regular file in memory. What is written there stays there: the file does not change.
///
/// Like every mapping's, the file must not be cut short while in use.
package final class MappedFile: @unchecked Sendable {
  private let start: UnsafeMutableRawPointer?
  private let count: Int

  /// The whole of the file at `path`.
  package static func bytes(of path: String) throws(FormatError) -> StoredBytes {
    let file = try MappedFile(path)
    return StoredBytes(start: UnsafeRawPointer(file.start), count: file.count, owner: file)
  }

  private init(_ path: String) throws(FormatError) {
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FormatError(file: path, what: "cannot be opened: \(systemMessage())") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FormatError(file: path, what: systemMessage()) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FormatError(file: path, what: "is not a regular file") }
    count = Int(status.st_size)
    guard count > 0 else {
      start = nil
      return
    }
    // Only the pages that are written take memory, so none is set aside for all of them.
    let address = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0)
    guard let address, address != MAP_FAILED else {
      throw FormatError(file: path, what: "cannot be mapped into memory: \(systemMessage())")
    }
    start = address
  }

  deinit {
    if let start { munmap(start, count) }
  }
}

/// What the system says about the last call that failed.
func systemMessage(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
