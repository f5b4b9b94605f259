import CKernels

/// What both directions of attention read; the operands are ``Attention``'s.
struct AttentionInputs {
  let q: Elements
  let k: Elements
  let v: Elements
  let bias: Elements?
  let isCausal: Bool
  let scale: Double

  var operands: [Elements] { [q, k, v] + (bias.map { [$0] } ?? []) }

  func mapOperands(_ f: (Elements) -> Elements) -> AttentionInputs {
    AttentionInputs(q: f(q), k: f(k), v: f(v), bias: bias.map(f), isCausal: isCausal, scale: scale)
  }

  struct Attributes: Hashable {
    let isCausal: Bool
    let scale: Number
  }

  var attributes: Attributes { Attributes(isCausal: isCausal, scale: Number(scale)) }

  private var rank: Int { q.layout.rank }
  var queries: Int { q.layout.shape.at(rank - 2) }
  var keys: Int { k.layout.shape.at(rank - 2) }
  var depth: Int { q.layout.shape.at(rank - 1) }
  var width: Int { v.layout.shape.at(rank - 1) }
  var group: Int { q.layout.shape.at(rank - 3) }
  var heads: Int { Shape(q.layout.shape.prefix(rank - 2)).elementCount }

  /// Single queries of a group see the same keys: they are as good as several queries of one head.
  private var folds: Bool {
    queries == 1 && group > 1 && !isCausal && k.layout.strides.at(rank - 3) == 0 && v.layout.strides.at(rank - 3) == 0
  }

  /// Something of a query each, seen so.
  func fold(_ elements: Elements) -> Elements {
    folds ? elements.laid(elements.layout.swapped(rank - 3, rank - 2)) : elements
  }

  var folded: AttentionInputs {
    if !folds { return self }
    func first(_ elements: Elements) -> Elements {
      elements.laid(elements.layout.sliced(rank - 3, start: 0, count: 1))
    }
    return AttentionInputs(q: fold(q), k: first(k), v: first(v), bias: bias.map(fold), isCausal: false, scale: scale)
  }
}

/// softmax(q kᵀ · scale + bias) v for every head.
struct AttentionTask: KernelTask {
  let inputs: AttentionInputs
  let result: Elements
  /// [heads …, queries], dense.
  let logSums: Elements

  var operands: [Elements] { inputs.operands + results }
  var results: [Elements] { [result, logSums] }

  func mapOperands(_ f: (Elements) -> Elements) -> AttentionTask {
    AttentionTask(inputs: inputs.mapOperands(f), result: f(result), logSums: f(logSums))
  }

  var attributes: AttentionInputs.Attributes { inputs.attributes }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    if result.layout.elementCount == 0 { return }
    AttentionKernel(inputs.folded, [result, logSums], wide: wide).appendForward(
      to: &work, into: inputs.fold(result), logSums: logSums, device)
  }
}

/// The gradients of q, k and v, from that of the result.
struct AttentionGradientTask: KernelTask {
  let inputs: AttentionInputs
  let result: Elements
  let gradient: Elements
  /// [heads …, queries], dense.
  let logSums: Elements
  /// As q, and one matrix for each group.
  let dq: Elements
  let dk: Elements
  let dv: Elements

  var operands: [Elements] { inputs.operands + [result, gradient, logSums] + results }
  var results: [Elements] { [dq, dk, dv] }

  func mapOperands(_ f: (Elements) -> Elements) -> AttentionGradientTask {
    AttentionGradientTask(
      inputs: inputs.mapOperands(f), result: f(result), gradient: f(gradient), logSums: f(logSums), dq: f(dq), dk: f(dk),
      dv: f(dv))
  }

  var attributes: AttentionInputs.Attributes { inputs.attributes }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let kernel = AttentionKernel(inputs.folded, [result, gradient, logSums, dq, dk, dv], wide: wide)
    let (result, gradient, dq) = (inputs.fold(result), inputs.fold(gradient), inputs.fold(dq))
    let along = work.reserve(inputs.heads * inputs.queries * kernel.computeClass.byteCount)
    work.launches.append(kernel.dots(result, gradient, into: along, device))
    if dq.layout.elementCount > 0 {
      work.launches.append(kernel.queryGradient(gradient, logSums: logSums, along: along, into: dq))
    }
    if dk.layout.elementCount + dv.layout.elementCount > 0 {
      work.launches.append(kernel.keyGradients(gradient, logSums: logSums, along: along, into: dk, dv))
    }
  }
}
