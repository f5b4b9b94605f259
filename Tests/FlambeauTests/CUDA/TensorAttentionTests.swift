import Foundation
import Testing

@testable import Flambeau

/// Attention of halves by tensor cores alone, beside the processor's of the same numbers in float64.
@Suite(.enabled(if: EmulatedKernels.compiler != nil, "no clang++")) struct TensorAttentionTests {
  private static let device = DeviceShape(multiprocessorCount: 2, sharedByteCount: 227 << 10)

  struct Heads: Sendable {
    var queries = 70
    var keys = 70
    var depth = 64
    var width: Int?
    var count = 1
    var group = 1
    var isCausal = false
    var hasBias = false
    var dtype = DType.bfloat16
    /// Queries, keys and values are slices of one tensor, results lie as its rows do.
    var isPacked = false
    var hasGradients = true
  }

  private static let all = [
    Heads(queries: 150, keys: 150, count: 2, isCausal: true, isPacked: true),
    Heads(queries: 70, keys: 200, dtype: .float16),
    Heads(queries: 130, keys: 140, depth: 32, count: 2, group: 2, isCausal: true),
    Heads(queries: 75, keys: 90, depth: 80, hasBias: true, dtype: .float16),
    Heads(queries: 75, keys: 65, depth: 64, group: 2, hasBias: true),
    Heads(queries: 70, keys: 100, depth: 128, isCausal: true, dtype: .float16),
    Heads(queries: 200, keys: 60, depth: 16, isCausal: true),
    Heads(queries: 65, keys: 70, depth: 40, width: 72),
    // Keys that no query sees.
    Heads(queries: 20, keys: 150, isCausal: true),
    // More heads than blocks take in turns.
    Heads(queries: 130, keys: 20, depth: 16, count: 70, isCausal: true),
    Heads(queries: 33, keys: 40, depth: 136, width: 256, dtype: .float16, hasGradients: false),
    // Keys in pieces, whose results are joined; the queries of a group as those of one head.
    Heads(queries: 1, keys: 600, group: 4),
    Heads(queries: 40, keys: 530, isCausal: true, hasGradients: false),
  ]

  /// A call with what it is to give.
  private struct Expectation {
    let call: RecordedCall

    init(_ task: any KernelTask, _ place: String, _ device: DeviceShape, _ results: [(Tensor, Tensor)]) {
      call = RecordedCall(.task(task), place: place, on: device)
      for (result, expected) in results { result.copy_(expected) }
      call.keepExpected()
    }
  }

  /// Both directions of attention, and their results in float64.
  private struct Both {
    let heads: Heads
    let scale = 0.11
    let (q, k, v, bias, result, gradient): (Tensor, Tensor, Tensor, Tensor?, Tensor, Tensor)
    let logSums: Tensor

    init(_ heads: Heads) {
      self.heads = heads
      let (h, g, t, s) = (heads.count, heads.group, heads.queries, heads.keys)
      let (d, w) = (heads.depth, heads.width ?? heads.depth)
      let generator = Generator(seed: 7)
      func random(_ shape: Shape) -> Tensor { Tensor.randn(shape, generator: generator).to(heads.dtype) }
      if heads.isPacked {
        let parts = random([t, 3, h, d]).permute([1, 2, 0, 3])
        (q, k, v) = (parts[0].unsqueeze(1), parts[1], parts[2])
        gradient = random([t, h, w]).transpose(0, 1).unsqueeze(1)
        result = Tensor.zeros([t, h, w], dtype: heads.dtype).transpose(0, 1).unsqueeze(1)
      } else {
        (q, k, v, gradient) = (random([h, g, t, d]), random([h, s, d]), random([h, s, w]), random([h, g, t, w]))
        result = Tensor.zeros([h, g, t, w], dtype: heads.dtype)
      }
      logSums = Tensor.zeros([h, g, t])
      if heads.hasBias {
        // Some pairs do not see each other, and query 3 sees nothing.
        let numbers = Tensor.randn([t, s], generator: generator)
        let rows = Tensor.arange(t).unsqueeze(1).expand([t, s])
        bias = numbers.maskedFill(numbers .> 1, -Double.infinity).maskedFill(rows .== 3, -Double.infinity)
      } else {
        bias = nil
      }
    }

    private func shared(_ x: Tensor) -> Tensor { x.unsqueeze(1).expand([heads.count, heads.group, x.shape[1], x.shape[2]]) }

    var inputs: AttentionInputs {
      AttentionInputs(
        q: q.body.elements, k: shared(k).body.elements, v: shared(v).body.elements,
        bias: bias?.expand([heads.count, heads.group, heads.queries, heads.keys]).body.elements, isCausal: heads.isCausal,
        scale: scale)
    }

    func expectations(on device: DeviceShape) -> [Expectation] {
      let leaves = [q, k, v].map { $0.to(.float64).requiresGrad_() }
      let added = bias?.to(.float64)
      let wide = leaves[0].scaledDotProductAttention(
        shared(leaves[1]), shared(leaves[2]), attnMask: added, isCausal: heads.isCausal, scale: scale)
      var scores = (leaves[0].detach() * scale).matmul(shared(leaves[1].detach()).transpose(-1, -2))
      if let added { scores = scores + added }
      if heads.isCausal {
        let seen = Tensor.ones([heads.queries, heads.keys], dtype: .bool).tril()
        scores = scores.maskedFill(seen.logicalNot(), -Double.infinity)
      }
      let sums = scores.logSumExp(dim: -1)
      let forward = Expectation(
        AttentionTask(inputs: inputs, result: result.body.elements, logSums: logSums.body.elements), "\(heads)", device,
        [(result, wide.detach()), (logSums, sums.maskedFill(sums .== -Double.infinity, Double.infinity))])
      if !heads.hasGradients { return [forward] }
      let slopes = Tensor.grad(of: [wide], withRespectTo: leaves, gradients: [gradient.to(.float64)])
      let results = [q, k, v].map { $0.zerosLike() }
      let task = AttentionGradientTask(
        inputs: inputs, result: result.body.elements, gradient: gradient.body.elements, logSums: logSums.body.elements,
        dq: results[0].body.elements, dk: results[1].body.elements, dv: results[2].body.elements)
      let backward = Expectation(task, "gradients of \(heads)", device, zip(results, slopes).map { ($0, $1!) })
      return [forward, backward]
    }
  }

  private static func isOfHalves(_ work: KernelWork) -> Bool {
    work.launches.allSatisfy { $0.source.name.hasPrefix("attention_halves") || $0.source.name.hasPrefix("attention_join") }
  }

  @Test func halvesAttendAsInFloat64() throws {
    let expectations = Self.all.flatMap { Both($0).expectations(on: Self.device) }
    for expectation in expectations { #expect(Self.isOfHalves(expectation.call.work), "\(expectation.call.place)") }
    #expect(expectations.contains { $0.call.work.launches.count == 2 && $0.call.place.contains("keys: 600") })
    var known: Set<KernelSource> = []
    let sources = expectations.flatMap { $0.call.work.launches.map(\.source) }.filter { known.insert($0).inserted }
    let kernels = try EmulatedKernels(sources)
    for expectation in expectations {
      let difference = expectation.call.difference(kernels)
      #expect(difference == nil, "\(expectation.call.place): \(difference ?? "")")
    }
  }

  @Test func whatLiesOtherwiseHasOtherKernels() {
    func isOfHalves(
      _ heads: Heads, scale: Double = 0.1, on device: DeviceShape = Self.device, _ change: (Tensor) -> Tensor = { $0 }
    ) -> Bool {
      let both = Both(heads)
      let (q, inputs) = (change(both.q), both.inputs)
      let task = AttentionTask(
        inputs: AttentionInputs(
          q: q.body.elements, k: inputs.k, v: inputs.v, bias: inputs.bias, isCausal: inputs.isCausal, scale: scale),
        result: both.result.body.elements, logSums: both.logSums.body.elements)
      return Self.isOfHalves(KernelCall.task(task).work(on: device))
    }
    #expect(isOfHalves(Heads()) && isOfHalves(Heads(dtype: .float16)))
    #expect(!isOfHalves(Heads(dtype: .float32)) && !isOfHalves(Heads(depth: 12)) && !isOfHalves(Heads(depth: 264)))
    #expect(!isOfHalves(Heads(), scale: -1) && !isOfHalves(Heads(), scale: 0))
    #expect(!isOfHalves(Heads(), on: DeviceShape(multiprocessorCount: 2, sharedByteCount: 48 << 10)))
    #expect(
      !isOfHalves(Heads(), on: DeviceShape(multiprocessorCount: 2, sharedByteCount: 227 << 10, hasTensorCores: false)))
    // Rows that do not begin at multiples of 16 bytes, and rows with room between their elements.
    let wider: (Tensor, Int, Int) -> Tensor = { x, width, start in
      Tensor.zeros([1, 1, 70, width], dtype: x.dtype).narrow(3, start: start, length: 64)
    }
    #expect(isOfHalves(Heads()) { wider($0, 72, 8) })
    #expect(!isOfHalves(Heads()) { wider($0, 72, 4) } && !isOfHalves(Heads()) { wider($0, 68, 0) })
    #expect(!isOfHalves(Heads()) { Tensor.zeros([1, 1, 64, 70], dtype: $0.dtype).transpose(2, 3) })
  }

  @Test(.enabled(if: EmulatedDevice.isThere)) func tensorsOnAGPUAttendAsOnTheProcessor() {
    func outcome(_ device: Device) -> [Tensor] {
      let generator = Generator(seed: 3)
      let leaf = (Tensor.randn([1, 66, 3, 2, 64], generator: generator).to(.bfloat16)).to(device).requiresGrad_()
      let parts = (0..<3).map { leaf.select(dim: 2, index: $0).transpose(1, 2) }
      let attended = parts[0].scaledDotProductAttention(parts[1], parts[2], isCausal: true)
      (attended * attended).sum().backward()
      return [attended.detach().cpu(), leaf.grad!.cpu()]
    }
    for (a, b) in zip(outcome("cuda"), outcome(.cpu)) { #expect(a.float().allClose(b.float(), rtol: 3e-2, atol: 3e-2)) }
  }

  private static let compiler: NVRTC? = try? NVRTC.shared.get()

  @Test(.enabled(if: compiler != nil, "no NVRTC")) func everythingStaysInRegisters() throws {
    let compiler = Self.compiler!
    for heads in [Heads(count: 2, isCausal: true), Heads(depth: 128, hasBias: true, dtype: .float16)] {
      let work = Both(heads).expectations(on: Self.device).map { $0.call.work }
      for source in work.flatMap({ $0.launches.map(\.source) }) {
        func compiled(_ architecture: String) throws -> [UInt8] {
          try compiler.compile(
            source.whole, name: source.name, options: KernelSource.options(architecture: architecture))
        }
        let text = String(decoding: try compiled("compute_80"), as: UTF8.self)
        for instruction in ["mma.sync.aligned.m16n8k16", "ldmatrix.sync.aligned.m8n8.x4.trans", "cp.async.cg", "ex2.approx"] {
          #expect(text.contains(instruction), "\(source.name): \(instruction)")
        }
        #expect(!text.contains(".local"), "\(source.name)")
        _ = try compiled("sm_90")
      }
    }
  }
}
