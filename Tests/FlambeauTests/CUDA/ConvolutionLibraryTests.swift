import Testing

@testable import Flambeau

/// Convolutions by cuDNN, on an emulated driver, beside the processor.
@Suite(.enabled(if: FakeDriver.isPossible, "no clang++")) struct ConvolutionLibraryTests {
  private static func with(_ body: (FakeCUDNN, Launcher, GPUStream) throws -> Void) throws {
    try FakeDriver.with { driver, gpu in
      let fake = try FakeCUDNN(driver)
      do {
        let library = fake.library
        let launcher = Launcher(
          memory: GPUAllocator(of: gpu), kernels: KernelLibrary(emulatedOn: gpu),
          convolutions: ConvolutionLibrary(of: gpu) { library })
        try body(fake, launcher, GPUStreams(of: gpu).standard)
      }
      #expect(fake.misuses.isEmpty, "\(fake.misuses)")
      #expect(fake.liveObjectCount == 0)
    }
  }

  private struct Case: CustomStringConvertible {
    let input: Shape
    let weight: Shape
    var arguments = Conv2dArguments()
    var hasBias = false

    var description: String { "\(input) \(weight) \(arguments)\(hasBias ? " with bias" : "")" }

    /// The convolution and its two gradients.
    func run(_ dtype: DType) {
      let x = Tensor.randn(input).to(dtype).requiresGrad_()
      let w = Tensor.randn(weight).to(dtype).requiresGrad_()
      let bias = hasBias ? Tensor.randn([weight.at(0)]).to(dtype) : nil
      let y = x.conv2d(
        w, bias: bias, stride: arguments.stride, padding: arguments.padding, dilation: arguments.dilation,
        groups: arguments.groups)
      _ = Tensor.grad(of: [y], withRespectTo: [x, w], gradients: [Tensor.randn(y.shape).to(dtype)])
    }
  }

  private static let cases = [
    Case(input: [2, 3, 5, 6], weight: [4, 3, 3, 2]), Case(input: [2, 3, 5, 6], weight: [4, 3, 3, 3], hasBias: true),
    Case(
      input: [1, 2, 6, 5], weight: [3, 2, 3, 2], arguments: Conv2dArguments(stride: [2, 1], padding: [1, 2], dilation: [1, 2])),
    Case(
      input: [2, 4, 5, 5], weight: [6, 2, 3, 3], arguments: Conv2dArguments(stride: 2, padding: 1, groups: 2), hasBias: true),
    Case(input: [2, 4, 7, 7], weight: [6, 4, 1, 1], arguments: Conv2dArguments(stride: 2)),
    Case(input: [3, 2, 1, 9], weight: [4, 2, 1, 3], arguments: Conv2dArguments(padding: [0, 1])),
  ]

  /// The calls that `body` makes, all of them convolutions.
  private static func record(_ launcher: Launcher, _ body: @escaping () -> Void) -> [RecordedCall] {
    let recorder = CallRecorder(launcher.memory.gpu.properties.shape)
    CallRecorder.listening { withGenerator(Generator(seed: 5)) { recorder.record("convolution", all: true, body) } }
    return recorder.calls.filter {
      if case .task(let task) = $0.call { task.convolution != nil && !$0.place.contains("as if large") } else { false }
    }
  }

  private static func compare(_ name: String, _ launcher: Launcher, _ stream: GPUStream, _ body: @escaping () -> Void) throws {
    for call in record(launcher, body) {
      let difference = try call.difference(launcher, on: stream, byPlan: true)
      #expect(difference == nil, "\(name): \(difference ?? "")")
    }
  }

  @Test(arguments: [DType.float32, .float64, .float16, .bfloat16]) func convolutionsAreTheLibrarys(_ dtype: DType) throws {
    try Self.with { fake, launcher, stream in
      for (i, each) in Self.cases.enumerated() {
        try Self.compare("\(dtype) \(each)", launcher, stream) { each.run(dtype) }
        #expect(fake.convolutionCount == 3 * (i + 1), "\(each)")
      }
    }
  }

  /// Images with their channels innermost are convolved where they lie, into such ones.
  @Test(arguments: [DType.float32, .float16, .bfloat16]) func channelsMayLieInnermost(_ dtype: DType) throws {
    try Self.with { fake, launcher, stream in
      for (i, each) in Self.cases.enumerated() {
        for call in Self.record(launcher, { each.run(dtype) }) {
          guard case .task(let any) = call.call, let task = any.convolution else { continue }
          let first = try call.difference(launcher, on: stream, byPlan: true, keepsResults: true)
          #expect(first == nil)
          let difference = try Self.channelsLast(task, launcher, stream)
          #expect(difference == nil, "\(dtype) \(each) \(task.direction): \(difference ?? "")")
        }
        #expect(fake.convolutionCount == 6 * (i + 1), "\(each)")
      }
    }
  }

  /// Does a task that is done already on copies of its operands.
  private static func channelsLast(_ task: ConvolutionTask, _ launcher: Launcher, _ stream: GPUStream) throws -> String? {
    var kept: [Tensor] = []
    let moved = task.mapOperands { elements in
      let copy = Tensor.zeros(elements.layout.shape, dtype: elements.dtype)
      try! elements.copy(to: copy.body.elements)
      kept.append(copy.ndim == 4 ? copy.contiguous(memoryFormat: .channelsLast) : copy)
      return kept.last!.body.elements
    }
    #expect(LibraryConvolution(moved, allowsTF32: false)?.isChannelsLast == true)
    let call = RecordedCall(.task(moved), place: "channels last", on: launcher.memory.gpu.properties.shape)
    call.keepExpected()
    defer { withExtendedLifetime(kept) {} }
    return try call.difference(launcher, on: stream, byPlan: true)
  }

  @Test func otherConvolutionsAreKernels() throws {
    try Self.with { fake, launcher, stream in
      let others = [
        // A product; channels by themselves; nothing.
        Case(input: [2, 4, 3, 5], weight: [6, 4, 1, 1]),
        Case(input: [2, 3, 4, 5], weight: [6, 1, 3, 3], arguments: Conv2dArguments(padding: 1, groups: 3)),
        Case(input: [0, 3, 4, 5], weight: [6, 3, 3, 3]),
      ]
      for each in others.dropFirst() {
        try Self.compare("\(each)", launcher, stream) { each.run(.float32) }
        #expect(fake.convolutionCount == 0, "\(each)")
      }
      // The gradient of the weight is no product of matrices as they lie.
      try Self.compare("\(others[0])", launcher, stream) { others[0].run(.float32) }
      #expect(fake.convolutionCount == 1)
      try Self.compare("integers", launcher, stream) {
        _ = Tensor.ones([1, 2, 4, 4], dtype: .int64).conv2d(.ones([3, 2, 3, 3], dtype: .int64))
      }
      fake.knows(.nothing)
      try Self.compare("unknown", launcher, stream) { Self.cases[0].run(.float32) }
      #expect(fake.convolutionCount == 1)
    }
  }

  @Test func whereNothingIsInstalledKernelsDoIt() throws {
    try FakeDriver.with { _, gpu in
      let launcher = Launcher(
        memory: GPUAllocator(of: gpu), kernels: KernelLibrary(emulatedOn: gpu),
        convolutions: ConvolutionLibrary(of: gpu) { () throws(TensorError) in throw TensorError(.device, "absent") })
      try Self.compare("absent", launcher, GPUStreams(of: gpu).standard) { Self.cases[1].run(.float32) }
    }
  }

  @Test func equalConvolutionsArePlannedOnce() throws {
    try Self.with { fake, launcher, stream in
      for _ in 0..<3 { try Self.compare("again", launcher, stream) { Self.cases[0].run(.float32) } }
      // For each the one that needs too much memory, and the one that is taken.
      #expect(fake.convolutionCount == 9 && fake.planCount == 6)
    }
  }

  /// The next way is taken, and kept.
  @Test func whatIsRefusedWhenItRunsIsDoneInAnotherWay() throws {
    try Self.with { fake, launcher, stream in
      let calls = Self.record(launcher) { Self.cases[0].run(.bfloat16) }
      fake.fail(3001)
      let first = try calls[0].difference(launcher, on: stream, byPlan: true)
      #expect(first == nil)
      #expect(fake.convolutionCount == 1 && fake.planCount == 3)
      fake.fail(2003)
      let second = try calls[0].difference(launcher, on: stream, byPlan: true)
      #expect(second == nil)
      // No way was left.
      #expect(fake.convolutionCount == 1 && fake.planCount == 3)
    }
  }

  @Test func whereTheFastWaysAreNotKnownOthersAre() throws {
    try Self.with { fake, launcher, stream in
      fake.knows(.fallback)
      try Self.compare("fallback", launcher, stream) { Self.cases[0].run(.float32) }
      #expect(fake.convolutionCount == 3 && fake.planCount == 3)
    }
  }

  @Test func aFailureNamesTheFunction() throws {
    try Self.with { fake, launcher, stream in
      fake.fail(5000)
      let calls = Self.record(launcher) { Self.cases[0].run(.float32) }
      let error = #expect(throws: TensorError.self) { _ = try calls[0].difference(launcher, on: stream, byPlan: true) }
      #expect(error?.message == "cuDNN: CUDNN_STATUS_EXECUTION_FAILED (cudnnBackendExecute)")
      let again = try calls[0].difference(launcher, on: stream, byPlan: true)
      #expect(again == nil)
      #expect(fake.convolutionCount == 1)
    }
  }
}
