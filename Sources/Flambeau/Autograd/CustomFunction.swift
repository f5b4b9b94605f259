/// A function whose derivative is written by hand. Torch's `autograd.Function`.
///
///     let square = CustomFunction("Square") { call, inputs in
///       call.save(inputs[0])
///       return [inputs[0] * inputs[0]]
///     } backward: { call, gradients in
///       [2 * call.saved[0] * gradients[0]]
///     }
///     let y = square(x)
///
/// `forward` is not recorded; `backward` is when a graph of the backward pass is asked for (`createGraph`), so a derivative
/// made of tensor operations differentiates again.
public struct CustomFunction: Sendable {
  /// The results of the inputs.
  public typealias Forward = @Sendable (FunctionCall, [Tensor]) -> [Tensor]
  /// The gradients of the inputs from those of the results, nil for none.
  public typealias Backward = @Sendable (FunctionCall, [Tensor]) -> [Tensor?]

  /// What error messages call it.
  public let name: String
  private let forward: Forward
  fileprivate let backward: Backward

  /// - Parameters:
  ///   - forward: The results of the inputs; keeps what `backward` reads with ``FunctionCall/save(_:)``.
  ///   - backward: From the gradients of the results, zeros where none arrived, those of the inputs: one each, nil for none.
  public init(_ name: String, forward: @escaping Forward, backward: @escaping Backward) {
    self.name = name
    self.forward = forward
    self.backward = backward
  }

  /// The first result.
  public func callAsFunction(_ inputs: Tensor..., file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    results(inputs, file: file, line: line)[0]
  }

  /// All results.
  public func results(_ inputs: [Tensor], file: StaticString = #fileID, line: UInt = #line) -> [Tensor] {
    let (context, operands, site) = (Context.current, Few(inputs.map(Optional.some)), CallSite(file, line))
    let poison = inputs.compactMap(\.body.poison).first ?? context.failure
    if let poison { return [Door.poisoned(by: poison, context)] }
    let needs = inputs.map { context.records && $0.dtype.isFloatingPoint && $0.requiresGrad }
    let call = FunctionCall(needsInputGradient: needs)
    let outputs = noGrad { forward(call, inputs) }
    if let poison = outputs.compactMap(\.body.poison).first { return [Door.poisoned(by: poison, context)] }
    guard !outputs.isEmpty else {
      return [Door.refuse(.autograd("forward returned no results"), name, operands, at: site)]
    }
    guard needs.contains(true) else { return outputs }
    do throws(TensorError) {
      return try call.record(self, inputs, outputs, context)
    } catch {
      return [Door.refuse(error, name, operands, at: site)]
    }
  }
}

/// One call of a ``CustomFunction``: what its forward half hands to its backward half.
///
/// Unchecked: the forward half writes it, then whoever visits the node reads it.
public final class FunctionCall: @unchecked Sendable {
  /// Whether a gradient will be asked for, input by input.
  public let needsInputGradient: [Bool]
  /// Anything but tensors that the derivative needs.
  public var note: (any Sendable)?
  private var kept: [Tensor] = []
  private var constants: [Tensor] = []
  private weak var node: CustomNode?

  init(needsInputGradient: [Bool]) { self.needsInputGradient = needsInputGradient }

  /// Keeps inputs, results or others for the derivative; writing to them before it is an error. Torch's `save_for_backward`.
  public func save(_ tensors: Tensor...) { kept += tensors }

  /// Results no gradient flows to. Torch's `mark_non_differentiable`.
  public func markNonDifferentiable(_ results: Tensor...) { constants += results }

  /// What was saved, in its order. For `backward`; empty if it can no longer be read, which fails the pass.
  public var saved: [Tensor] {
    guard let node else { return kept }
    do throws(TensorError) {
      return try node.unpackAll()
    } catch {
      node.failure = error
      return node.savedShapes.map { .zeros($0.shape, dtype: $0.dtype, device: $0.device) }
    }
  }

  fileprivate func record(
    _ function: CustomFunction, _ inputs: [Tensor], _ outputs: [Tensor], _ context: Context
  ) throws(TensorError) -> [Tensor] {
    var edges = Edges(count: inputs.count)
    for (i, input) in inputs.enumerated() where needsInputGradient[i] { edges[i] = input.body.edge }
    let node = CustomNode(function, self, edges: edges, inputs: inputs, outputs: outputs)
    node.saved = SavedValues(count: kept.count)
    for (i, tensor) in kept.enumerated() {
      guard !tensor.body.isInference else { throw .inferenceSaved }
      if let index = outputs.firstIndex(where: { $0.body === tensor.body }) {
        node.saved[i] = SavedTensor(result: tensor.body.value, index: index)
      } else {
        node.saved[i] = SavedTensor(operand: tensor.body)
      }
    }
    node.savedShapes = kept.map { OperandShape($0.body) }
    kept = []
    self.node = node
    try context.watch?.record(node)
    let fixed = constants
    constants = []
    return outputs.enumerated().map { i, output in
      let isFixed = !output.dtype.isFloatingPoint || fixed.contains { $0.body === output.body }
      return isFixed ? output : Tensor(TensorBody(output.body.value, node: node, resultIndex: i))
    }
  }
}

/// The node of a custom function's call.
///
/// Unchecked as every node is: its fields are written while the call is recorded and by whoever visits it.
private final class CustomNode: Node, @unchecked Sendable {
  private let function: CustomFunction
  private let call: FunctionCall
  private let inputs: [OperandShape]
  private let outputs: [OperandShape]
  var savedShapes: [OperandShape] = []
  /// What reading a saved value threw while `backward` ran.
  var failure: TensorError?

  init(_ function: CustomFunction, _ call: FunctionCall, edges: Edges, inputs: [Tensor], outputs: [Tensor]) {
    self.function = function
    self.call = call
    self.inputs = inputs.map { OperandShape($0.body) }
    self.outputs = outputs.map { OperandShape($0.body) }
    super.init(edges: edges)
  }

  override var name: String { function.name }
  override var resultCount: Int { outputs.count }
  override func operandShape(_ i: Int) -> OperandShape {
    inputs[i]
  }

  func unpackAll() throws(TensorError) -> [Tensor] {
    var tensors: [Tensor] = []
    for i in 0..<savedShapes.count { tensors.append(try unpack(i)) }
    return tensors
  }

  override func backward(_ gradients: Few<Tensor>) throws(TensorError) -> Few<Tensor> {
    let arrived = outputs.enumerated().map { i, output in
      gradients[i] ?? .zeros(output.shape, dtype: output.dtype, device: output.device)
    }
    var passed = function.backward(call, arrived)
    if let failure = failure.take() { throw failure }
    guard passed.count == inputs.count else {
      throw .autograd(
        "function \(name)Backward returned an incorrect number of gradients (expected \(inputs.count), got \(passed.count))")
    }
    for (i, (gradient, input)) in zip(passed, inputs).enumerated() {
      guard let gradient, gradient.body.poison == nil, needs(i) else { continue }
      guard gradient.shape == input.shape, gradient.dtype.isFloatingPoint else {
        throw .autograd(
          "Function \(name)Backward returned an invalid gradient at index \(i) - got \(gradient.summary) but expected "
            + "\(input.dtype) \(input.shape)")
      }
      passed[i] = try gradient.passed(to: input, as: "Function \(name)Backward returned an invalid gradient at index \(i)")
    }
    return Few(passed)
  }
}
