import Flambeau

/// What recurrent networks have in common: settings, parameters and the ways a call is written.
protocol RecurrentLayer: Module {
  var stack: RecurrentStack { get }
  var batchFirst: Bool { get }
  var dropout: Double { get }
  var mode: Mode { get }
}

extension RecurrentLayer {
  /// Runs [t, n, inputSize], with `batchFirst` [n, t, inputSize], or [t, inputSize].
  func run(
    _ x: Tensor, _ hidden: Tensor?, _ cell: Tensor?, hasCell: Bool, _ file: StaticString, _ line: UInt
  ) -> (output: Tensor, hidden: Tensor, cell: Tensor?) {
    let name = "\(type(of: self))"
    if Context.current.isFailed { return (.zeros([]), .zeros([]), hasCell ? .zeros([]) : nil) }
    func refused(_ problem: String) -> (Tensor, Tensor, Tensor?) {
      let result = Door.refuse(TensorError(.shape, problem), in: name, x, file: file, line: line)
      return (result, result, hasCell ? result : nil)
    }
    guard x.ndim == 2 || x.ndim == 3 else { return refused("Expected input to be 2D or 3D, got \(x.ndim)D instead") }
    guard x.shape[-1] == stack.inputSize else {
      return refused("input.size(-1) must be equal to input_size. Expected \(stack.inputSize), got \(x.shape[-1])")
    }
    let isBatched = x.ndim == 3
    let timeFirst = isBatched ? (batchFirst ? x.transpose(0, 1) : x) : x.unsqueeze(1)
    let (time, n) = (timeFirst.shape[0], timeFirst.shape[1])
    guard time > 0 else { return refused("Expected sequence length to be larger than 0 in RNN") }
    let places = stack.layerCount * stack.directions
    for (what, state, width) in [("hidden", hidden, stack.width), ("cell", cell, stack.hiddenSize)] {
      guard let state else { continue }
      let expected: Shape = isBatched ? [places, n, width] : [places, width]
      guard state.shape == expected else {
        return refused("Expected \(what)[0] size \(expected), got \(state.shape)")
      }
    }
    func batched(_ state: Tensor?, _ width: Int) -> Tensor {
      state.map { isBatched ? $0 : $0.unsqueeze(1) } ?? .zeros([places, n, width], dtype: x.dtype, device: x.device)
    }
    let (data, last, lastCell) = stack.run(
      timeFirst.reshape([time * n, stack.inputSize]), batchSizes: Array(repeating: n, count: time),
      hidden: batched(hidden, stack.width), cell: hasCell ? batched(cell, stack.hiddenSize) : nil,
      dropout: mode.isTraining ? dropout : 0)
    let output = data.reshape([time, n, stack.width * stack.directions])
    if !isBatched { return (output.squeeze(1), last.squeeze(1), lastCell?.squeeze(1)) }
    return (batchFirst ? output.transpose(0, 1) : output, last, lastCell)
  }

  /// Runs packed sequences; states are in the order of the sequences that were packed.
  func run(
    _ x: PackedSequence, _ hidden: Tensor?, _ cell: Tensor?, hasCell: Bool
  ) -> (output: PackedSequence, hidden: Tensor, cell: Tensor?) {
    if x.batchSizes.isEmpty || Context.current.isFailed { return (x, x.data, hasCell ? x.data : nil) }
    let (n, places) = (x.batchSizes[0], stack.layerCount * stack.directions)
    func sorted(_ state: Tensor?, _ width: Int) -> Tensor {
      guard let state else { return .zeros([places, n, width], dtype: x.data.dtype, device: x.data.device) }
      return x.sortedIndices.map { state.indexSelect(dim: 1, index: $0) } ?? state
    }
    let (data, last, lastCell) = stack.run(
      x.data, batchSizes: x.batchSizes, hidden: sorted(hidden, stack.width),
      cell: hasCell ? sorted(cell, stack.hiddenSize) : nil, dropout: mode.isTraining ? dropout : 0)
    func unsorted(_ state: Tensor) -> Tensor {
      x.unsortedIndices.map { state.indexSelect(dim: 1, index: $0) } ?? state
    }
    return (x.replacing(data), unsorted(last), lastCell.map(unsorted))
  }

  var settings: String {
    var text = "\(stack.inputSize), \(stack.hiddenSize)"
    if stack.projectionSize > 0 { text += ", projSize: \(stack.projectionSize)" }
    if stack.layerCount != 1 { text += ", numLayers: \(stack.layerCount)" }
    if !stack.hasBias { text += ", bias: false" }
    if batchFirst { text += ", batchFirst: true" }
    if dropout != 0 { text += ", dropout: \(dropout)" }
    return stack.isBidirectional ? text + ", bidirectional: true" : text
  }
}

/// Layers of tanh or ReLU units that see their own last output (Elman, 1990). Torch's `nn.RNN`.
///
/// Parameters go by torch's names (`weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, `…_reverse`) and start uniform
/// between ±1/√hiddenSize.
public final class RNN: RecurrentLayer {
  /// What is applied to sums.
  public enum Nonlinearity: Sendable {
    /// Hyperbolic tangent (torch's default).
    case tanh
    /// max(x, 0).
    case relu
  }

  /// The parameters of all layers and directions, under torch's names, such as `weight_ih_l0`.
  public let weights: NamedParameters
  let stack: RecurrentStack
  /// Batches are [N, T, …], not [T, N, …].
  public let batchFirst: Bool
  /// The probability of a zero, in training.
  public let dropout: Double
  let mode = Mode()
  public static var stateNames: [String: String] { ["weights": ""] }

  /// - Parameters:
  ///   - batchFirst: Input and output are [n, t, …] rather than [t, n, …].
  ///   - dropout: The share of each layer's output, but the last's, that is set to 0 while training.
  ///   - bidirectional: A second run from the end; outputs are side by side.
  public init(
    _ inputSize: Int, _ hiddenSize: Int, numLayers: Int = 1, nonlinearity: Nonlinearity = .tanh, bias: Bool = true,
    batchFirst: Bool = false, dropout: Double = 0, bidirectional: Bool = false, dtype: DType = .float32,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    RecurrentStack.check("RNN", hiddenSize, numLayers, dropout, file, line)
    stack = RecurrentStack(
      nonlinearity == .tanh ? .tanh : .relu, inputSize, hiddenSize, layers: Swift.max(numLayers, 1),
      bidirectional: bidirectional, bias: bias, projection: 0, dtype: dtype)
    (weights, self.batchFirst, self.dropout) = (stack.weights, batchFirst, dropout)
  }

  /// - Parameters:
  ///   - x: [t, n, inputSize], with `batchFirst` [n, t, inputSize], or [t, inputSize].
  ///   - hidden: [layers · directions, n, hiddenSize], or without the n; zeros by default.
  /// - Returns: The last layer's output of every step, and the last hidden state of every layer and direction.
  public func callAsFunction(
    _ x: Tensor, _ hidden: Tensor? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> (output: Tensor, hidden: Tensor) {
    let all = run(x, hidden, nil, hasCell: false, file, line)
    return (all.output, all.hidden)
  }

  /// Sequences of different lengths.
  public func callAsFunction(_ x: PackedSequence, _ hidden: Tensor? = nil) -> (output: PackedSequence, hidden: Tensor) {
    let all = run(x, hidden, nil, hasCell: false)
    return (all.output, all.hidden)
  }

  public var configuration: String { settings }
}

/// Gated recurrent units (Cho et al., 2014). Torch's `nn.GRU`; parameters as ``RNN``'s.
public final class GRU: RecurrentLayer {
  /// The parameters of all layers and directions, under torch's names, such as `weight_ih_l0`.
  public let weights: NamedParameters
  let stack: RecurrentStack
  /// Batches are [N, T, …], not [T, N, …].
  public let batchFirst: Bool
  /// The probability of a zero, in training.
  public let dropout: Double
  let mode = Mode()
  public static var stateNames: [String: String] { ["weights": ""] }

  /// - Parameters:
  ///   - batchFirst: Input and output are [n, t, …] rather than [t, n, …].
  ///   - dropout: The share of each layer's output, but the last's, that is set to 0 while training.
  ///   - bidirectional: A second run from the end; outputs are side by side.
  public init(
    _ inputSize: Int, _ hiddenSize: Int, numLayers: Int = 1, bias: Bool = true, batchFirst: Bool = false,
    dropout: Double = 0, bidirectional: Bool = false, dtype: DType = .float32, file: StaticString = #fileID,
    line: UInt = #line
  ) {
    RecurrentStack.check("GRU", hiddenSize, numLayers, dropout, file, line)
    stack = RecurrentStack(
      .gru, inputSize, hiddenSize, layers: Swift.max(numLayers, 1), bidirectional: bidirectional, bias: bias, projection: 0,
      dtype: dtype)
    (weights, self.batchFirst, self.dropout) = (stack.weights, batchFirst, dropout)
  }

  /// - Parameters:
  ///   - x: [t, n, inputSize], with `batchFirst` [n, t, inputSize], or [t, inputSize].
  ///   - hidden: [layers · directions, n, hiddenSize], or without the n; zeros by default.
  /// - Returns: The last layer's output of every step, and the last hidden state of every layer and direction.
  public func callAsFunction(
    _ x: Tensor, _ hidden: Tensor? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> (output: Tensor, hidden: Tensor) {
    let all = run(x, hidden, nil, hasCell: false, file, line)
    return (all.output, all.hidden)
  }

  /// Sequences of different lengths.
  public func callAsFunction(_ x: PackedSequence, _ hidden: Tensor? = nil) -> (output: PackedSequence, hidden: Tensor) {
    let all = run(x, hidden, nil, hasCell: false)
    return (all.output, all.hidden)
  }

  public var configuration: String { settings }
}

/// Long short-term memory (Hochreiter and Schmidhuber, 1997). Torch's `nn.LSTM`; parameters as ``RNN``'s, and `weight_hr_l0`
/// where outputs are projected.
public final class LSTM: RecurrentLayer {
  /// The parameters of all layers and directions, under torch's names, such as `weight_ih_l0`.
  public let weights: NamedParameters
  let stack: RecurrentStack
  /// Batches are [N, T, …], not [T, N, …].
  public let batchFirst: Bool
  /// The probability of a zero, in training.
  public let dropout: Double
  let mode = Mode()
  public static var stateNames: [String: String] { ["weights": ""] }

  /// - Parameters:
  ///   - batchFirst: Input and output are [n, t, …] rather than [t, n, …].
  ///   - dropout: The share of each layer's output, but the last's, that is set to 0 while training.
  ///   - bidirectional: A second run from the end; outputs are side by side.
  ///   - projSize: What hidden states are projected to, if above 0 (Sak et al., 2014).
  public init(
    _ inputSize: Int, _ hiddenSize: Int, numLayers: Int = 1, bias: Bool = true, batchFirst: Bool = false,
    dropout: Double = 0, bidirectional: Bool = false, projSize: Int = 0, dtype: DType = .float32,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    RecurrentStack.check("LSTM", hiddenSize, numLayers, dropout, file, line)
    if projSize < 0 || projSize > 0 && projSize >= hiddenSize {
      let problem =
        projSize < 0
        ? "proj_size should be a positive integer or zero to disable projections"
        : "proj_size has to be smaller than hidden_size"
      Door.fail(TensorError(.argument, problem), in: "LSTM", file: file, line: line)
    }
    stack = RecurrentStack(
      .lstm, inputSize, hiddenSize, layers: Swift.max(numLayers, 1), bidirectional: bidirectional, bias: bias,
      projection: Swift.max(projSize, 0), dtype: dtype)
    (weights, self.batchFirst, self.dropout) = (stack.weights, batchFirst, dropout)
  }

  /// - Parameters:
  ///   - x: [t, n, inputSize], with `batchFirst` [n, t, inputSize], or [t, inputSize].
  ///   - state: Hidden state [layers · directions, n, hiddenSize or projSize] and cells [layers · directions, n, hiddenSize],
  ///     or without the n; zeros by default.
  /// - Returns: The last layer's output of every step, and the last state of every layer and direction.
  public func callAsFunction(
    _ x: Tensor, _ state: (hidden: Tensor, cell: Tensor)? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> (output: Tensor, state: (hidden: Tensor, cell: Tensor)) {
    let all = run(x, state?.hidden, state?.cell, hasCell: true, file, line)
    return (all.output, (all.hidden, all.cell!))
  }

  /// Sequences of different lengths.
  public func callAsFunction(
    _ x: PackedSequence, _ state: (hidden: Tensor, cell: Tensor)? = nil
  ) -> (output: PackedSequence, state: (hidden: Tensor, cell: Tensor)) {
    let all = run(x, state?.hidden, state?.cell, hasCell: true)
    return (all.output, (all.hidden, all.cell!))
  }

  public var configuration: String { settings }
}

extension RecurrentStack {
  fileprivate static func check(
    _ name: String, _ hiddenSize: Int, _ layers: Int, _ dropout: Double, _ file: StaticString, _ line: UInt
  ) {
    let problem: String? =
      hiddenSize <= 0
      ? "hidden_size must be greater than zero"
      : layers <= 0
        ? "num_layers must be greater than zero"
        : dropout < 0 || dropout > 1
          ? "dropout should be a number in range [0, 1] representing the probability of an element being zeroed" : nil
    if let problem { Door.fail(TensorError(.argument, problem), in: name, file: file, line: line) }
  }
}
