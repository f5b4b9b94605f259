/// A regular expression as instructions for a matcher that tries and goes back.
struct RegexProgram: Sendable {
  enum Instruction: Sendable {
    /// One character of a set.
    case set(Int)
    /// As many characters of a set as there are, at least and at most so many, fewer if what follows wants it.
    case span(Int, least: Int, most: Int)
    /// The same, and it keeps what it has.
    case spanAll(Int, least: Int, most: Int)
    case jump(Int)
    /// Goes on at the first, and if that fails at the second.
    case fork(Int, Int)
    /// Remembers in a register where a round of a repetition begins.
    case mark(Int)
    /// Fails if the round has consumed nothing.
    case progress(Int)
    /// The instructions up to `end` match from here on, or do not.
    case ahead(end: Int, isNegative: Bool)
    /// The same `characters` before.
    case behind(end: Int, isNegative: Bool, characters: Int)
    case atomic(end: Int)
    case anchor(RegexAnchor)
    case accept
  }

  private(set) var instructions: [Instruction] = []
  private(set) var sets: [RegexSet] = []
  private(set) var registers = 0
  private var compiled = 0

  /// Expressions of more instructions are refused.
  private static let longest = 20_000

  init(_ node: RegexNode) throws(RegexParser.Failure) {
    try compile(node)
    instructions.append(.accept)
  }

  private mutating func add(_ instruction: Instruction) throws(RegexParser.Failure) {
    guard instructions.count < Self.longest else { throw RegexParser.Failure(what: "the expression is too long", position: 0) }
    instructions.append(instruction)
  }

  private mutating func add(_ set: RegexCharacters) -> Int {
    sets.append(RegexSet(set))
    return sets.count - 1
  }

  private mutating func compile(_ node: RegexNode) throws(RegexParser.Failure) {
    // Repetitions of nothing add no instructions, but take time.
    compiled += 1
    guard compiled < 4 * Self.longest else { throw RegexParser.Failure(what: "the expression is too long", position: 0) }
    switch node {
    case .set(let set): try add(.set(add(set)))
    case .sequence(let parts): for part in parts { try compile(part) }
    case .choice(let parts):
      var ends: [Int] = []
      for (index, part) in parts.enumerated() {
        let isLast = index == parts.count - 1
        let fork = instructions.count
        if !isLast { try add(.jump(0)) }
        try compile(part)
        if !isLast {
          ends.append(instructions.count)
          try add(.jump(0))
          instructions[fork] = .fork(fork + 1, instructions.count)
        }
      }
      for end in ends { instructions[end] = .jump(instructions.count) }
    case .repetition(let part, let least, let most, let greed): try compile(part, least, most, greed)
    case .look(let part, let isBehind, let isNegative):
      let start = instructions.count
      try add(.accept)
      try compile(part)
      try add(.accept)
      if isBehind {
        guard let characters = Self.length(part) else {
          throw RegexParser.Failure(what: "what a lookbehind matches must have one length", position: 0)
        }
        instructions[start] = .behind(end: instructions.count, isNegative: isNegative, characters: characters)
      } else {
        instructions[start] = .ahead(end: instructions.count, isNegative: isNegative)
      }
    case .atomic(let part):
      let start = instructions.count
      try add(.accept)
      try compile(part)
      try add(.accept)
      instructions[start] = .atomic(end: instructions.count)
    case .anchor(let anchor): try add(.anchor(anchor))
    }
  }

  private mutating func compile(_ part: RegexNode, _ least: Int, _ most: Int?, _ greed: RegexGreed) throws(RegexParser.Failure) {
    if case .set(let set) = part, greed != .lazy {
      let number = add(set)
      let instruction: Instruction =
        greed == .greedy
        ? .span(number, least: least, most: most ?? .max) : .spanAll(number, least: least, most: most ?? .max)
      return try add(instruction)
    }
    if greed == .possessive { return try compile(.atomic(.repetition(part, least: least, most: most, .greedy))) }
    for _ in 0..<least { try compile(part) }
    func fork(_ inside: Int, _ outside: Int) -> Instruction { greed == .lazy ? .fork(outside, inside) : .fork(inside, outside) }
    if let most {
      var forks: [Int] = []
      for _ in least..<max(most, least) {
        forks.append(instructions.count)
        try add(.jump(0))
        try compile(part)
      }
      for place in forks { instructions[place] = fork(place + 1, instructions.count) }
    } else {
      let register = registers
      registers += 1
      let start = instructions.count
      try add(.jump(0))
      try add(.mark(register))
      try compile(part)
      try add(.progress(register))
      try add(.jump(start))
      instructions[start] = fork(start + 1, instructions.count)
    }
  }

  /// How many characters a node matches, if it is always as many.
  private static func length(_ node: RegexNode) -> Int? {
    switch node {
    case .set: return 1
    case .sequence(let parts):
      return parts.reduce(0 as Int?) { sum, part in sum.flatMap { sum in length(part).map { sum + $0 } } }
    case .choice(let parts):
      let lengths = Set(parts.map { length($0) ?? -1 })
      return lengths.count == 1 && lengths.first! >= 0 ? lengths.first : nil
    case .repetition(let part, let least, let most, _): return least == most ? length(part).map { $0 * least } : nil
    case .look, .anchor: return 0
    case .atomic(let part): return length(part)
    }
  }
}
