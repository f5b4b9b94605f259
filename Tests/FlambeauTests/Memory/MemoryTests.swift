import Testing

@testable import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

private let sizes = [
  0, 1, 64, 65, 1000, 1024, 1025, 5000, 32 << 10, (32 << 10) + 1, 100_000, 1 << 20, (2 << 20) - 1, 2 << 20, 5_000_001,
]

/// A block whose bytes say whose it is.
private struct Block: @unchecked Sendable {
  let pointer: UnsafeMutableRawPointer
  let byteCount: Int

  init(_ byteCount: Int) throws {
    pointer = try Memory.allocate(byteCount)
    self.byteCount = byteCount
  }

  func write(_ mark: UInt8) { pointer.initializeMemory(as: UInt8.self, repeating: mark, count: byteCount) }
  /// Every byte is `mark`: the first one is, and each equals its neighbour.
  func holds(_ mark: UInt8) -> Bool {
    byteCount == 0
      || pointer.load(as: UInt8.self) == mark && memcmp(pointer, pointer + 1, byteCount - 1) == 0
  }
  func free() { Memory.free(pointer, byteCount) }
}

@Suite struct MemoryTests {
  @Test func blocksAreAlignedAndDistinct() throws {
    var blocks: [Block] = []
    for (i, size) in (sizes + sizes + sizes).enumerated() {
      let block = try Block(size)
      block.write(UInt8(i))
      blocks.append(block)
      #expect(UInt(bitPattern: block.pointer) % (size >= Pages.hugeByteCount ? 2 << 20 : 64) == 0)
    }
    for (i, block) in blocks.enumerated() { #expect(block.holds(UInt8(i)), "\(block.byteCount) bytes") }
    for block in blocks { block.free() }
  }

  @Test func manyBlocksOfEverySmallSize() throws {
    for size in stride(from: 1, through: SmallBlocks.largest, by: 977) {
      let blocks = try (0..<150).map { _ in try Block(size) }
      for (i, block) in blocks.enumerated() { block.write(UInt8(i)) }
      #expect(blocks.enumerated().allSatisfy { $1.holds(UInt8($0)) }, "\(size) bytes")
      for block in blocks { block.free() }
    }
  }

  @Test func refusesWhatNoMachineHas() {
    #expect(throws: TensorError.self) { try Memory.allocate(1 << 45) }
    #expect(throws: TensorError.self) { try Memory.allocate(Int.max) }
    #expect(throws: TensorError.self) { try Memory.allocate(-1) }
  }

  @Test func blocksTravelBetweenThreads() async throws {
    await withTaskGroup(of: Bool.self) { group in
      for task in 0..<8 {
        group.addTask {
          for round in 0..<100 {
            let mark = UInt8(truncatingIfNeeded: task &* 31 &+ round)
            guard let blocks = try? (0..<10).map({ try Block(($0 * 7919 + round * 613) % 70_000) }) else { return false }
            for block in blocks { block.write(mark) }
            await Task.yield()  // often resumes on another thread
            for block in blocks {
              guard block.holds(mark) else { return false }
              block.free()
            }
            if round % 50 == 0 { Memory.emptyCache() }
          }
          return true
        }
      }
      for await fine in group { #expect(fine) }
    }
  }
}

#if FLAMBEAU_EXACT_MEMORY
  private let caches = false
#else
  private let caches = true
#endif

/// Each in a process of its own, where nothing else allocates.
@Suite(.enabled(if: caches, "nothing is kept where a sanitizer is to see each block")) struct MemoryFigureTests {
  @Test func figuresAreExact() async {
    await #expect(processExitsWith: .success) {
      var expected = 0
      var blocks: [Block] = []
      for size in sizes {
        blocks.append(try Block(size))
        expected += size
        #expect(Memory.allocated == expected)
        #expect(Memory.peak == expected)
        #expect(Memory.reserved >= expected)
      }
      let most = expected
      for block in blocks {
        block.free()
        expected -= block.byteCount
        #expect(Memory.allocated == expected)
        #expect(Memory.peak == most)
      }
      #expect(Memory.allocated == 0)
      Memory.resetPeak()
      #expect(Memory.peak == 0)
      #expect(Memory.reserved > 0)
      Memory.emptyCache()
      #expect(Memory.reserved == 0)
    }
  }

  @Test func usedAgainWithoutAskingTheSystem() async {
    await #expect(processExitsWith: .success) {
      for size in sizes { try Block(size).free() }
      let reserved = Memory.reserved
      for size in sizes { try Block(size).free() }
      #expect(Memory.reserved == reserved)

      let large = try Block(10_000_000)
      large.free()
      let fits = try Block(9_000_000)
      #expect(fits.pointer == large.pointer)
      fits.free()
      let again = try Block(10_000_000)
      #expect(again.pointer == large.pointer)
      let other = try Block(7_000_000)
      #expect(other.pointer != large.pointer)
    }
  }

  /// Where the system can move pages.
  @Test(.enabled(if: Pages.canMove, "this system moves no pages")) func aNewSizeIsMadeOfWhatIsNotUsed() async {
    await #expect(processExitsWith: .success) {
      let old = try (0..<12).map { _ in try Block(17_000_001) }
      for block in old {
        memset(block.pointer, 7, block.byteCount)
        block.free()
      }
      // So that the old ones have lain for a while.
      for _ in 0..<4 { try Block(100_000).free() }
      let reserved = Memory.reserved
      var new: [Block] = []
      for size in [50_000_001, 4_200_000, 60_000_000, 9_000_000] {
        let block = try Block(size)
        #expect(Memory.reserved <= reserved + (1 << 20), "\(size)")
        memset(block.pointer, Int32(new.count + 1), size)
        new.append(block)
      }
      for (i, block) in new.enumerated() {
        let bytes = UnsafeRawBufferPointer(start: block.pointer, count: block.byteCount)
        #expect(bytes.allSatisfy { $0 == i + 1 })
        block.free()
      }
      // Blocks made of pieces become pieces of others.
      let last = try Block(90_000_000)
      memset(last.pointer, 3, last.byteCount)
      #expect(Memory.reserved <= reserved + (1 << 20))
      last.free()
      Memory.emptyCache()
      #expect(Memory.reserved < 1 << 20)
    }
  }

  @Test func roundingIsBounded() async {
    await #expect(processExitsWith: .success) {
      for size in [33_000, 70_001, 1_000_001, 2_097_153, 33_554_433, 100_000_000] {
        let block = try Block(size)
        #expect(Double(Memory.reserved) <= 1.125 * Double(size) + 4096)
        block.free()
        Memory.emptyCache()
      }
    }
  }

  @Test func theCacheIsBounded() async {
    await #expect(processExitsWith: .success) {
      Memory.cacheLimit = 20 << 20
      let blocks = try (0..<16).map { _ in try Block(4 << 20) }
      for block in blocks { block.free() }
      #expect(Memory.reserved == 20 << 20)
      let recent = try Block(8 << 20)
      recent.free()
      #expect(Memory.reserved == 20 << 20)  // the blocks unused longest have gone
      #expect(try Block(8 << 20).pointer == recent.pointer)
      Memory.cacheLimit = 0
      #expect(Memory.reserved == 8 << 20)
    }
  }

  @Test func theLimitEmptiesTheCacheThenRefuses() async {
    await #expect(processExitsWith: .success) {
      let kept = try Block(8 << 20)
      try Block(16 << 20).free()
      Memory.limit = 26 << 20
      #expect(Memory.reserved == 24 << 20)
      let next = try Block(6 << 20)
      #expect(Memory.reserved == 14 << 20)  // the cached 16 MiB had to go
      next.free()
      let error = #expect(throws: TensorError.self) { try Memory.allocate(20 << 20) }
      #expect(error?.kind == .memory)
      #expect(
        error?.message == "out of memory: 20971520 bytes (20.0 MiB) asked, with 8388608 bytes (8.0 MiB) live, 0 bytes cached "
          + "and a limit of 27262976 bytes (26.0 MiB)")
      #expect(Memory.allocated == 8 << 20)
      #expect(Memory.peak == 24 << 20)
      let exact = try Block(18 << 20)
      #expect(throws: TensorError.self) { try Memory.allocate(1) }
      exact.free()
      Memory.limit = nil
      try Block(20 << 20).free()
      kept.free()
      #expect(Memory.allocated == 0)
    }
  }

  @Test func refusesNegativeLimits() async {
    await #expect(processExitsWith: .success) {
      #expect(throws: TensorError.self) { try withTensorErrors { Memory.limit = -1 } }
      #expect(throws: TensorError.self) { try withTensorErrors { Memory.cacheLimit = -1 } }
      #expect(Memory.limit == nil)
    }
  }

  @Test func theSystemsRefusalIsTheSameError() async {
    await #expect(processExitsWith: .success) {
      let kept = try Block(1 << 20)
      let error = #expect(throws: TensorError.self) { try Memory.allocate(1 << 45) }
      #expect(error?.kind == .memory)
      #expect(error?.message.contains("with 1048576 bytes (1.0 MiB) live, 0 bytes cached and no limit") == true)
      #expect(Memory.allocated == 1 << 20)
      #expect(Memory.peak == 1 << 20)
      kept.free()
    }
  }

  /// Blocks made here, freed by other threads that then end: everything comes back.
  @Test func freesFromThreadsThatEnd() async {
    await #expect(processExitsWith: .success) {
      for _ in 0..<5 {
        let blocks = try (0..<2000).map { try Block($0 * 40) }
        onThread { for block in blocks { block.free() } }
      }
      #expect(Memory.allocated == 0)
      Memory.emptyCache()
      #expect(Memory.reserved == 0)
    }
  }

  @Test func figuresSurviveManyTasks() async {
    await #expect(processExitsWith: .success) {
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<16 {
          group.addTask {
            for round in 0..<500 {
              guard let a = try? Block(round * 20), let b = try? Block(round * 200) else { return }
              a.free()
              b.free()
            }
          }
        }
      }
      #expect(Memory.allocated == 0)
      #expect(Memory.peak >= 499 * 220 && Memory.peak <= 16 * 499 * 220)
    }
  }
}
