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

  static let all: [LayerCase] = [
    LayerCase("nn.Linear(5, 3)", [2, 4, 5]) { Linear(5, 3) },
    LayerCase("nn.Linear(5, 3, bias=False)", [5]) { Linear(5, 3, bias: false) },
    LayerCase("nn.Conv2d(3, 4, 3)", [2, 3, 6, 5]) { Conv2d(3, 4, kernelSize: 3) },
    LayerCase("nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, bias=False)", [4, 7, 6]) {
      Conv2d(4, 6, kernelSize: [3, 2], stride: [2, 1], padding: [1, 2], dilation: [1, 2], groups: 2, bias: false)
    },
    LayerCase("nn.Conv2d(2, 3, (2, 3), padding='same')", [1, 2, 5, 4]) { Conv2d(2, 3, kernelSize: [2, 3], padding: .same) },
    LayerCase("nn.Conv2d(2, 3, 2, padding='valid')", [1, 2, 5, 4]) { Conv2d(2, 3, kernelSize: 2, padding: .valid) },
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
    LayerCase("nn.ReLU()", [7]) { ReLU() }, LayerCase("nn.ReLU6()", [7]) { ReLU6() },
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
      Sequential(Conv2d(1, 4, kernelSize: 3), Tanh(), MaxPool2d(2), Conv2d(4, 2, kernelSize: 1))
    },
  ]

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
    let layer = withGenerator(Generator(seed: LayerCase.seed)) { LayerCase.all[index].make() }
    let x = LayerCase.inputs[index].clone().requiresGrad_()
    let y = layer(x)
    #expect(y.shape == answer.output.shape)
    y.backward(gradient: Torch.cotangent(y.shape))
    func close(_ a: Tensor, _ b: Tensor) -> Bool {
      zip(a.floats, b.floats).allSatisfy { Swift.abs($0 - $1) <= 1e-5 + 1e-5 * Swift.abs($1) }
    }
    #expect(close(y, answer.output), "seed \(LayerCase.seed)")
    #expect(close(x.grad!, answer.gradient), "seed \(LayerCase.seed)")
  }

  @Test func descriptions() {
    let expected: [(any Layer, String)] = [
      (Conv2d(1, 2, kernelSize: 3), "Conv2d(1, 2, kernelSize: [3, 3], stride: [1, 1])"),
      (
        Conv2d(4, 8, kernelSize: [3, 1], stride: 2, padding: 1, dilation: 2, groups: 2, bias: false),
        "Conv2d(4, 8, kernelSize: [3, 1], stride: [2, 2], padding: [1, 1], dilation: [2, 2], groups: 2, bias: false)"
      ),
      (Conv2d(1, 1, kernelSize: 1, padding: .same), "Conv2d(1, 1, kernelSize: [1, 1], stride: [1, 1], padding: .same)"),
      (MaxPool2d(2), "MaxPool2d([2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1], ceilMode: false)"),
      (AvgPool2d(2, stride: 1), "AvgPool2d([2, 2], stride: [1, 1], padding: [0, 0])"),
      (ReLU(), "ReLU()"), (GELU(), "GELU(approximate: none)"), (PReLU(3), "PReLU(3)"),
      (LeakyReLU(negativeSlope: 0.2), "LeakyReLU(negativeSlope: 0.2)"),
    ]
    for (layer, text) in expected { #expect("\(layer)" == text) }
  }

  @Test func misuseIsRefused() {
    func problem(_ body: () -> Void) -> String? {
      let error = #expect(throws: TensorError.self) { try withTensorErrors(body) }
      #expect("\(error!)".contains("LayerTests.swift"))
      return error?.message
    }
    #expect(problem { _ = Conv2d(3, 4, kernelSize: 1, groups: 2) } == "in_channels must be divisible by groups")
    #expect(problem { _ = Conv2d(4, 3, kernelSize: 1, groups: 2) } == "out_channels must be divisible by groups")
    #expect(problem { _ = Conv2d(4, 3, kernelSize: 1, groups: 0) } == "groups must be a positive integer")
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
