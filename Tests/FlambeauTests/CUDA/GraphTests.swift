import Testing

@testable import Flambeau

/// Work that is captured and replayed, on an emulated GPU.
@Suite(.enabled(if: FakeDriver.isPossible, "no clang++")) struct GraphTests {
  /// Runs `body` with an allocator and two streams of a GPU.
  private func with(
    isSynchronous: Bool = false, _ body: (FakeDriver, GPUAllocator, GPUStream, GPUStream) throws -> Void
  ) throws {
    try FakeDriver.with(isSynchronous: isSynchronous) { fake, gpu in
      let streams = GPUStreams(of: gpu)
      try body(fake, GPUAllocator(of: gpu), streams.next(), streams.next())
    }
  }

  private func byte(_ address: Driver.Address, on stream: GPUStream) throws -> UInt8 {
    var byte: UInt8 = 0
    try stream.copy(address, to: &byte, 1)
    return byte
  }

  @Test(arguments: [false, true]) func replaysDoTheWorkAgain(isSynchronous: Bool) throws {
    try with(isSynchronous: isSynchronous) { fake, allocator, stream, other in
      let launcher = Launcher(memory: allocator, kernels: KernelLibrary(emulatedOn: allocator.gpu))
      let memory = try allocator.allocate(128, on: stream)
      try stream.fill(memory.address, with: 0, 128)
      var arguments = KernelArguments()
      arguments.address("p", UnsafeRawPointer(bitPattern: UInt(memory.address)))
      let source = KernelSource("test", arguments: arguments.declaration, body: "  ((int *)a.p)[threadIdx.x] += threadIdx.x;\n")
      var work = KernelWork()
      work.launches = [KernelLaunch(source, grid: (1, 1), block: (32, 1), arguments)]
      let graph = try GPUGraph.capture(on: stream, memory: allocator) { () throws(TensorError) in
        try launcher.run(work, on: stream)
        try launcher.run(work, on: stream)
      }
      #expect(try byte(memory.address + 4, on: stream) == 0)
      for _ in 0..<3 { try graph.replay(on: stream) }
      #expect(try byte(memory.address + 4 * 5, on: stream) == 30)
      try graph.replay(on: other)
      #expect(try byte(memory.address + 4 * 5, on: other) == 40)
      #expect(fake.count("cuLaunchKernel") == 2 && fake.count("cuGraphLaunch") == 4)
    }
  }

  @Test func memoryOfAGraphStaysItsOwn() throws {
    try with { fake, allocator, stream, _ in
      let result = try allocator.allocate(512, on: stream)
      var temporaries: [Driver.Address] = []
      var graph: GPUGraph? = try GPUGraph.capture(on: stream, memory: allocator) { () throws(TensorError) in
        for value: UInt8 in [7, 9] {
          let temporary = try allocator.allocate(512, on: stream)
          temporaries.append(temporary.address)
          try stream.fill(temporary.address, with: value, 512)
          try stream.copy(temporary.address, to: result.address + (value == 7 ? 0 : 256), 256)
        }
      }
      // Within the graph memory is used again; outside it is not.
      #expect(temporaries[0] == temporaries[1])
      let outside = try (0..<10).map { _ in try allocator.allocate(512, on: stream) }
      for memory in outside {
        #expect(!temporaries.contains(memory.address))
        try stream.fill(memory.address, with: 1, 512)
      }
      try allocator.emptyCache()
      for _ in 0..<2 {
        try stream.fill(result.address, with: 0, 512)
        try graph!.replay(on: stream)
        #expect(try byte(result.address, on: stream) == 7 && byte(result.address + 256, on: stream) == 9)
      }
      for memory in outside { #expect(try byte(memory.address, on: stream) == 1) }
      #expect(fake.deviceByteCount == 4 << 20)
      graph = nil
      try allocator.emptyCache()
      #expect(fake.deviceByteCount == 2 << 20)
    }
  }

  @Test func whatOutlivesAGraphIsFreedLater() throws {
    try with { fake, allocator, stream, _ in
      var result: GPUMemory?
      do {
        let graph = try GPUGraph.capture(on: stream, memory: allocator) { () throws(TensorError) in
          result = try allocator.allocate(3 << 20, on: stream, for: "linear")
          try stream.fill(result!.address, with: 5, 3 << 20)
        }
        try graph.replay(on: stream)
      }
      #expect(try byte(result!.address, on: stream) == 5)
      try allocator.emptyCache()
      #expect(fake.deviceByteCount == 20 << 20)
      result = nil
      try allocator.emptyCache()
      #expect(fake.deviceByteCount == 0)
    }
  }

  private struct Refused {
    let what: String
    let body: (GPUStream, GPUMemory) throws(TensorError) -> Void
  }

  @Test func whatCannotBeCapturedSaysSoAndTheStreamGoesOn() throws {
    let bodies: [Refused] = [
      Refused(what: "waiting for a stream cannot be part of a CUDA graph") { (stream, _) throws(TensorError) in
        try stream.synchronize()
      },
      Refused(what: "a copy from the GPU of item cannot be part of a CUDA graph") { (stream, memory) throws(TensorError) in
        var byte: UInt8 = 0
        try stream.copy(memory.address, to: &byte, 1, for: "item")
      },
      Refused(what: "a copy to the GPU of tensor cannot be part of a CUDA graph") { (stream, memory) throws(TensorError) in
        var byte: UInt8 = 0
        try stream.copy(&byte, to: memory.address, 1, for: "tensor")
      },
      Refused(what: "operation not permitted when stream is capturing (cuStreamQuery)") { (stream, _) throws(TensorError) in
        _ = try stream.isIdle()
      },
      Refused(what: "out of dates") { (_, _) throws(TensorError) in throw .argument("out of dates") },
    ]
    try with { fake, allocator, stream, other in
      let memory = try allocator.allocate(512, on: stream)
      for refused in bodies {
        let error = #expect(throws: TensorError.self) {
          try GPUGraph.capture(on: stream, memory: allocator) { () throws(TensorError) in
            _ = try allocator.allocate(512, on: stream)
            try refused.body(stream, memory)
          }
        }
        #expect(error?.message.contains(refused.what) == true, "\(String(describing: error))")
        try stream.fill(memory.address, with: 3, 512)
        #expect(try byte(memory.address, on: stream) == 3)
      }
      // A mistake that the body does not report ends the capture nevertheless.
      let swallowed = #expect(throws: TensorError.self) {
        try GPUGraph.capture(on: stream, memory: allocator) { () throws(TensorError) in _ = try? stream.isIdle() }
      }
      #expect(swallowed?.message.contains("(cuStreamEndCapture)") == true)
      // So does a wait for what is not part of it.
      let event = try GPUEvent(on: allocator.gpu)
      try event.record(on: other)
      #expect(throws: TensorError.self) {
        try GPUGraph.capture(on: stream, memory: allocator) { () throws(TensorError) in try stream.wait(for: event) }
      }
      try allocator.emptyCache()
      #expect(fake.deviceByteCount == 2 << 20)
      withExtendedLifetime(memory) {}
    }
  }

  @Test func theDefaultStreamIsNotCaptured() throws {
    try FakeDriver.with { _, gpu in
      let streams = GPUStreams(of: gpu)
      let error = #expect(throws: TensorError.self) {
        try GPUGraph.capture(on: streams.standard, memory: GPUAllocator(of: gpu)) { () throws(TensorError) in }
      }
      #expect(error?.message.contains("(cuStreamBeginCapture)") == true)
    }
  }

  @Test func memoryThatTheCapturedStreamUsesIsMarkedAfterTheCapture() throws {
    try with { fake, allocator, stream, other in
      var used: GPUMemory? = try allocator.allocate(512, on: other)
      let address = used!.address
      try stream.fill(address, with: 1, 512)
      used!.record(on: stream)
      let graph = try GPUGraph.capture(on: stream, memory: allocator) { () throws(TensorError) in
        used = nil
        #expect(allocator.figures.waiting.now == 512 && fake.count("cuEventRecord") == 0)
      }
      // The mark is in the stream, not in the graph.
      #expect(fake.count("cuEventRecord") == 1)
      #expect(try allocator.allocate(512, on: other).address != address)
      try stream.synchronize()
      #expect(try allocator.allocate(512, on: other).address == address)
      withExtendedLifetime(graph) {}
    }
  }
}
