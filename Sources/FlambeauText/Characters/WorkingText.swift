/// A stretch of the text on its way to tokens: still to be cut, or an added token already.
struct Piece {
  var range: Range<Int>
  /// Where it begins in the source, if a normalizer has been at it; −1 if its text says.
  var source: Int
  /// The added token it is; −1 for text.
  var token: Int32 = -1
}

/// Text that is being normalized and cut, with where each byte came from.
struct WorkingText {
  var bytes: [UInt8]
  /// For each byte, where in the source the character begins, and ends, that it came from; both empty as long as the text is the source.
  var starts: [Int32] = []
  var ends: [Int32] = []
  var pieces: [Piece]

  init(_ source: Bytes) {
    bytes = Array(source)
    pieces = source.isEmpty ? [] : [Piece(range: 0..<source.count, source: -1)]
  }

  var isSource: Bool { starts.isEmpty }

  /// The bytes of the source that `range`, which is not empty, came from.
  @inline(__always)
  func source(of range: Range<Int>) -> Range<Int> {
    if !isSource {
      let (start, end) = (Int(starts[range.lowerBound]), Int(ends[range.upperBound - 1]))
      return start..<max(start, end)
    }
    // Bytes within a character stand for all of it.
    var (start, end) = (range.lowerBound, range.upperBound)
    while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
    while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
    return start..<end
  }

  /// Where `piece` begins in the source.
  func source(of piece: Piece) -> Int {
    if piece.source >= 0 { return piece.source }
    return isSource ? piece.range.lowerBound : Int(starts[piece.range.lowerBound])
  }

  /// Replaces every piece of text by those that `body` makes of it.
  mutating func split<E: Error>(_ body: (Bytes, Piece, inout PieceList) throws(E) -> Void) throws(E) {
    var made = PieceList(capacity: pieces.count + 16)
    let old = pieces
    var failure: E?
    bytes.withUnsafeBufferPointer { bytes in
      for piece in old {
        if piece.token >= 0 {
          made.pieces.append(piece)
          continue
        }
        do throws(E) { try body(bytes, piece, &made) } catch {
          failure = error
          return
        }
      }
    }
    if let failure { throw failure }
    pieces = made.pieces
  }

  /// Rewrites every piece of text.
  mutating func rewrite<E: Error>(_ body: (inout Fragment) throws(E) -> Void) throws(E) {
    if pieces.count == 1, pieces[0].token < 0, pieces[0].range.count == bytes.count {
      var fragment = Fragment(bytes: bytes, starts: starts, ends: ends, base: 0)
      pieces[0].source = source(of: pieces[0])
      (bytes, starts, ends) = ([], [], [])
      try body(&fragment)
      (bytes, starts, ends) = (fragment.bytes, fragment.starts, fragment.ends)
      pieces[0].range = 0..<bytes.count
      if bytes.isEmpty { pieces = [] }
      return
    }
    var (newBytes, newStarts, newEnds, newPieces) = ([UInt8](), [Int32](), [Int32](), [Piece]())
    for piece in pieces {
      var fragment = Fragment(
        bytes: Array(bytes[piece.range]), starts: isSource ? [] : Array(starts[piece.range]),
        ends: isSource ? [] : Array(ends[piece.range]), base: piece.range.lowerBound)
      if piece.token < 0 { try body(&fragment) }
      fragment.align()
      guard !fragment.bytes.isEmpty else { continue }
      newPieces.append(
        Piece(range: newBytes.count..<newBytes.count + fragment.bytes.count, source: source(of: piece), token: piece.token))
      newBytes += fragment.bytes
      newStarts += fragment.starts
      newEnds += fragment.ends
    }
    (bytes, starts, ends, pieces) = (newBytes, newStarts, newEnds, newPieces)
  }
}

/// Pieces as they are made.
struct PieceList {
  var pieces: [Piece] = []

  init(capacity: Int) { pieces.reserveCapacity(capacity) }

  @inline(__always)
  mutating func append(_ start: Int, _ end: Int) {
    if start < end { pieces.append(Piece(range: start..<end, source: -1)) }
  }

  mutating func append(_ range: Range<Int>, token: Int32) {
    if !range.isEmpty { pieces.append(Piece(range: range, source: -1, token: token)) }
  }
}
