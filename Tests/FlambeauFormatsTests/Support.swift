import Flambeau
@testable import FlambeauFormats
import Foundation
import Testing

/// Bytes on their way into a file.
func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

extension StoredBytes {
  var array: [UInt8] { withUnsafeBytes { Array($0) } }
}

func contents(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

func write(_ bytes: [UInt8], to path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }

/// The bytes of an array whose elements are told apart by their position.
func counting(_ name: String, _ dtype: DType, _ shape: [Int], isFortranOrder: Bool = false) -> StoredArray {
  let count = shape.reduce(dtype.byteCount, *)
  let bytes = (0..<count).map { dtype == .bool ? UInt8($0 & 1) : UInt8(truncatingIfNeeded: $0 &* 7 &+ 3) }
  return StoredArray(name: name, dtype: dtype, shape: shape, bytes: StoredBytes(bytes), isFortranOrder: isFortranOrder)
}

/// A Python with numpy: FLAMBEAU_PYTHON, or the package's .venv.
enum Python {
  static let path: String? = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let candidates: [String?] = [
      ProcessInfo.processInfo.environment["FLAMBEAU_PYTHON"], root.appendingPathComponent(".venv/bin/python").path,
    ]
    let found = candidates.compactMap { $0 }.first { FileManager.default.isExecutableFile(atPath: $0) }
    if found == nil { print("skipped beside numpy: set FLAMBEAU_PYTHON to a Python that has it") }
    return found
  }()

  static let hasSafetensors: Bool = {
    let found = path != nil && (try? run("import importlib.util as u; print(u.find_spec('safetensors') is not None)")) == "True\n"
    if !found { print("skipped beside the official safetensors: FLAMBEAU_PYTHON has none") }
    return found
  }()

  /// What `script` prints; its arguments are `sys.argv[1:]`.
  static func run(_ script: String, _ arguments: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path!)
    process.arguments = ["-c", script] + arguments
    let text = try process.text()
    #expect(process.terminationStatus == 0, "\(text)")
    return text
  }
}

extension Process {
  /// Runs to the end; everything that it prints.
  func text() throws -> String {
    let pipe = Pipe()
    standardOutput = pipe
    standardError = pipe
    try run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    waitUntilExit()
    return String(decoding: output, as: UTF8.self)
  }
}

/// Repeats `read` on `bytes` with a few bytes changed, the end cut off, pieces doubled or numbers at the ends of their ranges; it may
/// throw, but not stop the program.
func mutate(_ bytes: [UInt8], rounds: Int, seed: UInt64, _ read: ([UInt8]) -> Void) {
  var state = seed
  func random(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % max(bound, 1)
  }
  let extremes: [UInt64] = [0, .max, 1 << 31, 1 << 32, 1 << 60, 1 << 62, 1 << 63, UInt64(Int32.max), UInt64(Int64.max), 0x7FFF]
  let telling: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF] + Array("0129-{}[](),:\"'\\ .eLTF<>".utf8)
  for _ in 0..<rounds {
    var copy = bytes
    for _ in 0...random(4) where !copy.isEmpty {
      let at = random(copy.count)
      switch random(7) {
      case 0: copy.removeLast(random(copy.count))
      case 1: copy.insert(contentsOf: copy[at..<min(at + random(12), copy.count)], at: at)
      case 2: copy.remove(at: at)
      case 3: copy[at] ^= 1 << UInt8(random(8))
      case 4:
        let number = littleEndian(extremes[random(extremes.count)] &+ UInt64(bitPattern: Int64(random(3) - 1)))
        let end = min(at + [2, 4, 8][random(3)], copy.count)
        copy.replaceSubrange(at..<end, with: number.prefix(end - at))
      default: copy[at] = telling[random(telling.count)]
      }
    }
    read(copy)
  }
}
