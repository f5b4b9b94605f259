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
          x, srcMask: Tensor.ones([4, 4]).triu(1) .> 0, srcKeyPaddingMask: padding)
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
    Case(
      torch: "nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 5, dropout=0), 2)"
        + "(a, a[:3] * 2, tgt_mask=torch.ones(4, 4).triu(1).bool(), memory_mask=torch.eye(4, 3).bool(), "
        + "tgt_key_padding_mask=torch.tensor([[False, False, False, True], [False] * 4]), "
        + "memory_key_padding_mask=torch.tensor([[False] * 3, [False, False, True]]))",
      shape: [4, 2, 6]
    ) { x in
      TransformerDecoder(TransformerDecoderLayer(6, 2, dimFeedforward: 5, dropout: 0), numLayers: 2)(
        x, x[..<3] * 2, tgtMask: Tensor.ones([4, 4]).triu(1) .> 0, memoryMask: Tensor.eye(4, 3) .> 0,
        tgtKeyPaddingMask: Tensor([[false, false, false, true], [false, false, false, false]]),
        memoryKeyPaddingMask: Tensor([[false, false, false], [false, false, true]]))
    },
    Case(torch: "nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 5, dropout=0), 2)(a, a * 2)", shape: [4, 3, 6]) {
      TransformerDecoder(TransformerDecoderLayer(6, 2, dimFeedforward: 5, dropout: 0), numLayers: 2)($0, $0 * 2)
    },
    Case(
      torch: "nn.Transformer(6, 2, 2, 1, 5, dropout=0)(a, a[:2] * 2, tgt_mask=nn.Transformer.generate_square_subsequent_mask(2))",
      shape: [4, 3, 6]
    ) {
      Transformer(6, 2, numEncoderLayers: 2, numDecoderLayers: 1, dimFeedforward: 5, dropout: 0)(
        $0, $0.narrow(0, start: 0, length: 2) * 2, tgtMask: Transformer.generateSquareSubsequentMask(2))
    },
    Case(
      torch: "nn.Transformer(6, 2, 1, 1, 5, dropout=0, activation='gelu', batch_first=True, norm_first=True, bias=False)"
        + "(a, a, src_key_padding_mask=torch.tensor([[False] * 4, [False, False, False, True]]))",
      shape: [2, 4, 6]
    ) {
      Transformer(
        6, 2, numEncoderLayers: 1, numDecoderLayers: 1, dimFeedforward: 5, dropout: 0, activation: .gelu, batchFirst: true,
        normFirst: true, bias: false)(
          $0, $0, srcKeyPaddingMask: Tensor([[false, false, false, false], [false, false, false, true]]))
    },
    Case(torch: "(p := nn.MaxPool1d(2, 2, return_indices=True), nn.MaxUnpool1d(2, 2)(*p(a)))[1]", shape: [2, 3, 7]) {
      let pooled = MaxPool1d(2, stride: 2).withIndices($0)
      return MaxUnpool1d(2, stride: 2)(pooled.values, pooled.indices)
    },
    Case(
      torch: "(p := nn.MaxPool2d((2, 3), return_indices=True), nn.MaxUnpool2d((2, 3))(*p(a), output_size=a.shape))[1]",
      shape: [2, 3, 5, 7]
    ) {
      let pooled = MaxPool2d([2, 3]).withIndices($0)
      return MaxUnpool2d([2, 3])(pooled.values, pooled.indices, outputSize: [5, 7])
    },
    Case(torch: "(p := nn.MaxPool3d(2, return_indices=True), nn.MaxUnpool3d(2)(*p(a)))[1]", shape: [2, 1, 4, 4, 6]) {
      let pooled = MaxPool3d(2).withIndices($0)
      return MaxUnpool3d(2)(pooled.values, pooled.indices)
    },
    Case(
      torch: "(e := nn.Embedding(5, 3, max_norm=1.2, norm_type=1), e(torch.tensor([[0, 4], [2, 2]])) * a + e.weight[1])[1]",
      shape: [2, 2, 3]
    ) {
      let table = Embedding(5, 3, maxNorm: 1.2, normType: 1)
      return table(Tensor([[0, 4], [2, 2]] as [[Int64]])) * $0 + table.weight.tensor[1]
    },
    Case(
      torch: "(e := nn.Embedding(5, 3, scale_grad_by_freq=True), (y := (e(torch.tensor([0, 2, 2, 2])) * a).sum()), "
        + "torch.autograd.grad(y, e.weight, retain_graph=True)[0] + 0 * a.sum())[2]",
      shape: [4, 3]
    ) {
      let table = Embedding(5, 3, scaleGradByFreq: true)
      let y = (table(Tensor([0, 2, 2, 2] as [Int64])) * $0).sum()
      return Tensor.grad(of: [y], withRespectTo: [table.weight.tensor], retainGraph: true)[0]! + 0 * $0.sum()
    },
    Case(
      torch: "nn.EmbeddingBag(5, 3, mode='sum', max_norm=1.0)(torch.tensor([[0, 4], [2, 2]])) + a", shape: [2, 3]
    ) {
      EmbeddingBag(5, 3, mode: .sum, maxNorm: 1)(Tensor([[0, 4], [2, 2]] as [[Int64]])) + $0
    },
    Case(torch: "nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], 2.)(a, torch.tensor([1, 9, 4, 7, 2])).loss", shape: [5, 8]) {
      AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], divValue: 2)($0, Tensor([1, 9, 4, 7, 2] as [Int64])).loss
    },
    Case(torch: "nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], head_bias=True)(a, torch.tensor(7)).output", shape: [8]) {
      AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], headBias: true)($0, Tensor(7 as Int64)).output
    },
    Case(
      torch: "(m := nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6]), m.log_prob(a) * (1 + m.predict(a)[:, None]))[1]", shape: [5, 8]
    ) {
      let softmax = AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6])
      return softmax.logProb($0) * (1 + softmax.predict($0).unsqueeze(1))
    },
    Case(
      torch:
        "nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: (x - y).abs().sum(-1), margin=2)(a, a * 2, a.flip(0))",
      shape: [4, 2]
    ) {
      TripletMarginWithDistanceLoss(distance: { ($0 - $1).abs().sum(dim: -1) }, margin: 2)($0, $0 * 2, $0.flip(0))
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
    let whole = Transformer(4, 2, numEncoderLayers: 1, numDecoderLayers: 1, dimFeedforward: 3).stateDict().keys
    #expect(whole.count == 12 + 18 + 4 && whole.first == "encoder.layers.0.self_attn.in_proj_weight")
    #expect(whole.contains("encoder.norm.weight") && whole.last == "decoder.norm.bias")
    #expect(
      AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6]).stateDict().keys
        == ["head.weight", "tail.0.0.weight", "tail.0.1.weight", "tail.1.0.weight", "tail.1.1.weight"])
    #expect(BCEWithLogitsLoss(posWeight: .ones([2])).stateDict().keys == ["pos_weight"])
  }
}
