import FlambeauFormats

/// A `tokenizer.json`, read but not yet put together.
struct TokenizerFile {
  /// Everything but the model's tokens and merges.
  private(set) var top: [String: JSONValue] = [:]
  private(set) var model: [String: JSONValue] = [:]
  private(set) var tokens = ByteTable()
  /// The scores of a Unigram model's tokens.
  private(set) var scores: [Double] = []
  private(set) var merges = MergeList()

  /// The most bytes of tokens: numbers of nodes and places must fit their types.
  private static let mostBytes = 1 << 24 - 1

  init(_ text: UnsafeRawBufferPointer) throws(JSONReader.Failure) {
    var reader = JSONReader(text)
    var file = self
    try reader.object { (reader, key) throws(JSONReader.Failure) in
      if key == "model" { try file.readModel(&reader) } else { file.top[key] = try JSONValue(&reader) }
    }
    try reader.expectEnd()
    self = file
  }

  private mutating func readModel(_ reader: inout JSONReader) throws(JSONReader.Failure) {
    var file = self
    try reader.object { (reader, key) throws(JSONReader.Failure) in
      reader.skipSpace()
      switch (key, reader.next) {
      case ("vocab", UInt8(ascii: "{")): try file.readVocabulary(&reader)
      case ("vocab", UInt8(ascii: "[")): try file.readScored(&reader)
      case ("merges", UInt8(ascii: "[")): try file.readMerges(&reader)
      default: file.model[key] = try JSONValue(&reader)
      }
    }
    self = file
  }

  private mutating func readVocabulary(_ reader: inout JSONReader) throws(JSONReader.Failure) {
    tokens = ByteTable(capacity: 1 << 16)
    var text: [UInt8] = []
    try reader.expect("{")
    if reader.take("}") { return }
    repeat {
      text.removeAll(keepingCapacity: true)
      try Self.readToken(&reader, &text)
      try reader.expect(":")
      let id = try reader.count()
      guard id <= Int32.max else { throw reader.failure("a token's number is too large") }
      tokens.set(text, id)
      guard tokens.arena.count < Self.mostBytes else { throw reader.failure("the tokens are too long") }
    } while reader.take(",")
    try reader.expect("}")
  }

  private static func readToken(_ reader: inout JSONReader, _ text: inout [UInt8]) throws(JSONReader.Failure) {
    try reader.string(into: &text)
    let isText = text.withUnsafeBufferPointer { $0.isASCII } || String(validating: text, as: UTF8.self) != nil
    guard isText else { throw reader.failure("a token is not UTF-8") }
  }

  /// `[["▁the", -3.2], …]`.
  private mutating func readScored(_ reader: inout JSONReader) throws(JSONReader.Failure) {
    tokens = ByteTable(capacity: 1 << 15)
    var text: [UInt8] = []
    try reader.expect("[")
    if reader.take("]") { return }
    repeat {
      text.removeAll(keepingCapacity: true)
      try reader.expect("[")
      try Self.readToken(&reader, &text)
      try reader.expect(",")
      guard let score = Double(try reader.valueText()), score.isFinite else {
        throw reader.failure("a token's score is no number")
      }
      try reader.expect("]")
      tokens.set(text, scores.count)
      scores.append(score)
      guard tokens.arena.count < Self.mostBytes else { throw reader.failure("the tokens are too long") }
    } while reader.take(",")
    try reader.expect("]")
  }

  /// `["a b", …]` or `[["a", "b"], …]`.
  private mutating func readMerges(_ reader: inout JSONReader) throws(JSONReader.Failure) {
    try reader.expect("[")
    if reader.take("]") { return }
    repeat {
      let start = merges.arena.count
      if reader.take("[") {
        try Self.readToken(&reader, into: &merges.arena)
        let middle = merges.arena.count
        try reader.expect(",")
        try Self.readToken(&reader, into: &merges.arena)
        try reader.expect("]")
        merges.append(start, middle, middle)
      } else {
        try Self.readToken(&reader, into: &merges.arena)
        if merges.arena[start...].starts(with: "#version".utf8) {
          merges.arena.removeLast(merges.arena.count - start)
          continue
        }
        guard let space = merges.arena[start...].firstIndex(of: 0x20), space == merges.arena[start...].lastIndex(of: 0x20) else {
          throw reader.failure("merge \(merges.pairs.count + 1) is not two tokens with a space between")
        }
        merges.append(start, space, space + 1)
      }
    } while reader.take(",")
    try reader.expect("]")
  }

  private static func readToken(_ reader: inout JSONReader, into arena: inout [UInt8]) throws(JSONReader.Failure) {
    try reader.string(into: &arena)
    guard arena.count < mostBytes * 8 else { throw reader.failure("the merges are too long") }
  }
}

/// Pairs of tokens in the order in which they merge.
struct MergeList {
  var arena: [UInt8] = []
  private(set) var pairs: [(start: Int, leftEnd: Int, right: Int, end: Int)] = []

  mutating func append(_ start: Int, _ leftEnd: Int, _ right: Int) { pairs.append((start, leftEnd, right, arena.count)) }

  /// The merges by the numbers of their tokens; `prefix` is the one of tokens that go on a word.
  func table(_ vocabulary: Vocabulary, prefix: Int) throws(JSONPart.Failure) -> MergeTable {
    var table = MergeTable(capacity: pairs.count)
    var joined: [UInt8] = []
    var missing: Range<Int>?
    arena.withUnsafeBufferPointer { arena in
      for (rank, pair) in pairs.enumerated() {
        let (left, right) = (arena.slice(pair.start..<pair.leftEnd), arena.slice(pair.right..<pair.end))
        joined.removeAll(keepingCapacity: true)
        joined += left
        joined += right.dropFirst(prefix)
        guard let leftId = vocabulary.id(left), let rightId = vocabulary.id(right), let id = vocabulary.id(joined) else {
          missing = pair.start..<pair.end
          return
        }
        table.set(leftId, rightId, rank: rank, id: id)
      }
    }
    if let missing {
      let text = String(decoding: arena[missing], as: UTF8.self)
      throw JSONPart.Failure(
        part: "model", what: "the merge '\(text.prefix(60))' is of tokens, or makes one, that the vocabulary lacks")
    }
    return table
  }
}
