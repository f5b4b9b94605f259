import Flambeau

/// What a tokenizer does with a text, from the normalizer to the decoder.
final class Pipeline: Sendable {
  let normalizer: (any Normalizer)?
  let preTokenizer: (any PreTokenizer)?
  let model: any TokenModel
  let postProcessor: (any PostProcessor)?
  let decoder: (any TokenDecoder)?
  let names: TokenNames
  /// The file's own text, to be saved again; nil if it was none.
  let definition: [UInt8]?

  private let lock = Lock()
  /// Guarded by the lock; each is one thread's while it is lent.
  nonisolated(unsafe) private var idle: [Scratch] = []

  init(
    normalizer: (any Normalizer)?, preTokenizer: (any PreTokenizer)?, model: any TokenModel, postProcessor: (any PostProcessor)?,
    decoder: (any TokenDecoder)?, added: AddedTokens, definition: [UInt8]? = nil
  ) {
    self.normalizer = normalizer
    (self.preTokenizer, self.model) = Self.fused(preTokenizer, model)
    self.postProcessor = postProcessor
    self.decoder = decoder
    self.definition = definition
    names = TokenNames(model.vocabulary, added, countsSpaces: postProcessor?.trimsOffsets ?? false)
  }

  /// Where a byte-level splitter comes last before a BPE model, the model reads the text's bytes, and none is rewritten.
  private static func fused(_ splitter: (any PreTokenizer)?, _ model: any TokenModel) -> ((any PreTokenizer)?, any TokenModel) {
    var parts = (splitter as? PreTokenizerSequence)?.parts ?? [splitter].compactMap { $0 }
    guard var last = parts.last as? ByteLevel, !parts.dropLast().contains(where: { $0 is ByteLevel }),
      let reading = (model as? BPE)?.readingBytes()
    else { return (splitter, model) }
    last.keepsBytes = true
    parts[parts.count - 1] = last
    return (parts.count == 1 ? last : PreTokenizerSequence(parts: parts), reading)
  }

  private func borrow() -> Scratch { lock.withLock { idle.popLast() } ?? Scratch() }
  private func giveBack(_ scratch: Scratch) { lock.withLock { idle.append(scratch) } }

  func tokens(of text: String, typeId: Int) throws(TokenizerError) -> Encoding {
    var text = text
    let scratch = borrow()
    defer { giveBack(scratch) }
    return try text.withBytes { (bytes) throws(TokenizerError) in
      guard bytes.count < Int(Int32.max) / 4 else { throw TokenizerError("the text is longer than 512 MiB") }
      return try encode(bytes, typeId, scratch)
    }
  }

  private func encode(_ source: Bytes, _ typeId: Int, _ scratch: Scratch) throws(TokenizerError) -> Encoding {
    var text = WorkingText(source)
    names.added.findInSource(&text)
    if let normalizer {
      try text.rewrite { (fragment) throws(TokenizerError) in try normalizer.normalize(&fragment) }
    }
    names.added.findInNormalized(&text)
    try preTokenizer?.split(&text)
    var encoding = Encoding(names: names, capacity: text.pieces.count + text.pieces.count / 4 + 4)
    var places = Places(source)
    try text.bytes.withUnsafeBufferPointer { (bytes) throws(TokenizerError) in
      for piece in text.pieces {
        if piece.token >= 0 {
          encoding.append(Int(piece.token), places.characters(text.source(of: piece.range)))
          let shown = bytes.string(piece.range)
          if names.token(of: Int(piece.token)) != shown { encoding.showText(shown) }
          continue
        }
        let word = bytes.slice(piece.range)
        try tokenize(word, scratch) { tokens in
          for token in tokens {
            let start = piece.range.lowerBound + Int(token.start)
            let end = min(piece.range.lowerBound + Int(token.end), piece.range.upperBound)
            encoding.append(Int(token.id), start < end ? places.characters(text.source(of: start..<end)) : 0..<0)
            if model.showsText(token.id) { encoding.showText(bytes.string(start..<end)) }
          }
        }
      }
    }
    encoding.finish(typeId: typeId)
    return encoding
  }

  @inline(__always)
  private func tokenize(_ word: Bytes, _ scratch: Scratch, _ body: (UnsafeBufferPointer<WordToken>) -> Void)
    throws(TokenizerError)
  {
    let isShort = word.count <= WordCache.longestWord && model.remembersWords
    let hash = isShort ? ByteTable.hash(word) : 0
    if isShort, scratch.words.find(word, hash, body) { return }
    scratch.tokens.removeAll(keepingCapacity: true)
    try model.tokenize(word, with: scratch, into: &scratch.tokens)
    if isShort { scratch.words.insert(word, hash, scratch.tokens[...]) }
    scratch.tokens.withUnsafeBufferPointer(body)
  }

  func text(of ids: [Int], skipSpecialTokens: Bool) throws(TokenizerError) -> String {
    if decoder is ByteLevelDecoder { return String(decoding: bytes(of: ids, skipSpecialTokens), as: UTF8.self) }
    var tokens: [String] = []
    tokens.reserveCapacity(ids.count)
    for id in ids {
      guard let token = names.token(of: id), !skipSpecialTokens || !names.added.isSpecial(token) else { continue }
      tokens.append(token)
    }
    guard let decoder else { return tokens.joined(separator: " ") }
    return try decoder.decode(tokens).joined()
  }

  /// Whether decoding leaves a token out.
  func isSkipped(_ id: Int, _ skipSpecialTokens: Bool) -> Bool {
    guard let token = names.token(of: id) else { return true }
    return skipSpecialTokens && names.added.isSpecial(token)
  }

  /// The bytes that byte-level tokens stand for.
  private func bytes(of ids: [Int], _ skipSpecialTokens: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 * ids.count)
    for id in ids {
      if names.added.tokens[id] != nil {
        guard var token = names.token(of: id), !skipSpecialTokens || !names.added.isSpecial(token) else { continue }
        token.withUTF8 { ByteAlphabet.append($0[...], to: &bytes) }
      } else if let token = names.vocabulary.bytes(of: id) {
        token.withUnsafeBufferPointer { ByteAlphabet.append($0[...], to: &bytes) }
      }
    }
    return bytes
  }
}

/// Turns places among bytes into places among characters.
struct Places {
  private let source: Bytes
  private let isASCII: Bool
  /// The last place asked for, and the characters before it.
  private var byte = 0
  private var character = 0

  init(_ source: Bytes) {
    self.source = source
    isASCII = source.isASCII
  }

  @inline(__always)
  mutating func characters(_ range: Range<Int>) -> Range<Int> {
    if isASCII { return range }
    let start = character(at: range.lowerBound)
    return start..<max(start, character(at: range.upperBound))
  }

  /// Places are asked for nearly in order.
  private mutating func character(at index: Int) -> Int {
    while byte < index {
      if source[byte] & 0xC0 != 0x80 { character += 1 }
      byte += 1
    }
    while byte > index {
      byte -= 1
      if source[byte] & 0xC0 != 0x80 { character -= 1 }
    }
    return character
  }
}
