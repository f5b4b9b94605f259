import CKernels
import Testing

@testable import Flambeau

/// Calls that are launched by what was kept of calls like them.
@Suite(.enabled(if: FakeDriver.isPossible, "no clang++")) struct LaunchPlanTests {
  private static func launcher(_ gpu: GPU) -> Launcher {
    let compiler = KernelCompiler(identity: "clang") { (source) throws(TensorError) in
      do { return try EmulatedKernels.code(of: source) } catch { throw .argument("\(error)") }
    }
    return Launcher(
      memory: GPUAllocator(of: gpu), kernels: KernelLibrary(of: gpu, compiler: compiler, files: KernelFiles(folder: nil)))
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
