/// SentencePiece's unigram model: the cut of a word into tokens whose scores add up to the most (Viterbi).
struct Unigram: TokenModel {
  struct Path {
    var id: Int32
    /// Where the best token that ends here begins; −1 if none does.
    var start: Int32
    var score: Double
  }

  let vocabulary: Vocabulary
  private let scores: [Double]
  private let trie: ByteTrie
  private let unknown: Int32?
  private let unknownScore: Double
  private let byteTokens: [Int32]?

  /// How much worse than the worst token an unknown character is.
  private static let penalty = 10.0

  init(_ vocabulary: Vocabulary, scores: [Double], unknown: Int?, byteFallback: Bool) {
    self.vocabulary = vocabulary
    self.scores = scores
    self.unknown = unknown.map(Int32.init)
    unknownScore = (scores.min() ?? 0) - Self.penalty
    byteTokens = byteFallback ? vocabulary.byteTokens() : nil
    var trie = ByteTrie(capacity: 4 * vocabulary.count)
    for entry in vocabulary.table.entries { trie.insert(vocabulary.table.text(of: entry), entry.value) }
    self.trie = trie
  }

  /// An unknown token shows what it stands for.
  func showsText(_ id: Int32) -> Bool { id == unknown }

  func tokenize(_ word: Bytes, with scratch: Scratch, into tokens: inout [WordToken]) throws(TokenizerError) {
    scratch.paths.removeAll(keepingCapacity: true)
    scratch.paths.append(contentsOf: repeatElement(Path(id: 0, start: -1, score: 0), count: word.count + 1))
    let isKnown = scratch.paths.withUnsafeMutableBufferPointer { fill($0, word) }
    guard isKnown else {
      throw TokenizerError("the text has a character without a token, and the model no token for unknown ones")
    }
    let before = tokens.count
    var end = word.count
    while end > 0 {
      let path = scratch.paths[end]
      var start = Int(path.start)
      // Unknown characters next to each other are one token.
      if path.id == unknown { while start > 0, scratch.paths[start].id == unknown { start = Int(scratch.paths[start].start) } }
      append(path.id, word, start..<end, &tokens)
      end = start
    }
    tokens[before...].reverse()
  }

  private func append(_ id: Int32, _ word: Bytes, _ range: Range<Int>, _ tokens: inout [WordToken]) {
    var id = id
    if id == unknown {
      // Several unknown characters may be a token together.
      if let found = vocabulary.id(word.slice(range)) {
        id = Int32(found)
      } else if let byteTokens, word[range].allSatisfy({ byteTokens[Int($0)] >= 0 }) {
        for byte in word[range].reversed() {
          tokens.append(WordToken(id: byteTokens[Int(byte)], start: Int32(range.lowerBound), end: Int32(range.upperBound)))
        }
        return
      }
    }
    tokens.append(WordToken(id: id, start: Int32(range.lowerBound), end: Int32(range.upperBound)))
  }

  /// false if a character has no token.
  private func fill(_ paths: UnsafeMutableBufferPointer<Path>, _ word: Bytes) -> Bool {
    var start = 0
    while start < word.count {
      let score = paths[start].score
      let length = Bytes.length(word[start])
      var hasCharacter = false
      func offer(_ id: Int32, _ end: Int, _ score: Double) {
        if paths[end].start < 0 || score > paths[end].score { paths[end] = Path(id: id, start: Int32(start), score: score) }
      }
      trie.forEachPrefix(of: word, from: start) { id, end in
        offer(id, end, scores[Int(id)] + score)
        if end - start == length { hasCharacter = true }
      }
      if !hasCharacter {
        guard let unknown else { return false }
        offer(unknown, start + length, unknownScore + score)
      }
      start += length
    }
    return true
  }
}
