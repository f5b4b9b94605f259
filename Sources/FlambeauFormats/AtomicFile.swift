#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A file that appears under its name complete, or not at all: written beside it, flushed to the disk, then renamed.
package struct AtomicFile: ~Copyable {
  private let path: String
  private let temporary: String
  private let descriptor: Int32
  private(set) var count = 0

  /// Calls `body` to write the file at `path`; when it throws, what was at `path` stays.
  package static func write(_ path: String, _ body: (inout AtomicFile) throws(FormatError) -> Void) throws(FormatError) {
    var file = try AtomicFile(path)
    do {
      try body(&file)
      try file.commit()
    } catch {
      unlink(file.temporary)
      throw error
    }
  }

  private init(_ path: String) throws(FormatError) {
    let name = "\(Self.folder(of: path))/.\(String(UInt64.random(in: 0...(.max)), radix: 36)).partial"
    let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FormatError(file: path, what: "cannot be written: \(systemMessage())") }
    self.path = path
    self.temporary = name
    self.descriptor = descriptor
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  static func remove(_ path: String) { unlink(path) }

  static func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
  }

  deinit { close(descriptor) }

  mutating func write(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      // The system takes at most 2 GiB a call.
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      #if canImport(Glibc)
        let written = Glibc.write(descriptor, piece.baseAddress, piece.count)
      #else
        let written = Darwin.write(descriptor, piece.baseAddress, piece.count)
      #endif
      if written < 0 {
        if errno == EINTR { continue }
        throw FormatError(file: path, what: "cannot be written: \(systemMessage())")
      }
      rest = rest.dropFirst(written)
      count += written
    }
  }

  package mutating func write(_ bytes: [UInt8]) throws(FormatError) {
    try StoredBytes(bytes).withUnsafeBytes { (bytes) throws(FormatError) in try write(bytes) }
  }

  mutating func write(_ bytes: StoredBytes) throws(FormatError) {
    try bytes.withUnsafeBytes { (bytes) throws(FormatError) in try write(bytes) }
  }

  private func commit() throws(FormatError) {
    guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
      throw FormatError(file: path, what: "cannot be written: \(systemMessage())")
    }
    // The rename itself lasts only once its folder is on the disk.
    let directory = open(Self.folder(of: path), O_RDONLY | O_CLOEXEC | O_DIRECTORY)
    if directory >= 0 {
      fsync(directory)
      close(directory)
    }
  }
}
