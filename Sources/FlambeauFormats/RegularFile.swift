#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A regular file, open for reading as long as this lives.
package struct RegularFile: ~Copyable {
  package let descriptor: Int32
  package let byteCount: Int

  package init(_ path: String) throws(FormatError) {
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FormatError(file: path, what: "cannot be opened: \(systemMessage())") }
    var status = stat()
    let problem =
      fstat(descriptor, &status) != 0
      ? systemMessage() : status.st_mode & S_IFMT == S_IFREG ? nil : "is not a regular file"
    if let problem {
      close(descriptor)
      throw FormatError(file: path, what: problem)
    }
    (self.descriptor, byteCount) = (descriptor, Int(status.st_size))
  }

  deinit { close(descriptor) }
}

/// What the system says about the last call that failed.
package func systemMessage(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
