import Flambeau
import FlambeauNN
import Testing

/// Modules of several inputs beside torch's, both made from one seed.
@Suite struct TransformerTests {
  private struct Case: Sendable {
    let torch: String
    let shape: Shape
    let run: @Sendable (Tensor) -> Tensor
  }

  private static let cases: [Case] = [
    Case(torch: "nn.TransformerEncoderLayer(6, 2, 5, dropout=0)(a)", shape: [4, 3, 6]) {
      TransformerEncoderLayer(6, 2, dimFeedforward: 5, dropout: 0)($0)
    },
    Case(
      torch: "nn.TransformerEncoderLayer(6, 3, 5, dropout=0, activation='gelu', batch_first=True, norm_first=True)"
        + "(a, src_mask=torch.ones(4, 4).triu(1).bool(), "
        + "src_key_padding_mask=torch.tensor([[False] * 4, [False, False, False, True]]))",
      shape: [2, 4, 6]
    ) { x in
      let padding = Tensor([[false, false, false, false], [false, false, false, true]])
      return TransformerEncoderLayer(
        6, 3, dimFeedforward: 5, dropout: 0, activation: .gelu, batchFirst: true, normFirst: true)(
          x, mask: Tensor.ones([4, 4]).triu(1) .> 0, keyPaddingMask: padding)
    },
    Case(torch: "nn.TransformerDecoderLayer(6, 2, 5, dropout=0)(a, a[:2] * 2)", shape: [4, 3, 6]) {
      TransformerDecoderLayer(6, 2, dimFeedforward: 5, dropout: 0)($0, $0.narrow(0, start: 0, length: 2) * 2)
    },
    Case(torch: "nn.TransformerDecoderLayer(6, 2, 5, dropout=0, norm_first=True, bias=False)(a, a)", shape: [4, 6]) {
      TransformerDecoderLayer(6, 2, dimFeedforward: 5, dropout: 0, normFirst: true, bias: false)($0, $0)
    },
    Case(
      torch: "nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 5, dropout=0), 3, nn.LayerNorm(6))(a)", shape: [4, 3, 6]
    ) {
      TransformerEncoder(
        TransformerEncoderLayer(6, 2, dimFeedforward: 5, dropout: 0), numLayers: 3, norm: LayerNorm(6))($0)
    },
    Case(torch: "nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 5, dropout=0), 2)(a, a * 2)", shape: [4, 3, 6]) {
      TransformerDecoder(TransformerDecoderLayer(6, 2, dimFeedforward: 5, dropout: 0), numLayers: 2)($0, $0 * 2)
    },
    Case(torch: "nn.Bilinear(4, 4, 3)(a, a * 2)", shape: [2, 4]) { Bilinear(4, 4, 3)($0, $0 * 2) },
    Case(torch: "nn.EmbeddingBag(5, 3, mode='max')(torch.tensor([[0, 4], [2, 2]])) + a", shape: [2, 3]) {
      EmbeddingBag(5, 3, mode: .max)(Tensor([[0, 4], [2, 2]] as [[Int64]])) + $0
    },
    Case(torch: "nn.CosineSimilarity(dim=0)(a, a.flip(0))", shape: [4, 2]) { CosineSimilarity(dim: 0)($0, $0.flip(0)) },
    Case(torch: "nn.TripletMarginLoss(swap=True)(a, a * 2, a.flip(0))", shape: [4, 2]) {
      TripletMarginLoss(swap: true)($0, $0 * 2, $0.flip(0))
    },
    Case(torch: "nn.CrossEntropyLoss(torch.tensor([0.5, 2]))(a, torch.tensor([1, 0, 0, 1]))", shape: [4, 2]) {
      CrossEntropyLoss(weight: Tensor([0.5, 2] as [Float]))($0, Tensor([1, 0, 0, 1] as [Int64]))
    },
  ]

  @Test(.enabled(if: Torch.python != nil)) func computeWhatTorchDoes() throws {
    let inputs = Self.cases.map { Tensor.random($0.shape, in: -2...2) }
    let seed = Int.random(in: 0..<1 << 40)
    let answers = try Torch.judge(
      zip(Self.cases, inputs).map { Torch.Question(expression: $0.torch, input: $1, seed: seed) })
    for (i, answer) in answers.enumerated() {
      let x = inputs[i].requiresGrad_()
      let y = withGenerator(Generator(seed: seed)) { Self.cases[i].run(x) }
      y.backward(gradient: Torch.cotangent(y.shape))
      func close(_ a: Tensor, _ b: Tensor) -> Bool {
        a.shape == b.shape && zip(a.floats, b.floats).allSatisfy { abs($0 - $1) <= 2e-5 + 2e-5 * abs($1) }
      }
      #expect(close(y, answer.output), "\(Self.cases[i].torch), seed \(seed)")
      #expect(close(x.grad!, answer.gradient), "gradient of \(Self.cases[i].torch), seed \(seed)")
    }
  }

  @Test func stateDictsHaveTorchsNames() {
    let decoder = TransformerDecoder(TransformerDecoderLayer(4, 2, dimFeedforward: 3, bias: false), numLayers: 1)
    #expect(
      decoder.stateDict().keys
        == [
          "self_attn.in_proj_weight", "self_attn.out_proj.weight", "multihead_attn.in_proj_weight",
          "multihead_attn.out_proj.weight", "linear1.weight", "linear2.weight", "norm1.weight", "norm2.weight", "norm3.weight",
        ].map { "layers.0.\($0)" })
    #expect(BCEWithLogitsLoss(posWeight: .ones([2])).stateDict().keys == ["pos_weight"])
  }
}
