// Derivatives of functions of tensors. Torch's `autograd.functional`.

/// The derivative of every element of `function(input)` by every element of `input`: the output's shape followed by the
/// input's. Torch's `jacobian`.
///
/// - Parameter createGraph: Record it, for derivatives of higher order.
public func jacobian(at input: Tensor, createGraph: Bool = false, _ function: (Tensor) -> Tensor) -> Tensor {
  let x = createGraph && input.requiresGrad ? input.view(input.shape) : input.detach().requiresGrad_()
  let output = enableGrad { function(x) }
  let rows = jacobianRows(of: output, by: [x], createGraph: createGraph)[0]
  return rows.reshape(Shape(Array(output.shape) + Array(input.shape)))
}

/// The same of several inputs: one each. Torch's `jacobian` of a tuple.
public func jacobian(
  at inputs: [Tensor], createGraph: Bool = false, _ function: ([Tensor]) -> Tensor
) -> [Tensor] {
  let leaves = inputs.map { createGraph && $0.requiresGrad ? $0.view($0.shape) : $0.detach().requiresGrad_() }
  let output = enableGrad { function(leaves) }
  return zip(jacobianRows(of: output, by: leaves, createGraph: createGraph), inputs).map { rows, input in
    rows.reshape(Shape(Array(output.shape) + Array(input.shape)))
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
/// tangent. By two backward passes, as torch's `autograd.functional.jvp`.
public func jvp(
  at input: Tensor, _ tangent: Tensor, file: StaticString = #fileID, line: UInt = #line, _ function: (Tensor) -> Tensor
) -> (value: Tensor, product: Tensor) {
  let x = input.detach().requiresGrad_()
  let value = enableGrad { function(x) }
  // The gradient is linear in its weights; its derivative by them, along the tangent, is the product.
  let weights = value.detach().zerosLike().requiresGrad_()
  let linear = enableGrad { gradient(of: value, by: x, weights: weights, createGraph: true) }
  let product =
    linear.requiresGrad ? gradient(of: linear, by: weights, weights: tangent, createGraph: false) : value.detach().zerosLike()
  return (value.detach(), product)
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

/// The gradient, zeros where the output does not depend on the input.
private func gradient(of output: Tensor, by input: Tensor, weights: Tensor?, createGraph: Bool) -> Tensor {
  guard output.requiresGrad else { return input.detach().zerosLike() }
  return Tensor.grad(
    of: [output], withRespectTo: [input], gradients: [weights], createGraph: createGraph, allowUnused: true)[0]
    ?? input.detach().zerosLike()
}

/// The derivative of each element of `output` by each of the inputs: [elements of the output, elements of the input].
func jacobianRows(of output: Tensor, by inputs: [Tensor], createGraph: Bool) -> [Tensor] {
  let zeros = inputs.map { Tensor.zeros([output.count, $0.count], dtype: $0.dtype) }
  guard output.requiresGrad, output.count > 0 else { return zeros }
  let directions = Tensor.eye(output.count, dtype: output.dtype)
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
