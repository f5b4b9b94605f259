import Testing

@testable import Flambeau

/// What no operator asks of products on a GPU yet.
@Suite(.enabled(if: EmulatedKernels.compiler != nil, "no clang++")) struct ProductKernelTests {
  private static let device = DeviceShape(multiprocessorCount: 2, sharedByteCount: 48 << 10)

  @Test(arguments: [(40, 33, 20), (3, 50, 70), (20, 40, 3000)]) func aFinishIsAppliedBeforeRounding(
    _ sizes: (m: Int, n: Int, k: Int)
  ) throws {
    let (m, n, k) = sizes
    let finish = Program { x in relu(x * 2 - 1) }
    for dtype in [DType.float32, .bfloat16, .float64] {
      let (a, b, bias) = withGenerator(Generator(seed: 3)) {
        ((Tensor.randn([m, k]) / Double(k).squareRoot()).to(dtype), Tensor.randn([k, n]).to(dtype), Tensor.randn([n]).to(dtype))
      }
      // float64 is exact beside the others: what they are rounded from.
      let wide = a.to(.float64).mm(b.to(.float64)) * 0.5 + bias.to(.float64) * 3
      let result = ((wide * 2 - 1).relu()).to(dtype).contiguous()
      let task = ProductTask(
        a: a.body.elements, b: b.body.elements, c: result.body.elements,
        added: Elements(bias.body.storage.pointer, bias.body.layout.broadcast(to: [m, n])!, dtype), alpha: 0.5, beta: 3,
        finish: finish)
      let call = RecordedCall(.task(task), place: "a finish of \(dtype)", on: Self.device)
      call.keepExpected()
      let difference = call.difference(try EmulatedKernels(call.work.launches.map(\.source)))
      #expect(difference == nil, "\(dtype) \(sizes): \(difference ?? "")")
    }
  }
}
