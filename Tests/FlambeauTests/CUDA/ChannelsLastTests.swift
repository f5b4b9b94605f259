import Testing

@testable import Flambeau

/// Images on an emulated GPU whose channels lie innermost: what is computed of them lies so too, and is what the processor computes.
@Suite(.enabled(if: EmulatedDevice.isThere, "no clang++")) struct ChannelsLastTests {
  private static func drawn(_ shape: Shape, _ seed: UInt64, _ dtype: DType) -> Tensor {
    Tensor.randn(shape, generator: Generator(seed: seed)).to(dtype)
  }

  /// `function` of an image and other leaves, and its gradients, beside the processor's. The gradient that comes lies in either way.
  private static func check(
    _ name: String, _ shape: Shape, _ dtype: DType = .float32, _ others: [Tensor] = [], keepsResult: Bool = true,
    turnsGradient: Bool = true,
    _ function: (Tensor, [Tensor]) -> Tensor
  ) {
    func outcome(_ device: Device, last: [Bool]) -> [Tensor] {
      let x = drawn(shape, 1, dtype).to(device)
      let image = (last[0] ? x.contiguous(memoryFormat: .channelsLast) : x).requiresGrad_()
      let leaves = others.map { $0.to(device).detach().requiresGrad_() }
      let y = function(image, leaves)
      var g = drawn(y.shape, 2, y.dtype).to(device)
      if last[1] && g.ndim == 4 { g = g.contiguous(memoryFormat: .channelsLast) }
      return [y.detach()] + Tensor.grad(of: [y], withRespectTo: [image] + leaves, gradients: [g]).map { $0! }
    }
    let expected = outcome(.cpu, last: [false, false])
    for last in [[true, true], [true, false]] {
      let mine = outcome("cuda", last: last)
      if keepsResult { #expect(mine[0].isContiguous(memoryFormat: .channelsLast), "\(name): \(mine[0].strides)") }
      let isLast = mine[1].isContiguous(memoryFormat: .channelsLast)
      #expect(isLast || !last[1] && !turnsGradient, "\(name), gradient: \(mine[1].strides)")
      let tolerance = dtype == .float32 ? 2e-5 : 0x1p-6
      for (i, (a, b)) in zip(mine, expected).enumerated() {
        #expect(
          a.dtype == b.dtype && a.cpu().allClose(b, rtol: tolerance, atol: tolerance), "\(name), \(dtype), result \(i)")
      }
    }
  }

  @Test(arguments: [DType.float32, .bfloat16]) func convolutions(dtype: DType) {
    let weight = Self.drawn([8, 4, 3, 3], 3, dtype)
    let bias = Self.drawn([8], 4, dtype)
    Self.check("strided", [2, 4, 7, 6], dtype, [weight, bias]) { x, w in
      x.conv2d(w[0], bias: w[1], stride: 2, padding: 1)
    }
    Self.check("weight, too", [2, 4, 7, 6], dtype, [weight.contiguous(memoryFormat: .channelsLast)]) { x, w in
      x.conv2d(w[0], dilation: 2)
    }
    Self.check("groups", [2, 8, 5, 6], dtype, [weight]) { x, w in x.conv2d(w[0], padding: 1, groups: 2) }
    Self.check("depthwise", [2, 4, 5, 6], dtype, [Self.drawn([8, 1, 3, 3], 5, dtype)]) { x, w in x.conv2d(w[0], groups: 4) }
    Self.check("one tap", [2, 4, 5, 6], dtype, [Self.drawn([8, 4, 1, 1], 6, dtype), bias]) { x, w in
      x.conv2d(w[0], bias: w[1])
    }
  }

  @Test func theWeightsFormatIsTakenToo() {
    let (x, w) = (Self.drawn([2, 4, 5, 5], 1, .float32), Self.drawn([8, 4, 3, 3], 2, .float32))
    let there = w.to("cuda").contiguous(memoryFormat: .channelsLast).requiresGrad_()
    let y = x.to("cuda").conv2d(there)
    #expect(y.isContiguous(memoryFormat: .channelsLast) && y.detach().cpu().allClose(x.conv2d(w), rtol: 1e-5, atol: 1e-5))
    let gradient = Tensor.grad(of: [y.sum()], withRespectTo: [there])[0]!
    #expect(gradient.isContiguous(memoryFormat: .channelsLast))
    #expect(x.to("cuda").conv2d(w.to("cuda")).isContiguous)
  }

  /// Some channels are read together, or one; many pixels are added in turns.
  @Test(arguments: [[3, 5, 4, 6], [2, 8, 24, 25], [2, 12, 3, 3], [3, 136, 2, 5]], [DType.float32, .bfloat16])
  func batchNorms(sizes: [Int], dtype: DType) {
    let channels = sizes[1]
    let parameters = [Self.drawn([channels], 7, .float32), Self.drawn([channels], 8, .float32)]
    Self.check("batch norm \(sizes)", Shape(sizes), dtype, parameters) { x, p in
      (x * 2 + 1).batchNorm(weight: p[0], bias: p[1]).output
    }
    Self.check("rectified batch norm \(sizes)", Shape(sizes), dtype, parameters) { x, p in
      (x * 2 + 1).batchNormRelu(weight: p[0], bias: p[1]).output
    }
    Self.check("rectified batch norm alone \(sizes)", Shape(sizes), dtype) { x, _ in x.batchNormRelu().output }
    Self.check("batch norm of statistics \(sizes)", Shape(sizes), dtype, parameters, turnsGradient: false) { x, p in
      x.batchNorm(mean: p[0].detach(), variance: p[1].detach().exp(), weight: p[0], bias: p[1])
    }
  }

  /// One pass gives what two do, to the bit; gradients of gradients, too.
  @Test(arguments: ["cpu", "cuda"], [DType.float32, .float16]) func rectifiedNormsAreNormsRectified(device: Device, dtype: DType)
  {
    func outcome(_ function: (Tensor, [Tensor]) -> (Tensor, Tensor, Tensor)) -> [Tensor] {
      let x = (Self.drawn([3, 8, 4, 5], 1, .float32) * 0.5).to(dtype).to(device).requiresGrad_()
      let p = [Self.drawn([8], 2, .float32), Self.drawn([8], 3, .float32)].map { $0.to(device).requiresGrad_() }
      let (y, mean, variance) = function(x, p)
      let g = Self.drawn([3, 8, 4, 5], 4, dtype).to(device)
      let first = Tensor.grad(of: [y], withRespectTo: [x] + p, gradients: [g], createGraph: true).map { $0! }
      let second = Tensor.grad(of: [(first[0].float() * first[0].float()).sum()], withRespectTo: [x])[0]!
      let plain = Tensor.grad(of: [function(x, p).0], withRespectTo: [x] + p, gradients: [g]).map { $0! }
      return ([y, mean, variance, second] + first + plain).map { $0.detach().cpu() }
    }
    let one = outcome { $0.batchNormRelu(weight: $1[0], bias: $1[1]) }
    let two = outcome { x, p in
      let (y, mean, variance) = x.batchNorm(weight: p[0], bias: p[1])
      return (y.relu(), mean, variance)
    }
    for (i, (a, b)) in zip(one, two).enumerated() { #expect(a.isEqual(to: b), "\(device) \(dtype) \(i)") }
  }

  @Test func rowsOfChannels() {
    func outcome(_ device: Device) -> [Tensor] {
      let x = Self.drawn([1300, 12], 1, .float32).to(device).requiresGrad_()
      let (y, mean, variance) = x.batchNorm()
      let g = Self.drawn([1300, 12], 2, .float32).to(device)
      return [y.detach(), mean, variance, Tensor.grad(of: [y], withRespectTo: [x], gradients: [g])[0]!]
    }
    for (a, b) in zip(outcome("cuda"), outcome(.cpu)) { #expect(a.cpu().allClose(b, rtol: 2e-5, atol: 2e-6)) }
  }

  @Test(arguments: [4, 5, 8], [DType.float32, .bfloat16]) func pooling(channels: Int, dtype: DType) {
    let shape: Shape = [2, channels, 7, 9]
    Self.check("max", shape, dtype) { x, _ in x.maxPool2d(3, stride: 2, padding: 1) }
    Self.check("max with gaps", shape, dtype) { x, _ in x.maxPool2d([2, 3], stride: 2, dilation: [2, 1], ceilMode: true) }
    Self.check("average", shape, dtype) { x, _ in x.avgPool2d(3, stride: 2, padding: 1) }
    Self.check("adaptive average", shape, dtype) { x, _ in x.adaptiveAvgPool2d([2, 4]) }
    Self.check("adaptive maximum", shape, dtype) { x, _ in x.adaptiveMaxPool2d([2, 4]) }
    // What is left of it says nothing of how the image lay.
    Self.check("one mean", shape, dtype, keepsResult: false) { x, _ in x.adaptiveAvgPool2d(1).flatten(startDim: 1) }
  }

  @Test func positionsOfMaxima() {
    let x = Self.drawn([2, 4, 6, 5], 1, .float32)
    let there = x.to("cuda").contiguous(memoryFormat: .channelsLast)
    let (mine, expected) = (there.maxPool2dWithIndices(2), x.maxPool2dWithIndices(2))
    #expect(mine.indices.cpu().isEqual(to: expected.indices) && mine.values.cpu().isEqual(to: expected.values))
    // Gradients of gradients read at these positions.
    func twice(_ x: Tensor) -> Tensor {
      let x = x.detach().requiresGrad_()
      let first = Tensor.grad(of: [(x * x).maxPool2d(2).sum()], withRespectTo: [x], createGraph: true)[0]!
      return Tensor.grad(of: [(first * first).sum()], withRespectTo: [x])[0]!
    }
    #expect(twice(there).cpu().allClose(twice(x), rtol: 1e-5, atol: 1e-6))
  }

  @Test func mapsAndCasts() {
    Self.check("rectified", [2, 3, 4, 5]) { x, _ in x.relu() }
    Self.check("sum", [2, 3, 4, 5], .float32, [Self.drawn([3, 1, 1], 3, .float32)]) { x, p in (x + x * 2 + p[0]).relu() }
    // What needs no image to compute its gradient gives it as it comes.
    Self.check("halves", [2, 3, 4, 5], turnsGradient: false) { x, _ in x.to(.bfloat16).float() * 2 }
  }

  /// Arrays are stepped where they lie, if all lie alike.
  @Test func stepsOfWeights() throws {
    func outcome(_ device: Device, _ formats: [MemoryFormat]) throws -> Tensor {
      let tensors = formats.enumerated().map { i, format in
        (Self.drawn([6, 4, 3, 2], UInt64(i + 1), .float32).abs() + 0.1).to(device).contiguous(memoryFormat: format)
      }
      let layout = tensors[0].body.layout
      for (tensor, format) in zip(tensors, formats) {
        let isOwn = try DenseArray(tensor, ordered: layout).start == tensor.body.elements.address
        #expect(isOwn == (format == formats[0]))
      }
      var formula = StepFormula(.adam, rate: 0.1)
      (formula.fresh1, formula.beta2, formula.eps) = (0.1, 0.99, 1e-8)
      let step = ParameterStep(formula, parameter: tensors[0], gradient: tensors[1], state: [tensors[2], tensors[3], nil])
      ParameterStep.run([step], operation: "step")
      return Tensor.stack(tensors.map { $0.cpu() })
    }
    let last = MemoryFormat.channelsLast
    let expected = try outcome(.cpu, [.contiguous, .contiguous, .contiguous, .contiguous])
    for device in [Device.cpu, "cuda"] {
      for formats in [
        [last, last, last, last], [last, .contiguous, .contiguous, last], [.contiguous, last, .contiguous, last],
      ] {
        let mine = try outcome(device, formats)
        #expect(mine.allClose(expected, rtol: 1e-6, atol: 1e-7), "\(device) \(formats)")
      }
    }
  }

  /// Losses of a residual network with steps of plain descent.
  @Test func aNetworkLearnsAsOnTheProcessor() {
    func losses(_ device: Device, last: Bool) -> [Double] {
      let generator = Generator(seed: 5)
      func leaf(_ shape: Shape) -> Tensor {
        let values = (Tensor.randn(shape, generator: generator) * 0.3).to(device)
        return (last && shape.count == 4 ? values.contiguous(memoryFormat: .channelsLast) : values).detach().requiresGrad_()
      }
      let p = [leaf([8, 3, 3, 3]), leaf([8]), leaf([8]), leaf([8, 8, 3, 3]), leaf([8, 8, 1, 1]), leaf([5, 8])]
      var x = Tensor.randn([4, 3, 9, 9], generator: generator).to(device)
      if last { x = x.contiguous(memoryFormat: .channelsLast) }
      let classes = Tensor([0, 1, 2, 4]).to(device)
      return (0..<3).map { _ in
        let first = x.conv2d(p[0], padding: 1).batchNorm(weight: p[1] + 1, bias: p[2]).output.relu().maxPool2d(3, stride: 2)
        let second = (first.conv2d(p[3], padding: 1).batchNorm().output + first.conv2d(p[4])).relu()
        #expect(device.isCPU || !last || second.isContiguous(memoryFormat: .channelsLast))
        let loss = second.adaptiveAvgPool2d(1).flatten(startDim: 1).linear(p[5]).crossEntropy(classes)
        loss.backward()
        noGrad {
          for leaf in p {
            let gradient = leaf.grad!
            #expect(!last || leaf.ndim != 4 || device.isCPU || gradient.isContiguous(memoryFormat: .channelsLast))
            leaf.sub_(gradient * 0.1)
            leaf.grad = nil
          }
        }
        return loss.item()
      }
    }
    let expected = losses(.cpu, last: false)
    for (device, last) in [("cuda", true), ("cuda", false), ("cpu", true)] as [(Device, Bool)] {
      let mine = losses(device, last: last)
      for (a, b) in zip(mine, expected) { #expect(abs(a - b) < 2e-5, "\(mine) on \(device), \(expected) on the processor") }
    }
    #expect(expected[2] < expected[0])
  }
}
