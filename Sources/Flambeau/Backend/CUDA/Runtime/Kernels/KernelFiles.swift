#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Compiled kernels on the disk, so that a program compiles each once and not at every start.
///
/// A file says what it is the code of and has checksums: one that is damaged, or of another source, counts as missing. Where files cannot
/// be written, kernels are compiled again.
struct KernelFiles: Sendable {
  /// nil: nothing is kept.
  let folder: String?

  /// The folder that FLAMBEAU_CUDA_CACHE names, none if that is empty; `flambeau/cuda` among the user's caches otherwise.
  static var standard: KernelFiles {
    func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
    if let named = variable("FLAMBEAU_CUDA_CACHE") { return KernelFiles(folder: named.isEmpty ? nil : named) }
    if let caches = variable("XDG_CACHE_HOME"), caches.hasPrefix("/") { return KernelFiles(folder: caches + "/flambeau/cuda") }
    return KernelFiles(folder: variable("HOME").map { $0 + "/.cache/flambeau/cuda" })
  }

  /// The code of a source by a compiler.
  struct Key: Sendable {
    /// The file's name.
    let name: String

    init(_ source: KernelSource, by compiler: KernelCompiler) {
      // The source's name is its text's digest.
      name = source.name + "-" + KernelSource.digest(of: compiler.identity.utf8) + "-" + Key.prelude
    }

    private static let prelude = KernelSource.digest(of: KernelSource.prelude.utf8)
  }

  private static func header(_ key: Key, _ code: [UInt8]) -> [UInt8] {
    Array("flambeau kernel 1\n\(key.name)\n\(code.count) bytes \(KernelSource.digest(of: code))\n".utf8)
  }

  func read(_ key: Key) -> [UInt8]? {
    guard let path = path(key), let file = fopen(path, "rb") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&buffer, 1, buffer.count, file)
      if count == 0 { break }
      bytes += buffer[..<count]
    }
    // The header ends with the third line.
    var end = 0
    for _ in 0..<3 {
      guard let newline = bytes[end...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
      end = newline + 1
    }
    let code = Array(bytes[end...])
    return bytes.starts(with: KernelFiles.header(key, code)) ? code : nil
  }

  func write(_ code: [UInt8], _ key: Key) {
    guard let folder, let path = path(key) else { return }
    KernelFiles.makeFolder(folder)
    let temporary = "\(folder)/.\(String(UInt64.random(in: 0...(.max)), radix: 36)).partial"
    guard let file = fopen(temporary, "wbx") else { return }
    let bytes = KernelFiles.header(key, code) + code
    let isWritten = fwrite(bytes, 1, bytes.count, file) == bytes.count
    if fclose(file) != 0 || !isWritten || rename(temporary, path) != 0 { unlink(temporary) }
  }

  private func path(_ key: Key) -> String? { folder.map { "\($0)/\(key.name)" } }

  private static func makeFolder(_ path: String) {
    if mkdir(path, 0o700) == 0 || errno != ENOENT { return }
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
    makeFolder(String(path[..<slash]))
    mkdir(path, 0o700)
  }
}
