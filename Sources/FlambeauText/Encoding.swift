/// A text as tokens.
public struct Encoding: Sendable {
  /// The tokens' numbers.
  public private(set) var ids: [Int] = []
  /// For each token, the sequence it belongs to as models are told: 0 for the first text, 1 for the second of a pair.
  public private(set) var typeIds: [Int] = []
  /// For each token, the characters (Unicode scalars, as Python counts them) of the text that it stands for; 0..<0 for special tokens.
  public private(set) var offsets: [Range<Int>] = []
  /// 1 for tokens, 0 for padding.
  public private(set) var attentionMask: [Int] = []
  /// 1 for tokens that were put in, padding among them, 0 for those of the text.
  public private(set) var specialTokensMask: [Int] = []
  /// The rest of a text that was cut, in pieces of the same length that overlap by the truncation's stride.
  public internal(set) var overflowing: [Encoding] = []

  private let names: TokenNames
  /// Tokens that show another text than their own, by position.
  private var texts: [Int: String] = [:]

  /// The tokens' texts as the vocabulary has them; an unknown one of a Unigram model and an added one show the text they stand for.
  public var tokens: [String] {
    ids.enumerated().map { texts[$0] ?? names.token(of: $1) ?? "" }
  }

  /// How many tokens there are.
  public var count: Int { ids.count }

  init(names: TokenNames, capacity: Int = 0) {
    self.names = names
    ids.reserveCapacity(capacity)
    offsets.reserveCapacity(capacity)
  }

  @inline(__always)
  mutating func append(_ id: Int, _ offsets: Range<Int>) {
    ids.append(id)
    self.offsets.append(offsets)
  }

  mutating func showText(_ text: String) { texts[ids.count - 1] = text }

  /// Sets the masks and type of tokens that were appended one by one.
  mutating func finish(typeId: Int) {
    typeIds = [Int](repeating: typeId, count: ids.count)
    attentionMask = [Int](repeating: 1, count: ids.count)
    specialTokensMask = [Int](repeating: 0, count: ids.count)
  }

  mutating func setTypes(_ typeId: Int) {
    for index in typeIds.indices { typeIds[index] = typeId }
    for index in overflowing.indices { overflowing[index].setTypes(typeId) }
  }

  /// Appends tokens that are none of the text's.
  mutating func append(special: [SpecialToken], typeId: Int) {
    for token in special {
      append(token.id, 0..<0)
      if token.showsText { showText(token.text) }
      typeIds.append(typeId)
      attentionMask.append(1)
      specialTokensMask.append(1)
    }
  }

  /// Appends the tokens of `other`. Pieces that overflow on either side are joined each with each.
  mutating func append(_ other: Encoding) {
    var overflow: [Encoding] = []
    for part in overflowing {
      for end in [other.alone] + other.overflowing {
        var joined = part
        joined.append(end)
        overflow.append(joined)
      }
    }
    for end in other.overflowing {
      var joined = alone
      joined.append(end)
      overflow.append(joined)
    }
    let before = ids.count
    ids += other.ids
    typeIds += other.typeIds
    offsets += other.offsets
    attentionMask += other.attentionMask
    specialTokensMask += other.specialTokensMask
    for (index, text) in other.texts { texts[before + index] = text }
    overflowing = overflow
  }

  /// Without what overflows.
  private var alone: Encoding {
    var copy = self
    copy.overflowing = []
    return copy
  }

  /// The tokens of `range`.
  func slice(_ range: Range<Int>) -> Encoding {
    var part = Encoding(names: names)
    part.ids = Array(ids[range])
    part.typeIds = Array(typeIds[range])
    part.offsets = Array(offsets[range])
    part.attentionMask = Array(attentionMask[range])
    part.specialTokensMask = Array(specialTokensMask[range])
    for (index, text) in texts where range.contains(index) { part.texts[index - range.lowerBound] = text }
    return part
  }

  /// Puts padding at an end, up to `count` tokens.
  mutating func pad(to count: Int, with padding: Padding) {
    for index in overflowing.indices { overflowing[index].pad(to: count, with: padding) }
    let missing = count - ids.count
    guard missing > 0 else { return }
    var filler = Encoding(names: names)
    filler.append(
      special: [SpecialToken](
        repeating: SpecialToken(id: padding.id, text: padding.token, showsText: names.token(of: padding.id) != padding.token),
        count: missing), typeId: padding.typeId)
    filler.attentionMask = [Int](repeating: 0, count: missing)
    var part = alone
    if padding.side == .left {
      filler.append(part)
      part = filler
    } else {
      part.append(filler)
    }
    part.overflowing = overflowing
    self = part
  }

  /// Takes white space off the ends of the tokens' offsets, as byte-level tokenizers do; a first space that was put in stays.
  mutating func trimOffsets(addsPrefixSpace: Bool) {
    for index in overflowing.indices { overflowing[index].trimOffsets(addsPrefixSpace: addsPrefixSpace) }
    for index in ids.indices {
      var (leading, trailing) = texts[index].map(Self.spaces) ?? names.spaces(of: ids[index])
      guard leading > 0 || trailing > 0 else { continue }
      var (start, end) = (offsets[index].lowerBound, offsets[index].upperBound)
      if addsPrefixSpace, leading == 1, index == 0 || start == 0 { leading = 0 }
      start = min(start + leading, end)
      if trailing > 0, end >= trailing { end = max(end - trailing, start) }
      trailing = 0
      offsets[index] = start..<end
    }
  }

  /// How many of a token's first and last characters are spaces, or stand for one.
  static func spaces(_ token: String) -> (leading: Int, trailing: Int) {
    let isSpace = { (scalar: Unicode.Scalar) in scalar == "Ġ" || scalar.properties.isWhitespace }
    let scalars = token.unicodeScalars
    return (scalars.prefix(while: isSpace).count, scalars.reversed().prefix(while: isSpace).count)
  }
}

/// A token that is put in, such as `[SEP]`.
struct SpecialToken: Sendable, Equatable {
  let id: Int
  let text: String
  /// Whether its text is not the one the vocabulary has for the number.
  var showsText = false
}

/// The texts of all tokens, shared by a tokenizer and its encodings.
final class TokenNames: Sendable {
  let vocabulary: Vocabulary
  let added: AddedTokens
  /// By number, how many spaces a token begins and ends with, 15 at most; made when first asked for.
  private let spaceCounts: [UInt8]

  init(_ vocabulary: Vocabulary, _ added: AddedTokens, countsSpaces: Bool) {
    self.vocabulary = vocabulary
    self.added = added
    var counts: [UInt8] = []
    if countsSpaces {
      counts = [UInt8](repeating: 0, count: vocabulary.largest + 1)
      for entry in vocabulary.table.entries {
        let text = vocabulary.table.text(of: entry)
        guard let first = text.first, let last = text.last else { continue }
        // Spaces are one of a few lead bytes: most tokens need no closer look.
        guard first < 0x21 || first >= 0xC2 || last < 0x21 || last >= 0x80 else { continue }
        let (leading, trailing) = Encoding.spaces(String(decoding: text, as: UTF8.self))
        counts[Int(entry.value)] = UInt8(min(leading, 15)) << 4 | UInt8(min(trailing, 15))
      }
    }
    spaceCounts = counts
  }

  /// The token's text; an added token's in its normalized form.
  func token(of id: Int) -> String? {
    if let token = added.tokens[id] { return added.normalizedContents[id] ?? token.content }
    return vocabulary.token(of: id)
  }

  /// Like `Encoding.spaces`.
  func spaces(of id: Int) -> (leading: Int, trailing: Int) {
    guard spaceCounts.indices.contains(id) else { return token(of: id).map(Encoding.spaces) ?? (0, 0) }
    let counts = (leading: Int(spaceCounts[id] >> 4), trailing: Int(spaceCounts[id] & 15))
    return counts.leading < 15 && counts.trailing < 15 ? counts : token(of: id).map(Encoding.spaces) ?? (0, 0)
  }
}
