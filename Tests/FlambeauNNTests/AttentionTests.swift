import Flambeau
import FlambeauNN
import Testing

struct AttentionCase: Sendable {
  /// In torch, of the module `m` and the input `a`.
  let call: String
  var arguments = ""
  let input: Shape
  var options: @Sendable () -> MultiheadAttention = { MultiheadAttention(12, 3) }
  let run: @Sendable (MultiheadAttention, Tensor) -> Tensor

  static let all: [AttentionCase] = [
    AttentionCase(call: "m(a, a, a)[0]", input: [5, 2, 12]) { $0($1, $1, $1).output },
    AttentionCase(call: "m(a, a, a)[1]", input: [5, 2, 12]) { $0($1, $1, $1).weights! },
    AttentionCase(call: "m(a, a, a, average_attn_weights=False)[1]", input: [5, 2, 12]) {
      $0($1, $1, $1, averageAttnWeights: false).weights!
    },
    AttentionCase(call: "m(a, a, a, need_weights=False)[0]", input: [5, 12]) { $0($1, $1, $1, needWeights: false).output },
    AttentionCase(call: "m(a, a, a)[1]", input: [5, 12]) { $0($1, $1, $1).weights! },
    AttentionCase(call: "m(a[:2], a, a * 2)[0]", input: [5, 2, 12]) {
      $0($1.narrow(0, start: 0, length: 2), $1, $1 * 2.0).output
    },
    AttentionCase(call: "m(a[:, :2], a, a)[0]", arguments: ", batch_first=True, bias=False", input: [3, 5, 12]) {
      MultiheadAttention(12, 3, bias: false, batchFirst: true)
    } run: {
      $0($1.narrow(1, start: 0, length: 2), $1, $1).output
    },
    AttentionCase(
      call: "m(a, a, a, attn_mask=torch.ones(5, 5).triu(1).bool(), is_causal=True)[0]", input: [5, 2, 12]
    ) { $0($1, $1, $1, isCausal: true).output },
    AttentionCase(
      call:
        "m(a, a, a, attn_mask=torch.arange(25.).reshape(5, 5) / 9, key_padding_mask=torch.arange(10).reshape(2, 5) % 4 == 3)[0]",
      input: [5, 2, 12]
    ) {
      let numbers = Tensor((0..<25).map { Float($0) }, shape: [5, 5]) / 9
      let padding = Tensor((0..<10).map { $0 % 4 == 3 }, shape: [2, 5])
      return $0($1, $1, $1, keyPaddingMask: padding, attnMask: numbers).output
    },
    AttentionCase(call: "m(a, a, a, attn_mask=(torch.arange(150) % 7 == 1).reshape(6, 5, 5))[1]", input: [5, 2, 12]) {
      $0($1, $1, $1, attnMask: Tensor((0..<150).map { $0 % 7 == 1 }, shape: [6, 5, 5])).weights!
    },
    AttentionCase(call: "m(a, a, a)[0]", arguments: ", dropout=0.3", input: [5, 2, 12]) {
      MultiheadAttention(12, 3, dropout: 0.3)
    } run: {
      $0($1, $1, $1).output
    },
    AttentionCase(call: "m(a, a, a, need_weights=False)[0]", arguments: ", dropout=0.3", input: [5, 2, 12]) {
      MultiheadAttention(12, 3, dropout: 0.3)
    } run: {
      $0($1, $1, $1, needWeights: false).output
    },
    AttentionCase(
      call: "m(a[:, :2], a, a, need_weights=False)[0]", arguments: ", batch_first=True, bias=False", input: [3, 5, 12]
    ) {
      MultiheadAttention(12, 3, bias: false, batchFirst: true)
    } run: {
      $0($1.narrow(1, start: 0, length: 2), $1, $1, needWeights: false).output
    },
    AttentionCase(
      call: "m(a, a, a, attn_mask=torch.ones(5, 5).triu(1).bool(), is_causal=True, need_weights=False)[0]",
      input: [5, 2, 12]
    ) { $0($1, $1, $1, isCausal: true, needWeights: false).output },
    AttentionCase(
      call: """
        m(a, a, a, attn_mask=(torch.arange(150) % 7 == 1).reshape(6, 5, 5), need_weights=False,
          key_padding_mask=torch.arange(10).reshape(2, 5) % 4 == 3)[0]
        """,
      input: [5, 2, 12]
    ) {
      let padding = Tensor((0..<10).map { $0 % 4 == 3 }, shape: [2, 5])
      let hidden = Tensor((0..<150).map { $0 % 7 == 1 }, shape: [6, 5, 5])
      return $0($1, $1, $1, keyPaddingMask: padding, attnMask: hidden, needWeights: false).output
    },
  ]
}

@Suite struct AttentionTests {
  @Test(.enabled(if: Torch.python != nil)) func computesWhatTorchDoes() throws {
    let seed = Int.random(in: 0..<1 << 40)
    let inputs = AttentionCase.all.map { Tensor.random($0.input, in: -2...2) }
    let questions = zip(AttentionCase.all, inputs).map { test, input in
      Torch.Question(
        expression: "[m := nn.MultiheadAttention(12, 3\(test.arguments)), \(test.call)][1]", input: input, seed: seed)
    }
    for ((test, input), answer) in zip(zip(AttentionCase.all, inputs), try Torch.judge(questions)) {
      let x = input.clone().requiresGrad_()
      let y = withGenerator(Generator(seed: seed)) { test.run(test.options(), x) }
      y.backward(gradient: Torch.cotangent(y.shape))
      func close(_ a: Tensor, _ b: Tensor) -> Bool {
        a.shape == b.shape && zip(a.floats, b.floats).allSatisfy { Swift.abs($0 - $1) <= 1e-5 + 1e-5 * Swift.abs($1) }
      }
      #expect(close(y, answer.output), "\(test.call) with seed \(seed)")
      #expect(close(x.grad!, answer.gradient), "\(test.call) with seed \(seed)")
    }
  }

  @Test func misuseIsRefused() {
    let x = Tensor.ones([5, 2, 12])
    func problem(_ body: (MultiheadAttention) -> Void) -> String? {
      let layer = MultiheadAttention(12, 3)
      let error = #expect(throws: TensorError.self) { try withTensorErrors { body(layer) } }
      #expect("\(error!)".contains("AttentionTests.swift"))
      return error?.message
    }
    #expect(problem { _ in _ = MultiheadAttention(12, 5) } == "embed_dim must be divisible by num_heads, but got 12 and 5")
    #expect(problem { _ = $0(.ones([12]), x, x) }?.hasPrefix("query should be unbatched 2D or batched 3D") == true)
    #expect(problem { _ = $0(x, x, .ones([4, 2, 12])) } == "key shape [5, 2, 12] does not match value shape [4, 2, 12]")
    #expect(problem { _ = $0(.ones([5, 2, 6]), x, x) } == "was expecting embedding dimension of 12, but got 6")
    #expect(problem { _ = $0(.ones([5, 3, 12]), x, x) } == "key shape [5, 2, 12] does not fit query shape [5, 3, 12]")
    #expect(problem { _ = $0(x, x, x, attnMask: .ones([4, 5])) }?.contains("attn_mask is [4, 5], but should be [5, 5]") == true)
    #expect(problem { _ = $0(x, x, x, keyPaddingMask: .ones([5, 2])) }?.contains("key_padding_mask is [5, 2]") == true)
  }
}
