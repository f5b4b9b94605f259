// The one door every operator goes through: check, run, record.
extension Operator {
  @inline(__always)
  func callAsFunction(_ a: consuming Tensor, _ attributes: Attributes, at site: CallSite? = nil) -> Tensor {
    call(Few(consume a), attributes, at: site)
  }

  @inline(__always)
  func callAsFunction(
    _ a: consuming Tensor, _ b: consuming Tensor, _ attributes: Attributes, at site: CallSite? = nil
  ) -> Tensor {
    call(Few(consume a, consume b), attributes, at: site)
  }

  @inline(__always)
  func callAsFunction(
    _ a: consuming Tensor, _ b: consuming Tensor, _ c: consuming Tensor, _ attributes: Attributes,
    at site: CallSite? = nil
  ) -> Tensor {
    call(Few(consume a, consume b, consume c), attributes, at: site)
  }

  /// Runs the row on `operands` and records the call if a gradient may be asked of it. Missing operands are nil.
  @inline(__always)
  func call(_ operands: consuming Few<Tensor>, _ attributes: Attributes, at site: CallSite? = nil) -> Tensor {
    if let shortcut, let result = callShort(shortcut, &operands, attributes) { return result }
    return callInFull(operands, attributes, at: site)
  }

  @inline(never)
  private func callInFull(
    _ operands: consuming Few<Tensor>, _ attributes: Attributes, at site: CallSite?
  ) -> Tensor {
    let context = Context.current
    if let error = refusal(operands, context) { return Door.poisoned(by: error, context) }
    do throws(TensorError) {
      if context.autocast != nil, let cast = try castOperands(operands, context) {
        return Context.run(context.withoutAutocast) { callInFull(cast, attributes, at: site) }
      }
      let (value, node) = try run(&operands, attributes, context)
      return wrap(value, node, operands[0], context)
    } catch {
      return Door.refuse(error, name, operands, at: site)
    }
  }

  /// The same, with the results after the first.
  func callAll(_ operands: consuming Few<Tensor>, _ attributes: Attributes, at site: CallSite? = nil) -> [Tensor] {
    let context = Context.current
    if let error = refusal(operands, context) {
      return Array(repeating: Door.poisoned(by: error, context), count: 1 + auxiliaryCount)
    }
    do throws(TensorError) {
      if context.autocast != nil, let cast = try castOperands(operands, context) {
        return Context.run(context.withoutAutocast) { callAll(cast, attributes, at: site) }
      }
      let (value, node) = try run(&operands, attributes, context)
      return [wrap(value, node, operands[0], context)]
        + value.auxiliaries.map { Tensor(TensorBody($0, isInference: context.inference)) }
    } catch {
      return Array(repeating: Door.refuse(error, name, operands, at: site), count: 1 + auxiliaryCount)
    }
  }

  /// The error that a poisoned operand or a failed scope hands on.
  @inline(__always)
  func refusal(_ operands: borrowing Few<Tensor>, _ context: Context) -> TensorError? {
    for i in 0..<operands.count {
      if let body = operands[i]?.body, body.isPoisoned { return body.poison }
    }
    return context.isFailed ? context.failure : nil
  }

  @inline(__always)
  private func run(
    _ operands: inout Few<Tensor>, _ attributes: Attributes, _ context: Context
  ) throws(TensorError) -> (Value, OperatorNode<Attributes>?) {
    let span = context.profiler?.begin(.call(self), operands)
    let result = try runWherePlaced(&operands, attributes, context)
    span?.end(with: result.0)
    return result
  }

  @inline(__always)
  private func runWherePlaced(
    _ operands: inout Few<Tensor>, _ attributes: Attributes, _ context: Context
  ) throws(TensorError) -> (Value, OperatorNode<Attributes>?) {
    let device = operands.device
    if device.isCPU { return try runUnseen(&operands, attributes, context, on: device) }
    var placed = try placed(operands, on: device)
    operands = placed
    return try GPUThread.naming(name) { () throws(TensorError) in try runUnseen(&placed, attributes, context, on: device) }
  }

  @inline(__always)
  private func runUnseen(
    _ operands: inout Few<Tensor>, _ attributes: Attributes, _ context: Context, on device: Device
  ) throws(TensorError) -> (Value, OperatorNode<Attributes>?) {
    let needs = context.records && backward != nil ? operands.needs : []
    let records = !needs.isEmpty
    let saved = records ? saves(needs) : SavePlan()
    let value: Value
    switch body {
    case .makes(let forward):
      value = try forward(operands, attributes)
    case .fills(let plan, let fill):
      let plan = try plan(operands, attributes)
      if let storage = operands.reusable(for: plan, except: saved.operands) {
        value = Value(storage, plan.layout, plan.dtype)
      } else {
        value = try Value(plan.layout, plan.dtype, on: device)
      }
      try fill(operands, attributes, plan, value.elements)
    case .edits(let edit):
      value = try operands.firstToEdit(except: saved.operands, copying: !copiesFirst)
      try edit(operands, attributes, value.elements)
    }
    guard records && value.dtype.isFloatingPoint else { return (value, nil) }
    let node = try node(operands, attributes, needs, saved)
    if !saved.isEmpty { node.saveResults(saved, value, after: operands.count) }
    if let watch = context.watch { try watch.record(node) }
    return (value, node)
  }

  @inline(__always)
  private func wrap(_ value: Value, _ node: Node?, _ first: Tensor?, _ context: Context) -> Tensor {
    guard value.isView, let viewed = first?.body else {
      return Tensor(TensorBody(value, node: node, isInference: context.inference))
    }
    return Tensor(TensorBody(value, node: node, base: viewed.base ?? viewed, isInference: viewed.isInference))
  }

  /// The node of a call, with the operands its derivative reads.
  func node(
    _ operands: borrowing Few<Tensor>, _ attributes: Attributes, _ needs: OperandSet, _ plan: SavePlan
  ) throws(TensorError) -> OperatorNode<Attributes> {
    var edges = Edges(count: operands.count)
    for i in 0..<operands.count where needs.contains(i) { edges[i] = operands[i]?.body.edge }
    let node = OperatorNode(self, attributes, edges: consume edges, operandShapes: OperandShapes(operands))
    if plan.isEmpty { return node }
    node.saved = SavedValues(count: operands.count + 1 + (plan.auxiliaries ? auxiliaryCount : 0))
    for i in 0..<operands.count where plan.operands.contains(i) {
      guard let body = operands[i]?.body else { continue }
      guard !body.isInference else { throw .inferenceSaved }
      node.saved[i] = SavedTensor(operand: body)
    }
    return node
  }
}

extension OperatorNode {
  /// Keeps what the derivative reads of the results; the saved operands come before them.
  func saveResults(_ plan: SavePlan, _ value: Value, after operandCount: Int) {
    if plan.result { saved[operandCount] = SavedTensor(result: value, index: 0) }
    if plan.auxiliaries {
      for (i, auxiliary) in value.auxiliaries.enumerated() {
        saved[operandCount + 1 + i] = SavedTensor(operand: TensorBody(auxiliary))
      }
    }
  }
}

extension Context {
  /// Calls are recorded.
  @inline(__always)
  var records: Bool { gradEnabled && !inference }
}

extension Few where Element == Tensor {
  /// The operands gradients flow to.
  @inline(__always)
  var needs: OperandSet {
    var result: OperandSet = []
    for i in 0..<count {
      if let body = self[i]?.body, body.dtype.isFloatingPoint, body.requiresGrad { result.insert(.operand(i)) }
    }
    return result
  }
}

extension TensorError {
  static let inferenceSaved = TensorError.autograd(
    "Inference tensors cannot be saved for backward. Please do not save Tensors created in inference mode in computation "
      + "graph. To work around this, you can make a clone to get a normal tensor and use it in autograd.")
}

extension Door {
  /// Reports what `name` refused, and returns what the caller gets if the program goes on.
  static func refuse(_ error: TensorError, _ name: String, _ operands: Few<Tensor>, at site: CallSite?) -> Tensor {
    var error = error
    if error.operation.isEmpty { error.operation = name }
    if error.operands.isEmpty { error.operands = operands.compactMap { $0?.summary } }
    fail(error, at: site)
    return Tensor(TensorBody(poison: error))
  }

  /// The result of an operation in a failed scope. Outside it, a poisoned tensor stops the program with the first sentence.
  static func poisoned(by error: TensorError, _ context: Context) -> Tensor {
    if !context.isFailed { fail(error) }
    return Tensor(TensorBody(poison: error))
  }
}
