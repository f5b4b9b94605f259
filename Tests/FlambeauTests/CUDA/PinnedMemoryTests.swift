import Testing

@testable import Flambeau

@Suite(.enabled(if: FakeDriver.isPossible, "no clang++")) struct PinnedMemoryTests {
  @Test func sizesArePowersOfTwoAndKept() throws {
    try FakeDriver.with { fake, gpu in
      let cache = PinnedCache(of: gpu)
      let address: UnsafeMutableRawPointer
      do {
        let memory = try cache.allocate(5000)
        #expect(memory.byteCount == 5000 && fake.pinnedByteCount == 8192 && cache.reservedByteCount == 8192)
        address = memory.pointer
      }
      #expect(try cache.allocate(8192).pointer == address)
      #expect(try cache.allocate(8193).pointer != address)
      #expect(try cache.allocate(4097).pointer == address)
      _ = try cache.allocate(1)
      #expect(fake.pinnedByteCount == 8192 + 16384 + 4096 && fake.count("cuMemHostAlloc") == 3)
      try cache.empty()
      #expect(fake.pinnedByteCount == 0 && cache.reservedByteCount == 0)
    }
  }

  @Test func copiesThatAreQueuedKeepTheirMemory() throws {
    try FakeDriver.with { fake, gpu in
      let (cache, stream) = (PinnedCache(of: gpu), try GPUStreams(of: gpu).next())
      let memory = try GPUAllocator(of: gpu).allocate(4096, on: stream)
      func upload(_ value: Int) throws -> UnsafeMutableRawPointer {
        let pinned = try cache.allocate(4096)
        pinned.pointer.assumingMemoryBound(to: Int.self).update(repeating: value, count: 512)
        try pinned.upload(4096, to: memory.address, on: stream, for: "to")
        return pinned.pointer
      }
      let first = try upload(1)
      // The copy has not been made, so its memory is nobody else's.
      #expect(try upload(2) != first)
      // The copy, then the mark behind it.
      fake.advance(stream, by: 2)
      #expect(try upload(3) == first)
      #expect(memory.firstWord(on: stream) == 3)
      #expect(fake.count("cuMemHostAlloc") == 2)
    }
  }

  @Test func whenNothingCanBePinnedTheCacheGoesFirst() throws {
    try FakeDriver.with { fake, gpu in
      let cache = PinnedCache(of: gpu)
      do { _ = try cache.allocate(1 << 20) }
      fake.fail("cuMemHostAlloc", DriverStatus.outOfMemory.code)
      let memory = try cache.allocate(4096)
      #expect(fake.pinnedByteCount == 4096)
      fake.fail("cuMemHostAlloc", 1)
      #expect(throws: TensorError.self) { try cache.allocate(1 << 20) }
      withExtendedLifetime(memory) {}
    }
  }
}

extension GPUMemory {
  /// Its first eight bytes, once the stream has come so far.
  fileprivate func firstWord(on stream: GPUStream) -> Int {
    var word = 0
    try? stream.copy(address, to: &word, 8)
    return word
  }
}
