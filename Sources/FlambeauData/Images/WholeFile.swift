import FlambeauFormats

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Files that are read at once: unlike a mapping, what was read does not change when the file does.
enum WholeFile {
  static func read(_ path: String) throws(FormatError) -> [UInt8] {
    let file = try RegularFile(path)
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: file.byteCount) { target, count in
      count = 0
      while count < target.count {
        let got = systemRead(file.descriptor, target.baseAddress! + count, target.count - count)
        if got > 0 {
          count += got
        } else if got == 0 || errno != EINTR {
          failure = got == 0 ? 0 : errno
          return
        }
      }
    }
    guard failure == 0 else { throw FormatError(file: path, what: "cannot be read: \(systemMessage(failure))") }
    return bytes
  }
}

#if canImport(Glibc)
  private let systemRead = Glibc.read
#else
  private let systemRead = Darwin.read
#endif
