/// What a recurrent layer does from step to step.
package enum RecurrentCell: Sendable {
  case tanh, relu, lstm, gru

  /// Rows of weights for each unit.
  package var gates: Int {
    switch self {
    case .tanh, .relu: 1
    case .lstm: 4
    case .gru: 3
    }
  }

  /// The function that runs a layer of them.
  var torchName: String {
    switch self {
    case .tanh: "rnn_tanh"
    case .relu: "rnn_relu"
    case .lstm: "lstm"
    case .gru: "gru"
    }
  }

  /// It keeps a cell beside the hidden state.
  package var hasCell: Bool { self == .lstm }

  /// The state after a step, in tensor operations.
  ///
  /// - Parameters:
  ///   - input: [n, gates · units]: the input's part.
  ///   - cell: What an LSTM keeps beside the hidden state.
  package func step(
    _ input: Tensor, hidden: Tensor, cell: Tensor?, _ weight: Tensor, _ bias: Tensor?
  ) -> (hidden: Tensor, cell: Tensor?) {
    let recurrent = hidden.linear(weight, bias)
    switch self {
    case .tanh: return ((input + recurrent).tanh(), nil)
    case .relu: return ((input + recurrent).relu(), nil)
    case .lstm:
      let gates = (input + recurrent).chunk(4, dim: -1)
      let kept = gates[1].sigmoid() * cell! + gates[0].sigmoid() * gates[2].tanh()
      return (gates[3].sigmoid() * kept.tanh(), kept)
    case .gru:
      let (own, other) = (input.chunk(3, dim: -1), recurrent.chunk(3, dim: -1))
      let reset = (own[0] + other[0]).sigmoid()
      let update = (own[1] + other[1]).sigmoid()
      let new = (own[2] + reset * other[2]).tanh()
      return ((hidden - new) * update + new, nil)
    }
  }
}

/// Sequences in packed steps, of every step those that still go on.
package struct RecurrentRun: Hashable, Sendable {
  /// How many sequences each step has, never more than the step before.
  package let batchSizes: [Int]
  package let isReversed: Bool
  /// The first row of each step.
  package let starts: [Int]

  package init(batchSizes: [Int], isReversed: Bool) {
    (self.batchSizes, self.isReversed) = (batchSizes, isReversed)
    starts = batchSizes.reduce(into: [0]) { $0.append($0.last! + $1) }
  }

  var rows: Int { starts.last! }
  package var sequences: Int { batchSizes[0] }
  /// The steps as they are taken.
  package var order: [Int] { isReversed ? Array(batchSizes.indices.reversed()) : Array(batchSizes.indices) }
}

struct RecurrenceArguments: Sendable {
  let cell: RecurrentCell
  let run: RecurrentRun
}

/// Recurrent layers, a whole run of one layer in one direction a row.
struct Recurrences: Sendable {
  /// The input's part of the gates [rows, gates · units], the state before the run: hidden [n, units] and, missing but for LSTM, cell
  /// [n, units], the weights [gates · units, units] and a bias [gates · units]. The result has a row for the output of every step and
  /// sequence, then the hidden state, then the cell after the run.
  let recurrence: Operator<RecurrenceArguments> = Operator(
    "recurrence", auxiliaryCount: 2,
    saves: { _ in
      SavePlan(operands: [.operand(0), .operand(1), .operand(2), .operand(3), .operand(4)], result: true, auxiliaries: true)
    },
    forward: { (operands, at) throws(TensorError) in
      try RecurrenceOperands(operands, at).forward(keeping: Context.current.records && !operands.needs.isEmpty)
    },
    backward: { (call, gradient) throws(TensorError) in
      let operands: Few<Tensor> = Few([
        try call.operand(0), try call.operand(1), try call.optionalOperand(2), try call.operand(3), try call.optionalOperand(4),
      ])
      if Context.current.records { return Recurrences.tensorGradients(call, operands, gradient) }
      return try RecurrenceOperands(operands, call.attributes).backward(call, gradient)
    },
    samples: Recurrences.samples
  ).onGPU()

  /// The run once more in tensor operations, whose gradients differentiate again.
  private static func tensorGradients(
    _ call: Call<RecurrenceArguments>, _ operands: Few<Tensor>, _ gradient: Tensor
  ) -> Few<Tensor> {
    // Views, so that the search for gradients ends at them.
    let views: [Tensor?] = (0..<5).map { i in operands[i].map { $0.view($0.shape) } }
    let at = call.attributes
    let result = at.run.inTensorOperations(at.cell, views[0]!, views[1]!, views[2], views[3]!, views[4])
    let needed = (0..<5).filter { call.needs($0) }
    let found = Tensor.grad(
      of: [result], withRespectTo: needed.map { views[$0]! }, gradients: [gradient], createGraph: true, allowUnused: true)
    var gradients = Few<Tensor>(count: 5)
    for (i, operand) in needed.enumerated() { gradients[operand] = found[i] }
    return gradients
  }
}

extension RecurrentRun {
  fileprivate func inTensorOperations(
    _ rule: RecurrentCell, _ input: Tensor, _ hidden: Tensor, _ cell: Tensor?, _ weight: Tensor, _ bias: Tensor?
  ) -> Tensor {
    let (outputs, hidden, cell) = through(rule, input, hidden: hidden, cell: cell, weight, bias)
    return .cat([outputs, hidden] + (cell.map { [$0] } ?? []))
  }

  /// The run in tensor operations.
  ///
  /// - Parameter project: Makes the hidden state of what a step gives.
  /// - Returns: The output of every step, and the state after the run.
  package func through(
    _ rule: RecurrentCell, _ input: Tensor, hidden: Tensor, cell: Tensor?, _ weight: Tensor, _ bias: Tensor?,
    project: (Tensor) -> Tensor = { $0 }
  ) -> (output: Tensor, hidden: Tensor, cell: Tensor?) {
    func rows(_ x: Tensor, _ from: Int, _ count: Int) -> Tensor {
      from == 0 && count == x.shape[0] ? x : x.narrow(0, start: from, length: count)
    }
    var count = batchSizes[order[0]]
    var state = (hidden: rows(hidden, 0, count), cell: cell.map { rows($0, 0, count) })
    var outputs: [Tensor] = Array(repeating: state.hidden, count: batchSizes.count)
    var ended: [(hidden: Tensor, cell: Tensor?)] = []
    for step in order {
      let size = batchSizes[step]
      if size < count {
        ended.append((rows(state.hidden, size, count - size), state.cell.map { rows($0, size, count - size) }))
        state = (rows(state.hidden, 0, size), state.cell.map { rows($0, 0, size) })
      } else if size > count {
        state.hidden = .cat([state.hidden, rows(hidden, count, size - count)])
        if let kept = state.cell { state.cell = .cat([kept, rows(cell!, count, size - count)]) }
      }
      count = size
      state = rule.step(rows(input, starts[step], size), hidden: state.hidden, cell: state.cell, weight, bias)
      state.hidden = project(state.hidden)
      outputs[step] = state.hidden
    }
    ended.append(state)
    ended.reverse()
    let last = ended.count == 1 ? state.hidden : Tensor.cat(ended.map { $0.hidden })
    let lastCell = ended.count == 1 ? state.cell : state.cell == nil ? nil : Tensor.cat(ended.map { $0.cell! })
    return (outputs.count == 1 ? outputs[0] : .cat(outputs), last, lastCell)
  }
}

/// The operands of a run, dense.
private struct RecurrenceOperands {
  private let at: RecurrenceArguments
  private let input, hidden, weight: TensorBody
  private let cell, bias: TensorBody?
  private let size: Int

  init(_ operands: Few<Tensor>, _ at: RecurrenceArguments) throws(TensorError) {
    self.at = at
    let bodies = (0..<5).map { operands[$0]?.body }
    let (rows, n) = (at.run.rows, at.run.sequences)
    size = bodies[1]!.layout.shape.last ?? 0
    let gates = at.cell.gates * size
    let names = ["input", "hidden", "cell", "weight", "bias"]
    for (i, shape) in ([[rows, gates], [n, size], [n, size], [gates, size], [gates]] as [Shape]).enumerated() {
      guard let body = bodies[i] else { continue }
      guard body.layout.shape == shape else {
        throw .shape("expected the \(names[i]) of a recurrent layer to have the shape \(shape), but got \(body.layout.shape)")
      }
      guard body.dtype == bodies[0]!.dtype, body.dtype == .float32 || body.dtype == .float64 else {
        throw .dtype("expected operands of one dtype, float32 or float64, but the \(names[i]) has \(body.dtype)")
      }
    }
    input = try bodies[0]!.contiguousBody()
    hidden = try bodies[1]!.contiguousBody()
    cell = try bodies[2].map { (body) throws(TensorError) in try body.contiguousBody() }
    weight = try bodies[3]!.contiguousBody()
    bias = try bodies[4].map { (body) throws(TensorError) in try body.contiguousBody() }
  }

  private var dtype: DType { input.dtype }
  private var kernel: Recurrence { Recurrence(at.cell, at.run, size: size, dtype: dtype) }

  /// [rows, parts · units]
  private func fresh(_ rows: Int, _ parts: Int = 1) throws(TensorError) -> Value {
    try Value(Layout([rows, parts * size]), dtype, on: input.device)
  }

  /// Outputs and states, and, if they are kept, what the way back needs of gates and cells.
  func forward(keeping: Bool) throws(TensorError) -> Value {
    let (rows, n) = (at.run.rows, at.run.sequences)
    var result = try fresh(rows + n * (cell == nil ? 1 : 2))
    let kernel = self.kernel
    if keeping { result.auxiliaries = [try fresh(rows, kernel.keptCount), try fresh(cell == nil ? 0 : rows)] }
    try hidden.elements.copy(to: result.elements.rows(from: rows, n))
    if let cell { try cell.elements.copy(to: result.elements.rows(from: rows + n, n)) }
    try kernel.forward(
      RecurrenceTask(
        cell: at.cell, run: at.run, input: input.elements, weight: weight.elements, bias: bias?.elements,
        result: result.elements, kept: keeping && kernel.keptCount > 0 ? result.auxiliaries[0].elements : nil,
        cells: keeping && cell != nil ? result.auxiliaries[1].elements : nil))
    withExtendedLifetime((input, hidden, cell, weight, bias)) {}
    return result
  }

  func backward(_ call: Call<RecurrenceArguments>, _ gradient: Tensor) throws(TensorError) -> Few<Tensor> {
    let (rows, n, gates) = (at.run.rows, at.run.sequences, at.cell.gates)
    let arriving = try gradient.body.contiguousBody()
    let result = try call.result()
    let (kept, cells) = (try call.auxiliary(0), try call.auxiliary(1))
    let lastHidden = try before(result.body, hidden)
    let lastCells = try cell.map { (cell) throws(TensorError) in try before(cells.body, cell) }
    // What arrives at the state after the run becomes the gradient of that before it.
    let state = try fresh(n)
    try arriving.elements.rows(from: rows, n).copy(to: state.elements)
    let cellState = cell == nil ? nil : try fresh(n)
    if let cellState { try arriving.elements.rows(from: rows + n, n).copy(to: cellState.elements) }
    let inputSlopes = try fresh(rows, gates)
    let productSlopes = at.cell == .gru ? try fresh(rows, gates) : inputSlopes
    let kernel = self.kernel
    try kernel.backward(
      RecurrenceGradientTask(
        cell: at.cell, run: at.run, weight: weight.elements, gradient: arriving.elements.rows(from: 0, rows),
        output: result.body.elements.rows(from: 0, rows), kept: kernel.keptCount == 0 ? nil : kept.body.elements,
        cells: cell == nil ? nil : cells.body.elements, lastHidden: lastHidden.elements, lastCells: lastCells?.elements,
        hidden: state.elements, state: cellState?.elements, inputSlopes: inputSlopes.elements,
        productSlopes: productSlopes.elements))
    withExtendedLifetime((weight, arriving, result, kept, cells, lastHidden, lastCells, state, cellState, productSlopes)) {}
    var gradients = Few<Tensor>(count: 5)
    func tensor(_ value: Value) -> Tensor { Tensor(TensorBody(value)) }
    if call.needs(0) { gradients[0] = tensor(inputSlopes) }
    if call.needs(1) { gradients[1] = tensor(state) }
    if call.needs(2) { gradients[2] = cellState.map(tensor) }
    if call.needs(3) { gradients[3] = tensor(productSlopes).T.mm(tensor(lastHidden)) }
    if call.needs(4) { gradients[4] = tensor(productSlopes).sum(dim: 0) }
    return gradients
  }

  /// What every row's step began with, from what the steps ended with and the state before the run.
  private func before(_ ends: TensorBody, _ state: TensorBody) throws(TensorError) -> Value {
    let value = try fresh(at.run.rows)
    for piece in at.run.beginnings {
      let from = piece.isState ? state.elements : ends.elements
      try from.rows(from: piece.source, piece.count).copy(to: value.elements.rows(from: piece.target, piece.count))
    }
    return value
  }
}

extension RecurrentRun {
  /// Rows that steps begin with: those of other steps' ends, or of the state before the run.
  fileprivate struct Beginning {
    let isState: Bool
    let source: Int
    let target: Int
    var count: Int
  }

  /// Where the rows of all steps begin, in few pieces: one copy does for all steps of as many sequences.
  fileprivate var beginnings: [Beginning] {
    var pieces: [Beginning] = []
    for (position, step) in order.enumerated() {
      let last = position > 0 ? order[position - 1] : step
      let known = position > 0 ? Swift.min(batchSizes[step], batchSizes[last]) : 0
      let (start, rest) = (starts[step], batchSizes[step] - known)
      if known > 0 { pieces.append(Beginning(isState: false, source: starts[last], target: start, count: known)) }
      if rest > 0 { pieces.append(Beginning(isState: true, source: known, target: start + known, count: rest)) }
    }
    return pieces.sorted { $0.target < $1.target }.reduce(into: []) { joined, piece in
      if let last = joined.last, last.isState == piece.isState, last.source + last.count == piece.source,
        last.target + last.count == piece.target
      {
        joined[joined.count - 1].count += piece.count
      } else {
        joined.append(piece)
      }
    }
  }
}

extension Tensor {
  /// A run of a recurrent layer, whose input's part of the gates this tensor is: [rows, gates · units].
  ///
  /// - Parameters:
  ///   - hidden, cellState: The state before the run, [n, units].
  ///   - weight: [gates · units, units]; bias: [gates · units].
  /// - Returns: The output of every step, and the state after the run.
  package func recurrence(
    _ cell: RecurrentCell, _ run: RecurrentRun, hidden: Tensor, cellState: Tensor?, _ weight: Tensor, _ bias: Tensor?
  ) -> (output: Tensor, hidden: Tensor, cell: Tensor?) {
    let all = wholeRecurrence(cell, run, hidden: hidden, cellState: cellState, weight, bias)
    if all.body.poison != nil { return (all, all, cell.hasCell ? all : nil) }
    let (rows, n) = (run.rows, run.sequences)
    return (
      all.narrow(0, start: 0, length: rows), all.narrow(0, start: rows, length: n),
      cell.hasCell ? all.narrow(0, start: rows + n, length: n) : nil
    )
  }

  /// Outputs and states below each other. Halves are rounded once; of integers torch takes ReLU units only.
  fileprivate func wholeRecurrence(
    _ cell: RecurrentCell, _ run: RecurrentRun, hidden: Tensor, cellState: Tensor?, _ weight: Tensor, _ bias: Tensor?
  ) -> Tensor {
    if let autocast = AutocastMethod(cell.torchName, on: self) {
      return checked(cell.torchName, at: CallSite(#fileID, #line)) { _ throws(TensorError) in
        try autocast(self, hidden, cellState, weight, bias) {
          $0[0]!.wholeRecurrence(cell, run, hidden: $0[1]!, cellState: $0[2], $0[3]!, $0[4])
        }
      }
    }
    if cell == .gru, autocastDType != nil, dtype.isFloatingPoint, hidden.dtype.isFloatingPoint {
      // Torch adds products in the half type to a state that stays what it was.
      return Context.run(Context.current.withoutAutocast) {
        to(hidden.dtype).wholeRecurrence(
          cell, run, hidden: hidden, cellState: nil, weight.to(hidden.dtype), bias?.to(hidden.dtype))
      }
    }
    if cell == .relu && !dtype.isFloatingPoint {
      return run.inTensorOperations(cell, self, hidden, cellState, weight, bias)
    }
    let operands: [Tensor?] = [self, hidden, cellState, weight, bias]
    let isHalf = dtype.isHalf && operands.allSatisfy { $0.map { $0.dtype == dtype } ?? true }
    let wide: [Tensor?] = isHalf ? operands.map { $0?.to(.float32) } : operands
    let result = ops.recurrences.recurrence.call(Few(wide), RecurrenceArguments(cell: cell, run: run))
    return isHalf ? result.to(dtype) : result
  }
}

extension Recurrences {
  /// Torch's function of an input, states, weights and biases.
  private static func sample(_ name: String, _ cell: RecurrentCell) -> Sample {
    let rows = 3 * cell.gates
    let states = Array(repeating: SampleOperand.real([1, 2, 3]), count: cell.hasCell ? 2 : 1)
    let parameters: [SampleOperand] = [.real([rows, 5]), .real([rows, 3]), .real([rows]), .real([rows])]
    let names = cell.hasCell ? "(b, c), (d, e, f, g)" : "b, (c, d, e, f)"
    return Sample(
      "torch.cat([y.reshape(-1, 3) for y in torch.\(name)(a, \(names), True, 1, 0.0, False, False, False)])",
      [.real([4, 2, 5])] + states + parameters
    ) { x in
      let (weights, run) = (Array(x.suffix(4)), RecurrentRun(batchSizes: [2, 2, 2, 2], isReversed: false))
      return x[0].reshape([8, 5]).linear(weights[0], weights[2]).wholeRecurrence(
        cell, run, hidden: x[1][0], cellState: cell.hasCell ? x[2][0] : nil, weights[1], weights[3])
    }.widened
  }

  fileprivate static let samples: [Sample] = [
    sample("lstm", .lstm), sample("gru", .gru), sample("rnn_tanh", .tanh), sample("rnn_relu", .relu),
  ]
}
