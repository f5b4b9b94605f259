import CKernels
import Testing

@testable import Flambeau

/// Calls that are launched by what was kept of calls like them.
@Suite(.enabled(if: FakeDriver.isPossible, "no clang++")) struct LaunchPlanTests {
  private static func launcher(_ gpu: GPU) -> Launcher {
    Launcher(memory: GPUAllocator(of: gpu), kernels: KernelLibrary(emulatedOn: gpu))
  }

  @Test func keptPlansComputeWhatTheCPUDoes() throws {
    try FakeDriver.with { fake, gpu in
      let launcher = Self.launcher(gpu)
      let stream = try GPUStreams(of: gpu).next()
      let names = [
        "sum of float32 [[200000]]", "mean of float32 [[700", "argmax", "cumsum of float32 [[3", "layerNorm of float32 [[70",
      ]
      let chosen = LargeCall.all.filter { call in names.contains { call.name.hasPrefix($0) } }
      let recorder = CallRecorder(gpu.properties.shape)
      CallRecorder.listening { for call in chosen { recorder.record(call.name, all: true, call.run) } }
      for _ in 0..<2 {
        for call in recorder.calls {
          // Copies of the operands lie elsewhere in the second round.
          let before = try launcher.memory.allocate(3 << 20, on: stream)
          let difference = try call.difference(launcher, on: stream, byPlan: true)
          #expect(difference == nil, "\(call.place): \(difference ?? "")")
          withExtendedLifetime(before) {}
        }
      }
      #expect(launcher.plans.count > chosen.count / 2 && launcher.plans.count <= recorder.calls.count)
    }
  }

  /// Tasks of the table's samples, of large calls and of trainings, twice, with operands that lie elsewhere the second time. Debug builds
  /// hold each launch against that of a call without a plan; ``DeviceTableTests`` does so for all samples.
  @Test func keptPlansOfTasksDoToo() throws {
    LaunchPlans.areChecked = true
    let ready = try KernelSourceTests.kernels.get()
    try FakeDriver.with { fake, gpu in
      let launcher = Launcher(
        memory: GPUAllocator(of: gpu), kernels: KernelLibrary(emulatedOn: gpu, compiler: .clang { ready }))
      let stream = GPUStreams(of: gpu).standard
      var kinds: Set<String> = []
      let tasks = KernelSourceTests.recorder.calls.filter { call in
        guard case .task(let task) = call.call, !call.place.contains("as if large") else { return false }
        kinds.insert("\(type(of: task))")
        return true
      }
      #expect(kinds.count >= 19, "\(kinds)")
      for round in 0..<2 {
        for call in stride(from: 0, to: tasks.count, by: 5).map({ tasks[$0] }) {
          let before = try launcher.memory.allocate(3 << 20, on: stream)
          let difference = try call.difference(launcher, on: stream, byPlan: true)
          #expect(difference == nil, "\(call.place), round \(round): \(difference ?? "")")
          withExtendedLifetime(before) {}
        }
      }
      #expect(launcher.plans.count <= tasks.count)
    }
  }

  @Test func numbersOfTasksAreWrittenAnew() throws {
    try FakeDriver.with { fake, gpu in
      let launcher = Self.launcher(gpu)
      let stream = GPUStreams(of: gpu).standard
      let memory = try launcher.memory.allocate(4096, on: stream)
      func elements(_ offset: Int, _ count: Int, _ dtype: DType = .float32) -> Elements {
        Elements(UnsafeMutableRawPointer(bitPattern: Int(memory.address) + offset)!, Layout([count]), dtype)
      }
      func read(_ offset: UInt64, _ count: Int) throws -> [Float] {
        var result = [Float](repeating: -1, count: count)
        try result.withUnsafeMutableBytes { try stream.copy(memory.address + offset, to: $0.baseAddress!, $0.count) }
        return result
      }
      // Draws go on where those before have ended.
      var state = PhiloxState(seed: 7)
      var drawn: [[Float]] = []
      for place in [0, 1024] {
        let task = RandomTask(.uniform(from: 0, to: 1), from: &state, into: elements(place, 64))
        try launcher.run(.task(task), on: stream)
        drawn.append(try read(UInt64(place), 64))
      }
      #expect(drawn[0] != drawn[1] && drawn.allSatisfy { $0.allSatisfy { 0 <= $0 && $0 < 1 } })
      #expect(launcher.plans.count == 1)
      // Two kinds of steps, with other rates each time.
      try stream.fill(memory.address, with: 0, 4096)
      var expected: (Float, Float) = (0, 0)
      let one = [Float](repeating: 1, count: 8)
      try one.withUnsafeBytes { try stream.copy($0.baseAddress!, to: memory.address + 2048, 32) }
      for rates in [(0.5, 0.25), (2, 1), (1, 4)] {
        let steps = [rates.0, rates.1].enumerated().map { i, rate in
          OptimizerTask.Step(
            formula: StepFormula(.sgd, rate: rate), parameter: elements(512 * i, 8), gradient: elements(2048, 8),
            state: [nil, nil, nil])
        }
        try launcher.run(.task(OptimizerTask(steps)), on: stream)
        expected = (expected.0 - Float(rates.0), expected.1 - Float(rates.1))
        #expect(try read(0, 8) == Array(repeating: expected.0, count: 8))
        #expect(try read(512, 8) == Array(repeating: expected.1, count: 8))
      }
      #expect(launcher.plans.count == 2)
      // Rates that have become equal are one kind.
      let steps = (0..<2).map { i in
        OptimizerTask.Step(
          formula: StepFormula(.sgd, rate: 1), parameter: elements(512 * i, 8), gradient: elements(2048, 8),
          state: [nil, nil, nil])
      }
      try launcher.run(.task(OptimizerTask(steps)), on: stream)
      #expect(try read(0, 1) == [expected.0 - 1] && read(512, 1) == [expected.1 - 1])
      #expect(launcher.plans.count == 3)
    }
  }

  private static let scale = Program(inputs: 2, scalars: 2) { x, s in x[0] * s[0] + x[1] * s[1] }

  @Test func whatDiffersGetsPlansOfItsOwn() throws {
    try FakeDriver.with { fake, gpu in
      let launcher = Self.launcher(gpu)
      let stream = try GPUStreams(of: gpu).next()
      let memory = try launcher.memory.allocate(4096, on: stream)
      let numbers = (0..<256).map { Float($0) }
      try numbers.withUnsafeBytes { try stream.copy($0.baseAddress!, to: memory.address, 1024) }
      /// s₀ · the numbers at `layout` + s₁ · those from the beginning on.
      func run(_ layout: Layout, _ scalars: Scalars) throws -> [Float] {
        func elements(_ offset: Int, _ layout: Layout) -> Elements {
          Elements(UnsafeMutableRawPointer(bitPattern: Int(memory.address) + offset)!, layout, .float32)
        }
        let call = KernelCall.map(
          Self.scale, fb_f32, [elements(0, layout), elements(0, Layout(layout.shape))], scalars,
          into: [elements(2048, Layout(layout.shape))])
        try launcher.run(call, on: stream)
        var result = [Float](repeating: -1, count: layout.elementCount)
        try result.withUnsafeMutableBytes { try stream.copy(memory.address + 2048, to: $0.baseAddress!, $0.count) }
        return result
      }
      func expect(_ layout: Layout, _ scalars: Scalars, plans: Int) throws {
        let (a, b) = (Float(scalars[0].double), Float(scalars[1].double))
        var wanted: [Float] = []
        let columns = layout.rank == 2 ? layout.shape.at(1) : 1
        for i in 0..<layout.elementCount {
          let position =
            layout.rank == 2
            ? i / columns * layout.strides.at(0) + i % columns * layout.strides.at(1) : i * layout.strides.at(0)
          wanted.append(numbers[layout.offset + position] * a + numbers[i] * b)
        }
        #expect(try run(layout, scalars) == wanted)
        #expect(launcher.plans.count == plans)
      }
      let row = Layout([16])
      try expect(row, [2, 3], plans: 1)
      // Other scalars, other places as far from a multiple of 16 bytes.
      try expect(row, [-1, 0.5], plans: 1)
      try expect(row.moved(to: 4), [1, 1], plans: 1)
      // Others.
      try expect(row.moved(to: 1), [1, 1], plans: 2)
      try expect(row.moved(to: 5), [4, 1], plans: 2)
      try expect(Layout(shape: [16], strides: [2], offset: 0), [1, 2], plans: 3)
      try expect(Layout(shape: [4, 4], strides: [1, 4], offset: 0), [1, 2], plans: 4)
      try expect(Layout(shape: [4, 4], strides: [1, 8], offset: 8), [1, 2], plans: 5)
      try expect(Layout([8]), [1, 2], plans: 6)
      try expect(row, [2, 3], plans: 6)
    }
  }

  @Test func plansAreForgottenWhenTheyAreMany() throws {
    try FakeDriver.with { fake, gpu in
      let launcher = Self.launcher(gpu)
      let plans = LaunchPlans(most: 3)
      for count in 1...7 {
        let elements = Elements(UnsafeMutableRawPointer(bitPattern: 1024)!, Layout([count]), .float32)
        let call = KernelCall.map(.identity, fb_f32, [elements], Scalars(), into: [elements])
        for isFirst in [true, false] {
          var isMade = false
          _ = try plans.plan(for: call, call.operands) { () throws(TensorError) in
            isMade = true
            return try LaunchPlan(call, launcher.kernels)
          }
          #expect(isMade == isFirst)
        }
        #expect(plans.count == (count - 1) % 3 + 1)
      }
    }
  }
}
