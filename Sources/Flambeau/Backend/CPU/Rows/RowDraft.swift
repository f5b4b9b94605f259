import CKernels

/// Orders the instructions of a row program into segments and gives their values places.
struct RowDraft {
  enum Place: Hashable { case none, input(Int), constant(Int), scalar(Int), cell(Int), row(Int), temporary(Int), output(Int) }

  struct Step {
    var kind: RowPlan.Kind
    var primitive: Primitive?
    var reduction: fb_reduction?
    var destination: Place
    var second: Place = .none
    var operands: [Place]
  }

  struct Segment {
    var loads: [Int] = []
    var numbers: [Step] = []
    var whole: [Step] = []
    var blocks: [Step] = []
  }

  struct Output {
    let kind: RowPlan.Output.Kind
    let place: Place
    let patch: (Place, Int)?
  }

  private(set) var constants: [Number] = []
  private(set) var segments: [Segment] = []
  private(set) var outputs: [Output] = []
  private(set) var readsInput: [Bool]
  private(set) var cellCount = 0
  private(set) var rowCount = 0
  private(set) var temporaryCount = 0
  private(set) var cost = 1

  private let code: RowProgram.Code
  private let graph: RowGraph
  private var places: [Place]
  private var loaded: Set<Int> = []
  private var free: [Int] = []

  init(_ code: RowProgram.Code, in computeClass: ComputeClass) {
    self.code = code
    graph = RowGraph(code)
    places = Array(repeating: .none, count: code.instructions.count)
    readsInput = Array(repeating: false, count: code.inputs.count)
    segments = Array(repeating: Segment(), count: graph.segmentCount)
    placeOutputs()
    for segment in 0..<graph.segmentCount {
      for index in code.instructions.indices where graph.segment[index] == segment && !graph.isAbsorbed[index] {
        add(index, segment)
      }
      finish(segment)
    }
    outputs = code.outputs.enumerated().map { output($0, $1) }
    cost =
      1
      + code.instructions.reduce(0) { sum, instruction in
        if case .map(let step) = instruction { return sum + step.primitive.cost }
        return sum + 1
      }
  }

  func isNumber(_ place: Place) -> Bool {
    switch place {
    case .constant, .scalar, .cell: true
    case .input(let i): code.inputs[i] != .row
    case .none, .row, .temporary, .output: false
    }
  }

  // MARK: Steps

  private mutating func add(_ index: Int, _ segment: Int) {
    let step: Step
    switch graph.form[index] {
    case .plain(let primitive, let operands):
      let read = operands.map { place($0, segment) }
      if graph.isNumber[index] {
        places[index] = newCell()
        segments[segment].numbers.append(
          Step(kind: .map, primitive: primitive, destination: places[index], operands: read))
        return
      }
      release(operands, index)
      step = Step(kind: .map, primitive: primitive, destination: newElementPlace(index), operands: read)
    case .fold(let reduction, let operand):
      let read = place(operand, segment)
      places[index] = newCell()
      release([operand], index)
      let fold = Step(kind: .fold, reduction: reduction, destination: places[index], operands: [read])
      if case .input = read {
        segments[segment].whole.append(fold)
        return
      }
      step = fold
    case .dot(let a, let b):
      let read = [place(a, segment), place(b, segment)]
      places[index] = newCell()
      release([a, b], index)
      step = Step(kind: .dot, reduction: fb_reduce_sum, destination: places[index], operands: read)
    case .expSum(let x, let shift, let exponential):
      let read = [place(x, segment), place(shift, segment)]
      places[index] = newCell()
      release([x], index)
      step = Step(
        kind: .expSum, reduction: fb_reduce_sum, destination: newElementPlace(exponential), second: places[index],
        operands: read)
    case .maxExpSum(let input, let largest):
      let read = place(.input(input), segment)
      places[index] = newCell()
      if places[largest] == .none { places[largest] = newCell() }
      segments[segment].whole.append(
        Step(kind: .maxExpSum, destination: places[largest], second: places[index], operands: [read]))
      return
    case .pick(let input, let position):
      let read = [place(.input(input), segment), place(.input(position), segment)]
      places[index] = newCell()
      segments[segment].whole.append(Step(kind: .pick, destination: places[index], operands: read))
      return
    }
    segments[segment].blocks.append(step)
  }

  /// Copies and sums for the outputs whose value is complete.
  private mutating func finish(_ segment: Int) {
    for (k, output) in code.outputs.enumerated() {
      guard let operand = output.element, graph.segment(of: operand) == segment else { continue }
      switch output {
      case .row, .patched:
        if case .result(let i) = operand, places[i] == .output(k) { continue }
        let read = place(operand, segment)
        segments[segment].blocks.append(Step(kind: .map, primitive: fb_copy, destination: .output(k), operands: [read]))
      case .columnSum:
        let read = place(operand, segment)
        segments[segment].blocks.append(
          Step(kind: .map, primitive: fb_add, destination: .output(k), operands: [.output(k), read]))
      case .number: continue
      }
    }
    free = Array(0..<temporaryCount)
  }

  // MARK: Places

  private mutating func place(_ operand: Program.Operand, _ segment: Int) -> Place {
    switch operand {
    case .input(let i):
      readsInput[i] = true
      if code.inputs[i] == .row, loaded.insert(i).inserted { segments[segment].loads.append(i) }
      return .input(i)
    case .scalar(let i): return .scalar(i)
    case .result(let i): return places[i]
    case .constant(let number):
      if let known = constants.firstIndex(of: number) { return .constant(known) }
      constants.append(number)
      return .constant(constants.count - 1)
    }
  }

  private mutating func newCell() -> Place {
    cellCount += 1
    return .cell(cellCount - 1)
  }

  /// A value that is an output lies there already.
  private mutating func placeOutputs() {
    for (k, output) in code.outputs.enumerated() {
      switch output {
      case .row(.result(let i)), .patched(.result(let i), _, _):
        if places[i] == .none && !graph.isNumber[i] { places[i] = .output(k) }
      default: break
      }
    }
  }

  private mutating func newElementPlace(_ index: Int) -> Place {
    if places[index] != .none { return places[index] }
    if graph.lastSegment[index] > graph.segment[index] {
      places[index] = .row(rowCount)
      rowCount += 1
    } else if let t = free.popLast() {
      places[index] = .temporary(t)
    } else {
      places[index] = .temporary(temporaryCount)
      temporaryCount += 1
    }
    return places[index]
  }

  /// A block whose last reader `index` is may take its result.
  private mutating func release(_ operands: [Program.Operand], _ index: Int) {
    for case .result(let i) in Set(operands) where graph.lastReader[i] == index {
      if case .temporary(let t) = places[i] { free.append(t) }
    }
  }

  private mutating func output(_ k: Int, _ output: RowProgram.CodeOutput) -> Output {
    let last = graph.segmentCount - 1
    switch output {
    case .row: return Output(kind: .row, place: .output(k), patch: nil)
    case .patched(_, let plus, let at):
      readsInput[at] = true
      return Output(kind: .row, place: .output(k), patch: (place(plus, last), at))
    case .number(let value): return Output(kind: .number, place: place(value, last), patch: nil)
    case .columnSum: return Output(kind: .columnSum, place: .output(k), patch: nil)
    }
  }
}

extension RowProgram.CodeOutput {
  /// The value of every element this output takes.
  var element: Program.Operand? {
    switch self {
    case .row(let value), .patched(let value, _, _), .columnSum(let value): value
    case .number: nil
    }
  }
}
