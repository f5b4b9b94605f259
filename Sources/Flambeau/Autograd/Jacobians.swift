// Derivatives of functions of tensors. Torch's `autograd.functional`.

/// How a Jacobian is found. Torch's `strategy`.
public enum JacobianStrategy: Sendable {
  /// Row by row, by a backward pass for each element of the output.
  case reverseMode
  /// Column by column, by a forward pass for each element of the inputs: for few inputs and many outputs.
  case forwardMode
}

/// The derivative of every element of `function(input)` by every element of `input`: the output's shape followed by the
/// input's. Torch's `jacobian`.
///
/// - Parameters:
///   - createGraph: Record it, for derivatives of higher order.
///   - strategy: By rows or by columns; the result is the same.
public func jacobian(
  at input: Tensor, createGraph: Bool = false, strategy: JacobianStrategy = .reverseMode, _ function: (Tensor) -> Tensor
) -> Tensor {
  jacobian(at: [input], createGraph: createGraph, strategy: strategy) { function($0[0]) }[0]
}

/// The same of several inputs: one each. Torch's `jacobian` of a tuple.
public func jacobian(
  at inputs: [Tensor], createGraph: Bool = false, strategy: JacobianStrategy = .reverseMode,
  _ function: ([Tensor]) -> Tensor
) -> [Tensor] {
  let variables = inputs.map { variable($0, createGraph: createGraph) }
  let output = enableGrad { function(variables) }
  let matrices =
    switch strategy {
    case .reverseMode: jacobianRows(of: output, by: variables, createGraph: createGraph)
    case .forwardMode: jacobianColumns(of: output, by: variables, createGraph: createGraph)
    }
  return zip(matrices, inputs).map { matrix, input in
    matrix.reshape(Shape(Array(output.shape) + Array(input.shape)))
  }
}

/// The second derivatives of a function with one element as its value: the input's shape twice. Torch's `hessian`.
public func hessian(at input: Tensor, createGraph: Bool = false, _ function: (Tensor) -> Tensor) -> Tensor {
  jacobian(at: input.requiresGrad && createGraph ? input : input.detach(), createGraph: createGraph) { x in
    gradient(of: function(x), by: x, weights: nil, createGraph: true)
  }
}

/// The value of `function` at `input`, and `cotangent` times its Jacobian: the gradient that a backward pass gives. Torch's
/// `vjp`.
///
/// - Parameter cotangent: Of the value's shape; 1 for a single element.
public func vjp(
  at input: Tensor, _ cotangent: Tensor? = nil, _ function: (Tensor) -> Tensor
) -> (value: Tensor, product: Tensor) {
  let x = input.detach().requiresGrad_()
  let value = enableGrad { function(x) }
  return (value.detach(), gradient(of: value, by: x, weights: cotangent, createGraph: false))
}

/// The value of `function` at `input`, and its Jacobian times `tangent`: how the value changes when the input moves along the
/// tangent. By one forward pass. Torch's `jvp`.
///
/// - Parameters:
///   - tangent: Of the input's shape.
///   - createGraph: Record both, for derivatives of higher order.
public func jvp(
  at input: Tensor, _ tangent: Tensor, createGraph: Bool = false, file: StaticString = #fileID, line: UInt = #line,
  _ function: (Tensor) -> Tensor
) -> (value: Tensor, product: Tensor) {
  jvp(at: [input], [tangent], createGraph: createGraph, file: file, line: line) { function($0[0]) }
}

/// The same when several inputs move at once, each along its tangent.
public func jvp(
  at inputs: [Tensor], _ tangents: [Tensor], createGraph: Bool = false, file: StaticString = #fileID, line: UInt = #line,
  _ function: ([Tensor]) -> Tensor
) -> (value: Tensor, product: Tensor) {
  let variables = inputs.map { variable($0, createGraph: createGraph) }
  let value = enableGrad { function(variables) }
  let product = forwardProduct(
    value, variables, tangents, createGraph: createGraph, at: CallSite(file, line))
  return (createGraph ? value : value.detach(), product)
}

/// The value of a function with one element, and its Hessian times `vector`. Torch's `hvp`.
public func hvp(
  at input: Tensor, _ vector: Tensor, _ function: (Tensor) -> Tensor
) -> (value: Tensor, product: Tensor) {
  let x = input.detach().requiresGrad_()
  let value = enableGrad { function(x) }
  let slope = enableGrad { gradient(of: value, by: x, weights: nil, createGraph: true) }
  let product = slope.requiresGrad ? gradient(of: slope, by: x, weights: vector, createGraph: false) : input.detach().zerosLike()
  return (value.detach(), product)
}

/// What stands for an input in the graph: the input itself if derivatives shall reach it.
private func variable(_ input: Tensor, createGraph: Bool) -> Tensor {
  createGraph && input.requiresGrad ? input.view(input.shape) : input.detach().requiresGrad_()
}

/// The Jacobian of a recorded `value` times `tangents`, zeros where it does not depend on the inputs.
private func forwardProduct(
  _ value: Tensor, _ inputs: [Tensor], _ tangents: [Tensor], createGraph: Bool, at site: CallSite? = nil
) -> Tensor {
  if Context.current.isFailed { return value }
  do throws(TensorError) {
    guard inputs.count == tangents.count else {
      throw .argument("\(inputs.count) inputs need as many tangents, but got \(tangents.count)")
    }
    for (i, (input, tangent)) in zip(inputs, tangents).enumerated() {
      guard input.shape == tangent.shape, input.dtype == tangent.dtype else {
        throw .shape("tangent \(i) is \(tangent.summary) but its input is \(input.dtype) \(input.shape); they have to be alike")
      }
    }
    let seeds = zip(inputs, tangents).compactMap { input, tangent in input.body.edge.map { ($0, tangent) } }
    let product = try ForwardPass.tangents(of: [value], along: seeds, createGraph: createGraph)[0]
    return product ?? value.detach().zerosLike()
  } catch {
    return Door.refuse(error, "jvp", Few(), at: site)
  }
}

/// The gradient, zeros where the output does not depend on the input.
private func gradient(of output: Tensor, by input: Tensor, weights: Tensor?, createGraph: Bool) -> Tensor {
  guard output.requiresGrad else { return input.detach().zerosLike() }
  return Tensor.grad(
    of: [output], withRespectTo: [input], gradients: [weights], createGraph: createGraph, allowUnused: true)[0]
    ?? input.detach().zerosLike()
}

/// The derivative of each element of `output` by each of the inputs: [elements of the output, elements of the input].
func jacobianRows(of output: Tensor, by inputs: [Tensor], createGraph: Bool) -> [Tensor] {
  let zeros = inputs.map { Tensor.zeros([output.count, $0.count], dtype: $0.dtype, device: $0.device) }
  guard output.requiresGrad, output.count > 0 else { return zeros }
  let directions = Tensor.eye(output.count, dtype: output.dtype, device: output.device)
  var rows: [[Tensor]] = Array(repeating: [], count: inputs.count)
  for k in 0..<output.count {
    let gradients = Tensor.grad(
      of: [output], withRespectTo: inputs, gradients: [directions[k].reshape(output.shape)], retainGraph: true,
      createGraph: createGraph, allowUnused: true)
    for (i, gradient) in gradients.enumerated() {
      rows[i].append((gradient ?? inputs[i].detach().zerosLike()).reshape([-1]))
    }
  }
  return rows.map { Tensor.stack($0) }
}

/// The same, by a forward pass for each element of the inputs.
private func jacobianColumns(of output: Tensor, by inputs: [Tensor], createGraph: Bool) -> [Tensor] {
  inputs.indices.map { i in
    guard output.requiresGrad, inputs[i].count > 0 else {
      return .zeros([output.count, inputs[i].count], dtype: inputs[i].dtype, device: inputs[i].device)
    }
    let directions = Tensor.eye(inputs[i].count, dtype: inputs[i].dtype, device: inputs[i].device)
    let columns = (0..<inputs[i].count).map { k in
      let direction = directions[k].reshape(inputs[i].shape)
      return forwardProduct(output, [inputs[i]], [direction], createGraph: createGraph).reshape([-1])
    }
    return .stack(columns, dim: 1)
  }
}
