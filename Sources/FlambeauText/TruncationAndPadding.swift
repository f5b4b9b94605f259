/// How texts are cut that are too long for a model.
public struct Truncation: Sendable, Equatable {
  /// Which of two texts is shortened.
  public enum Strategy: String, Sendable {
    /// The longer text of a pair first.
    case longestFirst = "LongestFirst"
    /// Only the first of two texts is shortened.
    case onlyFirst = "OnlyFirst"
    /// Only the second of two texts is shortened.
    case onlySecond = "OnlySecond"
  }
  /// Where it happens.
  public enum Side: String, Sendable {
    /// The first tokens go.
    case left = "Left"
    /// The last tokens go.
    case right = "Right"
  }

  /// The most tokens, special ones included.
  public var maxLength: Int
  /// How many tokens the pieces of `Encoding.overflowing` have in common.
  public var stride: Int
  /// Which of two texts is shortened.
  public var strategy: Strategy
  /// The side that is cut off.
  public var side: Side

  /// At most `maxLength` tokens, special ones included; pieces that are cut off overlap by `stride`.
  public init(maxLength: Int, stride: Int = 0, strategy: Strategy = .longestFirst, side: Side = .right) {
    self.maxLength = maxLength
    self.stride = stride
    self.strategy = strategy
    self.side = side
  }

  /// The most tokens in pieces that overflow.
  private static let mostOverflowing = 1 << 24

  /// Cuts the texts so that they and `added` special tokens fit.
  func apply(to parts: inout [Encoding], added: Int) throws(TokenizerError) {
    let room = maxLength - added
    guard maxLength >= 0, room >= 0 else {
      throw TokenizerError("truncation to \(maxLength) tokens leaves no room for the \(added) special ones")
    }
    let total = parts.reduce(0) { $0 + $1.count }
    let excess = total - room
    guard excess > 0 else { return }
    if room == 0 {
      for index in parts.indices { try cut(&parts[index], to: 0) }
      return
    }
    switch strategy {
    case .longestFirst where parts.count == 1: try cut(&parts[0], to: room)
    case .longestFirst:
      let (first, second) = Self.share(parts[0].count, parts[1].count, room)
      try cut(&parts[0], to: first)
      try cut(&parts[1], to: second)
    case .onlyFirst, .onlySecond:
      let index = strategy == .onlyFirst ? 0 : 1
      guard index < parts.count else {
        throw TokenizerError("truncation is for the second text of a pair, but there is one text")
      }
      guard parts[index].count > excess else {
        throw TokenizerError(
          "the \(index == 0 ? "first" : "second") text is too short for the pair to be cut to \(maxLength) tokens in it")
      }
      try cut(&parts[index], to: parts[index].count - excess)
    }
  }

  /// How many tokens of two texts fit.
  private static func share(_ first: Int, _ second: Int, _ room: Int) -> (Int, Int) {
    var (short, long) = (min(first, second), max(first, second))
    long = short > room ? short : max(short, room - short)
    if short + long > room {
      short = room / 2
      long = short + room % 2
    }
    return first > second ? (long, short) : (short, long)
  }

  private func cut(_ encoding: inout Encoding, to length: Int) throws(TokenizerError) {
    let count = encoding.count
    guard length < count else { return }
    guard length > 0 else {
      let all = encoding
      encoding = encoding.slice(0..<0)
      encoding.overflowing = [all]
      return
    }
    guard stride >= 0, stride < length else {
      throw TokenizerError("truncation's stride of \(stride) tokens must be less than the \(length) tokens of text that fit")
    }
    guard (count - length) / (length - stride) * length < Self.mostOverflowing else {
      throw TokenizerError("truncation's stride of \(stride) tokens makes too many pieces of a text of \(count)")
    }
    var ranges: [Range<Int>] = []
    var place = 0
    while ranges.last.map({ side == .right ? $0.upperBound < count : $0.lowerBound > 0 }) ?? true {
      ranges.append(side == .right ? place..<min(place + length, count) : max(count - place - length, 0)..<count - place)
      place += length - stride
    }
    var parts = ranges.map(encoding.slice)
    encoding = parts.removeFirst()
    encoding.overflowing = parts
  }
}

/// How short texts are filled up.
public struct Padding: Sendable, Equatable {
  /// Where it happens.
  public enum Side: String, Sendable {
    /// Before the tokens.
    case left = "Left"
    /// After the tokens.
    case right = "Right"
  }

  /// The length of every encoding; nil for that of the longest in its batch.
  public var length: Int?
  /// The length becomes a multiple of this.
  public var multiple: Int?
  /// Where tokens are added.
  public var side: Side
  /// The token that fills up.
  public var id: Int
  /// The type of what fills up.
  public var typeId: Int
  /// The text of the token that fills up.
  public var token: String

  /// Padding to `length` tokens, or to a batch's longest where nil, rounded up to a `multiple`.
  public init(
    id: Int = 0, token: String = "[PAD]", typeId: Int = 0, length: Int? = nil, multiple: Int? = nil, side: Side = .right
  ) {
    (self.id, self.token, self.typeId, self.length, self.multiple, self.side) = (id, token, typeId, length, multiple, side)
  }

  func apply(to encodings: inout [Encoding]) {
    var target = length ?? encodings.reduce(0) { max($0, $1.count) }
    if let multiple, multiple > 0, target % multiple > 0 { target += multiple - target % multiple }
    for index in encodings.indices { encodings[index].pad(to: target, with: self) }
  }
}
