import FlambeauFormats

/// Makes the models.
extension Assembly {
  static func model(_ file: TokenizerFile, _ vocabulary: Vocabulary) throws(Failure) -> any TokenModel {
    let part = try JSONPart(.object(file.model), "model")
    let type = try part.string("type") ?? guess(file, part)
    guard let make = models[type] else { throw part.failure("the type '\(type.prefix(60))' is unknown") }
    do {
      return try make(file, vocabulary, part)
    } catch let failure as Failure {
      throw failure
    } catch {
      throw part.failure("\(error)")
    }
  }

  /// Files of old versions do not say what they are.
  private static func guess(_ file: TokenizerFile, _ part: JSONPart) -> String {
    if !file.scores.isEmpty { return "Unigram" }
    if !file.merges.pairs.isEmpty || part["merges"] != nil { return "BPE" }
    return part["continuing_subword_prefix"] == nil ? "WordLevel" : "WordPiece"
  }

  private static let models: [String: @Sendable (TokenizerFile, Vocabulary, JSONPart) throws -> any TokenModel] = [
    "WordPiece": { _, vocabulary, part in
      let text = try part.string("unk_token") ?? "[UNK]"
      guard let unknown = vocabulary.id(text) else {
        throw part.failure("the vocabulary lacks the unknown token '\(text.prefix(60))'")
      }
      return try WordPiece(
        vocabulary, unknown: unknown, continuingPrefix: part.string("continuing_subword_prefix") ?? "##",
        mostCharacters: part.count("max_input_chars_per_word") ?? 100)
    },
    "WordLevel": { _, vocabulary, part in
      WordLevel(vocabulary: vocabulary, unknown: try part.string("unk_token").flatMap { vocabulary.id($0) })
    },
    "BPE": { file, vocabulary, part in
      if case .number(let dropout)? = part["dropout"], dropout > 0 {
        throw part.failure("it drops merges at random, which makes other tokens at every call, and is for training only")
      }
      let prefix = try part.string("continuing_subword_prefix") ?? ""
      var model = BPE(vocabulary, merges: try file.merges.table(vocabulary, prefix: prefix.utf8.count))
      if let text = try part.string("unk_token") {
        guard let unknown = vocabulary.id(text) else {
          throw part.failure("the vocabulary lacks the unknown token '\(text.prefix(60))'")
        }
        model.unknown = Int32(unknown)
      }
      model.continuingPrefix = Array(prefix.utf8)
      model.endSuffix = Array((try part.string("end_of_word_suffix") ?? "").utf8)
      model.fusesUnknown = try part.bool("fuse_unk", default: false)
      model.ignoresMerges = try part.bool("ignore_merges", default: false)
      if try part.bool("byte_fallback", default: false) { model.byteTokens = vocabulary.byteTokens() }
      return model
    },
    "Unigram": { file, vocabulary, part in
      let unknown = try part.count("unk_id")
      if let unknown, unknown >= file.scores.count {
        throw part.failure("'unk_id' is \(unknown), but there are \(file.scores.count) tokens")
      }
      return Unigram(
        vocabulary, scores: file.scores, unknown: unknown, byteFallback: try part.bool("byte_fallback", default: false))
    },
  ]
}

enum Base64 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 0xFF, count: 256)
    for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
    return values
  }()

  /// nil for what is no Base64.
  static func decode(_ text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count * 3 / 4)
    var (bits, count): (UInt32, Int) = (0, 0)
    for character in text.utf8 where character != UInt8(ascii: "=") {
      let value = values[Int(character)]
      guard value != 0xFF else { return nil }
      bits = bits << 6 | UInt32(value)
      count += 6
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    return bytes
  }
}
