import Testing

@testable import Flambeau

/// What is done to products' sums, by our own kernels and by cuBLASLt on an emulated GPU, beside float64.
@Suite(.serialized, .enabled(if: EmulatedKernels.compiler != nil, "no clang++")) struct ProductFinishTests {
  /// A task with all of its results.
  private struct Case {
    let name: String
    let task: ProductTask
    let expected: [Tensor]
    /// `cublasLtEpilogue_t`, where the library does it all.
    let epilogue: Int?
    /// What the task's operands lie in.
    let held: [Tensor]
  }

  /// What cuBLASLt calls what it does to sums.
  private enum Epilogue {
    static let (relu, bias, sums, gelu, notes, reluSlope, geluSlope) = (2, 4, 16, 32, 128, 136, 192)
  }

  private static func elements(_ tensor: Tensor) -> Elements { tensor.body.elements }

  /// The bits that the emulated library notes.
  private static func signs(of sums: Tensor) -> Tensor {
    let (rows, columns) = (sums.shape[0], sums.shape[1])
    let pitch = (columns + 127) / 128 * 16
    var bytes = [UInt8](repeating: 0, count: rows * pitch)
    for (place, sum) in sums.array(of: Double.self).enumerated() where sum > 0 {
      bytes[place / columns * pitch + place % columns / 8] |= UInt8(1 << (place % columns % 8))
    }
    return Tensor(bytes).view([rows, pitch])
  }

  /// Activations and slopes of a product [m, n] that sums up k, and the sums of the slopes' columns.
  private static func cases(_ m: Int, _ n: Int, _ k: Int, _ dtype: DType) -> [Case] {
    let (a, b, bias, at) = withGenerator(Generator(seed: 3)) {
      (
        (Tensor.randn([m, k]) / Double(k).squareRoot()).to(dtype), Tensor.randn([k, n]).to(dtype), Tensor.randn([n]).to(dtype),
        Tensor.randn([m, n]).to(dtype)
      )
    }
    let product = a.to(.float64).mm(b.to(.float64))
    let suits = dtype != .float64
    func fresh() -> Tensor { Tensor.zeros([m, n], dtype: dtype) }
    var cases: [Case] = []
    func add(
      _ name: String, _ result: Tensor, epilogue: Int?, _ change: (inout ProductTask) -> Void, held: [Tensor] = [],
      besides: [Tensor] = []
    ) {
      let c = fresh()
      var task = ProductTask(a: elements(a), b: elements(b), c: elements(c))
      change(&task)
      cases.append(
        Case(
          name: "\(name) of \(dtype) \([m, n, k])", task: task, expected: [result.to(dtype)] + besides, epilogue: epilogue,
          held: [a, b, bias, at, c] + held))
    }
    for function in FusedActivation.allCases {
      let isKnown = suits && function != .gelu
      let base = function == .relu ? Epilogue.relu : Epilogue.gelu
      for isBiased in [false, true] {
        let sums = isBiased ? product + bias.to(.float64) : product
        let result = function(sums)
        add("\(function)", result, epilogue: isKnown ? base + (isBiased ? Epilogue.bias : 0) : nil) {
          if isBiased { $0.add(bias.body) }
          $0.finish = .activation(function)
        }
        let kept = fresh()
        let keepsKnown = isKnown && function == .geluTanh && n % 8 == 0
        add(
          "\(function) with sums", result,
          epilogue: keepsKnown ? base + Epilogue.notes + (isBiased ? Epilogue.bias : 0) : nil,
          {
            if isBiased { $0.add(bias.body) }
            $0.finish = .activation(function, keeping: elements(kept))
          }, held: [kept], besides: [sums.to(dtype)])
      }
      let sums = product * slope(at, function)
      for wantsSums in [false, true] {
        let columns = Tensor.zeros([n], dtype: dtype)
        let known = isKnown && function == .geluTanh && n % 8 == 0
        add(
          "slope of \(function)", sums,
          epilogue: known ? Epilogue.geluSlope + (wantsSums ? Epilogue.sums : 0) : nil,
          {
            $0.finish = .slope(function, at: elements(at))
            if wantsSums { $0.columnSums = elements(columns) }
          }, held: [columns], besides: wantsSums ? [sums.sum(dim: 0).to(dtype)] : [])
      }
    }
    if !suits { return cases }
    let noted = Tensor.zeros([m, (n + 127) / 128 * 16], dtype: .uint8)
    add(
      "relu with signs", product.relu(), epilogue: Epilogue.relu + Epilogue.notes,
      {
        $0.finish = .activation(.relu)
        $0.signs = elements(noted)
      }, held: [noted], besides: [signs(of: product)])
    let known = signs(of: at)
    add(
      "slope by signs", product * slope(at, .relu), epilogue: Epilogue.reluSlope,
      {
        $0.finish = .slope(.relu, at: elements(at))
        $0.signs = elements(known)
      }, held: [known])
    return cases
  }

  /// By the derivatives of operators. A rectifier's is the same where it gave `x`.
  private static func slope(_ x: Tensor, _ function: FusedActivation) -> Tensor {
    let leaf = x.to(.float64).clone().detach().requiresGrad_()
    function(leaf).sum().backward()
    return leaf.grad!
  }

  @Test(arguments: [(40, 33, 20), (3, 50, 70), (20, 40, 3000)]) func kernelsFinishProducts(_ sizes: (m: Int, n: Int, k: Int))
    throws
  {
    let device = DeviceShape(multiprocessorCount: 2, sharedByteCount: 48 << 10)
    for dtype in [DType.float32, .bfloat16, .float64] {
      // Signs are the library's alone.
      let cases = Self.cases(sizes.m, sizes.n, sizes.k, dtype).filter { $0.task.signs == nil }
      let calls = cases.map { RecordedCall(.task($0.task), place: $0.name, on: device) }
      let sources = calls.flatMap { $0.work.launches.map(\.source) }
      let kernels = try EmulatedKernels(Array(Dictionary(sources.map { ($0.name, $0) }) { first, _ in first }.values))
      for (test, call) in zip(cases, calls) {
        call.expect(test.expected)
        let difference = withExtendedLifetime(test.held) { call.difference(kernels) }
        #expect(difference == nil, "\(test.name): \(difference ?? "")")
      }
    }
  }

  @Test(arguments: [DType.float32, .float16, .bfloat16, .float64], [24, 21]) func theLibraryFinishesProducts(
    _ dtype: DType, _ columns: Int
  ) throws {
    try ProductLibraryTests.with { fake, launcher, stream in
      for test in Self.cases(9, columns, 20, dtype) {
        let call = RecordedCall(.task(test.task), place: test.name, on: launcher.memory.gpu.properties.shape)
        call.expect(test.expected)
        let before = fake.productCount
        let difference = try withExtendedLifetime(test.held) { try call.difference(launcher, on: stream, byPlan: true) }
        #expect(difference == nil, "\(test.name): \(difference ?? "")")
        #expect(fake.productCount == before + 1, "\(test.name)")
        let isAlone = fake.lastEpilogue & ~(1 | Epilogue.bias) == 0
        #expect(test.epilogue == nil ? isAlone : fake.lastEpilogue == test.epilogue, "\(test.name): \(fake.lastEpilogue)")
        #expect(try launcher.products!.doesWhole(test.task) == (test.epilogue != nil), "\(test.name)")
      }
    }
  }

  /// A release of the library that multiplies, but knows no activation.
  @Test func whatTheLibraryDoesNotFinishKernelsDo() throws {
    try ProductLibraryTests.with { fake, launcher, stream in
      fake.knowsNoActivations()
      for test in Self.cases(9, 24, 20, .bfloat16) where test.task.signs == nil {
        let call = RecordedCall(.task(test.task), place: test.name, on: launcher.memory.gpu.properties.shape)
        call.expect(test.expected)
        let difference = try withExtendedLifetime(test.held) { try call.difference(launcher, on: stream, byPlan: true) }
        #expect(difference == nil, "\(test.name): \(difference ?? "")")
        #expect(fake.lastEpilogue & ~(1 | Epilogue.bias) == 0)
      }
    }
  }

  /// A training step on a GPU has the losses of the processor's, and the library's functions were asked for.
  @Test(.enabled(if: EmulatedDevice.isThere, "no emulated device"), arguments: FusedActivation.allCases)
  func
    feedForwardTrainsOnAGPU(_ activation: FusedActivation) throws
  {
    func losses(on device: Device) -> [Double] {
      let (x, target, parameters) = withGenerator(Generator(seed: 4)) {
        (
          Tensor.randn([3, 5, 16]), Tensor.randn([3, 5, 8]),
          [[24, 16], [24], [8, 24], [8]].map { (Tensor.randn(Shape($0)) / 4).to(device).requiresGrad_() }
        )
      }
      let (p, there, wanted) = (parameters, x.to(device), target.to(device))
      return (0..<4).map { _ in
        let y = there.feedForward(p[0], p[1], p[2], p[3], activation: activation)
        let loss = (y - wanted).square().mean()
        loss.backward()
        noGrad {
          for parameter in p {
            parameter.sub_(parameter.grad! * 0.5)
            parameter.grad = nil
          }
        }
        return loss.item()
      }
    }
    let (here, there) = (losses(on: .cpu), losses(on: "cuda:1"))
    for (a, b) in zip(here, there) { #expect(abs(a - b) <= 1e-5 * abs(a), "\(here) \(there)") }
    let products = EmulatedDevice.products
    #expect(products.misuses.isEmpty, "\(products.misuses)")
    let functions: Set = activation == .relu ? [134, 152] : activation == .geluTanh ? [164, 208] : []
    #expect(products.epilogues.isSuperset(of: functions), "\(products.epilogues)")
  }
}
