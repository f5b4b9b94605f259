/// A token beside the model's: a text that is a token wherever it stands, whatever the model would make of it.
public struct AddedToken: Sendable, Equatable {
  /// The text it stands for.
  public var content: String
  /// Whether it is a mark, such as `[CLS]` or `<|endoftext|>`, that decoding can leave out.
  public var isSpecial: Bool
  /// Whether it is only found between characters that are no part of a word.
  public var isSingleWord = false
  /// Whether it takes the white space before it.
  public var stripsLeft = false
  /// Whether it takes the white space after it.
  public var stripsRight = false
  /// Whether it is looked for in normalized text.
  public var isNormalized: Bool

  /// A token that is never split; by default it is looked for in normalised text unless it is special.
  public init(_ content: String, isSpecial: Bool = false, isNormalized: Bool? = nil) {
    self.content = content
    self.isSpecial = isSpecial
    self.isNormalized = isNormalized ?? !isSpecial
  }
}

/// The added tokens with their numbers, and how they are found.
struct AddedTokens: Sendable {
  private(set) var tokens: [Int: AddedToken] = [:]
  /// The text of tokens that are looked for in normalized text, where normalizing changes it.
  private(set) var normalizedContents: [Int: String] = [:]
  private(set) var ids: [String: Int] = [:]
  private var specials: Set<String> = []
  private var inSource = Finder()
  private var inNormalized = Finder()

  init() {}

  /// The model's numbers hold; other tokens get the numbers after the largest.
  init(_ added: [AddedToken], vocabulary: Vocabulary, normalizer: (any Normalizer)?) throws(TokenizerError) {
    var next = vocabulary.count
    for token in added where !token.content.isEmpty {
      let id: Int
      if let known = ids[token.content] ?? vocabulary.id(token.content) {
        id = known
      } else {
        id = next
        next += 1
      }
      ids[token.content] = id
      tokens[id] = token
      if token.isSpecial { specials.insert(token.content) }
    }
    for (id, token) in tokens {
      var content = token.content
      if token.isNormalized, let normalizer {
        var text = Fragment(bytes: Array(content.utf8), starts: [], ends: [], base: 0)
        try normalizer.normalize(&text)
        content = String(decoding: text.bytes, as: UTF8.self)
        if content != token.content { normalizedContents[id] = content }
      }
      if content.isEmpty { continue }
      if token.isNormalized { inNormalized.insert(content, id) } else { inSource.insert(content, id) }
    }
  }

  func isSpecial(_ content: String) -> Bool { specials.contains(content) }

  /// The largest number of a token; −1 for none.
  var largest: Int { tokens.keys.max() ?? -1 }

  /// Makes pieces of the tokens that are found in the text as it came.
  func findInSource(_ text: inout WorkingText) { find(inSource, &text) }
  /// Makes pieces of the tokens that are found in normalized text.
  func findInNormalized(_ text: inout WorkingText) { find(inNormalized, &text) }

  private func find(_ finder: Finder, _ text: inout WorkingText) {
    guard !finder.isEmpty else { return }
    guard
      text.bytes.withUnsafeBufferPointer({ bytes in text.pieces.contains { $0.token < 0 && finder.mayMatch(bytes, $0.range) } })
    else { return }
    text.split { bytes, piece, made in
      let (start, end) = (piece.range.lowerBound, piece.range.upperBound)
      var (done, index) = (start, start)
      while index < end {
        guard finder.begins(bytes[index]), let found = finder.longest(bytes, index, end) else {
          index += 1
          continue
        }
        var (from, to) = (index, found.end)
        index = found.end
        let token = tokens[found.id]!
        if token.isSingleWord, Self.isWord(bytes, before: from, start) || Self.isWord(bytes, at: to, end) { continue }
        if token.stripsLeft {
          while from > done {
            let last = bytes.start(before: from)
            guard CharacterClasses.isSpace(bytes.character(at: last).code) else { break }
            from = last
          }
        }
        if token.stripsRight {
          while to < end {
            let (code, length) = bytes.character(at: to)
            guard CharacterClasses.isSpace(code) else { break }
            to += length
          }
        }
        from = max(from, done)
        to = max(to, from)
        made.append(done, from)
        made.append(from..<to, token: Int32(found.id))
        done = to
        index = max(index, to)
      }
      if done == start {
        made.pieces.append(piece)
      } else {
        made.append(done, end)
      }
    }
  }

  private static func isWord(_ bytes: Bytes, before index: Int, _ start: Int) -> Bool {
    index > start && CharacterClasses.isWord(bytes.character(at: bytes.start(before: index)).code)
  }

  private static func isWord(_ bytes: Bytes, at index: Int, _ end: Int) -> Bool {
    index < end && CharacterClasses.isWord(bytes.character(at: index).code)
  }
}

/// Finds the longest of many texts.
private struct Finder: Sendable {
  private var trie = ByteTrie(capacity: 64)
  private var isFirst = [Bool](repeating: false, count: 256)

  var isEmpty: Bool { trie.isEmpty }

  mutating func insert(_ text: String, _ id: Int) {
    trie.insert(Array(text.utf8), Int32(id))
    if let first = text.utf8.first { isFirst[Int(first)] = true }
  }

  @inline(__always)
  func begins(_ byte: UInt8) -> Bool { isFirst.withUnsafeBufferPointer { $0[Int(byte)] } }

  /// Whether a text may begin somewhere in the range.
  func mayMatch(_ bytes: Bytes, _ range: Range<Int>) -> Bool {
    isFirst.withUnsafeBufferPointer { isFirst in
      for index in range where isFirst[Int(bytes[index])] { return true }
      return false
    }
  }

  func longest(_ bytes: Bytes, _ start: Int, _ end: Int) -> (id: Int, end: Int)? {
    trie.longestPrefix(of: bytes.slice(0..<end), from: start).map { (Int($0.value), $0.end) }
  }
}
