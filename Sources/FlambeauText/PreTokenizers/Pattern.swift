/// Something that is found in text.
protocol Pattern: Sendable {
  /// Calls `body` with each match in `range` from left to right; matches do not overlap.
  func forEachMatch(in text: Bytes, _ range: Range<Int>, _ body: (Range<Int>) -> Void) throws(TokenizerError)
  /// Whether matches follow on one another without anything between.
  var coversText: Bool { get }
}

extension Pattern {
  var coversText: Bool { false }
}

/// The same text.
struct LiteralPattern: Pattern {
  let text: [UInt8]

  func forEachMatch(in bytes: Bytes, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    guard let first = text.first else { return }
    var index = range.lowerBound
    while index + text.count <= range.upperBound {
      if bytes[index] == first, text.indices.allSatisfy({ bytes[index + $0] == text[$0] }) {
        body(index..<index + text.count)
        index += text.count
      } else {
        index += 1
      }
    }
  }
}

/// Every character of a kind.
struct CharacterPattern: Pattern {
  let holds: @Sendable (UInt32) -> Bool

  static let space = CharacterPattern(holds: CharacterClasses.isSpace)
  static let number = CharacterPattern(holds: CharacterClasses.isNumber)
  static let punctuation = CharacterPattern(holds: CharacterClasses.isPunctuation)

  func forEachMatch(in text: Bytes, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    var index = range.lowerBound
    while index < range.upperBound {
      let (code, length) = text.character(at: index)
      if holds(code) { body(index..<index + length) }
      index += length
    }
  }
}

/// What becomes of a piece where a pattern matches.
enum SplitBehavior: String {
  case removed = "Removed"
  case isolated = "Isolated"
  case mergedWithPrevious = "MergedWithPrevious"
  case mergedWithNext = "MergedWithNext"
  case contiguous = "Contiguous"
}

extension Pattern {
  /// Cuts `piece` at the matches, or, if `isInverted`, at what lies between them.
  func cut(_ text: Bytes, _ piece: Piece, _ behavior: SplitBehavior, isInverted: Bool, into pieces: inout PieceList)
    throws(TokenizerError)
  {
    let range = piece.range
    if behavior == .isolated || (behavior == .removed) {
      let keepsMatches = behavior == .isolated || isInverted
      let keepsRest = behavior == .isolated || !isInverted
      var done = range.lowerBound
      var list = pieces
      pieces = PieceList(capacity: 0)
      try forEachMatch(in: text, range) { match in
        if keepsRest { list.append(done, match.lowerBound) }
        if keepsMatches { list.append(match.lowerBound, match.upperBound) }
        done = match.upperBound
      }
      if keepsRest { list.append(done, range.upperBound) }
      pieces = list
      return
    }
    var parts: [(range: Range<Int>, isMatch: Bool)] = []
    var done = range.lowerBound
    try forEachMatch(in: text, range) { match in
      if done < match.lowerBound { parts.append((done..<match.lowerBound, isInverted)) }
      parts.append((match, !isInverted))
      done = match.upperBound
    }
    if done < range.upperBound { parts.append((done..<range.upperBound, isInverted)) }
    for merged in Self.merged(parts, behavior) { pieces.append(merged.lowerBound, merged.upperBound) }
  }

  private static func merged(_ parts: [(range: Range<Int>, isMatch: Bool)], _ behavior: SplitBehavior) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var wasMatch = false
    for (range, isMatch) in behavior == .mergedWithNext ? parts.reversed() : parts {
      let joins = behavior == .contiguous ? isMatch == wasMatch : isMatch && !wasMatch
      if joins, let last = result.last {
        result[result.count - 1] = min(last.lowerBound, range.lowerBound)..<max(last.upperBound, range.upperBound)
      } else {
        result.append(range)
      }
      wasMatch = isMatch
    }
    return behavior == .mergedWithNext ? result.reversed() : result
  }
}
