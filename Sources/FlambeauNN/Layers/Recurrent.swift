import Flambeau

/// What a recurrent network does from step to step.
enum RecurrentRule: Sendable {
  case tanh, relu, lstm, gru

  /// Rows of weights for each unit.
  var gates: Int {
    switch self {
    case .tanh, .relu: 1
    case .lstm: 4
    case .gru: 3
    }
  }

  /// The state after a step.
  ///
  /// - Parameters:
  ///   - input: [n, gates · units]: the input's part.
  ///   - cell: What an LSTM keeps beside the hidden state.
  func step(_ input: Tensor, hidden: Tensor, cell: Tensor?, _ weight: Tensor, _ bias: Tensor?) -> (Tensor, Tensor?) {
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

/// The parameters of recurrent layers under torch's names, such as `weight_ih_l0_reverse`, and the run over sequences.
final class RecurrentStack: Sendable {
  let rule: RecurrentRule
  let inputSize, hiddenSize, layerCount, projectionSize: Int
  let isBidirectional: Bool
  let hasBias: Bool
  let weights: NamedParameters

  var directions: Int { isBidirectional ? 2 : 1 }
  /// Of the hidden state.
  var width: Int { projectionSize > 0 ? projectionSize : hiddenSize }

  init(
    _ rule: RecurrentRule, _ inputSize: Int, _ hiddenSize: Int, layers: Int, bidirectional: Bool, bias: Bool, projection: Int,
    dtype: DType
  ) {
    (self.rule, self.inputSize, self.hiddenSize) = (rule, inputSize, hiddenSize)
    (layerCount, projectionSize, isBidirectional, hasBias) = (layers, projection, bidirectional, bias)
    let (count, width) = (bidirectional ? 2 : 1, projection > 0 ? projection : hiddenSize)
    var entries: [(name: String, parameter: Parameter)] = []
    for layer in 0..<layers {
      for direction in 0..<count {
        let rows = rule.gates * hiddenSize
        var shapes: [(String, Shape)] = [
          ("weight_ih", [rows, layer == 0 ? inputSize : width * count]), ("weight_hh", [rows, width]),
        ]
        if bias { shapes += [("bias_ih", [rows]), ("bias_hh", [rows])] }
        if projection > 0 { shapes.append(("weight_hr", [projection, hiddenSize])) }
        entries += shapes.map { kind, shape in
          (name: RecurrentStack.name(kind, layer, direction), parameter: Parameter(.zeros(shape, dtype: dtype)))
        }
      }
    }
    let bound = hiddenSize > 0 ? 1 / Double(hiddenSize).squareRoot() : 0
    for entry in entries { Init.uniform_(entry.parameter.tensor, from: -bound, to: bound) }
    weights = NamedParameters(entries)
  }

  private static func name(_ kind: String, _ layer: Int, _ direction: Int) -> String {
    "\(kind)_l\(layer)" + (direction == 1 ? "_reverse" : "")
  }

  /// - Parameters:
  ///   - data: Steps one after the other: [Σ batchSizes, inputSize].
  ///   - batchSizes: How many sequences each step has, never more than the step before.
  ///   - hidden, cell: [layers · directions, n, …].
  func run(
    _ data: Tensor, batchSizes: [Int], hidden: Tensor, cell: Tensor?, dropout: Double
  ) -> (output: Tensor, hidden: Tensor, cell: Tensor?) {
    var input = data
    var (finals, cells): ([Tensor], [Tensor]) = ([], [])
    for layer in 0..<layerCount {
      var outputs: [Tensor] = []
      for direction in 0..<directions {
        let place = layer * directions + direction
        let (output, last, lastCell) = pass(
          input, batchSizes, hidden[place], cell.map { $0[place] }, layer, isReversed: direction == 1)
        outputs.append(output)
        finals.append(last)
        if let lastCell { cells.append(lastCell) }
      }
      input = outputs.count == 1 ? outputs[0] : .cat(outputs, dim: -1)
      if dropout > 0 && layer < layerCount - 1 { input = input.dropout(dropout) }
    }
    return (input, .stack(finals), cells.isEmpty ? nil : .stack(cells))
  }

  /// One layer in one direction. A sequence enters the run at its first step in that direction, and leaves after its last.
  private func pass(
    _ data: Tensor, _ batchSizes: [Int], _ hidden: Tensor, _ cell: Tensor?, _ layer: Int, isReversed: Bool
  ) -> (output: Tensor, hidden: Tensor, cell: Tensor?) {
    func tensor(_ kind: String) -> Tensor? {
      weights[RecurrentStack.name(kind, layer, isReversed ? 1 : 0)]?.tensor
    }
    let (weight, bias, projection) = (tensor("weight_hh")!, tensor("bias_hh"), tensor("weight_hr"))
    let all = data.linear(tensor("weight_ih")!, tensor("bias_ih"))
    let starts = batchSizes.reduce(into: [0]) { $0.append($0.last! + $1) }
    let steps = isReversed ? Array(batchSizes.indices.reversed()) : Array(batchSizes.indices)
    func rows(_ x: Tensor, _ from: Int, _ count: Int) -> Tensor {
      from == 0 && count == x.shape[0] ? x : x.narrow(0, start: from, length: count)
    }
    var count = batchSizes[steps[0]]
    var state = (rows(hidden, 0, count), cell.map { rows($0, 0, count) })
    var outputs: [Tensor] = Array(repeating: state.0, count: batchSizes.count)
    var ended: [(Tensor, Tensor?)] = []
    for step in steps {
      let size = batchSizes[step]
      if size < count {
        ended.append((rows(state.0, size, count - size), state.1.map { rows($0, size, count - size) }))
        state = (rows(state.0, 0, size), state.1.map { rows($0, 0, size) })
      } else if size > count {
        state.0 = .cat([state.0, rows(hidden, count, size - count)])
        if let kept = state.1 { state.1 = .cat([kept, rows(cell!, count, size - count)]) }
      }
      count = size
      state = rule.step(rows(all, starts[step], size), hidden: state.0, cell: state.1, weight, bias)
      if let projection { state.0 = state.0.linear(projection) }
      outputs[step] = state.0
    }
    ended.append(state)
    ended.reverse()
    let last = ended.count == 1 ? state.0 : Tensor.cat(ended.map(\.0))
    let lastCell = ended.count == 1 ? state.1 : state.1 == nil ? nil : Tensor.cat(ended.map { $0.1! })
    return (outputs.count == 1 ? outputs[0] : .cat(outputs), last, lastCell)
  }
}
