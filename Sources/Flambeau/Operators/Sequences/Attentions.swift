struct AttentionArguments: Sendable {
  let isCausal: Bool
  let scale: Double
  /// Several heads of queries may share one of keys and values.
  let isGrouped: Bool
}

/// Attention of queries to keys, blocked so that the scores of all pairs are never in memory.
struct Attentions: Sendable {
  /// Queries, keys, values, mask; log Σ exp(score) of each query follows the result.
  let scaledDotProduct: Operator<AttentionArguments> = Operator<AttentionArguments>(
    "scaled_dot_product_attention", auxiliaryCount: 1,
    saves: { _ in SavePlan(operands: [.operand(0), .operand(1), .operand(2), .operand(3)], result: true, auxiliaries: true) },
    forward: { (operands, at) throws(TensorError) in
      let bodies = (0..<3).map { operands[$0]!.body }
      let heads = try AttentionHeads(bodies[0], bodies[1], bodies[2], mask: operands[3]?.body, at)
      return try withExtendedLifetime(operands) { () throws(TensorError) in try heads.forward() }
    },
    backward: { (call, gradient) throws(TensorError) in
      let (q, k, v) = (try call.operand(0), try call.operand(1), try call.operand(2))
      let mask = try call.optionalOperand(3)
      if Context.current.records { return Attentions.tensorGradients(call, q, k, v, mask, gradient) }
      let heads = try AttentionHeads(q.body, k.body, v.body, mask: mask?.body, call.attributes)
      let (result, logSums) = (try call.result(), try call.auxiliary(0))
      let (dq, dk, dv) = try heads.backward(result.body, gradient.body, logSums.body)
      withExtendedLifetime((q, k, v, mask, gradient, result, logSums)) {}
      return Few([
        dq.fitted(to: call.shape(0), q.dtype), dk.fitted(to: call.shape(1), k.dtype), dv.fitted(to: call.shape(2), v.dtype), nil,
      ])
    },
    samples: Attentions.samples
  ).onGPU()
}

/// Operands as the kernels see them: heads in all dimensions but the last two, the last of them the heads of a group.
private struct AttentionHeads {
  private let q, k, v: TensorBody
  private let bias: TensorBody?
  private let at: AttentionArguments
  /// The heads of queries, before they are grouped.
  private let lead: Shape
  private let group: Int

  init(
    _ q: TensorBody, _ k: TensorBody, _ v: TensorBody, mask: TensorBody?, _ at: AttentionArguments
  ) throws(TensorError) {
    (self.q, self.k, self.v, self.at) = (q, k, v, at)
    let (x, y, z) = (q.layout.shape, k.layout.shape, v.layout.shape)
    guard q.dtype == k.dtype, k.dtype == v.dtype else {
      let names = [q, k, v].map(\.dtype.torchElementName)
      throw .dtype(
        "Expected query, key, and value to have the same dtype, but got query.dtype: \(names[0]) key.dtype: \(names[1]) "
          + "and value.dtype: \(names[2]) instead.")
    }
    guard Swift.min(x.count, y.count, z.count) >= 2 else {
      throw .shape(
        "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: \(x.count) key.dim: "
          + "\(y.count) and value.dim: \(z.count) instead.")
    }
    guard q.dtype.isFloatingPoint else {
      throw .dtype("expected scalar type Float but found \(q.dtype.torchScalarName)")
    }
    guard x.last == y.last else {
      throw .shape("the features of query and key must agree, but query has the shape \(x) and key \(y)")
    }
    guard y.at(y.count - 2) == z.at(z.count - 2) else {
      throw .shape("key and value must have the same length, but key has the shape \(y) and value \(z)")
    }
    group = try AttentionHeads.group(x, y, z, at.isGrouped)
    let heads = try AttentionHeads.lead(x, y, z, group)
    lead = heads
    bias = try mask.map { (mask) throws(TensorError) in
      try AttentionHeads.bias(mask, q.dtype, Shape(Array(heads) + [x.at(x.count - 2), y.at(y.count - 2)]))
    }
  }

  /// What a mask adds to scores of this shape.
  private static func bias(_ mask: TensorBody, _ dtype: DType, _ scores: Shape) throws(TensorError) -> TensorBody {
    guard mask.dtype == .bool || mask.dtype == dtype || mask.dtype == .float32 else {
      throw .dtype(
        "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
          + "\(mask.dtype.torchElementName) and  query.dtype: \(dtype.torchElementName) instead.")
    }
    guard try Shape.broadcast(scores, mask.layout.shape) == scores else {
      throw .shape("attn_mask of shape \(mask.layout.shape) does not broadcast to the scores' shape \(scores)")
    }
    return try noGrad { Tensor(mask).asAttentionBias(dtype.computeClass.dtype) }.sound().body
  }

  private static func group(_ x: Shape, _ y: Shape, _ z: Shape, _ isGrouped: Bool) throws(TensorError) -> Int {
    guard isGrouped else { return 1 }
    guard Swift.min(x.count, y.count, z.count) >= 3 else {
      throw .shape("grouped queries need a dimension of heads, but query has the shape \(x), key \(y) and value \(z)")
    }
    let (queries, keys, values) = (x.at(x.count - 3), y.at(y.count - 3), z.at(z.count - 3))
    guard keys == values, keys > 0, queries % keys == 0 else {
      throw .shape("Number of heads in key and value must divide the number of heads in query")
    }
    return queries / keys
  }

  private static func lead(_ x: Shape, _ y: Shape, _ z: Shape, _ group: Int) throws(TensorError) -> Shape {
    func heads(_ shape: Shape, _ times: Int) -> Shape {
      let lead = Shape(shape.dropLast(2))
      return times == 1 ? lead : lead.replacing(lead.count - 1, with: lead.at(lead.count - 1) * times)
    }
    return try Shape.broadcast(Shape.broadcast(heads(x, 1), heads(y, group)), heads(z, group))
  }

  /// [lead …, group, rows, columns] of a matrix for each head of queries.
  private func grouped(_ layout: Layout) -> Layout {
    let matrix = layout.shape.suffix(2)
    let each = layout.broadcast(to: Shape(Array(lead) + matrix))!
    let rank = each.rank
    if rank == 2 { return each.inserted(0) }
    let (size, stride) = (each.shape.at(rank - 3), each.strides.at(rank - 3))
    return Layout(
      shape: each.shape.replacing(rank - 3, with: size / group).inserting(group, at: rank - 2),
      strides: each.strides.replacing(rank - 3, with: stride * group).inserting(stride, at: rank - 2), offset: each.offset)
  }

  /// The same of one for each group.
  private func shared(_ layout: Layout) -> Layout {
    if group == 1 { return grouped(layout) }
    let each = layout.broadcast(to: sharedShape(Shape(layout.shape.suffix(2))))!
    return Layout(
      shape: each.shape.inserting(group, at: each.rank - 2), strides: each.strides.inserting(0, at: each.rank - 2),
      offset: each.offset)
  }

  private func sharedShape(_ matrix: Shape) -> Shape {
    let heads = group == 1 ? lead : lead.replacing(lead.count - 1, with: lead.at(lead.count - 1) / group)
    return Shape(Array(heads) + Array(matrix))
  }

  private func seen(_ body: TensorBody, _ layout: Layout) -> Elements {
    body.elements(layout)
  }

  /// A number for each query, dense, seen as the queries are.
  private func ofQueries(_ body: TensorBody) -> Elements {
    let queries = kernel.q.layout.shape
    return body.elements(Layout(Shape(queries.prefix(queries.count - 1))))
  }

  private var kernel: Attention {
    Attention(
      seen(q, grouped(q.layout)), seen(k, shared(k.layout)), seen(v, shared(v.layout)),
      bias: bias.map { seen($0, grouped($0.layout.broadcast(to: Shape(Array(lead) + [length(q), length(k)]))!)) },
      isCausal: at.isCausal, scale: at.scale)
  }

  private func length(_ body: TensorBody) -> Int { body.layout.shape.at(body.layout.rank - 2) }
  private func features(_ body: TensorBody) -> Int { body.layout.shape.at(body.layout.rank - 1) }

  /// The layout of something like `body`, with dimensions nested as there: heads that are a view of rows stay one.
  private static func nested(as body: TensorBody, _ shape: Shape) -> Layout {
    guard body.layout.rank == shape.count else { return Layout(shape) }
    return Layout(shape: shape, strides: body.layout.strides, offset: 0).dense
  }

  func forward() throws(TensorError) -> Value {
    let matrix = [length(q), features(v)]
    let device = q.device
    var result = try Value(AttentionHeads.nested(as: q, Shape(Array(lead) + matrix)), q.dtype, on: device)
    let logSums = try Value(Layout(Shape(Array(lead) + [length(q)])), q.dtype.computeClass.dtype, on: device)
    if result.layout.elementCount > 0 && !device.isCPU {
      let task = AttentionTask(
        inputs: kernel.inputs, result: seen(TensorBody(result), grouped(result.layout)), logSums: ofQueries(TensorBody(logSums)))
      try GPUBackend.run(.task(task), on: device)
    } else if result.layout.elementCount > 0 {
      kernel.forward(into: seen(TensorBody(result), grouped(result.layout)), logSums: logSums.storage.pointer)
    }
    withExtendedLifetime((q, k, v, bias)) {}
    result.auxiliaries = [logSums]
    return result
  }

  func backward(
    _ result: TensorBody, _ gradient: TensorBody, _ logSums: TensorBody
  ) throws(TensorError) -> (Tensor, Tensor, Tensor) {
    let dq = try Value(AttentionHeads.nested(as: q, Shape(Array(lead) + [length(q), features(q)])), q.dtype, on: q.device)
    let dk = try Value(AttentionHeads.nested(as: k, sharedShape([length(k), features(k)])), q.dtype, on: q.device)
    let dv = try Value(AttentionHeads.nested(as: v, sharedShape([length(v), features(v)])), q.dtype, on: q.device)
    func perGroup(_ value: Value) -> Elements {
      let layout = value.layout.rank == 2 ? value.layout.inserted(0) : value.layout
      return value.elements(layout)
    }
    let isEmpty = lead.elementCount == 0 || length(q) == 0 || length(k) == 0
    if !isEmpty && !q.device.isCPU {
      let task = AttentionGradientTask(
        inputs: kernel.inputs, result: seen(result, grouped(result.layout)), gradient: seen(gradient, grouped(gradient.layout)),
        logSums: ofQueries(logSums), dq: seen(TensorBody(dq), grouped(dq.layout)), dk: perGroup(dk), dv: perGroup(dv))
      try GPUBackend.run(.task(task), on: q.device)
    } else if !isEmpty {
      kernel.backward(
        result: seen(result, grouped(result.layout)), gradient: seen(gradient, grouped(gradient.layout)),
        logSums: logSums.storage.pointer, dq: seen(TensorBody(dq), grouped(dq.layout)), dk: perGroup(dk), dv: perGroup(dv))
    } else {
      for value in [dq, dk, dv] { try value.fillZero() }
    }
    withExtendedLifetime((q, k, v, bias)) {}
    return (Tensor(TensorBody(dq)), Tensor(TensorBody(dk)), Tensor(TensorBody(dv)))
  }
}

// Attention in tensor operations, which differentiate again.
extension Attentions {
  /// The attention weights [heads …, queries, keys].
  static func weights(_ q: Tensor, _ k: Tensor, _ mask: Tensor?, isCausal: Bool, scale: Double) -> Tensor {
    var scores = q.matmul(k.matricesTransposed) * scale
    if let mask { scores = scores + mask.asAttentionBias(scores.dtype) }
    if isCausal {
      let seen = Tensor.ones([q.shape[-2], k.shape[-2]], dtype: .bool, device: q.device).tril()
      scores = scores + seen.asAttentionBias(scores.dtype)
    }
    if mask == nil { return scores.softmax(dim: -1) }
    // Torch gives queries that see no key weights of 0. Their scores are made finite, so that no NaN is differentiated.
    let isBlind = (scores .== -Double.infinity).all(dim: -1, keepDim: true)
    return scores.maskedFill(isBlind, 0).softmax(dim: -1).maskedFill(isBlind, 0)
  }

  /// The heads of keys and of values divide those of queries, but differ in number.
  static func shareUnevenly(_ queries: Tensor, _ key: Tensor, _ value: Tensor) -> Bool {
    guard Swift.min(queries.ndim, key.ndim, value.ndim) > 2 else { return false }
    let (heads, keys, values) = (queries.shape[-3], key.shape[-3], value.shape[-3])
    return keys != values && keys > 0 && values > 0 && heads % keys == 0 && heads % values == 0
  }

  /// Keys or values, one for each head of queries.
  static func repeated(_ x: Tensor, _ queries: Shape, _ isGrouped: Bool) -> Tensor {
    guard isGrouped, !x.body.isPoisoned, x.shape[-3] != queries[-3] else { return x }
    let (each, group) = (x.ndim - 2, queries[-3] / x.shape[-3])
    var shape = Array(x.shape)
    shape.insert(group, at: each)
    let wide = x.unsqueeze(each).expand(Shape(shape))
    shape.remove(at: each)
    shape[each - 1] *= group
    return wide.reshape(Shape(shape))
  }

  fileprivate static func tensorGradients(
    _ call: Call<AttentionArguments>, _ q: Tensor, _ k: Tensor, _ v: Tensor, _ mask: Tensor?, _ gradient: Tensor
  ) -> Few<Tensor> {
    let at = call.attributes
    let dtype = q.dtype.computeClass.dtype
    func wide(_ x: Tensor) -> Tensor { repeated(x.to(dtype), q.shape, at.isGrouped) }
    let (x, y, z, g) = (q.to(dtype), wide(k), wide(v), gradient.to(dtype))
    let weights = weights(x, y, mask, isCausal: at.isCausal, scale: at.scale)
    let slopes = g.matmul(z.matricesTransposed)
    let scores = weights * (slopes - (weights * slopes).sum(dim: -1, keepDim: true)) * at.scale
    func shared(_ d: Tensor, _ operand: Int) -> Tensor {
      let shape = call.shape(operand)
      guard at.isGrouped, !d.body.isPoisoned, shape[-3] != q.shape[-3] else { return d.fitted(to: shape, call.dtype(operand)) }
      var grouped = Array(d.shape)
      grouped[d.ndim - 3] = shape[-3]
      grouped.insert(q.shape[-3] / shape[-3], at: d.ndim - 2)
      return d.reshape(Shape(grouped)).sum(dim: d.ndim - 2).fitted(to: shape, call.dtype(operand))
    }
    return Few([
      call.needs(0) ? scores.matmul(y).fitted(to: call.shape(0), call.dtype(0)) : nil,
      call.needs(1) ? shared(scores.matricesTransposed.matmul(x), 1) : nil,
      call.needs(2) ? shared(weights.matricesTransposed.matmul(g), 2) : nil, nil,
    ])
  }
}

extension Tensor {
  /// A mask as numbers to add to scores: 0 where a boolean one is true, −∞ where it is false.
  fileprivate func asAttentionBias(_ dtype: DType) -> Tensor {
    self.dtype == .bool ? .where(self, .zeros([], dtype: dtype, device: device), -Double.infinity) : to(dtype)
  }

  /// softmax(self · keyᵀ · scale + attnMask) · value over the last two dimensions. Torch's `scaled_dot_product_attention`.
  ///
  /// The queries are [*, l, e], the keys [*, s, e], the values [*, s, v], the result [*, l, v]; leading dimensions broadcast.
  /// The scores of all pairs are never stored, but for a dropout, the gradient of a mask or gradients of gradients. A query
  /// that sees no key gives 0.
  ///
  /// - Parameters:
  ///   - attnMask: Broadcasts to [*, l, s]: true where a query sees a key, or numbers added to the scores.
  ///   - dropoutP: The share of the attention weights set to 0, always: pass 0 in evaluation.
  ///   - isCausal: Query i sees keys 0 … i. Excludes a mask.
  ///   - scale: 1/√e by default.
  ///   - enableGQA: The third dimension from the end, the heads, may be a multiple of that of keys and values: so many heads
  ///     in a row share one.
  public func scaledDotProductAttention(
    _ key: Tensor, _ value: Tensor, attnMask: Tensor? = nil, dropoutP: Double = 0, isCausal: Bool = false,
    scale: Double? = nil, enableGQA: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("scaled_dot_product_attention", at: site) { layout throws(TensorError) in
      if let autocast = AutocastMethod("scaled_dot_product_attention", on: self) {
        return try autocast(self, key, value, attnMask) {
          $0[0]!.scaledDotProductAttention(
            $0[1]!, $0[2]!, attnMask: $0[3], dropoutP: dropoutP, isCausal: isCausal, scale: scale, enableGQA: enableGQA,
            file: file, line: line)
        }
      }
      let learnsMask = Context.current.records && attnMask?.requiresGrad ?? false
      guard attnMask == nil || !isCausal else {
        throw .argument("Explicit attn_mask should not be set when is_causal=True")
      }
      guard dropoutP >= 0, dropoutP <= 1 else {
        throw .argument("dropout probability has to be between 0 and 1, but got \(dropoutP)")
      }
      let scale = scale ?? (layout.rank > 0 ? 1 / Double(Swift.max(layout.shape.at(layout.rank - 1), 1)).squareRoot() : 1)
      let isUneven = enableGQA && Attentions.shareUnevenly(self, key, value)
      let key = isUneven ? Attentions.repeated(key, shape, true) : key
      let value = isUneven ? Attentions.repeated(value, shape, true) : value
      let at = AttentionArguments(isCausal: isCausal, scale: scale, isGrouped: enableGQA && !isUneven)
      if dropoutP == 0 && !learnsMask {
        return ops.attentions.scaledDotProduct.call(Few([self, key, value, attnMask]), at, at: site)
      }
      if let poison = [key, value, attnMask].lazy.compactMap({ $0?.body.poison }).first {
        return Door.poisoned(by: poison, .current)
      }
      _ = try AttentionHeads(body, key.body, value.body, mask: attnMask?.body, at)
      let wide = dtype.computeClass.dtype
      let (k, v) = (
        Attentions.repeated(key.to(wide), shape, at.isGrouped), Attentions.repeated(value.to(wide), shape, at.isGrouped)
      )
      let weights = Attentions.weights(to(wide), k, attnMask, isCausal: isCausal, scale: scale)
      return weights.dropout(dropoutP).matmul(v).to(dtype)
    }
  }
}

extension Attentions {
  private static func heads(_ shapes: Shape...) -> [SampleOperand] { shapes.map { .real($0) } }

  fileprivate static let samples: [Sample] = [
    Sample("F.scaled_dot_product_attention(a, b, c)", heads([2, 3, 4], [2, 5, 4], [2, 5, 3])) {
      $0[0].scaledDotProductAttention($0[1], $0[2])
    },
    Sample("F.scaled_dot_product_attention(a, b, c, is_causal=True)", heads([2, 2, 4, 3], [2, 2, 4, 3], [2, 2, 4, 3])) {
      $0[0].scaledDotProductAttention($0[1], $0[2], isCausal: true)
    },
    Sample("F.scaled_dot_product_attention(a, b, c, is_causal=True, scale=0.3)", heads([5, 2], [3, 2], [3, 2])) {
      $0[0].scaledDotProductAttention($0[1], $0[2], isCausal: true, scale: 0.3)
    },
    Sample(
      "F.scaled_dot_product_attention(a.transpose(1, 2), b.transpose(1, 2), c.transpose(1, 2), is_causal=True)",
      heads([2, 5, 2, 3], [2, 5, 2, 3], [2, 5, 2, 3])
    ) { $0[0].transpose(1, 2).scaledDotProductAttention($0[1].transpose(1, 2), $0[2].transpose(1, 2), isCausal: true) },
    Sample(
      "F.scaled_dot_product_attention(a, b, c, attn_mask=d)",
      heads([2, 2, 3, 4], [2, 2, 5, 4], [2, 2, 5, 4]) + [.mask([2, 1, 3, 5])]
    ) { $0[0].scaledDotProductAttention($0[1], $0[2], attnMask: $0[3]) },
    Sample(
      "F.scaled_dot_product_attention(a, b, c, attn_mask=d)", heads([2, 3, 4], [2, 5, 4], [2, 5, 4], [3, 5])
    ) { $0[0].scaledDotProductAttention($0[1], $0[2], attnMask: $0[3]) },
    Sample(
      "F.scaled_dot_product_attention(a, b, c, enable_gqa=True)", heads([2, 4, 3, 4], [2, 2, 5, 4], [2, 2, 5, 4])
    ) { $0[0].scaledDotProductAttention($0[1], $0[2], enableGQA: true) },
    Sample(
      "F.scaled_dot_product_attention(a, b, c, enable_gqa=True)", heads([6, 3, 4], [2, 5, 4], [3, 5, 4])
    ) { $0[0].scaledDotProductAttention($0[1], $0[2], enableGQA: true) },
    Sample("F.scaled_dot_product_attention(a, b, c)", heads([2, 3, 4, 2], [1, 5, 2], [3, 5, 2])) {
      $0[0].scaledDotProductAttention($0[1], $0[2])
    },
  ]
}
