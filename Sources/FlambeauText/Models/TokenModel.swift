/// Makes tokens of words.
protocol TokenModel: Sendable {
  var vocabulary: Vocabulary { get }

  /// Appends the tokens of `word`, which is not empty.
  func tokenize(_ word: Bytes, with scratch: Scratch, into tokens: inout [WordToken]) throws(TokenizerError)

  /// Whether words are worth remembering.
  var remembersWords: Bool { get }

  /// Whether a token of this number shows what it stands for in the text, rather than its own text.
  func showsText(_ id: Int32) -> Bool
}

extension TokenModel {
  var remembersWords: Bool { true }
  func showsText(_ id: Int32) -> Bool { false }
}

/// A token of a word, and the bytes of the word that it stands for.
struct WordToken {
  let id: Int32
  let start: Int32
  let end: Int32
}

/// What one thread needs while it makes tokens; it keeps the words it has seen.
final class Scratch {
  var words = WordCache()
  var tokens: [WordToken] = []
  var symbols: [BPE.Symbol] = []
  var heap: [UInt64] = []
  var paths: [Unigram.Path] = []
}

/// The tokens of words that were seen before.
struct WordCache {
  /// A longer word hardly comes twice.
  static let longestWord = 255
  private static let mostWords = 1 << 15

  private struct Slot {
    var hash: UInt64 = 0
    var word: UInt32 = 0
    var tokens: UInt32 = 0
    var count: UInt32 = 0
    var length: UInt32 = 0
  }

  private var slots = [Slot](repeating: Slot(), count: 1 << 12)
  private var used = 0
  private var arena: [UInt8] = []
  private var tokens: [WordToken] = []

  /// Calls `body` with the word's tokens; false if it is not there.
  @inline(__always)
  func find(_ word: Bytes, _ hash: UInt64, _ body: (UnsafeBufferPointer<WordToken>) -> Void) -> Bool {
    slots.withUnsafeBufferPointer { slots in
      let mask = slots.count - 1
      var place = Int(truncatingIfNeeded: hash) & mask
      while slots[place].length != 0 {
        let slot = slots[place]
        if slot.hash == hash, Int(slot.length) == word.count, isWord(slot, word) {
          tokens.withUnsafeBufferPointer {
            body(UnsafeBufferPointer(rebasing: $0[Int(slot.tokens)..<Int(slot.tokens + slot.count)]))
          }
          return true
        }
        place = (place + 1) & mask
      }
      return false
    }
  }

  @inline(__always)
  private func isWord(_ slot: Slot, _ word: Bytes) -> Bool {
    arena.withUnsafeBufferPointer { arena in
      let start = Int(slot.word)
      for index in 0..<word.count where arena[start + index] != word[index] { return false }
      return true
    }
  }

  mutating func insert(_ word: Bytes, _ hash: UInt64, _ made: ArraySlice<WordToken>) {
    if used >= Self.mostWords {
      self = WordCache()
    }
    if 2 * used >= slots.count { grow() }
    let slot = Slot(
      hash: hash, word: UInt32(arena.count), tokens: UInt32(tokens.count), count: UInt32(made.count), length: UInt32(word.count))
    arena.append(contentsOf: word)
    tokens += made
    place(slot)
    used += 1
  }

  private mutating func place(_ slot: Slot) {
    let mask = slots.count - 1
    var place = Int(truncatingIfNeeded: slot.hash) & mask
    while slots[place].length != 0 { place = (place + 1) & mask }
    slots[place] = slot
  }

  private mutating func grow() {
    let old = slots
    slots = [Slot](repeating: Slot(), count: 2 * old.count)
    for slot in old where slot.length != 0 { place(slot) }
  }
}
