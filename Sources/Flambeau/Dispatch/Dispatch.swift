// The one door every operator goes through: check, run, record.
extension Operator {
  @inline(__always)
  func callAsFunction(_ a: Tensor, _ attributes: Attributes, at site: CallSite? = nil) -> Tensor {
    call(Few(a), attributes, at: site)
  }

  @inline(__always)
  func callAsFunction(_ a: Tensor, _ b: Tensor, _ attributes: Attributes, at site: CallSite? = nil) -> Tensor {
    call(Few(a, b), attributes, at: site)
  }

  @inline(__always)
  func callAsFunction(
    _ a: Tensor, _ b: Tensor, _ c: Tensor, _ attributes: Attributes, at site: CallSite? = nil
  ) -> Tensor {
    call(Few(a, b, c), attributes, at: site)
  }

  /// Runs the row on `operands` and records the call if a gradient may be asked of it. Missing operands are nil.
  func call(_ operands: Few<Tensor>, _ attributes: Attributes, at site: CallSite? = nil) -> Tensor {
    let context = Context.current
    var tracked = false
    for i in 0..<operands.count {
      guard let operand = operands[i]?.body else { continue }
      if let poison = operand.poison { return Door.poisoned(by: poison, context) }
      if operand.requiresGrad { tracked = true }
    }
    if context.isFailed { return Door.poisoned(by: context.openScope!.error!, context) }
    do throws(TensorError) {
      let value = try forward(operands, attributes)
      let records = tracked && context.gradEnabled && !context.inference && backward != nil && value.dtype.isFloatingPoint
      let node = records ? record(operands, attributes, value) : nil
      let base = value.isView ? operands[0].map { $0.body.base ?? $0.body } : nil
      return Tensor(TensorBody(value, node: node, base: base, isInference: context.inference))
    } catch {
      return Door.refuse(error, name, operands, at: site)
    }
  }

  private func record(_ operands: Few<Tensor>, _ attributes: Attributes, _ value: Value) -> Node {
    var edges = Few<Edge>(count: operands.count)
    var shapes = Few<OperandShape>(count: operands.count)
    var needs: OperandSet = []
    for i in 0..<operands.count {
      guard let body = operands[i]?.body else { continue }
      shapes[i] = OperandShape(shape: body.layout.shape, dtype: body.dtype)
      if body.dtype.isFloatingPoint, let edge = body.edge {
        edges[i] = edge
        needs.insert(.operand(i))
      }
    }
    let node = OperatorNode(self, attributes, edges: edges, operandShapes: shapes)
    let plan = saves(needs)
    if plan.operands.isEmpty && !plan.result { return node }
    var saved = Few<SavedTensor>(count: operands.count + (plan.result ? 1 : 0))
    for i in 0..<operands.count where plan.operands.contains(i) {
      if let body = operands[i]?.body { saved[i] = SavedTensor(operand: body) }
    }
    if plan.result { saved[operands.count] = SavedTensor(result: value, index: 0) }
    node.saved = saved
    return node
  }
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
