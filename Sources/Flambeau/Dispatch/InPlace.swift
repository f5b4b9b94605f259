// Writing to a tensor: `add_`, `copy_`, `x[i] = y`.
extension Operator {
  /// Runs the row on `operands` and writes the result into the first, whose history then ends in this call.
  @discardableResult
  func write(_ operands: Few<Tensor>, _ attributes: Attributes, at site: CallSite? = nil) -> Tensor {
    let context = Context.current
    if let error = refusal(operands, context) { return Door.poisoned(by: error, context) }
    let target = operands[0]!
    let span = context.profiler?.begin(.write(self), operands)
    do throws(TensorError) {
      let operands = try placed(operands, beside: target)
      let needs = context.records && backward != nil ? operands.needs : []
      let records = !needs.isEmpty
      try target.body.checkWritable(context, recording: records)
      let plan = records ? saves(needs) : SavePlan()
      let node = records ? try node(operands.keeping(target, plan), attributes, needs, plan) : nil
      try target.body.storage.whileWriting(self) { () throws(TensorError) in
        try compute(operands.separated(from: target, isEdit: isEdit), attributes, into: target.body)
      }
      target.body.storage.version.wrappingAdd(1, ordering: .relaxed)
      if let node {
        node.saveResults(plan, target.body.value, after: operands.count)
        if let watch = context.watch { try watch.record(node) }
        target.body.becomeResult(of: node)
      }
      span?.end(with: target.body.value)
      return target
    } catch {
      return Door.refuse(error, name + (name.hasSuffix("_") ? "" : "_"), operands, at: site)
    }
  }

  /// Runs the row on two operands and writes the result over `target`, which may be one of them. No gradient flows.
  @discardableResult
  func write(_ a: Tensor, _ b: Tensor, _ attributes: Attributes, over target: Tensor, at site: CallSite? = nil) -> Tensor {
    let context = Context.current
    let all = Few(target, a, b)
    if let error = refusal(all, context) { return Door.poisoned(by: error, context) }
    do throws(TensorError) {
      let all = try placed(all, beside: target)
      if context.records && !all.needs.isEmpty {
        throw .autograd(
          "functions with out=... arguments don't support automatic differentiation, but one of the arguments "
            + "requires grad.")
      }
      try target.body.checkWritable(context, recording: false)
      try target.body.storage.whileWriting(self) { () throws(TensorError) in
        let operands = try all.separated(from: target, isEdit: isEdit)
        try compute(Few(operands[1], operands[2]), attributes, into: target.body)
      }
      target.body.storage.version.wrappingAdd(1, ordering: .relaxed)
      return target
    } catch {
      return Door.refuse(error, name, all, at: site)
    }
  }

  private var isEdit: Bool {
    if case .edits = body { true } else { false }
  }

  private func compute(
    _ operands: Few<Tensor>, _ attributes: Attributes, into target: TensorBody
  ) throws(TensorError) {
    if !target.device.isCPU || crossesDevices {
      return try GPUThread.naming(name) { () throws(TensorError) in try computeHere(operands, attributes, into: target) }
    }
    try computeHere(operands, attributes, into: target)
  }

  @inline(__always)
  private func computeHere(
    _ operands: Few<Tensor>, _ attributes: Attributes, into target: TensorBody
  ) throws(TensorError) {
    switch body {
    case .makes(let forward):
      let value = try forward(operands, attributes)
      try target.checkAccepts(value.layout.shape, value.dtype)
      try withExtendedLifetime(value.storage) { () throws(TensorError) in try value.elements.copy(to: target.elements) }
    case .fills(let plan, let fill):
      let plan = try plan(operands, attributes)
      try target.checkAccepts(plan.layout.shape, plan.dtype)
      try fill(operands, attributes, plan, target.elements)
    case .edits(let edit):
      try edit(operands, attributes, target.elements)
    }
  }
}

extension TensorBody {
  func checkWritable(_ context: Context, recording: Bool) throws(TensorError) {
    if isInference && !context.inference {
      throw .autograd(
        "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a normal "
          + "tensor before doing inplace update.")
    }
    if context.records && requiresGrad {
      if isLeaf {
        throw .autograd(
          "a leaf Variable that requires grad is being used in an in-place operation. Write to it within noGrad { … }.")
      }
      if let base, base.isLeaf {
        throw .autograd(
          "a view of a leaf Variable that requires grad is being used in an in-place operation. Write to it within noGrad { … }.")
      }
    }
    if recording, let base, base.requiresGrad, !requiresGrad {
      throw .autograd(
        "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Make the view with grad "
          + "mode on, or clone it.")
    }
    if layout.overlapsItself {
      throw .argument(
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please "
          + "clone() the tensor before performing the operation.")
    }
  }

  fileprivate func checkAccepts(_ shape: Shape, _ dtype: DType) throws(TensorError) {
    guard shape == layout.shape else {
      throw .shape("output with shape \(layout.shape) doesn't match the broadcast shape \(shape)")
    }
    guard dtype.category <= self.dtype.category else {
      throw .dtype(
        "result type \(dtype.torchScalarName) can't be cast to the desired output type \(self.dtype.torchScalarName)")
    }
  }

  /// The history of a written tensor now ends in `node`; other views of the same base find theirs anew.
  fileprivate func becomeResult(of node: Node) {
    guard let base else {
      attachedMeta.rebased = (Edge(node: node, index: 0), 0)
      attachedMeta.raiseGeneration()
      return
    }
    let copied = CopySlicesNode(base: base, view: layout, write: node)
    base.attachedMeta.rebased = (Edge(node: copied, index: 0), 0)
    base.attachedMeta.raiseGeneration()
  }
}

extension Few where Element == Tensor {
  /// The operands a node can save: what is about to be overwritten is copied if the derivative reads it.
  fileprivate func keeping(_ target: Tensor, _ plan: SavePlan) throws(TensorError) -> Few {
    guard plan.operands.contains(0) else { return self }
    var result = self
    let copy = try Value(target.body.layout.dense, target.dtype, on: target.device)
    try target.body.elements.copy(to: copy.elements)
    let edge = target.body.edge
    result[0] = Tensor(TensorBody(copy, node: edge?.node, resultIndex: edge?.index ?? 0))
    return result
  }

  /// Operands whose memory crosses the target's without being the same elements in the same order are read from a copy;
  /// torch's refusal where both lie dense. An edit reads no operand element by element as it writes.
  fileprivate func separated(from target: Tensor, isEdit: Bool) throws(TensorError) -> Few {
    var result = self
    for i in 1..<Swift.max(count, 1) {
      guard let body = self[i]?.body, body.storage === target.body.storage, let mine = body.bytes,
        let written = target.body.bytes, mine.overlaps(written)
      else { continue }
      if !isEdit && body.layout == target.body.layout && body.dtype == target.dtype { continue }
      if body.layout.isDense && target.body.layout.isDense && body.layout.elementCount > 1 {
        throw .argument(
          "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
            + "location. Please clone() the tensor before performing the operation.")
      }
      let copy = try Value(Layout(body.layout.shape), body.dtype, on: body.device)
      try body.elements.copy(to: copy.elements)
      result[i] = Tensor(TensorBody(copy))
    }
    return result
  }
}

extension TensorBody {
  /// The bytes of the storage the elements lie between.
  fileprivate var bytes: Range<Int>? {
    guard let bounds = layout.bounds else { return nil }
    return bounds.lowerBound * dtype.byteCount..<(bounds.upperBound + 1) * dtype.byteCount
  }
}

extension Storage {
  /// Runs `body`, which writes these bytes for `row`. In debug builds a second writer at the same time is reported.
  @inline(__always)
  func whileWriting(_ row: AnyOperator, _ body: () throws(TensorError) -> Void) throws(TensorError) {
    #if DEBUG
      let mine = UInt(bitPattern: Unmanaged.passUnretained(row).toOpaque())
      let (alone, other) = writer.compareExchange(expected: 0, desired: mine, ordering: .acquiringAndReleasing)
      guard alone else {
        let name = Unmanaged<AnyOperator>.fromOpaque(UnsafeRawPointer(bitPattern: other)!).takeUnretainedValue().name
        throw TensorError(
          .concurrency,
          "two tasks write the same tensor at the same time, this one with \(row.name) and another with \(name). Give each "
            + "task a tensor of its own, or let one wait for the other.")
      }
      defer { writer.store(0, ordering: .releasing) }
    #endif
    try body()
  }
}
