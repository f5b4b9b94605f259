import Flambeau
import FlambeauNN
import Testing

/// A layer here and in torch, both made from one seed, so that they start equal.
struct LayerCase: Sendable, CustomTestStringConvertible {
  let torch: String
  let input: Shape
  let make: @Sendable () -> any Layer

  init(_ torch: String, _ input: Shape, _ make: @escaping @Sendable () -> any Layer) {
    (self.torch, self.input, self.make) = (torch, input, make)
  }

  var testDescription: String { torch }

  static let all: [LayerCase] =
    [
      LayerCase("nn.Linear(5, 3)", [2, 4, 5]) { Linear(5, 3) },
      LayerCase("nn.Linear(5, 3, bias=False)", [5]) { Linear(5, 3, bias: false) },
      LayerCase("nn.Conv2d(3, 4, 3)", [2, 3, 6, 5]) { Conv2d(3, 4, 3) },
      LayerCase("nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, bias=False)", [4, 7, 6]) {
        Conv2d(4, 6, [3, 2], stride: [2, 1], padding: [1, 2], dilation: [1, 2], groups: 2, bias: false)
      },
      LayerCase("nn.Conv2d(2, 3, (2, 3), padding='same')", [1, 2, 5, 4]) { Conv2d(2, 3, [2, 3], padding: .same) },
      LayerCase("nn.Conv2d(2, 3, 2, padding='valid')", [1, 2, 5, 4]) { Conv2d(2, 3, 2, padding: .valid) },
      LayerCase("nn.Conv1d(3, 4, 3)", [2, 3, 6]) { Conv1d(3, 4, 3) },
      LayerCase("nn.Conv1d(4, 6, 2, padding='same', dilation=3, groups=2, bias=False)", [4, 6]) {
        Conv1d(4, 6, 2, padding: .same, dilation: 3, groups: 2, bias: false)
      },
      LayerCase("nn.Conv3d(2, 3, (1, 2, 3), stride=(1, 2, 1), padding=(0, 1, 1))", [2, 2, 3, 4, 5]) {
        Conv3d(2, 3, [1, 2, 3], stride: [1, 2, 1], padding: [0, 1, 1])
      },
      LayerCase("nn.ConvTranspose1d(3, 4, 3, stride=2, output_padding=1)", [2, 3, 6]) {
        ConvTranspose1d(3, 4, 3, stride: 2, outputPadding: 1)
      },
      LayerCase("nn.ConvTranspose2d(4, 2, (3, 2), 2, (1, 0), groups=2, bias=False)", [2, 4, 3, 3]) {
        ConvTranspose2d(4, 2, [3, 2], stride: 2, padding: [1, 0], groups: 2, bias: false)
      },
      LayerCase("nn.ConvTranspose3d(2, 3, 2, dilation=(2, 1, 1))", [2, 2, 3, 3]) {
        ConvTranspose3d(2, 3, 2, dilation: [2, 1, 1])
      },
      LayerCase("nn.MaxPool2d(2)", [2, 3, 7, 6]) { MaxPool2d(2) },
      LayerCase("nn.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), ceil_mode=True)", [2, 3, 7, 6]) {
        MaxPool2d([3, 2], stride: [2, 1], padding: [1, 0], dilation: [1, 2], ceilMode: true)
      },
      LayerCase("nn.AvgPool2d(2)", [2, 3, 7, 6]) { AvgPool2d(2) },
      LayerCase("nn.AvgPool2d((3, 2), stride=1, padding=1, ceil_mode=True, count_include_pad=False)", [2, 3, 7, 6]) {
        AvgPool2d([3, 2], stride: 1, padding: 1, ceilMode: true, countIncludePad: false)
      },
      LayerCase("nn.AvgPool2d(2, divisor_override=3)", [2, 3, 7, 6]) { AvgPool2d(2, divisorOverride: 3) },
      LayerCase("nn.AdaptiveAvgPool2d((3, 2))", [2, 3, 7, 6]) { AdaptiveAvgPool2d([3, 2]) },
      LayerCase("nn.AdaptiveMaxPool2d((3, 2))", [2, 3, 7, 6]) { AdaptiveMaxPool2d([3, 2]) },
      LayerCase("nn.MaxPool1d(3, 2, 1)", [2, 3, 7]) { MaxPool1d(3, stride: 2, padding: 1) },
      LayerCase("nn.MaxPool3d(2)", [2, 3, 4, 5, 4]) { MaxPool3d(2) },
      LayerCase("nn.AvgPool1d(3, ceil_mode=True)", [2, 3, 7]) { AvgPool1d(3, ceilMode: true) },
      LayerCase("nn.AvgPool3d(2, 1, 1, count_include_pad=False)", [2, 3, 4, 3]) {
        AvgPool3d(2, stride: 1, padding: 1, countIncludePad: false)
      },
      LayerCase("nn.Sequential(nn.AdaptiveAvgPool1d(5), nn.AdaptiveMaxPool1d(2))", [2, 3, 7]) {
        Sequential(AdaptiveAvgPool1d(5), AdaptiveMaxPool1d(2))
      },
      LayerCase("nn.Sequential(nn.AdaptiveAvgPool3d((3, 2, 2)), nn.AdaptiveMaxPool3d(2))", [2, 4, 3, 5]) {
        Sequential(AdaptiveAvgPool3d([3, 2, 2]), AdaptiveMaxPool3d(2))
      },
      LayerCase("nn.ConstantPad1d((1, 2), 1.5)", [2, 3, 4]) { ConstantPad1d([1, 2], value: 1.5) },
      LayerCase("nn.Sequential(nn.ZeroPad2d(1), nn.ReflectionPad2d((1, 2, 0, 1)))", [2, 3, 4]) {
        Sequential(ZeroPad2d(1), ReflectionPad2d([1, 2, 0, 1]))
      },
      LayerCase("nn.Sequential(nn.ReplicationPad3d(1), nn.CircularPad3d(1))", [2, 2, 3, 2]) {
        Sequential(ReplicationPad3d(1), CircularPad3d(1))
      },
      LayerCase("nn.Upsample(scale_factor=2, mode='bilinear')", [2, 1, 3, 2]) {
        Upsample(scaleFactor: [2, 2], mode: .bilinear)
      },
      LayerCase("nn.Sequential(nn.Unfold(2), nn.Fold((4, 3), 2))", [2, 3, 4, 3]) {
        Sequential(Unfold(2), Fold([4, 3], 2))
      },
      LayerCase("nn.LocalResponseNorm(2, 0.5)", [2, 4, 3]) { LocalResponseNorm(2, alpha: 0.5) },
      LayerCase("nn.LayerNorm(5)", [2, 3, 5]) { LayerNorm(5) },
      LayerCase("nn.LayerNorm((3, 5), eps=0.1, bias=False)", [2, 3, 5]) { LayerNorm([3, 5], eps: 0.1, bias: false) },
      LayerCase("nn.LayerNorm(5, elementwise_affine=False)", [2, 3, 5]) { LayerNorm(5, elementwiseAffine: false) },
      LayerCase("nn.RMSNorm(5)", [2, 3, 5]) { RMSNorm(5) },
      LayerCase("nn.RMSNorm((3, 5), eps=0.1, elementwise_affine=False)", [2, 3, 5]) {
        RMSNorm([3, 5], eps: 0.1, elementwiseAffine: false)
      },
      LayerCase("nn.GroupNorm(2, 6)", [2, 6, 3]) { GroupNorm(2, 6) },
      LayerCase("nn.GroupNorm(3, 6, eps=0.1, affine=False)", [2, 6, 3, 2]) { GroupNorm(3, 6, eps: 0.1, affine: false) },
      LayerCase("nn.BatchNorm1d(3)", [5, 3]) { BatchNorm1d(3) },
      LayerCase("nn.BatchNorm1d(3, eps=0.1, affine=False)", [5, 3, 4]) { BatchNorm1d(3, eps: 0.1, affine: false) },
      LayerCase("nn.BatchNorm2d(3)", [2, 3, 4, 5]) { BatchNorm2d(3) },
      LayerCase("nn.BatchNorm2d(3).eval()", [2, 3, 4, 5]) { BatchNorm2d(3).eval() },
      LayerCase("nn.BatchNorm2d(3, track_running_stats=False).eval()", [2, 3, 4, 5]) {
        BatchNorm2d(3, trackRunningStats: false).eval()
      },
      LayerCase("nn.InstanceNorm1d(3)", [2, 3, 4]) { InstanceNorm1d(3) },
      LayerCase("nn.InstanceNorm2d(3, affine=True, eps=0.1)", [3, 4, 2]) { InstanceNorm2d(3, eps: 0.1, affine: true) },
      LayerCase("nn.InstanceNorm3d(3, track_running_stats=True).eval()", [2, 3, 2, 2, 2]) {
        InstanceNorm3d(3, trackRunningStats: true).eval()
      },
      LayerCase("nn.Sequential(m := nn.InstanceNorm1d(3, track_running_stats=True), m.eval())", [2, 3, 4]) {
        let norm = InstanceNorm1d(3, trackRunningStats: true).eval()
        return Sequential(norm, norm)
      },
      LayerCase("nn.Dropout1d(0.4)", [3, 5, 2]) { Dropout1d(0.4) }, LayerCase("nn.Dropout1d(0.4)", [5, 2]) { Dropout1d(0.4) },
      LayerCase("nn.Dropout3d(0.4)", [3, 5, 2, 1, 2]) { Dropout3d(0.4) },
      LayerCase("nn.AlphaDropout(0.3)", [30, 7]) { AlphaDropout(0.3) },
      LayerCase("nn.AlphaDropout(1)", [3, 7]) { AlphaDropout(1) },
      LayerCase("nn.FeatureAlphaDropout(0.3)", [3, 7, 2]) { FeatureAlphaDropout(0.3) },
      LayerCase("nn.Flatten()", [2, 3, 4]) { Flatten() },
      LayerCase("nn.Flatten(0, -2)", [2, 3, 4]) { Flatten(startDim: 0, endDim: -2) },
      LayerCase("nn.Flatten(0)", []) { Flatten(startDim: 0) }, LayerCase("nn.Dropout()", [30, 7]) { Dropout() },
      LayerCase("nn.Dropout(0.2)", [3, 5]) { Dropout(0.2) }, LayerCase("nn.Dropout(0.2).eval()", [3, 5]) { Dropout(0.2).eval() },
      LayerCase("nn.Dropout(1)", [3, 5]) { Dropout(1) }, LayerCase("nn.Dropout(0)", [3, 5]) { Dropout(0) },
      LayerCase("nn.Dropout2d(0.4)", [3, 5, 2, 4]) { Dropout2d(0.4) },
      LayerCase("nn.Sequential(nn.Dropout(0.3), nn.Linear(6, 6), nn.Dropout(0.1), nn.Dropout2d(0.5))", [4, 6]) {
        Sequential(Dropout(0.3), Linear(6, 6), Dropout(0.1), Dropout2d(0.5))
      },
      LayerCase("nn.Softmax(1)", [2, 3, 4]) { Softmax(dim: 1) },
      LayerCase("nn.LogSoftmax(-1)", [2, 3, 4]) { LogSoftmax(dim: -1) }, LayerCase("nn.ReLU()", [7]) { ReLU() },
      LayerCase("nn.ReLU6()", [7]) { ReLU6() },
      LayerCase("nn.LeakyReLU()", [7]) { LeakyReLU() }, LayerCase("nn.LeakyReLU(0.3)", [7]) { LeakyReLU(negativeSlope: 0.3) },
      LayerCase("nn.PReLU()", [2, 3]) { PReLU() }, LayerCase("nn.PReLU(3, init=0.4)", [2, 3]) { PReLU(3, initial: 0.4) },
      LayerCase("nn.ELU()", [7]) { ELU() }, LayerCase("nn.ELU(0.7)", [7]) { ELU(alpha: 0.7) },
      LayerCase("nn.CELU()", [7]) { CELU() }, LayerCase("nn.CELU(0.7)", [7]) { CELU(alpha: 0.7) },
      LayerCase("nn.SELU()", [7]) { SELU() }, LayerCase("nn.GELU()", [7]) { GELU() },
      LayerCase("nn.GELU('tanh')", [7]) { GELU(approximate: .tanh) }, LayerCase("nn.SiLU()", [7]) { SiLU() },
      LayerCase("nn.Mish()", [7]) { Mish() }, LayerCase("nn.Sigmoid()", [7]) { Sigmoid() },
      LayerCase("nn.LogSigmoid()", [7]) { LogSigmoid() }, LayerCase("nn.Tanh()", [7]) { Tanh() },
      LayerCase("nn.Softplus()", [7]) { Softplus() },
      LayerCase("nn.Softplus(2, 1)", [7]) { Softplus(beta: 2, threshold: 1) },
      LayerCase("nn.Softsign()", [7]) { Softsign() }, LayerCase("nn.Hardtanh()", [7]) { Hardtanh() },
      LayerCase("nn.Hardtanh(-0.5, 0.25)", [7]) { Hardtanh(min: -0.5, max: 0.25) },
      LayerCase("nn.Hardsigmoid()", [7]) { Hardsigmoid() }, LayerCase("nn.Hardswish()", [7]) { Hardswish() },
      LayerCase("nn.Threshold(0.2, 5)", [7]) { Threshold(0.2, value: 5) }, LayerCase("nn.Identity()", [7]) { Identity() },
      LayerCase("nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(4, 2, 1))", [2, 1, 6, 6]) {
        Sequential(Conv2d(1, 4, 3), Tanh(), MaxPool2d(2), Conv2d(4, 2, 1))
      },
    ] + others

  static let inputs = all.map { Tensor.random($0.input, in: -4...4) }
  static let seed = Int.random(in: 0..<1 << 40)

  static let answers: [(output: Tensor, gradient: Tensor)]? = {
    guard Torch.python != nil else { return nil }
    return try! Torch.judge(
      zip(all, inputs).map { Torch.Question(expression: "\($0.torch)(a)", input: $1, seed: seed) })
  }()
}

@Suite struct LayerTests {
  @Test(.enabled(if: Torch.python != nil), arguments: LayerCase.all.indices) func computesWhatTorchDoes(_ index: Int) throws {
    let answer = try #require(LayerCase.answers)[index]
    let x = LayerCase.inputs[index].clone().requiresGrad_()
    let y = withGenerator(Generator(seed: LayerCase.seed)) {
      let layer = LayerCase.all[index].make()
      return layer(x)
    }
    #expect(y.shape == answer.output.shape)
    y.backward(gradient: Torch.cotangent(y.shape))
    func close(_ a: Tensor, _ b: Tensor) -> Bool {
      zip(a.floats, b.floats).allSatisfy { Swift.abs($0 - $1) <= 1e-5 + 1e-5 * Swift.abs($1) }
    }
    #expect(close(y, answer.output), "seed \(LayerCase.seed)")
    #expect(close(x.grad!, answer.gradient), "seed \(LayerCase.seed)")
  }

  /// What three batches leave in the running statistics.
  @Test(.enabled(if: Torch.python != nil)) func runningStatisticsAreTorchs() throws {
    let layers: [(torch: String, make: () -> BatchNorm1d)] = [
      ("nn.BatchNorm1d(3)", { BatchNorm1d(3) }),
      ("nn.BatchNorm1d(3, momentum=0.4)", { BatchNorm1d(3, momentum: 0.4) }),
      ("nn.BatchNorm1d(3, momentum=None)", { BatchNorm1d(3, momentum: nil) }),
    ]
    let x = Tensor.random([6, 3, 2], in: -4...4)
    let questions = layers.map { layer in
      let trained = "[m := \(layer.torch), m(a[:2]), m(a[2:5]), m(a[:])]"
      let statistics = "torch.cat([m.running_mean, m.running_var, m.num_batches_tracked.float()[None]])"
      return Torch.Question(expression: "(\(trained), \(statistics) + 0 * a.sum())[1]", input: x, seed: 0)
    }
    for (layer, answer) in zip(layers, try Torch.judge(questions)) {
      let ours = layer.make()
      for (start, length) in [(0, 2), (2, 3), (0, 6)] { _ = ours(x.narrow(0, start: start, length: length)) }
      let state = ours.stateDict()
      #expect(state.keys == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"])
      let statistics = state.dropFirst(2).flatMap { $0.value.floats }
      #expect(zip(statistics, answer.output.floats).allSatisfy { abs($0 - $1) <= 1e-5 * Swift.max(1, abs($1)) })
      #expect(state["num_batches_tracked"]!.dtype == .int64 && statistics.count == 7)
      ours.eval()
      _ = ours(x)
      #expect(ours.stateDict().dropFirst(2).flatMap { $0.value.floats } == statistics)
    }
  }

  @Test func aLinearLayerMayShareATable() throws {
    let table = Embedding(4, 3)
    let head = Linear(weight: table.weight)
    #expect(head.weight === table.weight && head.inFeatures == 3 && head.outFeatures == 4 && head.bias == nil)
    head(table(Tensor([1]))).sum().backward()
    let rows = table.weight.tensor.detach()
    #expect(table.weight.grad![0].allClose(rows[1]) && table.weight.grad![1].allClose(rows[1] + rows.sum(dim: 0)))
    let error = #expect(throws: TensorError.self) { try withTensorErrors { _ = Linear(weight: Parameter(.ones([3]))) } }
    #expect(error?.message == "weight should be [outFeatures, inFeatures], but its shape is [3]")
  }

  @Test func tablesMayBeKnown() throws {
    let rows = Tensor([[1, 2], [3, 4]] as [[Float]])
    let (table, bag) = (Embedding.fromPretrained(rows), EmbeddingBag.fromPretrained(rows, freeze: false, mode: .sum))
    #expect(table(Tensor([1, 0])).floats == [3, 4, 1, 2] && !table.weight.requiresGrad && table.count == 2)
    #expect(bag(Tensor([[1, 0]])).floats == [4, 6] && bag.weight.requiresGrad)
    let error = #expect(throws: TensorError.self) { try withTensorErrors { _ = Embedding.fromPretrained(.ones([3])) } }
    #expect(error?.message == "embeddings should be [count, width], but their shape is [3]")
  }

  @Test func oldStateDictsLackTheCountOfBatches() throws {
    let layer = BatchNorm1d(2)
    var state = layer.stateDict().clone()
    state["num_batches_tracked"] = nil
    state["running_mean"] = .ones([2])
    _ = layer(.ones([3, 2]))
    try layer.loadStateDict(state)
    #expect(layer.runningMean!.tensor.floats == [1, 1] && layer.numBatchesTracked!.tensor.item() == 1)
  }

  @Test func descriptions() {
    let expected: [(any Layer, String)] = [
      (Conv2d(1, 2, 3), "Conv2d(1, 2, [3, 3], stride: [1, 1])"),
      (
        Conv2d(4, 8, [3, 1], stride: 2, padding: 1, dilation: 2, groups: 2, bias: false),
        "Conv2d(4, 8, [3, 1], stride: [2, 2], padding: [1, 1], dilation: [2, 2], groups: 2, bias: false)"
      ),
      (Conv2d(1, 1, 1, padding: .same), "Conv2d(1, 1, [1, 1], stride: [1, 1], padding: .same)"),
      (MaxPool2d(2), "MaxPool2d([2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1], ceilMode: false)"),
      (AvgPool2d(2, stride: 1), "AvgPool2d([2, 2], stride: [1, 1], padding: [0, 0])"),
      (LayerNorm(3), "LayerNorm([3], eps: 1e-05, elementwiseAffine: true, bias: true)"),
      (RMSNorm(3), "RMSNorm([3], eps: nil, elementwiseAffine: true)"),
      (GroupNorm(1, 3), "GroupNorm(1, 3, eps: 1e-05, affine: true)"),
      (BatchNorm2d(3), "BatchNorm2d(3, eps: 1e-05, momentum: 0.1, affine: true, trackRunningStats: true)"),
      (ReLU(), "ReLU()"), (Flatten(), "Flatten(startDim: 1, endDim: -1)"), (Dropout(0.2), "Dropout(0.2)"),
      (GELU(), "GELU(approximate: none)"), (PReLU(3), "PReLU(3)"),
      (LeakyReLU(negativeSlope: 0.2), "LeakyReLU(negativeSlope: 0.2)"),
    ]
    for (layer, text) in expected { #expect("\(layer)" == text) }
  }

  @Test func misuseIsRefused() {
    func error(_ body: () -> Void) -> TensorError? { #expect(throws: TensorError.self) { try withTensorErrors(body) } }
    func problem(_ body: () -> Void) -> String? {
      let error = error(body)
      #expect("\(error!)".contains("LayerTests.swift"))
      return error?.message
    }
    #expect(problem { _ = Conv2d(3, 4, 1, groups: 2) } == "in_channels must be divisible by groups")
    #expect(problem { _ = Conv2d(4, 3, 1, groups: 2) } == "out_channels must be divisible by groups")
    #expect(problem { _ = Conv2d(4, 3, 1, groups: 0) } == "groups must be a positive integer")
    #expect(problem { _ = GroupNorm(2, 3) } == "num_channels (3) must be divisible by num_groups (2)")
    #expect(problem { _ = Dropout(1.5) } == "dropout probability has to be between 0 and 1, but got 1.5")
    let batch = error { _ = BatchNorm2d(3)(.ones([2, 3, 4])) }
    #expect(batch?.message == "expected 4D input (got 3D input)" && batch?.operation == "BatchNorm2d")
    let order = error { _ = Flatten(startDim: 2, endDim: 1)(.ones([1, 1, 1])) }
    #expect(order?.message == "flatten() has invalid args: start_dim cannot come after end_dim")
    let range = error { _ = Flatten(startDim: 3)(.ones([1, 1])) }
    #expect(range?.message == "Dimension out of range (expected to be in range of [-2, 1], but got 3)")
  }

  /// The README's promise in small: create, differentiate, train.
  @Test func aNetworkLearns() {
    withGenerator(Generator(seed: 1)) {
      let model = Sequential(Linear(2, 16), Tanh(), Linear(16, 1))
      let x = Tensor([0, 0, 0, 1, 1, 0, 1, 1] as [Float], shape: [4, 2])
      let y = Tensor([0, 1, 1, 0] as [Float], shape: [4, 1])
      let optimizer = Adam(model.parameters(), lr: 0.05)
      let schedule = CosineAnnealingLR(optimizer, tMax: 200)
      for _ in 0..<200 {
        let error = model(x) - y
        optimizer.zeroGrad()
        (error * error).mean().backward()
        clipGradNorm_(model.parameters(), maxNorm: 1)
        optimizer.step()
        schedule.step()
      }
      #expect(zip(model(x).floats, y.floats).allSatisfy { abs($0 - $1) < 0.1 })
    }
  }
}
