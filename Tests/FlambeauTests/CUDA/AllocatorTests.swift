import Foundation
import TestSupport
import Testing

@testable import Flambeau

private let mega = 1 << 20

/// The caching allocator on an emulated GPU: torch's rules, one by one.
@Suite(.enabled(if: FakeDriver.isPossible, "no clang++")) struct AllocatorTests {
  /// Runs `body` with an allocator and a stream of a GPU.
  private func with(
    byteCount: Int = 1 << 30, _ body: (FakeDriver, GPUAllocator, GPUStreams) throws -> Void
  ) throws {
    try FakeDriver.with(byteCount: byteCount) { fake, gpu in try body(fake, GPUAllocator(of: gpu), GPUStreams(of: gpu)) }
  }

  @Test(arguments: [
    (1, 512, 2), (512, 512, 2), (513, 1024, 2), (mega, mega, 2), (mega + 1, mega + 512, 20), (9 * mega, 9 * mega, 20),
    (10 * mega - 512, 10 * mega - 512, 20), (10 * mega, 10 * mega, 10), (10 * mega + 1, 10 * mega + 512, 12),
    // What is left of the segment is not worth a block.
    (11 * mega, 12 * mega, 12), (64 * mega + 3, 64 * mega + 512, 66),
  ])
  func sizesAreRounded(asked: Int, allocated: Int, segment: Int) throws {
    try with { fake, allocator, streams in
      let memory = try allocator.allocate(asked, on: streams.standard)
      #expect(memory.address % 512 == 0 && memory.byteCount == asked)
      let figures = allocator.figures
      #expect(figures.requested.now == asked && figures.allocated.now == allocated && figures.reserved.now == segment * mega)
      #expect(fake.deviceByteCount == segment * mega)
    }
  }

  @Test func nothingIsAskedForNothing() throws {
    try with { fake, allocator, streams in
      let nothing = try allocator.allocate(0, on: streams.standard)
      #expect(nothing.address == 0)
      #expect(allocator.figures == GPUMemoryFigures() && fake.count("cuMemAlloc") == 0)
    }
  }

  @Test func theSmallestBlockThatFitsIsSplitAndJoinedAgain() throws {
    try with { fake, allocator, streams in
      let stream = streams.standard
      var blocks = try [3, 4, 2, 4].map { try allocator.allocate($0 * mega, on: stream, for: "block") as GPUMemory? }
      let addresses = blocks.map { $0!.address }
      #expect(zip(addresses, [0, 3, 7, 9]).allSatisfy { $0 == addresses[0] + UInt64($1 * mega) })
      blocks[0] = nil
      blocks[2] = nil
      // 3 and 2 MiB are free, and 7 at the end.
      #expect(try allocator.allocate(2 * mega - 512, on: stream).address == addresses[2])
      #expect(try allocator.allocate(3 * mega, on: stream).address == addresses[0])
      let half = try allocator.allocate(3 * mega / 2, on: stream)
      #expect(half.address == addresses[2])
      blocks[1] = nil
      // 7 MiB from the beginning are one block now, as are those at the end.
      #expect(allocator.pieces.map(\.byteCount) == [7 * mega, 2 * mega, 4 * mega, 7 * mega])
      #expect(allocator.pieces.map(\.state) == [.free, .live, .live, .free])
      withExtendedLifetime(half) {}
      blocks.removeAll()
      #expect(fake.count("cuMemAlloc") == 1)
    }
  }

  @Test func blocksOfAStreamAreNotAnothers() throws {
    try with { fake, allocator, streams in
      let (first, second) = (try streams.next(), try streams.next())
      let address = try allocator.allocate(4096, on: first).address
      #expect(try allocator.allocate(4096, on: second).address != address)
      #expect(try allocator.allocate(4096, on: first).address == address)
      #expect(fake.count("cuMemAlloc") == 2)
    }
  }

  @Test func whatAnotherStreamUsesIsWaitedFor() throws {
    try with { fake, allocator, streams in
      let (own, other) = (try streams.next(), try streams.next())
      var memory: GPUMemory? = try allocator.allocate(4096, on: own)
      let address = memory!.address
      try other.fill(address, with: 1, 4096)
      memory!.record(on: other)
      memory!.record(on: own)
      memory = nil
      #expect(allocator.figures.allocated.now == 0 && allocator.figures.waiting.now == 4096)
      let fresh = try allocator.allocate(4096, on: own)
      #expect(fresh.address != address)
      // The fill, then the mark behind it.
      fake.advance(other)
      #expect(try allocator.allocate(4096, on: own).address != address)
      fake.advance(other)
      #expect(try allocator.allocate(4096, on: own).address == address)
      #expect(allocator.figures.waiting.now == 0)
    }
  }

  @Test(arguments: [true, false]) func withoutARecordMemoryIsOverwritten(isRecorded: Bool) throws {
    try with { _, allocator, streams in
      let (own, other) = (try streams.next(), try streams.next())
      func useOnOther() throws {
        let memory = try allocator.allocate(512, on: own)
        try other.fill(memory.address, with: 1, 512)
        if isRecorded { memory.record(on: other) }
      }
      try useOnOther()
      let next = try allocator.allocate(512, on: own)
      try own.fill(next.address, with: 2, 512)
      try own.synchronize()
      try other.synchronize()
      var bytes = [UInt8](repeating: 0, count: 512)
      try own.copy(next.address, to: &bytes, 512)
      #expect(bytes[0] == (isRecorded ? 2 : 1))
    }
  }

  @Test func theCacheGoesBeforeMemoryRunsOut() throws {
    try with(byteCount: 64 * mega) { fake, allocator, streams in
      do { _ = try allocator.allocate(40 * mega, on: streams.standard) }
      #expect(allocator.figures.cached == 40 * mega)
      let memory = try allocator.allocate(50 * mega, on: streams.standard)
      #expect(allocator.figures.retryCount == 1 && allocator.figures.reserved.now == 50 * mega)
      #expect(fake.count("cuMemFree") == 1)
      withExtendedLifetime(memory) {}
    }
  }

  @Test func whatRunsOutSaysWhoHoldsIt() throws {
    try with(byteCount: 64 * mega) { _, allocator, streams in
      let stream = streams.standard
      let weights = try allocator.allocate(30 * mega, on: stream, for: "linear")
      var activations: GPUMemory? = try allocator.allocate(3 * mega, on: stream, for: "gelu")
      let error = #expect(throws: TensorError.self) { try allocator.allocate(40 * mega, on: stream, for: "matmul") }
      #expect(error?.kind == .memory)
      #expect(
        error?.message
          == "cuda:0 is out of memory: 40.00 MiB asked of 64.00 MiB and 14.00 MiB free, with 33.00 MiB in live tensors, "
          + "0 bytes waiting for other streams and 17.00 MiB cached; the largest live: 30.00 MiB of linear, 3.00 MiB of gelu")
      #expect(allocator.figures.failureCount == 1)
      #expect(throws: TensorError.self) { try allocator.allocate(Int.max, on: stream) }
      // The program goes on.
      activations = nil
      _ = try allocator.allocate(30 * mega, on: stream)
      withExtendedLifetime((weights, activations)) {}
    }
  }

  @Test func aFractionLimitsSegments() throws {
    try with(byteCount: 100 * mega) { _, allocator, streams in
      allocator.fraction = 0.5
      let first = try allocator.allocate(30 * mega, on: streams.standard)
      let error = #expect(throws: TensorError.self) { try allocator.allocate(22 * mega, on: streams.standard) }
      #expect(error?.message.contains("of 100.00 MiB (50 % of it may be used)") == true)
      _ = try allocator.allocate(20 * mega, on: streams.standard)
      allocator.fraction = 1
      _ = try allocator.allocate(60 * mega, on: streams.standard)
      withExtendedLifetime(first) {}
    }
  }

  @Test func peaksAreSinceTheLastReset() throws {
    try with { _, allocator, streams in
      do { _ = try allocator.allocate(5 * mega, on: streams.standard) }
      #expect(allocator.figures.allocated.peak == 5 * mega && allocator.figures.reserved.peak == 20 * mega)
      allocator.resetPeaks()
      #expect(allocator.figures.allocated.peak == 0 && allocator.figures.reserved.peak == 20 * mega)
      try allocator.emptyCache()
      allocator.resetPeaks()
      #expect(allocator.figures.reserved.peak == 0)
    }
  }

  @Test func emptyingKeepsSegmentsInUse() throws {
    try with { fake, allocator, streams in
      let (stream, other) = (streams.standard, try streams.next())
      let small = try allocator.allocate(512, on: stream)
      do {
        let large = try allocator.allocate(30 * mega, on: stream)
        try other.fill(large.address, with: 1, large.byteCount)
        large.record(on: other)
      }
      // Waits for the other stream.
      try allocator.emptyCache()
      #expect(try other.isIdle())
      #expect(fake.deviceByteCount == 2 * mega && allocator.pieces.map(\.byteCount) == [512, 2 * mega - 512])
      withExtendedLifetime(small) {}
    }
  }

  @Test func aSummaryIsATable() throws {
    try with { _, allocator, streams in
      let memory = try allocator.allocate(3 * mega + 1, on: streams.standard, for: "matmul")
      let lines = allocator.summary.split(separator: "\n").map(String.init)
      #expect(lines[0] == "cuda:0  Emulated GPU, 1.00 GiB")
      #expect(lines.contains("in live tensors         3.00 MiB      3.00 MiB"))
      #expect(lines.contains("reserved               20.00 MiB     20.00 MiB"))
      #expect(lines.contains("largest live            3.00 MiB        matmul"))
      withExtendedLifetime(memory) {}
    }
  }

  @Test func manyThreadsGetMemoryOfTheirOwn() throws {
    try with(byteCount: 512 * mega) { _, allocator, streams in
      let threads = 8
      let own = try (0..<threads).map { _ in try streams.next() }
      let failures = Lock(), count = UnsafeMutablePointer<Int>.allocate(capacity: 1)
      count.initialize(to: 0)
      defer { count.deallocate() }
      nonisolated(unsafe) let counter = count
      onThreads(threads) { t in
        var random = Repeatable(UInt64(t))
        // Streams are shared by two threads each.
        let stream = own[t / 2]
        var held: [(memory: GPUMemory, mark: UInt64)] = []
        for turn in 0..<400 {
          if held.count > 12 || (Bool.random(using: &random) && !held.isEmpty) {
            let (memory, mark) = held.remove(at: Int.random(in: 0..<held.count, using: &random))
            let words = UnsafePointer<UInt64>(bitPattern: UInt(memory.address))!
            if words[0] != mark || words[memory.byteCount / 8 - 1] != mark { failures.withLock { counter.pointee += 1 } }
            if turn % 3 == 0 { memory.record(on: own[(t / 2 + 1) % threads]) }
          } else if let memory = try? allocator.allocate(
            8 * Int.random(in: 1...(turn % 10 == 0 ? 400_000 : 4000), using: &random), on: stream)
          {
            let mark = UInt64(t) << 32 | UInt64(turn)
            let words = UnsafeMutablePointer<UInt64>(bitPattern: UInt(memory.address))!
            words[0] = mark
            words[memory.byteCount / 8 - 1] = mark
            held.append((memory, mark))
          }
          if turn % 100 == 99 { try? allocator.emptyCache() }
        }
      }
      #expect(count.pointee == 0)
      let figures = allocator.figures
      #expect(figures.allocated.now == 0 && figures.requested.now == 0)
      #expect(figures.requestCount > 1000 && figures.failureCount == 0)
    }
  }
}
