import Testing

@testable import Flambeau

@Suite struct ScaledDotProductAttentionTests {
  /// Several blocks of queries and keys, the last ones not full.
  private static let long: [Sample] = [
    sample("is_causal=True", [1, 2, 300, 20], [1, 2, 300, 20], [1, 2, 300, 36]) { q, k, v in
      q.scaledDotProductAttention(k, v, isCausal: true)
    },
    sample("is_causal=True", [2, 150, 5], [2, 270, 5], [2, 270, 3]) { $0.scaledDotProductAttention($1, $2, isCausal: true) },
    sample("is_causal=True", [290, 4], [140, 4], [140, 70]) { $0.scaledDotProductAttention($1, $2, isCausal: true) },
    sample("scale=0.1", [3, 45, 64], [3, 333, 64], [3, 333, 64]) { $0.scaledDotProductAttention($1, $2, scale: 0.1) },
    sample("enable_gqa=True, is_causal=True", [2, 6, 141, 8], [2, 2, 141, 8], [2, 2, 141, 8]) {
      $0.scaledDotProductAttention($1, $2, isCausal: true, enableGQA: true)
    },
    Sample(
      "F.scaled_dot_product_attention(a.transpose(1, 2), b.transpose(1, 2), c.mT, is_causal=True)",
      [.real([2, 137, 3, 16]), .real([2, 137, 3, 16]), .real([2, 3, 9, 137])]
    ) { $0[0].transpose(1, 2).scaledDotProductAttention($0[1].transpose(1, 2), $0[2].transpose(2, 3), isCausal: true) },
    Sample(
      "F.scaled_dot_product_attention(a, b, c, attn_mask=d)",
      [.real([2, 2, 40, 8]), .real([2, 2, 200, 8]), .real([2, 2, 200, 8]), .mask([2, 1, 1, 200])]
    ) { $0[0].scaledDotProductAttention($0[1], $0[2], attnMask: $0[3]) },
    Sample(
      "F.scaled_dot_product_attention(a, b, c, attn_mask=d.mT)",
      [.real([2, 35, 8]), .real([2, 131, 8]), .real([2, 131, 8]), .real([131, 35])]
    ) { $0[0].scaledDotProductAttention($0[1], $0[2], attnMask: $0[3].T) },
  ]

  private static func sample(
    _ arguments: String, _ shapes: Shape..., call: @escaping @Sendable (Tensor, Tensor, Tensor) -> Tensor
  ) -> Sample {
    Sample("F.scaled_dot_product_attention(a, b, c, \(arguments))", shapes.map { .real($0) }) { call($0[0], $0[1], $0[2]) }
  }

  @Test(.enabled(if: Torch.python != nil), arguments: [DType.float64, .float32])
  func longSequencesBesideTorch(dtype: DType) throws {
    expectNone(try Direct.differences(Self.long, dtype))
  }

  @Test(arguments: [DType.float32, .float64, .float16, .bfloat16])
  func agreesWithTensorOperations(dtype: DType) {
    let shapes: [Shape] = [[2, 4, 170, 24], [2, 2, 170, 24], [2, 2, 170, 24]]
    let operands = shapes.map { Tensor.zeros($0).normal_().to(dtype) }
    let cotangent = Tensor.zeros(shapes[0]).normal_().to(dtype)
    func run(_ body: (Tensor, Tensor, Tensor) -> Tensor) -> [Tensor] {
      let leaves = operands.map { $0.detach().requiresGrad_() }
      let y = body(leaves[0], leaves[1], leaves[2])
      return [y.detach()] + Tensor.grad(of: [y], withRespectTo: leaves, gradients: [cotangent]).map { $0! }
    }
    func twice(_ x: Tensor) -> Tensor { x.unsqueeze(2).expand([2, 2, 2, 170, 24]).reshape([2, 4, 170, 24]) }
    let blocked = run { $0.scaledDotProductAttention($1, $2, isCausal: true, enableGQA: true) }
    let composed = run { q, k, v in
      let wide: DType = dtype == .float64 ? .float64 : .float32
      let (k, v) = (twice(k.to(wide)), twice(v.to(wide)))
      let scores = q.to(wide).matmul(k.transpose(2, 3)) / 24.0.squareRoot()
      let hidden = Tensor.ones([170, 170], dtype: .bool).triu(1)
      return scores.maskedFill(hidden, -Double.infinity).softmax(dim: -1).matmul(v).to(dtype)
    }
    let tolerance = dtype == .float64 ? 1e-12 : dtype == .float32 ? 2e-5 : dtype == .float16 ? 4e-3 : 3e-2
    for (a, b) in zip(blocked, composed) {
      #expect(a.dtype == dtype)
      #expect(a.allClose(b, rtol: tolerance, atol: tolerance))
    }
  }

  @Test func bitsDoNotDependOnThreads() {
    let operands = (0..<3).map { _ in Tensor.zeros([2, 300, 3, 32]).normal_().transpose(1, 2) }
    func run() -> [Tensor] {
      let leaves = operands.map { $0.detach().requiresGrad_() }
      let y = leaves[0].scaledDotProductAttention(leaves[1], leaves[2], isCausal: true)
      return [y.detach()] + Tensor.grad(of: [y.sum()], withRespectTo: leaves).map { $0! }
    }
    let together = run()
    // A kernel called from inside the pool runs on one thread.
    nonisolated(unsafe) var alone: [Tensor] = []
    ThreadPool.run(2) { if $0 == 0 { alone = run() } }
    for (a, b) in zip(together, alone) { #expect(a.isEqual(to: b)) }
  }

  @Test func blindQueriesGiveZeros() {
    let operands = (0..<3).map { _ in Tensor.zeros([1, 33, 8]).normal_().requiresGrad_() }
    let mask = Tensor.ones([33, 33], dtype: .bool).tril(-1)
    let y = operands[0].scaledDotProductAttention(operands[1], operands[2], attnMask: mask)
    #expect(y[0, 0].detach().isEqual(to: .zeros([8])))
    for gradient in Tensor.grad(of: [y.square().sum()], withRespectTo: operands) {
      #expect(!gradient!.array(of: Float.self).contains { !$0.isFinite })
    }
  }

  /// What is not a number stays visible, and reaches no other query.
  @Test(arguments: [Double.nan, .infinity]) func poisonedQueriesGiveNaN(value: Double) {
    let (q, k) = (Tensor.zeros([40, 8]).normal_(), Tensor.zeros([150, 8]).normal_())
    let clean = q.scaledDotProductAttention(k, k)
    q[3, 2] = Tensor(value)
    let y = q.scaledDotProductAttention(k, k)
    #expect(y[3].array(of: Float.self).contains { $0.isNaN })
    #expect(y.narrow(0, start: 4, length: 36).isEqual(to: clean.narrow(0, start: 4, length: 36)))
  }

  @Test func emptyKeysGiveZeros() {
    let q = Tensor.zeros([2, 3, 4]).normal_().requiresGrad_()
    let y = q.scaledDotProductAttention(.zeros([2, 0, 4]), .zeros([2, 0, 5]))
    #expect(y.detach().isEqual(to: .zeros([2, 3, 5])))
    y.sum().backward()
    #expect(q.grad!.isEqual(to: .zeros([2, 3, 4])))
  }

  @Test func headsThatAreAViewOfRowsStayOne() {
    let rows = Tensor.zeros([2, 5, 3, 4]).normal_().transpose(1, 2)
    let y = rows.scaledDotProductAttention(rows, rows)
    #expect(y.transpose(1, 2).isContiguous)
  }

  @Test func dropoutKeepsTheMean() {
    let (q, k, v) = (Tensor.zeros([1, 400, 8]), Tensor.zeros([1, 400, 8]), Tensor.ones([1, 400, 4]))
    let y = withGenerator(Generator(seed: 3)) { q.scaledDotProductAttention(k, v, dropoutP: 0.5) }
    #expect(abs(y.mean().item() - 1) < 0.01)
    #expect(!y.isEqual(to: .ones([1, 400, 4])))
  }

  @Test(.enabled(if: Torch.python != nil)) func refusesInTorchsWords() throws {
    let (q, k) = (Tensor.zeros([2, 3, 4, 8]), Tensor.zeros([2, 2, 5, 8]))
    func attention(_ q: Tensor, _ k: Tensor, mask: Tensor? = nil, dropoutP: Double = 0, isCausal: Bool = false, gqa: Bool = false)
      -> Tensor
    { q.scaledDotProductAttention(k, k, attnMask: mask, dropoutP: dropoutP, isCausal: isCausal, enableGQA: gqa) }
    expectNone(
      try Misuse.differences(
        [
          Misuse("F.scaled_dot_product_attention(a, b, b, enable_gqa=True)", attention(q, k, gqa: true)),
          Misuse("F.scaled_dot_product_attention(a, a.double(), a)", q.scaledDotProductAttention(q.to(.float64), q)),
          Misuse("F.scaled_dot_product_attention(a[0, 0, 0], a, a)", attention(q[0, 0, 0], q)),
          Misuse(
            "F.scaled_dot_product_attention(a, a, a, torch.ones(4, 4).int())",
            attention(q, q, mask: .ones([4, 4], dtype: .int32))),
          Misuse("F.scaled_dot_product_attention(a, a, a, dropout_p=1.5)", attention(q, q, dropoutP: 1.5)),
        ], operands: [q, k]))
    #expect(Direct.refusal { _ = q.scaledDotProductAttention(q.narrow(3, start: 0, length: 7), q) }.contains("[2, 3, 4, 7]"))
    #expect(
      Direct.refusal { _ = attention(q, q, mask: q, isCausal: true) }.contains(
        "Explicit attn_mask should not be set when is_causal=True"))
    #expect(Direct.refusal { _ = attention(q, q, mask: .zeros([4, 6])) }.contains("[4, 6]"))
  }
}
