import Flambeau

/// The parameters of recurrent layers under torch's names, such as `weight_ih_l0_reverse`, and the run over sequences.
final class RecurrentStack: Sendable {
  let rule: RecurrentCell
  let inputSize, hiddenSize, layerCount, projectionSize: Int
  let isBidirectional: Bool
  let hasBias: Bool
  let weights: NamedParameters

  var directions: Int { isBidirectional ? 2 : 1 }
  /// Of the hidden state.
  var width: Int { projectionSize > 0 ? projectionSize : hiddenSize }

  init(
    _ rule: RecurrentCell, _ inputSize: Int, _ hiddenSize: Int, layers: Int, bidirectional: Bool, bias: Bool, projection: Int,
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
    let (weight, bias) = (tensor("weight_hh")!, tensor("bias_hh"))
    let input = data.linear(tensor("weight_ih")!, tensor("bias_ih"))
    let run = RecurrentRun(batchSizes: batchSizes, isReversed: isReversed)
    guard let projection = tensor("weight_hr") else {
      return input.recurrence(rule, run, hidden: hidden, cellState: cell, weight, bias)
    }
    return run.through(rule, input, hidden: hidden, cell: cell, weight, bias) { $0.linear(projection) }
  }
}
