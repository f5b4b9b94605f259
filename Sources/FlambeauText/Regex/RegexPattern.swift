/// A regular expression that is found in text.
struct RegexPattern: Pattern {
  private let program: RegexProgram
  private let source: String

  init(_ source: String) throws(RegexParser.Failure) {
    self.source = source
    program = try RegexProgram(RegexParser.parse(source))
  }

  func forEachMatch(in text: Bytes, _ range: Range<Int>, _ body: (Range<Int>) -> Void) throws(TokenizerError) {
    var matcher = RegexMatcher(program, text, range)
    var index = range.lowerBound
    while index <= range.upperBound {
      let end = matcher.match(at: index)
      if matcher.isExhausted {
        throw TokenizerError("the pattern '\(source.prefix(80))' takes too long on this text")
      }
      guard let end else {
        guard index < range.upperBound else { break }
        index += Bytes.length(text[index])
        continue
      }
      if end > index {
        body(index..<end)
        index = end
      } else {
        // An empty match leaves a mark between two pieces.
        if index > range.lowerBound || index < range.upperBound { body(index..<end) }
        guard index < range.upperBound else { break }
        index += Bytes.length(text[index])
      }
    }
  }
}

/// Runs a program at places of a text.
struct RegexMatcher {
  private struct Choice {
    let instruction: Int32
    /// For a register to be restored its number plus one; 0 otherwise.
    let register: Int32
    var position: Int
    /// A span may be shortened to this; −1 for no span.
    let least: Int
  }

  private let program: RegexProgram
  private let text: Bytes
  private let range: Range<Int>
  private var stack: [Choice] = []
  private var registers: [Int]
  private var stepsLeft: Int

  /// A text costs at most so many steps a byte.
  private static let stepsPerByte = 500

  /// Whether the text was too hard.
  private(set) var isExhausted = false

  init(_ program: RegexProgram, _ text: Bytes, _ range: Range<Int>) {
    self.program = program
    self.text = text
    self.range = range
    registers = [Int](repeating: -1, count: program.registers)
    stepsLeft = 100_000 + Self.stepsPerByte * range.count
  }

  mutating func match(at start: Int) -> Int? { run(0, start) }

  private mutating func run(_ first: Int, _ start: Int) -> Int? {
    let base = stack.count
    var (instruction, position) = (first, start)
    let text = text
    let end = range.upperBound
    while true {
      stepsLeft -= 1
      if stepsLeft < 0 {
        isExhausted = true
        stack.removeLast(stack.count - base)
        return nil
      }
      var failed = false
      switch program.instructions[instruction] {
      case .set(let set):
        if position < end {
          let (code, length) = text.character(at: position)
          if program.sets[set].contains(code) { position += length } else { failed = true }
        } else {
          failed = true
        }
        instruction += 1
      case .span(let set, let least, let most):
        if let (shortest, longest) = span(set, least, most, position) {
          instruction += 1
          if longest > shortest {
            stack.append(Choice(instruction: Int32(instruction), register: 0, position: longest, least: shortest))
          }
          position = longest
        } else {
          failed = true
        }
      case .spanAll(let set, let least, let most):
        if let (_, longest) = span(set, least, most, position) { position = longest } else { failed = true }
        instruction += 1
      case .jump(let target): instruction = target
      case .fork(let target, let other):
        stack.append(Choice(instruction: Int32(other), register: 0, position: position, least: -1))
        instruction = target
      case .mark(let register):
        stack.append(Choice(instruction: 0, register: Int32(register + 1), position: registers[register], least: -1))
        registers[register] = position
        instruction += 1
      case .progress(let register):
        failed = registers[register] == position
        instruction += 1
      case .ahead(let after, let isNegative):
        failed = (run(instruction + 1, position) != nil) == isNegative
        instruction = after
      case .behind(let after, let isNegative, let characters):
        var before: Int? = position
        for _ in 0..<characters {
          guard let place = before, place > range.lowerBound else {
            before = nil
            break
          }
          before = text.start(before: place)
        }
        let matches = before.map { run(instruction + 1, $0) == position } ?? false
        failed = matches == isNegative
        instruction = after
      case .atomic(let after):
        if let reached = run(instruction + 1, position) { position = reached } else { failed = true }
        instruction = after
      case .anchor(let anchor):
        failed = !holds(anchor, position)
        instruction += 1
      case .accept:
        stack.removeLast(stack.count - base)
        return position
      }
      if isExhausted {
        stack.removeLast(stack.count - base)
        return nil
      }
      if !failed { continue }
      guard let choice = goBack(base) else { return nil }
      (instruction, position) = choice
    }
  }

  /// The last choice that is left above `base`.
  private mutating func goBack(_ base: Int) -> (Int, Int)? {
    while stack.count > base {
      let choice = stack[stack.count - 1]
      if choice.register > 0 {
        registers[Int(choice.register) - 1] = choice.position
        stack.removeLast()
      } else if choice.least >= 0 {
        let shorter = text.start(before: choice.position)
        if shorter > choice.least { stack[stack.count - 1].position = shorter } else { stack.removeLast() }
        return (Int(choice.instruction), shorter)
      } else {
        stack.removeLast()
        return (Int(choice.instruction), choice.position)
      }
    }
    return nil
  }

  /// Where a run of a set's characters ends at the earliest and the latest; nil if it is too short.
  @inline(__always)
  private func span(_ set: Int, _ least: Int, _ most: Int, _ start: Int) -> (Int, Int)? {
    var (position, count) = (start, 0)
    var shortest = start
    let end = range.upperBound
    return program.sets.withUnsafeBufferPointer { sets in
      while position < end, count < most {
        let (code, length) = text.character(at: position)
        guard sets[set].contains(code) else { break }
        position += length
        count += 1
        if count == least { shortest = position }
      }
      return count < least ? nil : (shortest, position)
    }
  }

  private func holds(_ anchor: RegexAnchor, _ position: Int) -> Bool {
    let (start, end) = (range.lowerBound, range.upperBound)
    switch anchor {
    case .textStart: return position == start
    case .textEnd: return position == end
    case .textEndOrLastLine: return position == end || (position == end - 1 && text[position] == 0x0A)
    case .lineStart: return position == start || (text[position - 1] == 0x0A && position < end)
    case .lineEnd: return position == end || text[position] == 0x0A
    case .boundary, .notBoundary:
      let before = position > start && CharacterClasses.isWord(text.character(at: text.start(before: position)).code)
      let after = position < end && CharacterClasses.isWord(text.character(at: position).code)
      return (before != after) == (anchor == .boundary)
    }
  }
}
