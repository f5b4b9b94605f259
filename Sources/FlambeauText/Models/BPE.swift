/// Byte-pair encoding: a word's characters, or bytes, of which the pair of the lowest rank becomes one token, until none is left.
struct BPE: TokenModel {
  /// A token in the making, in a list over its neighbours.
  struct Symbol {
    var id: Int32
    var previous: Int32
    var next: Int32
    /// Its bytes; 0 once it has become part of another.
    var length: Int32
    /// The rank of merging it with the next one; `.max` if they do not merge.
    var rank: UInt32
    var merged: Int32
  }

  let vocabulary: Vocabulary
  let merges: MergeTable
  var unknown: Int32?
  var fusesUnknown = false
  /// Words that are tokens are taken as they are.
  var ignoresMerges = false
  var continuingPrefix: [UInt8] = []
  var endSuffix: [UInt8] = []
  /// The tokens that stand for the bytes of characters without a token of their own, −1 for missing ones; nil without byte fallback.
  var byteTokens: [Int32]?
  /// Set where words are the text's own bytes and the vocabulary is in the byte alphabet: the tokens of the 256 bytes (−1: none), and
  /// those of bytes that end a word.
  private(set) var alphabet: (inside: [Int32], last: [Int32])?
  /// With an alphabet and `ignoresMerges`, the tokens by the bytes they stand for.
  private var whole: ByteTable?

  init(_ vocabulary: Vocabulary, merges: MergeTable) {
    self.vocabulary = vocabulary
    self.merges = merges
  }

  /// The same model for words that are not rewritten in the byte alphabet; nil where characters and bytes would differ.
  func readingBytes() -> BPE? {
    guard continuingPrefix.isEmpty, byteTokens == nil else { return nil }
    var model = self
    let texts = (0..<256).map { ByteAlphabet.text(of: CollectionOfOne(UInt8($0))) }
    model.alphabet = (
      texts.map { Int32(vocabulary.id($0) ?? -1) }, texts.map { Int32(vocabulary.id($0 + endSuffix) ?? -1) }
    )
    if ignoresMerges {
      var whole = ByteTable(capacity: vocabulary.count)
      vocabulary.table.arena.withUnsafeBufferPointer { arena in
        var bytes: [UInt8] = []
        for entry in vocabulary.table.entries {
          let text = arena[Int(entry.start)..<Int(entry.start + entry.count)]
          bytes.removeAll(keepingCapacity: true)
          ByteAlphabet.append(text, to: &bytes)
          // A token outside the alphabet, which no text becomes, keeps its own bytes, and stays in the alphabet's only then.
          if bytes.count < text.count || text.allSatisfy({ $0 &- 0x21 < 0x5E }) { whole.set(bytes, Int(entry.value)) }
        }
      }
      model.whole = whole
    }
    return model
  }

  func tokenize(_ word: Bytes, with scratch: Scratch, into tokens: inout [WordToken]) {
    if ignoresMerges, let id = whole == nil ? vocabulary.id(word) : whole?[word] {
      tokens.append(WordToken(id: Int32(id), start: 0, end: Int32(word.count)))
      return
    }
    scratch.symbols.removeAll(keepingCapacity: true)
    if let alphabet { addBytes(word, alphabet, &scratch.symbols) } else { addCharacters(word, &scratch.symbols) }
    let count = scratch.symbols.count
    if count > 1 {
      scratch.symbols.withUnsafeMutableBufferPointer { symbols in
        rank(symbols)
        if count <= 48 { mergeByScanning(symbols) } else { mergeByHeap(symbols, &scratch.heap) }
      }
    }
    var start: Int32 = 0
    for symbol in scratch.symbols where symbol.length > 0 {
      tokens.append(WordToken(id: symbol.id, start: start, end: start + symbol.length))
      start += symbol.length
    }
  }

  // MARK: The symbols a word begins as

  @inline(__always)
  private func add(_ id: Int32, _ length: Int, _ symbols: inout [Symbol]) {
    symbols.append(Symbol(id: id, previous: 0, next: 0, length: Int32(length), rank: .max, merged: 0))
  }

  private func addBytes(_ word: Bytes, _ alphabet: (inside: [Int32], last: [Int32]), _ symbols: inout [Symbol]) {
    var pending = 0
    for (index, byte) in word.enumerated() {
      let id = (index == word.count - 1 ? alphabet.last : alphabet.inside)[Int(byte)]
      addSymbol(id < 0 ? nil : id, 1, &pending, &symbols)
    }
    flush(&pending, &symbols)
  }

  private func addCharacters(_ word: Bytes, _ symbols: inout [Symbol]) {
    var pending = 0
    var index = 0
    var decorated: [UInt8] = []
    while index < word.count {
      let length = Bytes.length(word[index])
      let isLast = index + length == word.count
      let character = word.slice(index..<index + length)
      let isDecorated = (index > 0 && !continuingPrefix.isEmpty) || (isLast && !endSuffix.isEmpty)
      if isDecorated {
        decorated = (index > 0 ? continuingPrefix : []) + character + (isLast ? endSuffix : [])
      }
      let id = isDecorated ? vocabulary.id(decorated) : vocabulary.id(character)
      if id == nil, let byteTokens {
        let bytes = isDecorated ? decorated : Array(character)
        if bytes.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
          for byte in bytes { add(byteTokens[Int(byte)], 1, &symbols) }
          index += length
          continue
        }
      }
      addSymbol(id.map(Int32.init), length, &pending, &symbols)
      index += length
    }
    flush(&pending, &symbols)
  }

  /// Adds a token, or counts bytes of an unknown one; without a token for the unknown, they are left out.
  @inline(__always)
  private func addSymbol(_ id: Int32?, _ length: Int, _ pending: inout Int, _ symbols: inout [Symbol]) {
    if let id {
      flush(&pending, &symbols)
      add(id, length, &symbols)
    } else if unknown != nil {
      if !fusesUnknown { flush(&pending, &symbols) }
      pending += length
    }
  }

  @inline(__always)
  private func flush(_ pending: inout Int, _ symbols: inout [Symbol]) {
    if pending > 0, let unknown { add(unknown, pending, &symbols) }
    pending = 0
  }

  // MARK: Merging

  private func rank(_ symbols: UnsafeMutableBufferPointer<Symbol>) {
    for index in symbols.indices {
      symbols[index].previous = Int32(index - 1)
      symbols[index].next = index + 1 < symbols.count ? Int32(index + 1) : -1
      updateRank(symbols, index)
    }
  }

  @inline(__always)
  private func updateRank(_ symbols: UnsafeMutableBufferPointer<Symbol>, _ index: Int) {
    let next = Int(symbols[index].next)
    if next >= 0, let merge = merges.merge(symbols[index].id, symbols[next].id) {
      symbols[index].rank = merge.rank
      symbols[index].merged = merge.id
    } else {
      symbols[index].rank = .max
    }
  }

  /// Makes one of the symbol and the next; its own rank and its predecessor's are new.
  @inline(__always)
  private func merge(_ symbols: UnsafeMutableBufferPointer<Symbol>, _ index: Int) {
    let gone = Int(symbols[index].next)
    symbols[index].id = symbols[index].merged
    symbols[index].length += symbols[gone].length
    symbols[index].next = symbols[gone].next
    symbols[gone].length = 0
    if symbols[index].next >= 0 { symbols[Int(symbols[index].next)].previous = Int32(index) }
    updateRank(symbols, index)
    if symbols[index].previous >= 0 { updateRank(symbols, Int(symbols[index].previous)) }
  }

  private func mergeByScanning(_ symbols: UnsafeMutableBufferPointer<Symbol>) {
    while true {
      var (best, lowest) = (-1, UInt32.max)
      var index = 0
      while index >= 0 {
        if symbols[index].rank < lowest { (best, lowest) = (index, symbols[index].rank) }
        index = Int(symbols[index].next)
      }
      if best < 0 { return }
      merge(symbols, best)
    }
  }

  /// For long words: a heap of ranks and positions, whose entries may be out of date.
  private func mergeByHeap(_ symbols: UnsafeMutableBufferPointer<Symbol>, _ heap: inout [UInt64]) {
    heap.removeAll(keepingCapacity: true)
    for index in symbols.indices where symbols[index].rank < .max {
      Heap.push(UInt64(symbols[index].rank) << 32 | UInt64(index), &heap)
    }
    while let top = Heap.pop(&heap) {
      let index = Int(top & 0xFFFF_FFFF)
      guard symbols[index].length > 0, UInt64(symbols[index].rank) == top >> 32 else { continue }
      merge(symbols, index)
      for changed in [index, Int(symbols[index].previous)] where changed >= 0 && symbols[changed].rank < .max {
        Heap.push(UInt64(symbols[changed].rank) << 32 | UInt64(changed), &heap)
      }
    }
  }
}

/// A binary heap whose smallest element comes first.
enum Heap {
  static func push<Element: Comparable>(_ element: Element, _ heap: inout [Element]) {
    heap.append(element)
    var index = heap.count - 1
    while index > 0, heap[index] < heap[(index - 1) / 2] {
      heap.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  static func pop<Element: Comparable>(_ heap: inout [Element]) -> Element? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if heap.isEmpty { return first }
    heap[0] = last
    var index = 0
    while true {
      var smallest = index
      for child in [2 * index + 1, 2 * index + 2] where child < heap.count && heap[child] < heap[smallest] { smallest = child }
      if smallest == index { return first }
      heap.swapAt(index, smallest)
      index = smallest
    }
  }
}
