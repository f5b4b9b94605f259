import CKernels

/// What depends on what in a row program: which values are one number per row, which instructions one kernel does
/// together, and in which walk over the row each belongs.
struct RowGraph {
  enum Form {
    case plain(Primitive, [Program.Operand])
    case fold(fb_reduction, Program.Operand)
    case dot(Program.Operand, Program.Operand)
    /// The sum of exp(x − shift); `exponential` is the instruction of the terms.
    case expSum(Program.Operand, Program.Operand, exponential: Int)
    case maxExpSum(input: Int, largest: Int)
    case pick(input: Int, index: Int)
  }

  private(set) var form: [Form] = []
  private(set) var isNumber: [Bool] = []
  /// Done by another instruction's step.
  private(set) var isAbsorbed: [Bool]
  private(set) var segment: [Int] = []
  /// The last segment that reads a value.
  private(set) var lastSegment: [Int] = []
  /// The last instruction, in the same segment's order, that reads a value.
  private(set) var lastReader: [Int] = []
  private(set) var segmentCount = 0

  private let code: RowProgram.Code
  private var readers: [Int]

  init(_ code: RowProgram.Code) {
    self.code = code
    isAbsorbed = Array(repeating: false, count: code.instructions.count)
    readers = Array(repeating: 0, count: code.instructions.count)
    for instruction in code.instructions { count(instruction.operands) }
    for output in code.outputs {
      switch output {
      case .row(let value), .number(let value), .columnSum(let value): count([value])
      case .patched(let value, let plus, _): count([value, plus])
      }
    }
    for index in code.instructions.indices {
      isNumber.append(findNumber(index))
      form.append(plainForm(index))
    }
    for index in code.instructions.indices { fuseProduct(index) }
    for index in code.instructions.indices { fuseFold(index) }
    order()
  }

  private mutating func count(_ operands: [Program.Operand]) {
    for case .result(let i) in operands { readers[i] += 1 }
  }

  private func isNumber(_ operand: Program.Operand) -> Bool {
    switch operand {
    case .input(let i): code.inputs[i] != .row
    case .scalar, .constant: true
    case .result(let i): isNumber[i]
    }
  }

  private func findNumber(_ index: Int) -> Bool {
    switch code.instructions[index] {
    case .map(let step): step.operands.allSatisfy { isNumber($0) }
    case .fold, .pick: true
    }
  }

  private func plainForm(_ index: Int) -> Form {
    switch code.instructions[index] {
    case .map(let step): .plain(step.primitive, step.operands)
    case .fold(let reduction, let operand): .fold(reduction, operand)
    case .pick(let input, let position): .pick(input: input, index: position)
    }
  }

  // MARK: Instructions one kernel does together

  /// The operands of instruction `operand`, if it is a `primitive` over elements that only one other reads.
  private func operands(of operand: Program.Operand, _ primitive: Primitive, readers count: Int = 1) -> [Program.Operand]? {
    guard case .result(let i) = operand, readers[i] == count, !isNumber[i], !isAbsorbed[i],
      case .plain(primitive, let operands) = form[i]
    else { return nil }
    return operands
  }

  private mutating func absorb(_ operand: Program.Operand) {
    if case .result(let i) = operand { isAbsorbed[i] = true }
  }

  /// A product that one sum reads is part of it, rounded once.
  private mutating func fuseProduct(_ index: Int) {
    guard case .plain(fb_add, let terms) = form[index] else { return }
    for (product, other) in [(terms[0], terms[1]), (terms[1], terms[0])] {
      if let factors = operands(of: product, fb_mul) {
        absorb(product)
        form[index] = .plain(fb_fma, factors + [other])
        return
      }
    }
  }

  private mutating func fuseFold(_ index: Int) {
    guard case .fold(fb_reduce_sum, let term) = form[index] else { return }
    if let factors = operands(of: term, fb_mul), !isNumber(factors[0]), !isNumber(factors[1]) {
      absorb(term)
      form[index] = .dot(factors[0], factors[1])
    } else if let factor = operands(of: term, fb_square) {
      absorb(term)
      form[index] = .dot(factor[0], factor[0])
    } else if case .result(let exponential) = term, case .plain(fb_exp, let argument) = form[exponential],
      !isNumber[exponential], firstReader(exponential) == index, let parts = operands(of: argument[0], fb_sub),
      !isNumber(parts[0]), isNumber(parts[1])
    {
      absorb(argument[0])
      isAbsorbed[exponential] = true
      if readers[exponential] == 1, case .input(let input) = parts[0], case .result(let largest) = parts[1],
        case .fold(fb_reduce_max, .input(input)) = form[largest]
      {
        isAbsorbed[largest] = true
        form[index] = .maxExpSum(input: input, largest: largest)
      } else {
        form[index] = .expSum(parts[0], parts[1], exponential: exponential)
      }
    }
  }

  private func firstReader(_ index: Int) -> Int? {
    code.instructions.firstIndex { $0.operands.contains(.result(index)) }
  }

  // MARK: Segments

  /// What an instruction's step reads.
  func reads(_ index: Int) -> [Program.Operand] {
    switch form[index] {
    case .plain(_, let operands): operands
    case .fold(_, let operand): [operand]
    case .dot(let a, let b): [a, b]
    case .expSum(let x, let shift, _): [x, shift]
    case .maxExpSum(let input, _): [.input(input)]
    case .pick(let input, let position): [.input(input), .input(position)]
    }
  }

  /// The segment after which a value is known.
  func segment(of operand: Program.Operand) -> Int {
    if case .result(let i) = operand { return isNumber[i] ? known[i] : segment[i] }
    return 0
  }

  /// For numbers, the first segment that can read them.
  private var known: [Int] = []

  private mutating func order() {
    let count = code.instructions.count
    segment = Array(repeating: 0, count: count)
    known = Array(repeating: 0, count: count)
    // The producer of what an absorbed instruction computed.
    var producer = Array(0..<count)
    for index in 0..<count where !isAbsorbed[index] {
      switch form[index] {
      case .expSum(_, _, let exponential): producer[exponential] = index
      case .maxExpSum(_, let largest): producer[largest] = index
      default: break
      }
    }
    // A producer may stand after a reader of what it absorbed; settle by repetition, which ends as levels only rise.
    var changed = true
    while changed {
      changed = false
      for index in 0..<count {
        let by = producer[index]
        if isAbsorbed[index] && by == index { continue }
        var level = 0
        for operand in reads(by) {
          if case .result(let i) = operand { level = Swift.max(level, isNumber[i] ? known[i] : segment[i]) }
        }
        var isFold = false
        if case .plain = form[by] {} else { isFold = true }
        let isKnown = isFold && isNumber[index] ? level + 1 : level
        if segment[index] != level || known[index] != isKnown {
          segment[index] = level
          known[index] = isKnown
          changed = true
        }
      }
    }
    postpone(producer)
    segmentCount = 1 + (0..<count).reduce(0) { Swift.max($0, isNumber[$1] ? known[$1] : segment[$1]) }
    findLastReaders()
  }

  /// Moves element steps to the segment of their first reader, so that fewer values wait in memory.
  private mutating func postpone(_ producer: [Int]) {
    var first = Array(repeating: Int.max, count: code.instructions.count)
    for output in code.outputs {
      if case .result(let i)? = output.element { first[i] = segment[i] }
    }
    for index in code.instructions.indices.reversed() where !isAbsorbed[index] {
      if case .plain = form[index], !isNumber[index], first[index] != Int.max { segment[index] = first[index] }
      for case .result(let i) in reads(index) { first[i] = Swift.min(first[i], segment[index]) }
      if case .expSum(_, _, let exponential) = form[index] { first[exponential] = segment[index] }
    }
    // Numbers are computed where they are first possible.
    for index in code.instructions.indices where isNumber[index] {
      if case .plain = form[index] { segment[index] = known[index] }
    }
  }

  private mutating func findLastReaders() {
    lastSegment = segment
    lastReader = Array(repeating: -1, count: code.instructions.count)
    for index in code.instructions.indices where !isAbsorbed[index] {
      for case .result(let i) in reads(index) {
        lastSegment[i] = Swift.max(lastSegment[i], segment[index])
        lastReader[i] = Swift.max(lastReader[i], index)
      }
    }
    for output in code.outputs {
      if case .result(let i)? = output.element { lastReader[i] = Int.max }
    }
  }
}
