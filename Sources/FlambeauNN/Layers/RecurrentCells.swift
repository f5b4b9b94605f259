import Flambeau

/// One step of ``RNN``. Torch's `nn.RNNCell`. Input [n, inputSize] or [inputSize], hidden state [n, hiddenSize] or [hiddenSize].
public final class RNNCell: Module {
  /// [gates · hiddenSize, inputSize].
  public let weightIh: Parameter
  /// [gates · hiddenSize, hiddenSize].
  public let weightHh: Parameter
  /// [gates · hiddenSize], added to the input's part; nil without one.
  public let biasIh: Parameter?
  /// [gates · hiddenSize], added to the hidden state's part; nil without one.
  public let biasHh: Parameter?
  /// The activation.
  public let nonlinearity: RNN.Nonlinearity

  /// As torch's constructor.
  public init(
    _ inputSize: Int, _ hiddenSize: Int, bias: Bool = true, nonlinearity: RNN.Nonlinearity = .tanh, dtype: DType = .float32
  ) {
    self.nonlinearity = nonlinearity
    (weightIh, weightHh, biasIh, biasHh) = RecurrentCell.tanh.parameters(inputSize, hiddenSize, bias, dtype)
  }

  /// [N, in] or [in], and a state [N, hidden] (zeros if nil) → the next state.
  public func callAsFunction(_ x: Tensor, _ hidden: Tensor? = nil) -> Tensor {
    let hidden = hidden ?? x.initialState(weightHh)
    let rule: RecurrentCell = nonlinearity == .tanh ? .tanh : .relu
    return rule.step(
      x.linear(weightIh.tensor, biasIh?.tensor), hidden: hidden, cell: nil, weightHh.tensor, biasHh?.tensor
    ).hidden
  }

  public var configuration: String { "\(weightIh.shape[1]), \(weightHh.shape[1])" }
}

/// One step of ``GRU``. Torch's `nn.GRUCell`. Input [n, inputSize] or [inputSize], hidden state [n, hiddenSize] or [hiddenSize].
public final class GRUCell: Module {
  /// [gates · hiddenSize, inputSize].
  public let weightIh: Parameter
  /// [gates · hiddenSize, hiddenSize].
  public let weightHh: Parameter
  /// [gates · hiddenSize], added to the input's part; nil without one.
  public let biasIh: Parameter?
  /// [gates · hiddenSize], added to the hidden state's part; nil without one.
  public let biasHh: Parameter?

  /// As torch's constructor.
  public init(_ inputSize: Int, _ hiddenSize: Int, bias: Bool = true, dtype: DType = .float32) {
    (weightIh, weightHh, biasIh, biasHh) = RecurrentCell.gru.parameters(inputSize, hiddenSize, bias, dtype)
  }

  /// [N, in] or [in], and a state [N, hidden] (zeros if nil) → the next state.
  public func callAsFunction(_ x: Tensor, _ hidden: Tensor? = nil) -> Tensor {
    RecurrentCell.gru.step(
      x.linear(weightIh.tensor, biasIh?.tensor), hidden: hidden ?? x.initialState(weightHh), cell: nil, weightHh.tensor,
      biasHh?.tensor
    ).hidden
  }

  public var configuration: String { "\(weightIh.shape[1]), \(weightHh.shape[1])" }
}

/// One step of ``LSTM``. Torch's `nn.LSTMCell`. Input [n, inputSize] or [inputSize], states [n, hiddenSize] or [hiddenSize].
public final class LSTMCell: Module {
  /// [gates · hiddenSize, inputSize].
  public let weightIh: Parameter
  /// [gates · hiddenSize, hiddenSize].
  public let weightHh: Parameter
  /// [gates · hiddenSize], added to the input's part; nil without one.
  public let biasIh: Parameter?
  /// [gates · hiddenSize], added to the hidden state's part; nil without one.
  public let biasHh: Parameter?

  /// As torch's constructor.
  public init(_ inputSize: Int, _ hiddenSize: Int, bias: Bool = true, dtype: DType = .float32) {
    (weightIh, weightHh, biasIh, biasHh) = RecurrentCell.lstm.parameters(inputSize, hiddenSize, bias, dtype)
  }

  /// [N, in] or [in], and hidden and cell states [N, hidden] (zeros if nil) → the next two.
  public func callAsFunction(
    _ x: Tensor, _ state: (hidden: Tensor, cell: Tensor)? = nil
  ) -> (hidden: Tensor, cell: Tensor) {
    let (hidden, cell) = state ?? (hidden: x.initialState(weightHh), cell: x.initialState(weightHh))
    let next = RecurrentCell.lstm.step(
      x.linear(weightIh.tensor, biasIh?.tensor), hidden: hidden, cell: cell, weightHh.tensor, biasHh?.tensor)
    return (next.hidden, next.cell!)
  }

  public var configuration: String { "\(weightIh.shape[1]), \(weightHh.shape[1])" }
}

extension RecurrentCell {
  /// Uniform between ±1/√units.
  fileprivate func parameters(
    _ inputSize: Int, _ hiddenSize: Int, _ bias: Bool, _ dtype: DType
  ) -> (Parameter, Parameter, Parameter?, Parameter?) {
    let bound = hiddenSize > 0 ? 1 / Double(hiddenSize).squareRoot() : 0
    func drawn(_ shape: Shape) -> Parameter {
      let parameter = Parameter(.zeros(shape, dtype: dtype))
      Init.uniform_(parameter.tensor, from: -bound, to: bound)
      return parameter
    }
    let rows = gates * hiddenSize
    let (input, hidden) = (drawn([rows, inputSize]), drawn([rows, hiddenSize]))
    return (input, hidden, bias ? drawn([rows]) : nil, bias ? drawn([rows]) : nil)
  }
}

extension Tensor {
  /// Zeros for the units of a cell, one for each of these inputs.
  fileprivate func initialState(_ weight: Parameter) -> Tensor {
    .zeros(Shape(shape.dropLast() + [weight.shape[1]]), dtype: dtype, device: device)
  }
}
