import Flambeau

extension Module {
  /// Calls `body` while the parameters and buffers of these names are `tensors`, which may be parts of a graph: gradients flow to
  /// what they were made of. Names that are not given keep their tensors. Torch's `func.functional_call`.
  ///
  ///     var fast = StateDict(net.namedParameters().map { ($0.name, $0.parameter.tensor) })
  ///     let loss = net.functionalCall(fast) { net(x) }.mseLoss(y)
  ///     let gradients = Tensor.grad(of: [loss], withRespectTo: fast.map(\.value), createGraph: true)
  ///     fast = StateDict(zip(fast, gradients).map { ($0.key, $0.value - 0.01 * $1!) })
  ///
  /// Other tasks see these tensors too: nobody else may use the module meanwhile. A name that it has not is an error.
  public func functionalCall<R>(
    _ tensors: StateDict, file: StaticString = #fileID, line: UInt = #line, _ body: () throws -> R
  ) rethrows -> R {
    let boxes = Dictionary(Inventory.of(self).boxes.map { ($0.name, $0.box) }) { first, _ in first }
    if let stranger = tensors.keys.first(where: { boxes[$0] == nil }) {
      if !Context.current.isFailed {
        let problem = "\(type(of: self)) has no parameter or buffer '\(stranger)'"
        Door.fail(TensorError(.argument, problem), in: "functional_call", file: file, line: line)
      }
      return try body()
    }
    let before = tensors.map { (boxes[$0.key]!, boxes[$0.key]!.tensor) }
    // Names of one box: what it held first comes back last.
    defer { for (box, tensor) in before.reversed() { box.hold(tensor) } }
    for (name, tensor) in tensors { boxes[name]!.hold(tensor) }
    return try body()
  }
}
