import Foundation
import Testing

@testable import Flambeau

/// A driver of emulated GPUs (Tests/Emulation/driver.cpp), with its own memory and its own notes. What it queues runs when it is waited for.
final class FakeDriver: Sendable {
  let driver: Driver
  let library: NVIDIALibrary
  private let configure: Configure
  private let calling: (count: Count, text: Text)
  private let misusing: (count: Count, text: Text)
  private let failing: @convention(c) (UnsafePointer<CChar>, Int32) -> Void
  private let advancing: @convention(c) (Driver.Handle, Int) -> Void
  private let block: @convention(c) (UInt64, UnsafeMutablePointer<Int>) -> UInt64
  private let counting: (device: Count, pinned: Count, objects: Count)

  private typealias Count = @convention(c) () -> Int
  private typealias Text = @convention(c) (Int) -> UnsafePointer<CChar>
  private typealias Configure = @convention(c) (Int32, Int, Int32, Int32) -> Void

  private static let emulated = EmulatedLibrary("driver.cpp", as: "libcuda.so.1")

  static var isPossible: Bool { EmulatedKernels.compiler != nil }

  /// - Parameters:
  ///   - byteCount: Each GPU's memory.
  ///   - isDeferred: What is queued waits until somebody waits for it; otherwise it runs at once.
  ///   - version: Such as 13000.
  init(gpus: Int = 1, byteCount: Int = 1 << 30, isDeferred: Bool = true, version: Int32 = 13000) throws {
    library = try FakeDriver.emulated.open()
    configure = try library.function("fake_configure")
    calling = (try library.function("fake_call_count"), try library.function("fake_call"))
    misusing = (try library.function("fake_misuse_count"), try library.function("fake_misuse"))
    failing = try library.function("fake_fail")
    advancing = try library.function("fake_advance")
    block = try library.function("fake_block")
    counting = (
      try library.function("fake_device_bytes"), try library.function("fake_pinned_bytes"),
      try library.function("fake_live_objects")
    )
    configure(Int32(gpus), byteCount, isDeferred ? 1 : 0, version)
    driver = try Driver(library)
  }

  var calls: [String] { (0..<calling.count()).map { String(cString: calling.text($0)) } }
  /// What a real driver would let pass or crash on.
  var misuses: [String] { (0..<misusing.count()).map { String(cString: misusing.text($0)) } }
  var deviceByteCount: Int { counting.device() }
  var pinnedByteCount: Int { counting.pinned() }
  /// What was allocated and not freed on the GPUs.
  var blocks: [Range<UInt64>] {
    var (blocks, byteCount): ([Range<UInt64>], Int) = ([], 0)
    while true {
      let start = block(blocks.last?.upperBound ?? 1, &byteCount)
      if start == 0 { return blocks }
      blocks.append(start..<start + UInt64(byteCount))
    }
  }
  /// Streams, events, modules and contexts that are there.
  var liveObjectCount: Int { counting.objects() }

  /// Calls of a function so far.
  func count(_ name: String) -> Int { calls.count { $0.hasPrefix(name + " ") } }

  /// The next call of a function fails.
  func fail(_ name: String, _ code: Int32) { failing(name, code) }

  /// A stream runs the next so many things in its queue.
  func advance(_ stream: GPUStream, by count: Int = 1) { advancing(stream.handle, count) }

  /// Runs `body` with the first GPU; afterwards nothing may be left, nor misused.
  static func with(
    byteCount: Int = 1 << 30, isDeferred: Bool = true, isSynchronous: Bool = false, _ body: (FakeDriver, GPU) throws -> Void
  ) throws {
    let fake = try FakeDriver(byteCount: byteCount, isDeferred: isDeferred)
    try body(fake, GPU(0, of: fake.driver, isSynchronous: isSynchronous))
    #expect(fake.misuses.isEmpty, "\(fake.misuses)")
    #expect(fake.liveObjectCount == 0 && fake.deviceByteCount == 0 && fake.pinnedByteCount == 0)
  }
}
