import Flambeau

/// A place between two batches of a ``DataLoader``, from which another one of the same making goes on: part of a checkpoint.
///
/// It holds how to draw the epoch's order again, not the order.
public struct DataLoaderState: Codable, Sendable, Equatable {
  /// The epoch that has been begun and not ended.
  struct Epoch: Codable, Sendable, Equatable {
    /// The generator before the epoch's draws.
    var start: [UInt8]
    /// How many of its batches the loop has taken.
    var position: Int
    /// What its batches were, in one number.
    var fingerprint: UInt64
  }

  var epoch: Epoch?
  /// The loader's own generator; nil if it draws from the current one, whose state is the program's to keep.
  var generator: [UInt8]?
}

extension [[Int]] {
  /// FNV-1a (Fowler, Noll and Vo) of the numbers and of where the batches end; equal in every run.
  var fingerprint: UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    func add(_ number: Int) { hash = (hash ^ UInt64(bitPattern: Int64(number))) &* 0x100_0000_01B3 }
    for batch in self {
      add(batch.count)
      for index in batch { add(index) }
    }
    return hash
  }
}

/// Which epoch a loader began last, and what a loaded state makes it begin next.
final class LoaderPlace: Sendable {
  struct Drawn: Sendable {
    var baseSeed: Int64
    var batches: [[Int]]
    /// The generator before the draws.
    var start: [UInt8]
    var position = 0
  }

  private let lock = Lock()
  // Guarded by the lock.
  nonisolated(unsafe) private var current: (number: Int, drawn: Drawn)?
  nonisolated(unsafe) private var resumed: Drawn?
  nonisolated(unsafe) private var begun = 0

  /// The epoch begun last unless it has ended, or the one to go on with.
  var epoch: Drawn? { lock.withLock { resumed ?? current?.drawn } }

  /// What the next epoch goes on with, once.
  func takeResumed() -> Drawn? {
    lock.withLock {
      defer { resumed = nil }
      return resumed
    }
  }

  func resume(_ drawn: Drawn?) {
    lock.withLock {
      resumed = drawn
      current = nil
    }
  }

  /// The number of the epoch that begins.
  func begin(_ drawn: Drawn) -> Int {
    lock.withLock {
      begun += 1
      current = (begun, drawn)
      return begun
    }
  }

  /// Epoch `number` has taken `position` batches; all of them end it.
  func move(_ number: Int, to position: Int, isEnd: Bool) {
    lock.withLock {
      guard current?.number == number else { return }
      if isEnd { current = nil } else { current!.drawn.position = position }
    }
  }
}
