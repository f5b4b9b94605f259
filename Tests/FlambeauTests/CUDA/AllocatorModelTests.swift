import Foundation
import Testing

@testable import Flambeau

/// Random requests, beside a model that only knows who holds which range.
@Suite(.enabled(if: FakeDriver.isPossible, "no clang++")) struct AllocatorModelTests {
  @Test(arguments: 0..<12) func randomProgramsGetWhatTheyMay(seed: Int) throws {
    try FakeDriver.with(byteCount: 192 << 20) { fake, gpu in
      let streams = GPUStreams(of: gpu)
      var model = try AllocatorModel(
        fake, GPUAllocator(of: gpu), [streams.standard] + (0..<2).map { _ in try streams.next() }, seed: UInt64(seed))
      for _ in 0..<1500 { try model.step() }
      try model.finish()
    }
  }
}

private struct AllocatorModel {
  private struct Held {
    var memory: GPUMemory?
    let start: UInt64
    let byteCount: Int
    let stream: Int
    /// Streams that use it beside its own, and what was queued on them when it was given back.
    var users: [Int: Int] = [:]

    var end: UInt64 { start + UInt64(byteCount) }
  }

  private let fake: FakeDriver
  private let allocator: GPUAllocator
  private let streams: [GPUStream]
  private var random: Repeatable
  private var live: [Held] = []
  private var waiting: [Held] = []
  /// For each stream, how often it was waited for.
  private var rounds: [Int]
  private var failures = 0

  init(_ fake: FakeDriver, _ allocator: GPUAllocator, _ streams: [GPUStream], seed: UInt64) throws {
    (self.fake, self.allocator, self.streams) = (fake, allocator, streams)
    random = Repeatable(seed)
    rounds = streams.map { _ in 0 }
  }

  mutating func step() throws {
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<48: try allocate()
    case 48..<86: try free()
    case 86..<93: try use()
    case 93..<97: try synchronize(Int.random(in: streams.indices, using: &random))
    case 97..<98:
      try allocator.emptyCache()
      waitedForAll()
    default:
      allocator.resetPeaks()
      #expect(allocator.figures.allocated.peak == allocator.figures.allocated.now)
    }
    check()
  }

  private mutating func allocate() throws {
    // As many small as large ones.
    let byteCount = Int(exp2(Double.random(in: 0..<25.5, using: &random)))
    let stream = Int.random(in: streams.indices, using: &random)
    let (before, pieces) = (allocator.figures, allocator.pieces)
    let memory: GPUMemory
    do {
      memory = try allocator.allocate(byteCount, on: streams[stream], for: "request")
    } catch {
      #expect(error.kind == .memory)
      failures += 1
      waitedForAll()
      // There was indeed no room, and nothing left to give back.
      let segment = GPUSizes.segment(GPUSizes.block(byteCount))
      #expect(allocator.figures.reserved.now + segment > allocator.gpu.properties.byteCount)
      return
    }
    let after = allocator.figures
    if after.retryCount > before.retryCount { waitedForAll() }
    // Memory of a waiting block comes only when its users have come so far.
    let held = Held(memory: memory, start: memory.address, byteCount: byteCount, stream: stream)
    for other in live + waiting { #expect(held.end <= other.start || other.end <= held.start, "\(held) overlaps \(other)") }
    live.append(held)
    #expect(memory.address % 512 == 0 && after.requested.now == before.requested.now + byteCount)
    let size = GPUSizes.block(byteCount)
    let rest = after.allocated.now - before.allocated.now - size
    #expect(rest >= 0 && !GPUSizes.isWorthSplitting(rest, isSmall: GPUSizes.isSmall(size)))
    if before.waiting.now > 0 || after.retryCount > before.retryCount { return }
    let fitting = pieces.filter { piece in
      piece.state == .free && piece.stream == streams[stream].handle && piece.byteCount >= size
        && isSmallSegment(of: piece) == GPUSizes.isSmall(size)
    }
    // The smallest block that fits, or a new segment where none does.
    if let best = fitting.min(by: { ($0.byteCount, $0.address) < ($1.byteCount, $1.address) }) {
      #expect(memory.address == best.address && after.reserved.now == before.reserved.now)
    } else {
      #expect(after.reserved.now == before.reserved.now + GPUSizes.segment(size))
    }
  }

  private var small: [Range<UInt64>] { segments.filter { $0.count == 2 << 20 } }

  private func isSmallSegment(of piece: GPUAllocator.Piece) -> Bool { small.contains { $0.contains(piece.address) } }

  /// What the driver has given and not been given back, by its own notes.
  private var segments: [Range<UInt64>] { fake.blocks }

  private mutating func free() throws {
    if live.isEmpty { return }
    var held = live.remove(at: Int.random(in: live.indices, using: &random))
    for user in held.users.keys { held.users[user] = rounds[user] }
    held.memory = nil
    if !held.users.isEmpty { waiting.append(held) }
  }

  private mutating func use() throws {
    if live.isEmpty { return }
    let i = Int.random(in: live.indices, using: &random)
    for user in streams.indices where Bool.random(using: &random) {
      live[i].memory!.record(on: streams[user])
      try streams[user].fill(live[i].start, with: 1, live[i].byteCount)
      if user != live[i].stream { live[i].users[user] = 0 }
    }
  }

  private mutating func synchronize(_ stream: Int) throws {
    try streams[stream].synchronize()
    rounds[stream] += 1
    forget()
  }

  private mutating func waitedForAll() {
    for i in waiting.indices { waiting[i].users = [:] }
    forget()
  }

  /// Those whose users have all come so far.
  private mutating func forget() {
    waiting.removeAll { held in held.users.allSatisfy { rounds[$0.key] > $0.value } }
  }

  private func check() {
    let (figures, pieces) = (allocator.figures, allocator.pieces)
    #expect(figures.reserved.now == fake.deviceByteCount)
    func bytes(_ state: GPUBlock.State) -> Int { pieces.reduce(0) { $0 + ($1.state == state ? $1.byteCount : 0) } }
    #expect(bytes(.live) == figures.allocated.now && bytes(.waiting) == figures.waiting.now && bytes(.free) == figures.cached)
    #expect(figures.requested.now == live.reduce(0) { $0 + $1.byteCount })
    #expect(figures.allocated.peak >= figures.allocated.now && figures.failureCount == failures)
    #expect(Set(pieces.filter { $0.state == .live }.map(\.address)) == Set(live.map(\.start)))
    for held in waiting {
      #expect(pieces.contains { $0.address == held.start && $0.state == .waiting }, "not all users of \(held) have come so far")
    }
    for (a, b) in zip(pieces, pieces.dropFirst()) where a.address + UInt64(a.byteCount) == b.address && a.stream == b.stream {
      // Of one segment, or of two that happen to touch.
      #expect(a.state != .free || b.state != .free || segments.contains { $0.lowerBound == b.address })
    }
  }

  mutating func finish() throws {
    while !live.isEmpty { try free() }
    try allocator.emptyCache()
    #expect(allocator.pieces.isEmpty && fake.deviceByteCount == 0)
    var rest = allocator.figures
    rest.resetPeaks()
    #expect(rest.allocated.peak == 0 && rest.reserved.peak == 0 && rest.requested.peak == 0 && rest.waiting.peak == 0)
    #expect(rest.requestCount > 400)
  }
}
