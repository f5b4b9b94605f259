import FlambeauFormats

extension Tokenizer {
  /// The tokenizer of a file: Hugging Face's `tokenizer.json`, or BERT's `vocab.txt`, which is taken as that of an uncased model
  /// if it has no tokens with capital letters but for the special ones.
  ///
  /// - Throws: `FormatError` for a file that cannot be read or is no tokenizer.
  public init(contentsOf path: String) throws(FormatError) {
    let bytes = try MappedFile.bytes(of: path)
    self = try bytes.withUnsafeBytes { (text) throws(FormatError) in
      let first = text.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
      if first == UInt8(ascii: "{") { return try Tokenizer(json: text, file: path) }
      return try Tokenizer(vocabulary: text, file: path, lowercase: nil)
    }
  }

  /// BERT's tokenizer from its `vocab.txt`.
  ///
  /// - Parameter lowercase: whether text is made lower case and loses its accents.
  /// - Throws: `FormatError` for a file that cannot be read or lacks `[UNK]`, `[CLS]` or `[SEP]`.
  public init(vocabulary path: String, lowercase: Bool) throws(FormatError) {
    let bytes = try MappedFile.bytes(of: path)
    self = try bytes.withUnsafeBytes { (text) throws(FormatError) in
      try Tokenizer(vocabulary: text, file: path, lowercase: lowercase)
    }
  }

  /// The tokenizer that a `tokenizer.json` describes, from its text; `file` names it in errors.
  public init(json text: [UInt8], file: String) throws(FormatError) {
    self = try text.withUnsafeBufferPointer { (text) throws(FormatError) in
      try Tokenizer(json: UnsafeRawBufferPointer(text), file: file)
    }
  }

  /// Writes the tokenizer's `tokenizer.json`, the one it was read from.
  ///
  /// - Throws: `FormatError` where the file cannot be written, or where the tokenizer comes from a `vocab.txt`.
  public func save(to path: String) throws(FormatError) {
    guard let definition = pipeline.definition else {
      throw FormatError(
        file: path, what: "only a tokenizer that comes from a tokenizer.json, or was trained, can be saved as one")
    }
    try AtomicFile.write(path) { (file) throws(FormatError) in try file.write(definition) }
  }

  init(json text: UnsafeRawBufferPointer, file name: String) throws(FormatError) {
    let file: TokenizerFile
    do throws(JSONReader.Failure) {
      file = try TokenizerFile(text)
    } catch {
      throw FormatError(file: name, what: error.what, where: "byte \(error.position)")
    }
    do throws(JSONPart.Failure) {
      self = try Tokenizer(file, definition: Array(text))
    } catch {
      throw FormatError(file: name, what: error.what, where: error.part)
    }
  }

  private init(_ file: TokenizerFile, definition: [UInt8]) throws(JSONPart.Failure) {
    let top = try JSONPart(.object(file.top), "tokenizer")
    if let version = try top.string("version"), version != "1.0" {
      throw top.failure("the version '\(version.prefix(60))' is unknown")
    }
    guard !file.model.isEmpty || !file.tokens.entries.isEmpty else { throw top.failure("'model' is missing") }
    let vocabulary = try Self.checked("model") { () throws(TokenizerError) in try Vocabulary(file.tokens) }
    var assembly = Assembly(file: file, vocabulary: vocabulary) { vocabulary.id($0) }
    let normalizer = try top.part("normalizer").map { (part) throws(JSONPart.Failure) in try assembly.normalizer(part) }
    var listed: [AddedToken] = []
    for (index, item) in try (top.array("added_tokens") ?? []).enumerated() {
      listed.append(try AddedToken(JSONPart(item, "added_tokens[\(index)]")))
    }
    let added = try Self.checked("added_tokens") { () throws(TokenizerError) in
      try AddedTokens(listed, vocabulary: vocabulary, normalizer: normalizer)
    }
    assembly = Assembly(file: file, vocabulary: vocabulary) { added.ids[$0] ?? vocabulary.id($0) }
    let finished = assembly
    let pipeline = Pipeline(
      normalizer: normalizer,
      preTokenizer: try top.part("pre_tokenizer").map { (part) throws(JSONPart.Failure) in try finished.preTokenizer(part) },
      model: try Assembly.model(file, vocabulary),
      postProcessor: try top.part("post_processor").map { (part) throws(JSONPart.Failure) in try finished.postProcessor(part) },
      decoder: try top.part("decoder").map { (part) throws(JSONPart.Failure) in try finished.decoder(part) },
      added: added, definition: definition)
    self.init(
      pipeline, truncation: try top.part("truncation").map { (part) throws(JSONPart.Failure) in try Truncation(part) },
      padding: try top.part("padding").map { (part) throws(JSONPart.Failure) in try Padding(part) })
  }

  private static func checked<T>(_ part: String, _ body: () throws(TokenizerError) -> T) throws(JSONPart.Failure) -> T {
    do throws(TokenizerError) { return try body() } catch { throw JSONPart.Failure(part: part, what: error.description) }
  }

  private init(vocabulary text: UnsafeRawBufferPointer, file name: String, lowercase: Bool?) throws(FormatError) {
    guard String(validating: text, as: UTF8.self) != nil else {
      throw FormatError(file: name, what: "is neither a tokenizer.json nor a vocab.txt: it is not UTF-8")
    }
    guard text.count < 1 << 24 else { throw FormatError(file: name, what: "is too large for a vocab.txt") }
    var table = ByteTable(capacity: 1 << 15)
    var hasCapitals = false
    var lines = text.split(separator: 0x0A, omittingEmptySubsequences: false)
    if lines.last?.isEmpty ?? false { lines.removeLast() }
    for (number, line) in lines.enumerated() {
      var token = Array(line)
      while let last = token.last, last == 0x0D || last == 0x20 || last == 0x09 { token.removeLast() }
      table.set(token, number)
      if token.first != UInt8(ascii: "["), token.contains(where: { $0 &- 0x41 < 26 }) { hasCapitals = true }
    }
    do throws(JSONPart.Failure) {
      let vocabulary = try Self.checked("vocabulary") { () throws(TokenizerError) in try Vocabulary(table) }
      func special(_ token: String) throws(JSONPart.Failure) -> SpecialToken {
        guard let id = vocabulary.id(token) else {
          throw JSONPart.Failure(part: "vocabulary", what: "the token \(token) is missing")
        }
        return SpecialToken(id: id, text: token)
      }
      let unknown = try special("[UNK]")
      let marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].filter { vocabulary.id($0) != nil }
      let normalizer = BertNormalizer(lowercase: lowercase ?? !hasCapitals)
      let added = try Self.checked("vocabulary") { () throws(TokenizerError) in
        try AddedTokens(marks.map { AddedToken($0, isSpecial: true) }, vocabulary: vocabulary, normalizer: normalizer)
      }
      self.init(
        Pipeline(
          normalizer: normalizer, preTokenizer: BertPreTokenizer(), model: WordPiece(vocabulary, unknown: unknown.id),
          postProcessor: try FrameProcessing(start: special("[CLS]"), end: special("[SEP]"), isRoberta: false),
          decoder: WordPieceDecoder(prefix: "##", cleansUp: true), added: added))
    } catch {
      throw FormatError(file: name, what: error.what, where: error.part)
    }
  }
}

extension AddedToken {
  fileprivate init(_ part: JSONPart) throws(JSONPart.Failure) {
    self.init(try part.required(part.string("content"), "content"))
    isSpecial = try part.bool("special", default: false)
    isSingleWord = try part.bool("single_word", default: false)
    stripsLeft = try part.bool("lstrip", default: false)
    stripsRight = try part.bool("rstrip", default: false)
    isNormalized = try part.bool("normalized", default: true)
  }
}

extension Truncation {
  fileprivate init(_ part: JSONPart) throws(JSONPart.Failure) {
    let strategy = try part.string("strategy") ?? "LongestFirst"
    let side = try part.string("direction") ?? "Right"
    guard let strategy = Strategy(rawValue: strategy), let side = Side(rawValue: side) else {
      throw part.failure("the strategy or the direction is unknown")
    }
    self.init(
      maxLength: try part.required(part.count("max_length"), "max_length"), stride: try part.count("stride") ?? 0,
      strategy: strategy,
      side: side)
  }
}

extension Padding {
  /// The longest padding that a file may ask for.
  private static let longest = 1 << 20

  fileprivate init(_ part: JSONPart) throws(JSONPart.Failure) {
    guard let side = Side(rawValue: try part.string("direction") ?? "Right") else {
      throw part.failure("the direction is unknown")
    }
    var length: Int?
    if case .object? = part["strategy"] { length = try part.part("strategy")?.count("Fixed") }
    let multiple = try part.count("pad_to_multiple_of")
    guard length ?? 0 <= Self.longest, multiple ?? 0 <= Self.longest else { throw part.failure("the padding is too long") }
    self.init(
      id: try part.count("pad_id") ?? 0, token: try part.string("pad_token") ?? "[PAD]",
      typeId: try part.count("pad_type_id") ?? 0,
      length: length, multiple: multiple, side: side)
  }
}
