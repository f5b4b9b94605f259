import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Flambeau

/// Kernels through the whole runtime: compiled, kept on the disk, loaded and launched on an emulated GPU.
@Suite(.enabled(if: FakeDriver.isPossible, "no clang++")) struct LauncherTests {
  /// clang in NVRTC's place.
  private final class Compiler: Sendable {
    let count = Atomic<Int>(0)
    let identity: String

    init(_ identity: String = "clang") { self.identity = identity }

    var value: KernelCompiler {
      KernelCompiler(identity: identity) { (source) throws(TensorError) in
        self.count.wrappingAdd(1, ordering: .relaxed)
        do { return try EmulatedKernels.code(of: source) } catch { throw .argument("\(error)") }
      }
    }
  }

  private static func launcher(_ gpu: GPU, _ compiler: Compiler = Compiler(), files: String? = nil) -> Launcher {
    Launcher(
      memory: GPUAllocator(of: gpu),
      kernels: KernelLibrary(of: gpu, compiler: compiler.value, files: KernelFiles(folder: files)))
  }

  /// A kernel of one argument, a pointer.
  private static func kernel(_ body: String, _ address: Driver.Address, block: Int = 32, shared: Int = 0) -> KernelWork {
    var arguments = KernelArguments()
    arguments.address("p", UnsafeRawPointer(bitPattern: UInt(address)))
    let source = KernelSource("test", arguments: arguments.declaration, body: body)
    var work = KernelWork()
    work.launches = [KernelLaunch(source, grid: (1, 1), block: (block, 1), sharedByteCount: shared, arguments)]
    return work
  }

  private static let store = "  ((int *)a.p)[threadIdx.x] = threadIdx.x * 3;\n"

  // MARK: What is computed

  @Test func largeCallsComputeWhatTheCPUDoes() throws {
    try FakeDriver.with { fake, gpu in
      let launcher = Self.launcher(gpu)
      let streams = GPUStreams(of: gpu)
      let names = [
        "sum of float32 [[200000]]", "gelu", "argmax", "cumsum of float32 [[3", "softmax of float16", "layerNorm of float32 [[70",
      ]
      let chosen = LargeCall.all.filter { call in names.contains { call.name.hasPrefix($0) } }
      #expect(chosen.count == names.count)
      let recorder = CallRecorder(gpu.properties.shape)
      CallRecorder.listening { for call in chosen { recorder.record(call.name, all: true, call.run) } }
      #expect(recorder.calls.count > chosen.count)
      for call in recorder.calls {
        let stream = try streams.next()
        let difference = try call.difference(launcher, on: stream)
        #expect(difference == nil, "\(call.place): \(difference ?? "")")
      }
      let figures = launcher.memory.figures
      #expect(figures.allocated.now == 0 && figures.requestCount > recorder.calls.count)
    }
  }

  // MARK: Errors

  @Test func aFaultNamesWhatWasLaunchedAndEndsTheGPU() throws {
    let fake = try FakeDriver()
    let gpu = try GPU(0, of: fake.driver, isSynchronous: false)
    let (launcher, stream) = (Self.launcher(gpu), try GPUStreams(of: gpu).next())
    let memory = try launcher.memory.allocate(512, on: stream)
    let bad = Self.kernel("  element<int32_t, int32_t>(a.p, 1ll << 40);\n", memory.address)
    // Queueing finds nothing.
    try launcher.run(bad, on: stream, for: "gather")
    try stream.fill(memory.address, with: 0, 512, for: "zeros")
    let error = #expect(throws: TensorError.self) { try stream.synchronize() }
    let name = bad.launches[0].source.name
    #expect(
      error?.message
        == "CUDA: an illegal memory access was encountered (cuStreamSynchronize) on cuda:0 after a fill of zeros, \(name) of gather; "
        + "run with FLAMBEAU_CUDA_SYNC=1 to find which, and where; nothing runs on cuda:0 any more in this process")
    // All that follows says the same, and nothing crashes.
    let later = #expect(throws: TensorError.self) { try launcher.run(bad, on: stream, for: "scatter") }
    #expect(later?.message == error?.message)
    #expect(throws: TensorError.self) { try launcher.memory.allocate(64 << 20, on: stream) }
    memory.record(on: GPUStreams(of: gpu).standard)
    #expect(fake.misuses.isEmpty, "\(fake.misuses)")
  }

  @Test func inSynchronousModeAFaultIsFoundWhereItIsMade() throws {
    let fake = try FakeDriver()
    let gpu = try GPU(0, of: fake.driver, isSynchronous: true)
    let (launcher, stream) = (Self.launcher(gpu), try GPUStreams(of: gpu).next())
    let memory = try launcher.memory.allocate(512, on: stream)
    try stream.fill(memory.address, with: 0, 512, for: "zeros")
    #expect(try stream.isIdle())
    let bad = Self.kernel("  FB_TOUCHES((char *)a.p + 1, 4);\n", memory.address)
    let error = #expect(throws: TensorError.self) { try launcher.run(bad, on: stream, for: "gather") }
    #expect(
      error?.message
        == "CUDA: misaligned address (cuStreamSynchronize) on cuda:0 by \(bad.launches[0].source.name) of gather; "
        + "nothing runs on cuda:0 any more in this process")
  }

  /// Reads of a table of ten at positions on an emulated GPU.
  private static func gather(_ positions: [Int64], _ launcher: Launcher, on stream: GPUStream) throws -> [Float] {
    let memory = try launcher.memory.allocate(1024, on: stream)
    let table = (0..<10).map { Float($0) + 0.5 }
    try table.withUnsafeBytes { try stream.copy($0.baseAddress!, to: memory.address, 40) }
    try positions.withUnsafeBytes { try stream.copy($0.baseAddress!, to: memory.address + 256, $0.count) }
    try stream.fill(memory.address + 512, with: 0, 4 * positions.count)
    func elements(_ offset: UInt64, _ count: Int, _ dtype: DType) -> Elements {
      Elements(UnsafeMutableRawPointer(bitPattern: UInt(memory.address + offset))!, Layout([count]), dtype)
    }
    let (from, at, to) = (
      elements(0, 10, .float32), elements(256, positions.count, .int64), elements(512, positions.count, .float32)
    )
    let task = IndexTask(
      move: .read, walk: IndexWalk(along: 0, table: from.layout, index: at.layout, value: to.layout),
      over: IndexWalk.Operands(value: to, table: from, index: at))
    try launcher.run(KernelCall.task(task).work(on: stream.gpu.properties.shape), on: stream, for: "gather")
    var result = [Float](repeating: -1, count: positions.count)
    try result.withUnsafeMutableBytes { try stream.copy(memory.address + 512, to: $0.baseAddress!, $0.count) }
    return result
  }

  @Test(arguments: [false, true]) func aPositionOutsideIsReportedAndLeftAlone(isSynchronous: Bool) throws {
    try FakeDriver.with(isSynchronous: isSynchronous) { fake, gpu in
      let (launcher, stream) = (Self.launcher(gpu), try GPUStreams(of: gpu).next())
      #expect(try Self.gather([3, 0, 9], launcher, on: stream) == [3.5, 0.5, 9.5])
      for bad in [10, -1, .max, .min] as [Int64] {
        let error = #expect(throws: TensorError.self) { try Self.gather([3, bad], launcher, on: stream) }
        #expect(error?.kind == .index)
        #expect(error?.message.hasPrefix("index out of range in index_read_") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains(" of gather on cuda:0") == true)
        // It is said once, and the GPU goes on.
        try gpu.synchronize()
        #expect(try Self.gather([1], launcher, on: stream) == [1.5])
      }
    }
  }

  /// Offsets are made of positions nobody has looked at: those outside lead nowhere, for whatever is read or written there.
  @Test func offsetsOfPositionsOutsideLeadNowhere() throws {
    let positions = Tensor([0, 3, -4, -5, 4, 1]), columns = Tensor([0, 1, 1, 0, 0, 9])
    let offsets = Tensor.zeros([6], dtype: .int64)
    let values = Tensor([10, 11, 12, 13, 14, 15] as [Float]), table = Tensor.zeros([4, 2])
    let shape = DeviceShape(multiprocessorCount: 1, sharedByteCount: 48 << 10)
    var work = KernelWork()
    for (index, size, stride) in [(positions, 4, 2), (columns, 2, 1)] {
      IndexOffsets(
        size: size, stride: stride, negative: true, positions: index.body.elements, offsets: offsets.body.elements
      ).append(to: &work, on: shape, wide: false)
    }
    var walk = IndexWalk(step: 1)
    walk.append(size: 6, index: 1, value: 1, table: 0, isFree: false)
    let operands = IndexWalk.Operands(
      value: values.body.elements, table: table.body.elements, index: offsets.body.elements)
    IndexTask(move: .write, walk: walk, over: operands).append(to: &work, on: shape, wide: false)
    let memory = [positions, columns, offsets, values, table].map { tensor in
      let span = tensor.body.elements.span!
      return UnsafeRawBufferPointer(start: span.start, count: span.byteCount)
    }
    let kernels = try EmulatedKernels(Array(Set(work.launches.map(\.source))))
    var reports = 0
    for launch in work.launches {
      var one = KernelWork()
      one.launches = [launch]
      if kernels.run(one, memory: memory)?.hasSuffix("reports a fault") == true { reports += 1 }
    }
    #expect(reports == 3)
    #expect(offsets.array(of: Int.self) == [0, 7, 1, .min, .min, .min])
    #expect(table.array(of: Float.self) == [10, 12, 0, 0, 0, 0, 0, 11])
    withExtendedLifetime((positions, columns, values)) {}
  }

  /// Another library, or another GPU of this one, may leave the thread with a context of its own.
  @Test(arguments: [false, true]) func kernelsRunWhateverContextTheThreadHas(hasAnother: Bool) throws {
    let fake = try FakeDriver(gpus: 2)
    let (gpu, other) = (
      try GPU(0, of: fake.driver, isSynchronous: false), try GPU(1, of: fake.driver, isSynchronous: false)
    )
    var context: Driver.Handle = 0
    let handle = try GPUProperties.handle(1, of: fake.driver)
    try fake.driver.run(fake.driver.retainContext) { $0(&context, handle) }
    defer { _ = fake.driver.releaseContext.call(handle) }
    let launcher = Self.launcher(gpu)
    for stream in [GPUStreams(of: gpu).standard, try GPUStreams(of: gpu).next()] {
      let memory = try launcher.memory.allocate(512, on: stream)
      try launcher.run(Self.kernel(Self.store, memory.address), on: stream)
      let before = fake.count("cuCtxSetCurrent")
      for _ in 0..<3 { try launcher.run(Self.kernel(Self.store, memory.address), on: stream) }
      #expect(fake.count("cuCtxSetCurrent") == before)
      // Behind our back, and by ourselves.
      #expect(fake.driver.setContext.call(context) == 0)
      if hasAnother { _ = try other.freeByteCount() }
      try launcher.run(Self.kernel("  ((int *)a.p)[threadIdx.x] = 7;\n", memory.address), on: stream)
      var result = [Int32](repeating: 0, count: 32)
      try result.withUnsafeMutableBytes { try stream.copy(memory.address, to: $0.baseAddress!, $0.count) }
      #expect(result == Array(repeating: 7, count: 32))
    }
  }

  @Test func launchesThatCannotBeAreNamed() throws {
    try FakeDriver.with { _, gpu in
      let (launcher, stream) = (Self.launcher(gpu), GPUStreams(of: gpu).standard)
      let memory = try launcher.memory.allocate(8192, on: stream)
      let wide = Self.kernel(Self.store, memory.address, block: 2048)
      let error = #expect(throws: TensorError.self) { try launcher.run(wide, on: stream, for: "relu") }
      let name = wide.launches[0].source.name
      #expect(error?.message == "CUDA: invalid argument (cuLaunchKernel) on cuda:0 by \(name) of relu")
      // More shared memory than a block gets unasked is asked for once; more than there is, refused.
      let large = Self.kernel(Self.store, memory.address, shared: 100 << 10)
      for _ in 0..<3 { try launcher.run(large, on: stream) }
      #expect(throws: TensorError.self) {
        try launcher.run(Self.kernel(Self.store, memory.address, shared: 300 << 10), on: stream)
      }
      var words = [Int32](repeating: 0, count: 32)
      try stream.copy(memory.address, to: &words, 128)
      #expect(words == (0..<32).map { $0 * 3 })
    }
  }

  @Test func aSourceThatDoesNotCompileSaysWhy() throws {
    try FakeDriver.with { _, gpu in
      let launcher = Self.launcher(gpu)
      let error = #expect(throws: TensorError.self) {
        try launcher.run(Self.kernel("  this is no statement;\n", 0), on: GPUStreams(of: gpu).standard)
      }
      #expect(error?.message.contains("error:") == true)
    }
  }

  // MARK: The cache

  @Test func kernelsAreCompiledOnceForAllProcesses() throws {
    try EmulatedKernels.withFolder { folder in
      let files = folder.path + "/deep/cache"
      func run(_ compiler: Compiler, store: String = Self.store) throws {
        try FakeDriver.with { fake, gpu in
          let launcher = Self.launcher(gpu, compiler, files: files)
          let stream = GPUStreams(of: gpu).standard
          let memory = try launcher.memory.allocate(128, on: stream)
          for _ in 0..<3 { try launcher.run(Self.kernel(store, memory.address), on: stream) }
          var words = [Int32](repeating: 0, count: 32)
          try stream.copy(memory.address, to: &words, 128)
          #expect(words[31] == (store == Self.store ? 93 : 31) && fake.count("cuModuleGetFunction") == 1)
        }
      }
      func kept() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: files).map { files + "/" + $0 }.sorted()
      }
      let first = Compiler(), second = Compiler()
      try run(first)
      try run(second)
      #expect(first.count.load(ordering: .relaxed) == 1 && second.count.load(ordering: .relaxed) == 0)
      // Another source, and another compiler, have their own files.
      try run(second, store: "  ((int *)a.p)[threadIdx.x] = threadIdx.x;\n")
      let third = Compiler("clang 2")
      try run(third)
      #expect(second.count.load(ordering: .relaxed) == 1 && third.count.load(ordering: .relaxed) == 1)
      #expect(try kept().count == 3)

      // Whatever a file has become, the kernel is what it was, and the file is repaired.
      let path = files + "/" + key(first).name
      let good = try Data(contentsOf: URL(fileURLWithPath: path))
      var flipped = good
      flipped[good.count - 100] ^= 1
      let other = try Data(contentsOf: URL(fileURLWithPath: #require(try kept().first { $0 != path })))
      for damaged in [Data(), good.prefix(40), good.dropLast(), good + [0], flipped, other, Data(repeating: 10, count: 9)] {
        try damaged.write(to: URL(fileURLWithPath: path))
        let again = Compiler()
        try run(again)
        #expect(again.count.load(ordering: .relaxed) == 1)
        #expect(KernelFiles(folder: files).read(key(again)) != nil)
      }
      // Code that is whole, but that the driver refuses.
      KernelFiles(folder: files).write([1, 2, 3, 4], key(first))
      let last = Compiler()
      try run(last)
      #expect(last.count.load(ordering: .relaxed) == 1)
      #expect(try kept().count == 3)
    }
  }

  private func key(_ compiler: Compiler) -> KernelFiles.Key {
    KernelFiles.Key(Self.kernel(Self.store, 0).launches[0].source, by: compiler.value)
  }

  @Test func threadsThatAskForOneKernelCompileItOnce() throws {
    try FakeDriver.with { fake, gpu in
      let compiler = Compiler()
      let launcher = Self.launcher(gpu, compiler)
      let streams = GPUStreams(of: gpu)
      let own = try (0..<4).map { _ in try streams.next() }
      let memory = try own.map { try launcher.memory.allocate(128, on: $0) }
      onThreads(4) { t in
        try? launcher.run(Self.kernel(Self.store, memory[t].address), on: own[t])
      }
      for (stream, memory) in zip(own, memory) {
        var words = [Int32](repeating: 0, count: 32)
        try stream.copy(memory.address, to: &words, 128)
        #expect(words[31] == 93)
      }
      #expect(compiler.count.load(ordering: .relaxed) == 1 && fake.count("cuModuleLoadData") == 1)
    }
  }

  @Test func whereFilesCannotBeWrittenKernelsRunNevertheless() throws {
    try FakeDriver.with { _, gpu in
      let launcher = Self.launcher(gpu, files: "/proc/nowhere/cache")
      let stream = GPUStreams(of: gpu).standard
      let memory = try launcher.memory.allocate(128, on: stream)
      try launcher.run(Self.kernel(Self.store, memory.address), on: stream)
      try stream.synchronize()
    }
  }

  // MARK: What is compiled for

  @Test func architecturesAreTheGPUsOrAnOlderOne() throws {
    let known = [75, 80, 86, 89, 90, 100]
    func architecture(_ major: Int, _ minor: Int, nvrtc: Int = 13, driver: Int = 13) throws -> String {
      try KernelCompiler.architecture(
        CUDAVersion(major: major, minor: minor), known: known, nvrtc: (nvrtc, 0), driver: CUDAVersion(major: driver, minor: 4))
    }
    #expect(try architecture(9, 0) == "sm_90")
    #expect(try architecture(8, 7) == "compute_86")
    #expect(try architecture(12, 1) == "compute_100")
    #expect(try architecture(9, 0, nvrtc: 12) == "sm_90")
    let old = #expect(throws: TensorError.self) { try architecture(7, 0) }
    #expect(old?.message == "NVRTC 13.0 knows no GPU as old as one of capability 7.0: an older one does")
    let driver = #expect(throws: TensorError.self) { try architecture(9, 0, driver: 12) }
    #expect(
      driver?.message
        == "NVRTC 13.0 makes code that NVIDIA's driver, for CUDA 12.4, does not load: `pip install nvidia-cuda-nvrtc-cu12` "
        + "brings one that fits, or renew the driver")
  }

  private static let nvrtc = try? NVRTC.shared.get()

  @Test(.enabled(if: nvrtc != nil, "no NVRTC")) func nvrtcCompilesForTheGPU() throws {
    try FakeDriver.with { _, gpu in
      let compiler = try KernelCompiler.nvrtc(Self.nvrtc!, for: gpu)
      #expect(compiler.identity.contains("sm_90") && compiler.identity.hasPrefix("NVRTC 1"))
      let code = try compiler.compile(Self.kernel(Self.store, 0).launches[0].source)
      #expect(code.starts(with: [0x7f, 0x45, 0x4c, 0x46]))
    }
  }
}
