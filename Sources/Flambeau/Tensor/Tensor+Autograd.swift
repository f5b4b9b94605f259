extension Tensor {
  /// Whether gradients flow to this tensor.
  public var requiresGrad: Bool { body.requiresGrad }

  /// Not made by a recorded call: a tensor the user created.
  public var isLeaf: Bool { body.isLeaf }

  /// Makes the leaf record what is done with it, and returns it. Torch's `requires_grad_`.
  @discardableResult
  public func requiresGrad_(_ value: Bool = true, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    if let poison = body.poison { return Door.poisoned(by: poison, .current) }
    if Context.current.isFailed { return self }
    guard dtype.isFloatingPoint || !value else {
      return Door.refuse(
        .autograd("only Tensors of floating point dtype can require gradients"), "requires_grad_", Few(self),
        at: CallSite(file, line))
    }
    guard !body.isInference || Context.current.inference || !value else {
      return Door.refuse(
        .autograd(
          "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed. Clone it to get a normal tensor."),
        "requires_grad_", Few(self), at: CallSite(file, line))
    }
    guard isLeaf else {
      if value { return self }
      return Door.refuse(
        .autograd("you can only change requires_grad flags of leaf variables."), "requires_grad_", Few(self),
        at: CallSite(file, line))
    }
    if value || body.meta != nil { body.attachedMeta.requiresGrad = value }
    return self
  }

  /// What backward passes added up for this leaf; nil before the first. Setting nil forgets it.
  public var grad: Tensor? {
    get { body.meta?.knownAccumulator?.gradient ?? Context.current.failure.map { Door.poisoned(by: $0, .current) } }
    nonmutating set {
      if Context.current.isFailed { return }
      if let newValue {
        guard newValue.shape == shape, newValue.dtype == dtype else {
          Door.fail(
            TensorError(
              .autograd, "assigned grad has \(newValue.summary), but the tensor is \(summary)", operation: "grad"))
          return
        }
        guard newValue.device == device else {
          Door.fail(
            TensorError(
              .device, "assigned grad has data located on a different device: \(newValue.device), but the tensor is on \(device)",
              operation: "grad"))
          return
        }
        body.attachedMeta.accumulator(for: body).gradient = newValue
      } else {
        body.meta?.knownAccumulator?.gradient = nil
      }
    }
  }

  /// Adds the gradient of this tensor to `.grad` of every leaf it was computed from.
  ///
  /// - Parameters:
  ///   - gradient: What arrives at this tensor, of its shape; 1 for a single element.
  ///   - retainGraph: Keep the saved values for another pass; `createGraph` by default.
  ///   - createGraph: Record the pass, for derivatives of higher order.
  public func backward(
    gradient: Tensor? = nil, retainGraph: Bool? = nil, createGraph: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) {
    let site = CallSite(file, line)
    if body.poison != nil || Context.current.isFailed { return }
    do throws(TensorError) {
      let root = try backwardRoot(gradient)
      try Engine.backward([root], retainGraph: retainGraph ?? createGraph, createGraph: createGraph)
    } catch {
      _ = Door.refuse(error, "backward", Few(self), at: site)
    }
  }

  /// The gradients of `outputs`, summed, with respect to `inputs`; `.grad` is not touched. Torch's `autograd.grad`.
  ///
  /// An input that the outputs do not depend on is an error, or nil with `allowUnused`.
  public static func grad(
    of outputs: [Tensor], withRespectTo inputs: [Tensor], gradients: [Tensor?]? = nil, retainGraph: Bool? = nil,
    createGraph: Bool = false, allowUnused: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> [Tensor?] {
    if let error = Context.current.failure { return inputs.map { _ in Door.poisoned(by: error, .current) } }
    do throws(TensorError) {
      var roots: [(Edge, Tensor)] = []
      for (i, output) in outputs.enumerated() { roots.append(try output.backwardRoot(gradients?[i])) }
      var edges: [Edge] = []
      for input in inputs {
        guard let edge = input.body.edge else {
          throw .autograd("One of the differentiated Tensors does not require grad")
        }
        edges.append(edge)
      }
      let found = try Engine.gradients(
        roots, at: edges, retainGraph: retainGraph ?? createGraph, createGraph: createGraph)
      if !allowUnused && found.contains(where: { $0 == nil }) {
        throw .autograd(
          "One of the differentiated Tensors appears to not have been used in the graph. Set allowUnused: true if this is "
            + "the desired behavior.")
      }
      return found
    } catch {
      let refused = Door.refuse(error, "grad", Few(), at: CallSite(file, line))
      return inputs.map { _ in refused }
    }
  }

  /// The gradient where what it belongs to lives, and of its dtype: a number may come from elsewhere.
  func passed(to operand: OperandShape, as name: @autoclosure () -> String) throws(TensorError) -> Tensor {
    guard device == operand.device || ndim == 0 else {
      throw TensorError(.device, "\(name()) - expected device \(operand.device) but got \(device)")
    }
    return to(operand.device, dtype: operand.dtype)
  }

  private func backwardRoot(_ gradient: Tensor?) throws(TensorError) -> (Edge, Tensor) {
    guard let edge = body.edge else {
      throw .autograd("element 0 of tensors does not require grad and does not have a grad_fn")
    }
    if let gradient {
      guard gradient.shape == shape else {
        throw .shape(
          "Mismatch in shape: grad_output[0] has a shape of \(gradient.shape) and output[0] has a shape of \(shape).")
      }
      return (edge, try gradient.passed(to: OperandShape(body), as: "invalid gradient at index 0"))
    }
    guard count == 1 else { throw .autograd("grad can be implicitly created only for scalar outputs") }
    let one = Tensor.ones(shape, dtype: dtype, device: device)
    one.body.storage.rememberOnes()
    return (edge, one)
  }
}
