import FlambeauFormats

extension Tokenizer {
  /// Learns a byte-level BPE tokenizer from texts: GPT-2's words, all 256 bytes as the alphabet, and the most frequent pair of tokens
  /// made one until there are `vocabularySize` tokens. The same texts give the same tokenizer, that of `tokenizers`' `BpeTrainer`.
  ///
  /// - Parameters:
  ///   - texts: what to learn from; words do not go from one text to the next.
  ///   - vocabularySize: how many tokens to make, at least 256 and the special ones; fewer if no pair is left.
  ///   - specialTokens: tokens of their own, which get the first numbers.
  ///   - minFrequency: how often a pair must come.
  ///   - addsPrefixSpace: whether the first word of a text gets a space in front, as the others have.
  /// - Throws: `TokenizerError` for a vocabulary that is too small.
  public static func trainByteLevelBPE(
    on texts: some Sequence<String>, vocabularySize: Int, specialTokens: [String] = [], minFrequency: Int = 0,
    addsPrefixSpace: Bool = false
  ) throws(TokenizerError) -> Tokenizer {
    guard vocabularySize >= 256 + specialTokens.count else {
      throw TokenizerError(
        "a vocabulary of \(vocabularySize) tokens has no room for 256 bytes and \(specialTokens.count) special tokens")
    }
    var words = ByteTable(capacity: 1 << 12)
    let splitter = ByteLevel(addsPrefixSpace: addsPrefixSpace, usesPattern: true, keepsBytes: true)
    for var text in texts {
      try text.withBytes { (bytes) throws(TokenizerError) in
        var working = WorkingText(bytes)
        try splitter.split(&working)
        working.bytes.withUnsafeBufferPointer { bytes in
          for piece in working.pieces {
            let word = bytes.slice(piece.range)
            words.set(word, (words[word] ?? 0) + 1)
          }
        }
      }
    }
    var training = BPETraining(specialTokens: specialTokens, size: vocabularySize)
    for entry in words.entries { training.add(words.text(of: entry), count: Int(entry.value)) }
    training.run(minFrequency: minFrequency)
    let json = training.json(addsPrefixSpace: addsPrefixSpace)
    do throws(FormatError) {
      return try Tokenizer(json: Array(json.utf8), file: "the trained tokenizer")
    } catch {
      throw TokenizerError("\(error)")
    }
  }
}

/// Learns merges as `tokenizers`' trainer does, down to the order among equals.
struct BPETraining {
  private struct Pair: Hashable, Comparable {
    let left: Int32
    let right: Int32
    static func < (a: Pair, b: Pair) -> Bool { a.left != b.left ? a.left < b.left : a.right < b.right }
  }

  /// A pair that may be next, with the words that it came up in at one time: a pair can wait more than once.
  private struct Candidate: Comparable {
    let pair: Pair
    var count: Int
    let words: Set<Int>
    // The heap's smallest comes first: the most frequent pair, of equal ones the smallest.
    static func < (a: Candidate, b: Candidate) -> Bool { a.count != b.count ? a.count > b.count : a.pair < b.pair }
    static func == (a: Candidate, b: Candidate) -> Bool { a.count == b.count && a.pair == b.pair }
  }

  private let specialTokens: [String]
  private let size: Int
  private var tokens: [[UInt8]] = []
  private var table = ByteTable()
  private var tokenOfByte = [Int32](repeating: 0, count: 256)
  private var words: [(tokens: [Int32], count: Int)] = []
  private var counts: [Pair: Int] = [:]
  private var merges: [Pair] = []

  init(specialTokens: [String], size: Int) {
    self.specialTokens = specialTokens
    self.size = size
    for token in specialTokens { _ = number(of: Array(token.utf8)) }
    for byte in (0..<256).sorted(by: { ByteAlphabet.characters[$0] < ByteAlphabet.characters[$1] }) {
      tokenOfByte[byte] = number(of: ByteAlphabet.text(of: CollectionOfOne(UInt8(byte))))
    }
  }

  /// The number of a token, a new one if there is none yet.
  private mutating func number(of token: [UInt8]) -> Int32 {
    if let known = table[token] { return Int32(known) }
    table.set(token, tokens.count)
    tokens.append(token)
    return Int32(tokens.count - 1)
  }

  /// A word's bytes.
  mutating func add(_ word: some Sequence<UInt8>, count: Int) { words.append((word.map { tokenOfByte[Int($0)] }, count)) }

  mutating func run(minFrequency: Int) {
    var new: [Pair: Set<Int>] = [:]
    for (index, word) in words.enumerated() {
      for (left, right) in zip(word.tokens, word.tokens.dropFirst()) {
        counts[Pair(left: left, right: right), default: 0] += word.count
        new[Pair(left: left, right: right), default: []].insert(index)
      }
    }
    var queue: [Candidate] = []
    enqueue(&new, &queue)
    while tokens.count < size, var top = Heap.pop(&queue) {
      let count = counts[top.pair] ?? 0
      if top.count != count {
        top.count = count
        Heap.push(top, &queue)
        continue
      }
      if top.count < max(1, minFrequency) { return }
      let id = number(of: tokens[Int(top.pair.left)] + tokens[Int(top.pair.right)])
      merges.append(top.pair)
      for index in top.words { merge(top.pair, id, inWord: index, &new) }
      enqueue(&new, &queue)
    }
  }

  private func enqueue(_ new: inout [Pair: Set<Int>], _ queue: inout [Candidate]) {
    for (pair, words) in new {
      if let count = counts[pair], count > 0 { Heap.push(Candidate(pair: pair, count: count, words: words), &queue) }
    }
    new.removeAll(keepingCapacity: true)
  }

  /// Makes every occurrence of `pair` in a word the token `id`, and counts the pairs that go and come.
  private mutating func merge(_ pair: Pair, _ id: Int32, inWord index: Int, _ new: inout [Pair: Set<Int>]) {
    let count = words[index].count
    var tokens = words[index].tokens
    var place = 0
    while place + 1 < tokens.count {
      if tokens[place] == pair.left, tokens[place + 1] == pair.right {
        if place > 0 {
          counts[Pair(left: tokens[place - 1], right: pair.left), default: 0] -= count
          counts[Pair(left: tokens[place - 1], right: id), default: 0] += count
          new[Pair(left: tokens[place - 1], right: id), default: []].insert(index)
        }
        tokens[place] = id
        tokens.remove(at: place + 1)
        if place + 1 < tokens.count {
          counts[Pair(left: pair.right, right: tokens[place + 1]), default: 0] -= count
          counts[Pair(left: id, right: tokens[place + 1]), default: 0] += count
          new[Pair(left: id, right: tokens[place + 1]), default: []].insert(index)
        }
      }
      place += 1
    }
    words[index].tokens = tokens
  }

  /// The tokenizer.json of what was learned.
  func json(addsPrefixSpace: Bool) -> String {
    let text = { (token: [UInt8]) in JSONText.quoted(String(decoding: token, as: UTF8.self)) }
    let vocabulary = tokens.enumerated().map { "\(text($1)):\($0)" }.joined(separator: ",")
    // Of a pair that merged twice the later merge counts.
    var last: [Pair: Int] = [:]
    for (rank, pair) in merges.enumerated() { last[pair] = rank }
    let kept = merges.enumerated().filter { last[$1] == $0 }.map(\.element)
    let pairs = kept.map { "[\(text(tokens[Int($0.left)])),\(text(tokens[Int($0.right)]))]" }.joined(separator: ",")
    let added = specialTokens.enumerated().map { index, token in
      #"{"id":\#(table[token] ?? index),"content":\#(JSONText.quoted(token)),"single_word":false,"lstrip":false,"rstrip":false,"#
        + #""normalized":false,"special":true}"#
    }
    let byteLevel = #"{"type":"ByteLevel","add_prefix_space":\#(addsPrefixSpace),"trim_offsets":true,"use_regex":true}"#
    return #"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[\#(added.joined(separator: ","))],"#
      + #""normalizer":null,"pre_tokenizer":\#(byteLevel),"post_processor":null,"decoder":\#(byteLevel),"#
      + #""model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,"#
      + #""fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{\#(vocabulary)},"merges":[\#(pairs)]}}"#
  }
}
