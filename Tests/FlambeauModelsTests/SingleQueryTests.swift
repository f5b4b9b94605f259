import Flambeau
import Testing

/// Attention of one query, which reads keys and values where they lie, beside attention of several queries and beside its formula.
@Suite struct SingleQueryTests {
  private func randn(_ shape: Shape, _ seed: UInt64, _ dtype: DType) -> Tensor {
    withGenerator(Generator(seed: seed)) { Tensor.randn(shape, dtype: .float64).to(dtype) }
  }

  private func formula(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ bias: Tensor?, scale: Double) -> Tensor {
    let (x, y, z) = (q.to(.float64), k.to(.float64), v.to(.float64))
    let group = x.shape[1] / y.shape[1]
    let (keys, values) = (y.repeatInterleave(group, dim: 1), z.repeatInterleave(group, dim: 1))
    var scores = x.matmul(keys.transpose(-2, -1)) * scale
    if let bias { scores = scores + bias.to(.float64) }
    return scores.softmax(dim: -1).matmul(values)
  }

  @Test(arguments: [(4, 4), (8, 2), (12, 1), (20, 2)], [DType.float64, .float32, .bfloat16, .float16])
  func formula(heads: (queries: Int, keys: Int), dtype: DType) {
    let tolerance = [DType.float64: 1e-12, .float32: 2e-6, .bfloat16: 2e-2, .float16: 3e-3][dtype]!
    for (count, depth, width) in [(1, 8, 8), (5, 7, 3), (130, 64, 64), (300, 16, 40)] {
      let q = randn([2, heads.queries, 1, depth], 1, dtype)
      // Keys and values of a longer memory, as a cache has them.
      let k = randn([2, heads.keys, count + 9, depth], 2, dtype).narrow(2, start: 0, length: count)
      let v = randn([2, heads.keys, count + 9, width], 3, dtype).narrow(2, start: 0, length: count)
      let bias = randn([2, 1, 1, count], 4, dtype)
      for mask in [nil, bias] {
        let found = noGrad { q.scaledDotProductAttention(k, v, attnMask: mask, scale: 0.3, enableGQA: true) }
        #expect(found.shape == [2, heads.queries, 1, width] && found.dtype == dtype)
        #expect(apart(found, formula(q, k, v, mask, scale: 0.3)) < tolerance, "\(count), \(depth), \(width)")
      }
    }
  }

  @Test func hiddenKeys() {
    let (q, k, v) = (randn([3, 2, 1, 8], 1, .float32), randn([3, 2, 6, 8], 2, .float32), randn([3, 2, 6, 8], 3, .float32))
    // The second row sees two keys, the third none, whose result is 0.
    let seen = Tensor(
      [true, true, true, true, true, true] + [false, true, false, false, true, false]
        + Array(repeating: false, count: 6), shape: [3, 1, 1, 6])
    let found = q.scaledDotProductAttention(k, v, attnMask: seen)
    #expect(apart(found[0..<1], q[0..<1].scaledDotProductAttention(k[0..<1], v[0..<1])) < 1e-6)
    let picked: Tensor = [1, 4]
    let (few, fewValues) = (k.indexSelect(dim: 2, index: picked), v.indexSelect(dim: 2, index: picked))
    #expect(apart(found[1..<2], q[1..<2].scaledDotProductAttention(few[1..<2], fewValues[1..<2])) < 1e-6)
    #expect(found[2..<3].isEqual(to: .zeros([1, 2, 1, 8])))
  }

  @Test func gradients() {
    let operands = [
      randn([2, 4, 1, 8], 1, .float64), randn([2, 2, 7, 8], 2, .float64), randn([2, 2, 7, 8], 3, .float64),
    ].map { $0.requiresGrad_() }
    let cotangent = randn([2, 4, 1, 8], 5, .float64)
    func slopes(_ run: ([Tensor]) -> Tensor) -> [Tensor] {
      Tensor.grad(of: [run(operands)], withRespectTo: operands, gradients: [cotangent]).map { $0! }
    }
    let found = slopes { $0[0].scaledDotProductAttention($0[1], $0[2], enableGQA: true) }
    let expected = slopes { formula($0[0], $0[1], $0[2], nil, scale: 1 / 8.0.squareRoot()) }
    for (mine, wanted) in zip(found, expected) { #expect(apart(mine, wanted) < 1e-12) }
  }
}
