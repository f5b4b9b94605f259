@testable import Flambeau

/// A library beside the emulated driver (Tests/Emulation/library.h): what it counts and notes, and what tests tell it.
protocol FakeLibrary: Sendable {
  var file: NVIDIALibrary { get }
}

extension FakeLibrary {
  var liveObjectCount: Int { count("live_objects") }

  var misuses: [String] {
    let misuse: @convention(c) (Int) -> UnsafePointer<CChar> = function("misuse")
    return (0..<count("misuse_count")).map { String(cString: misuse($0)) }
  }

  /// What it is asked to queue next fails.
  func fail(_ status: Int32) { tell("fail", status) }

  /// What it queues goes to the streams of `driver`.
  func connect(to driver: FakeDriver) throws {
    let enqueue: UInt = try driver.library.function("fake_enqueue")
    let connect: @convention(c) (UInt) -> Void = function("connect")
    connect(enqueue)
  }

  func count(_ name: String) -> Int {
    let count: @convention(c) () -> Int = function(name)
    return count()
  }

  func tell(_ name: String, _ number: Int32) {
    let tell: @convention(c) (Int32) -> Void = function(name)
    tell(number)
  }

  func answer(_ name: String, _ number: Int32) -> Int {
    let answer: @convention(c) (Int32) -> Int = function(name)
    return answer(number)
  }

  private func function<Function>(_ name: String) -> Function { try! file.function("fake_" + name) }
}
