/// What a regular expression says.
indirect enum RegexNode: Sendable {
  case set(RegexCharacters)
  case sequence([RegexNode])
  case choice([RegexNode])
  case repetition(RegexNode, least: Int, most: Int?, RegexGreed)
  /// What follows (or came before) matches, or does not; nothing is consumed.
  case look(RegexNode, isBehind: Bool, isNegative: Bool)
  case atomic(RegexNode)
  case anchor(RegexAnchor)
}

enum RegexGreed { case greedy, lazy, possessive }
enum RegexAnchor { case lineStart, lineEnd, textStart, textEnd, textEndOrLastLine, boundary, notBoundary }

/// Reads regular expressions in the part of Oniguruma's syntax that tokenizers use: no captures to refer to, no calls.
struct RegexParser {
  struct Failure: Error {
    let what: String
    let position: Int
  }

  private let text: [UInt32]
  private var index = 0
  private var ignoresCase = false
  private var dotIsAll = false
  private var depth = 0

  private static let deepest = 40
  private static let longest = 10_000

  static func parse(_ pattern: String) throws(Failure) -> RegexNode {
    var parser = RegexParser(text: pattern.unicodeScalars.map(\.value))
    guard parser.text.count <= Self.longest else { throw parser.failure("the expression is too long") }
    let node = try parser.choice()
    if parser.index < parser.text.count { throw parser.failure("a ')' closes nothing") }
    return node
  }

  private init(text: [UInt32]) { self.text = text }

  private func failure(_ what: String) -> Failure { Failure(what: what, position: index) }
  private var next: UInt32? { index < text.count ? text[index] : nil }
  private func isNext(_ scalar: Unicode.Scalar, after offset: Int = 0) -> Bool {
    index + offset < text.count && text[index + offset] == scalar.value
  }
  private mutating func take(_ word: String) -> Bool {
    let word = word.unicodeScalars.map(\.value)
    guard text[index...].starts(with: word) else { return false }
    index += word.count
    return true
  }

  private mutating func choice() throws(Failure) -> RegexNode {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.deepest else { throw failure("the groups are too deep") }
    let (caseBefore, dotBefore) = (ignoresCase, dotIsAll)
    defer { (ignoresCase, dotIsAll) = (caseBefore, dotBefore) }
    var parts = [try sequence()]
    while take("|") { parts.append(try sequence()) }
    return parts.count == 1 ? parts[0] : .choice(parts)
  }

  private mutating func sequence() throws(Failure) -> RegexNode {
    var parts: [RegexNode] = []
    while let code = next, code != 0x7C, code != 0x29 {
      guard let atom = try atom() else { continue }
      parts.append(try repeated(atom))
    }
    return parts.count == 1 ? parts[0] : .sequence(parts)
  }

  private mutating func repeated(_ node: RegexNode) throws(Failure) -> RegexNode {
    var node = node
    while true {
      let (least, most): (Int, Int?)
      var isInterval = false
      if take("*") {
        (least, most) = (0, nil)
      } else if take("+") {
        (least, most) = (1, nil)
      } else if take("?") {
        (least, most) = (0, 1)
      } else if let interval = try interval() {
        (least, most) = interval
        isInterval = true
      } else {
        return node
      }
      if case .anchor = node { throw failure("an anchor cannot repeat") }
      // In Oniguruma's syntax `{n,m}+` repeats the repetition.
      let greed: RegexGreed = take("?") ? .lazy : !isInterval && take("+") ? .possessive : .greedy
      node = .repetition(node, least: least, most: most, greed)
    }
  }

  /// `{n}`, `{n,}`, `{,m}` or `{n,m}`; nil for a brace that is none.
  private mutating func interval() throws(Failure) -> (Int, Int?)? {
    guard isNext("{") else { return nil }
    let start = index
    index += 1
    let least = number()
    var most = least
    if take(",") { most = number() }
    let isOpen = text[index - 1] == 0x2C
    guard take("}"), least != nil || most != nil else {
      index = start
      return nil
    }
    guard (least ?? 0) <= 1000, (most ?? 0) <= 1000 else { throw failure("a repetition is over 1000") }
    if let least, let most, least > most { throw failure("a repetition's bounds are in the wrong order") }
    return (least ?? 0, isOpen ? nil : most)
  }

  private mutating func number() -> Int? {
    var value: Int?
    while let code = next, code >= 0x30, code <= 0x39 {
      value = min((value ?? 0) * 10 + Int(code - 0x30), 100_000)
      index += 1
    }
    return value
  }

  /// nil for what is no node, such as an option for what follows.
  private mutating func atom() throws(Failure) -> RegexNode? {
    let code = text[index]
    index += 1
    switch Unicode.Scalar(code) {
    case "(": return try group()
    case "[": return .set(try characters())
    case ".": return .set(dotIsAll ? .everything : .not(.lineEnd))
    case "^": return .anchor(.lineStart)
    case "$": return .anchor(.lineEnd)
    case "*", "+", "?": throw failure("there is nothing to repeat")
    case "\\": return try escape()
    default:
      // A brace that is no interval stands for itself.
      return literal(code)
    }
  }

  private func literal(_ code: UInt32) -> RegexNode { .set(ignoresCase ? .folded(code) : .one(code)) }

  private mutating func group() throws(Failure) -> RegexNode? {
    func closed(_ node: RegexNode, _ parser: inout RegexParser) throws(Failure) -> RegexNode {
      guard parser.take(")") else { throw parser.failure("a group does not end") }
      return node
    }
    guard take("?") else { return try closed(choice(), &self) }
    if take("#") {
      while let code = next, code != 0x29 { _ = code; index += 1 }
      return try closed(.sequence([]), &self)
    }
    if take(":") { return try closed(choice(), &self) }
    if take("=") { return try closed(.look(choice(), isBehind: false, isNegative: false), &self) }
    if take("!") { return try closed(.look(choice(), isBehind: false, isNegative: true), &self) }
    if take("<=") { return try closed(.look(choice(), isBehind: true, isNegative: false), &self) }
    if take("<!") { return try closed(.look(choice(), isBehind: true, isNegative: true), &self) }
    if take(">") { return try closed(.atomic(choice()), &self) }
    if isNext("<") || take("P<") {
      while let code = next, code != 0x3E { _ = code; index += 1 }
      guard take(">") else { throw failure("a group's name does not end") }
      return try closed(choice(), &self)
    }
    return try options()
  }

  /// `(?i)` or `(?i:…)`, with m for "a point is any character".
  private mutating func options() throws(Failure) -> RegexNode? {
    let before = (ignoresCase, dotIsAll)
    var isOn = true
    while let code = next {
      index += 1
      switch Unicode.Scalar(code) {
      case "-": isOn = false
      case "i": ignoresCase = isOn
      case "m", "s": dotIsAll = isOn
      case ":":
        let node = try choice()
        (ignoresCase, dotIsAll) = before
        guard take(")") else { throw failure("a group does not end") }
        return node
      case ")": return nil
      default: throw failure("an option of a group is unknown")
      }
    }
    throw failure("a group does not end")
  }

  private mutating func escape() throws(Failure) -> RegexNode {
    guard let code = next else { throw failure("a backslash stands at the end") }
    switch Unicode.Scalar(code) {
    case "b": index += 1; return .anchor(.boundary)
    case "B": index += 1; return .anchor(.notBoundary)
    case "A": index += 1; return .anchor(.textStart)
    case "z": index += 1; return .anchor(.textEnd)
    case "Z": index += 1; return .anchor(.textEndOrLastLine)
    default:
      if code >= 0x31, code <= 0x39 { throw failure("a reference to a group is not supported") }
      if let set = try escapedSet() { return .set(set) }
      return literal(try escapedCharacter())
    }
  }

  /// `\s`, `\p{L}` and the like.
  private mutating func escapedSet() throws(Failure) -> RegexCharacters? {
    let code = text[index]
    let set: RegexCharacters
    switch Unicode.Scalar(code) {
    case "s": set = .space
    case "S": set = .not(.space)
    case "d": set = .categories(CharacterClasses.mask("Nd"))
    case "D": set = .not(.categories(CharacterClasses.mask("Nd")))
    case "w": set = .word
    case "W": set = .not(.word)
    case "h": set = .ranges([0x30...0x39, 0x41...0x46, 0x61...0x66])
    case "p", "P":
      index += 1
      guard take("{") else { throw failure("\\p lacks its braces") }
      let isNegated = take("^")
      var name = String.UnicodeScalarView()
      while let code = next, code != 0x7D {
        if let scalar = Unicode.Scalar(code) { name.append(scalar) }
        index += 1
      }
      guard take("}") else { throw failure("a property's name does not end") }
      guard let found = RegexCharacters.property(String(name)) else { throw failure("the property '\(String(name))' is unknown") }
      return isNegated != (code == 0x50) ? .not(found) : found
    default: return nil
    }
    index += 1
    return set
  }

  private static let controls: [Unicode.Scalar: UInt32] = [
    "n": 0x0A, "r": 0x0D, "t": 0x09, "f": 0x0C, "v": 0x0B, "a": 0x07, "e": 0x1B, "0": 0,
  ]

  private mutating func escapedCharacter() throws(Failure) -> UInt32 {
    let code = text[index]
    index += 1
    guard let scalar = Unicode.Scalar(code) else { return code }
    if let control = Self.controls[scalar] { return control }
    switch scalar {
    case "x": return take("{") ? try hexadecimal(upTo: 8, closing: true) : try hexadecimal(upTo: 2, closing: false)
    case "u": return try hexadecimal(upTo: 4, closing: false)
    default:
      if scalar.properties.isAlphabetic { throw failure("the escape '\\\(scalar)' is unknown") }
      return code
    }
  }

  private mutating func hexadecimal(upTo most: Int, closing: Bool) throws(Failure) -> UInt32 {
    var (value, count): (UInt32, Int) = (0, 0)
    while count < most, let code = next, let digit = Unicode.Scalar(code).flatMap({ Character($0).hexDigitValue }) {
      value = value << 4 | UInt32(digit)
      index += 1
      count += 1
    }
    guard count > 0, value < 0x110000, !closing || take("}") else { throw failure("a character's number is wrong") }
    return value
  }

  /// What stands between brackets.
  private mutating func characters() throws(Failure) -> RegexCharacters {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.deepest else { throw failure("the brackets are too deep") }
    let isNegated = take("^")
    var (intersected, parts): ([RegexCharacters], [RegexCharacters]) = ([], [])
    var isFirst = true
    while true {
      guard let code = next else { throw failure("a bracket does not end") }
      if code == 0x5D, !isFirst {
        index += 1
        break
      }
      isFirst = false
      if take("&&") {
        intersected.append(.any(parts))
        parts = []
      } else if take("[:") {
        parts.append(try posix())
      } else if take("[") {
        parts.append(try characters())
      } else {
        parts.append(try range())
      }
    }
    let set: RegexCharacters = intersected.isEmpty ? .any(parts) : .all(intersected + [.any(parts)])
    return isNegated ? .not(set) : set
  }

  private mutating func posix() throws(Failure) -> RegexCharacters {
    let isNegated = take("^")
    var name = String.UnicodeScalarView()
    while let code = next, code != 0x3A {
      if let scalar = Unicode.Scalar(code) { name.append(scalar) }
      index += 1
    }
    guard take(":]"), let set = RegexCharacters.property(String(name)) else { throw failure("a class in brackets is unknown") }
    return isNegated ? .not(set) : set
  }

  /// A character, a set, or a range of characters.
  private mutating func range() throws(Failure) -> RegexCharacters {
    var set: RegexCharacters?
    let first = try bracketed(&set)
    if let set { return set }
    guard isNext("-"), index + 1 < text.count, text[index + 1] != 0x5D else { return ignoresCase ? .folded(first) : .one(first) }
    index += 1
    let last = try bracketed(&set)
    if let set { return .any([.one(first), .one(0x2D), set]) }
    guard first <= last else { throw failure("a range of characters is empty") }
    if ignoresCase, last - first < 0x250 { return .any((first...last).map(RegexCharacters.folded)) }
    return .ranges([first...last])
  }

  private mutating func bracketed(_ set: inout RegexCharacters?) throws(Failure) -> UInt32 {
    guard let code = next else { throw failure("a bracket does not end") }
    index += 1
    guard code == 0x5C else { return code }
    guard let escaped = next else { throw failure("a backslash stands at the end") }
    if escaped == 0x62 {
      index += 1
      return 8
    }
    if let found = try escapedSet() {
      set = found
      return 0
    }
    return try escapedCharacter()
  }
}
