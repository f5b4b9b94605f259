import FlambeauFormats

/// Puts a tokenizer together from the parts of its file.
///
/// Every kind of part is a row of a table: its name in the file, and how it is made.
struct Assembly {
  let file: TokenizerFile
  let vocabulary: Vocabulary
  let tokenId: (String) -> Int?

  typealias Failure = JSONPart.Failure
  private typealias Table<Made> = [String: @Sendable (Assembly, JSONPart) throws -> Made]

  /// The parts of one kind, made by the row of their type.
  private func make<Made>(_ part: JSONPart, _ table: Table<Made>) throws(Failure) -> Made {
    let type = try part.required(part.string("type"), "type")
    guard let row = table[type] else { throw part.failure("the type '\(type.prefix(60))' is unknown") }
    do {
      return try row(self, part)
    } catch let failure as Failure {
      throw failure
    } catch {
      throw part.failure("\(error)")
    }
  }

  private func made<Made>(_ items: [JSONValue], _ part: JSONPart, _ table: Table<Made>) throws(Failure) -> [Made] {
    var result: [Made] = []
    for (index, item) in items.enumerated() { result.append(try make(JSONPart(item, "\(part.name)[\(index)]"), table)) }
    return result
  }

  // MARK: Normalizers

  func normalizer(_ part: JSONPart) throws(Failure) -> any Normalizer { try make(part, Self.normalizers) }

  private static let normalizers: Table<any Normalizer> = [
    "Sequence": { try NormalizerSequence(parts: $0.made($1.required($1.array("normalizers"), "normalizers"), $1, normalizers)) },
    "BertNormalizer": { _, part in
      try BertNormalizer(
        cleanText: part.bool("clean_text", default: true),
        handleChineseCharacters: part.bool("handle_chinese_chars", default: true),
        stripAccents: part["strip_accents"] == nil ? nil : part.bool("strip_accents", default: false),
        lowercase: part.bool("lowercase", default: true))
    },
    "NFC": { _, _ in UnicodeForms.Form.nfc }, "NFD": { _, _ in UnicodeForms.Form.nfd },
    "NFKC": { _, _ in UnicodeForms.Form.nfkc }, "NFKD": { _, _ in UnicodeForms.Form.nfkd },
    "Lowercase": { _, _ in LowercaseNormalizer() },
    "StripAccents": { _, _ in StripAccents() },
    "Strip": { try StripNormalizer(left: $1.bool("strip_left", default: true), right: $1.bool("strip_right", default: true)) },
    "Nmt": { _, _ in NmtNormalizer() },
    "ByteLevel": { _, _ in ByteLevelNormalizer() },
    "Prepend": { try Prepend(text: Array($1.required($1.string("prepend"), "prepend").utf8)) },
    "Replace": { try Replace(pattern: pattern($1), content: Array($1.required($1.string("content"), "content").utf8)) },
    "Precompiled": { _, part in
      let text = try part.required(part.string("precompiled_charsmap"), "precompiled_charsmap")
      guard let bytes = Base64.decode(text), let map = CharacterMap(bytes) else {
        throw part.failure("'precompiled_charsmap' is no map of characters")
      }
      return map
    },
  ]

  /// `{"String": "…"}` or `{"Regex": "…"}`.
  private static func pattern(_ part: JSONPart) throws(Failure) -> any Pattern {
    let choice = try part.required(part.part("pattern"), "pattern")
    if let text = try choice.string("String") { return LiteralPattern(text: Array(text.utf8)) }
    guard let expression = try choice.string("Regex") else { throw part.failure("'pattern' must be a String or a Regex") }
    if let known = KnownSplit(expression) { return known }
    do {
      return try RegexPattern(expression)
    } catch {
      throw part.failure("the pattern '\(expression.prefix(80))' cannot be read: \(error.what) (character \(error.position))")
    }
  }

  // MARK: Pre-tokenizers

  func preTokenizer(_ part: JSONPart) throws(Failure) -> any PreTokenizer { try make(part, Self.preTokenizers) }

  private static let preTokenizers: Table<any PreTokenizer> = [
    "Sequence": {
      try PreTokenizerSequence(parts: $0.made($1.required($1.array("pretokenizers"), "pretokenizers"), $1, preTokenizers))
    },
    "BertPreTokenizer": { _, _ in BertPreTokenizer() },
    "Whitespace": { _, _ in WhitespacePreTokenizer() },
    "WhitespaceSplit": { _, _ in SplitPreTokenizer(pattern: CharacterPattern.space, behavior: .removed) },
    "Punctuation": { try SplitPreTokenizer(pattern: CharacterPattern.punctuation, behavior: behavior($1) ?? .isolated) },
    "Digits": {
      let isIndividual = try $1.bool("individual_digits", default: false)
      return SplitPreTokenizer(pattern: CharacterPattern.number, behavior: isIndividual ? .isolated : .contiguous)
    },
    "Split": {
      try SplitPreTokenizer(
        pattern: pattern($1), behavior: $1.required(behavior($1), "behavior"), isInverted: $1.bool("invert", default: false))
    },
    "CharDelimiterSplit": {
      let text = try $1.required($1.string("delimiter"), "delimiter")
      return SplitPreTokenizer(pattern: LiteralPattern(text: Array(text.utf8)), behavior: .removed)
    },
    "FixedLength": { _, part in
      let length = try part.count("length") ?? 5
      guard length > 0 else { throw part.failure("'length' must be at least 1") }
      return FixedLength(length: length)
    },
    "Metaspace": { _, part in
      let replacement = try part.string("replacement") ?? "▁"
      guard replacement.unicodeScalars.count == 1 else { throw part.failure("'replacement' must be one character") }
      return try Metaspace(
        replacement: Array(replacement.utf8), prepending: prepending(part), splits: part.bool("split", default: true))
    },
    "ByteLevel": {
      try ByteLevel(addsPrefixSpace: $1.bool("add_prefix_space", default: true), usesPattern: $1.bool("use_regex", default: true))
    },
  ]

  private static func behavior(_ part: JSONPart) throws(Failure) -> SplitBehavior? {
    guard let name = try part.string("behavior") else { return nil }
    guard let behavior = SplitBehavior(rawValue: name) else { throw part.failure("the behavior '\(name.prefix(60))' is unknown") }
    return behavior
  }

  private static func prepending(_ part: JSONPart) throws(Failure) -> Metaspace.Prepending {
    let name = try part.string("prepend_scheme")
    guard let scheme = Metaspace.Prepending(rawValue: name ?? "always") else {
      throw part.failure("the prepend_scheme '\(name!.prefix(60))' is unknown")
    }
    return try part.bool("add_prefix_space", default: true) ? scheme : .never
  }

  // MARK: Post-processors

  func postProcessor(_ part: JSONPart) throws(Failure) -> any PostProcessor { try make(part, Self.postProcessors) }

  private static let postProcessors: Table<any PostProcessor> = [
    "Sequence": { assembly, part in
      let processors = try assembly.made(part.required(part.array("processors"), "processors"), part, postProcessors)
      guard processors.filter({ $0.added(isPair: true) > 0 }).count <= 1 else {
        throw part.failure("more than one of the processors puts special tokens in")
      }
      return PostProcessorSequence(processors: processors)
    },
    "BertProcessing": {
      try FrameProcessing(start: $0.special($1, "cls"), end: $0.special($1, "sep"), isRoberta: false)
    },
    "RobertaProcessing": {
      try FrameProcessing(
        start: $0.special($1, "cls"), end: $0.special($1, "sep"), isRoberta: true,
        trimsOffsets: $1.bool("trim_offsets", default: true), addsPrefixSpace: $1.bool("add_prefix_space", default: true))
    },
    "ByteLevel": {
      try ByteLevelProcessing(
        trimsOffsets: $1.bool("trim_offsets", default: true), addsPrefixSpace: $1.bool("add_prefix_space", default: true))
    },
    "TemplateProcessing": { assembly, part in
      let tokens = try assembly.templateTokens(part)
      return try TemplateProcessing(
        single: assembly.template(part, "single", tokens, most: 0), pair: assembly.template(part, "pair", tokens, most: 1))
    },
  ]

  private func special(_ text: String, _ id: Int) -> SpecialToken {
    SpecialToken(id: id, text: text, showsText: tokenId(text) != id)
  }

  /// `["[CLS]", 101]`.
  private func special(_ part: JSONPart, _ key: String) throws(Failure) -> SpecialToken {
    guard let pair = try part.array(key), pair.count == 2, case .string(let text) = pair[0], let id = Self.id(pair[1]) else {
      throw part.failure("'\(key)' must be a token and its number")
    }
    return special(text, id)
  }

  private static func id(_ value: JSONValue) -> Int? {
    guard case .number(let number) = value, number >= 0, number <= Double(Int32.max), number == number.rounded() else {
      return nil
    }
    return Int(number)
  }

  private static let mostSpecialTokens = 1 << 12

  private func templateTokens(_ part: JSONPart) throws(Failure) -> [String: [SpecialToken]] {
    var result: [String: [SpecialToken]] = [:]
    guard let all = try part.part("special_tokens") else { return result }
    for key in all.keys {
      let token = try all.required(all.part(key), key)
      let (ids, texts) = (try token.array("ids") ?? [], try token.array("tokens") ?? [])
      var tokens: [SpecialToken] = []
      for (id, text) in zip(ids, texts) {
        guard let id = Self.id(id), case .string(let text) = text else { throw token.failure("a token or its number is wrong") }
        tokens.append(special(text, id))
      }
      guard ids.count == texts.count else { throw token.failure("there are \(ids.count) numbers of \(texts.count) tokens") }
      result[key] = tokens
    }
    return result
  }

  private func template(_ part: JSONPart, _ key: String, _ tokens: [String: [SpecialToken]], most: Int) throws(Failure)
    -> [TemplateProcessing.Part]
  {
    var result: [TemplateProcessing.Part] = []
    for item in try part.array(key) ?? [] {
      let item = try JSONPart(item, "\(part.name).\(key)")
      if let text = try item.part("Sequence") {
        let index = try text.string("id") == "B" ? 1 : 0
        guard index <= most else { throw item.failure("there is no second text") }
        result.append(.text(index, typeId: try text.count("type_id") ?? 0))
      } else if let special = try item.part("SpecialToken") {
        let id = try special.required(special.string("id"), "id")
        guard let found = tokens[id] else {
          throw item.failure("the special token '\(id.prefix(60))' is not among 'special_tokens'")
        }
        result.append(.special(found, typeId: try special.count("type_id") ?? 0))
      } else {
        throw item.failure("a part must be a Sequence or a SpecialToken")
      }
    }
    let count = result.reduce(0) { if case .special(let tokens, _) = $1 { $0 + tokens.count } else { $0 } }
    guard count <= Self.mostSpecialTokens else { throw part.failure("'\(key)' puts in \(count) special tokens") }
    return result
  }

  // MARK: Decoders

  func decoder(_ part: JSONPart) throws(Failure) -> any TokenDecoder { try make(part, Self.decoders) }

  private static let decoders: Table<any TokenDecoder> = [
    "Sequence": { try DecoderSequence(parts: $0.made($1.required($1.array("decoders"), "decoders"), $1, decoders)) },
    "ByteLevel": { _, _ in ByteLevelDecoder() },
    "WordPiece": { try WordPieceDecoder(prefix: $1.string("prefix") ?? "##", cleansUp: $1.bool("cleanup", default: true)) },
    "Metaspace": { _, part in
      let replacement = try part.string("replacement") ?? "▁"
      guard let scalar = replacement.unicodeScalars.first else { throw part.failure("'replacement' must be one character") }
      return try MetaspaceDecoder(replacement: scalar, dropsFirst: prepending(part) != .never)
    },
    "ByteFallback": { _, _ in ByteFallbackDecoder() },
    "Fuse": { _, _ in FuseDecoder() },
    "Strip": { _, part in
      guard let scalar = try part.required(part.string("content"), "content").unicodeScalars.first else {
        throw part.failure("'content' must be one character")
      }
      return try StripDecoder(content: scalar, start: part.count("start") ?? 0, stop: part.count("stop") ?? 0)
    },
    "Replace": { try ReplaceDecoder(pattern: pattern($1), content: Array($1.required($1.string("content"), "content").utf8)) },
    "BPEDecoder": { try BPEDecoder(suffix: $1.string("suffix") ?? "</w>") },
    "CTC": {
      try CTCDecoder(
        padToken: $1.string("pad_token") ?? "<pad>", delimiter: $1.string("word_delimiter_token") ?? "|",
        cleansUp: $1.bool("cleanup", default: true))
    },
  ]
}
