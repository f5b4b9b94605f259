import CKernels

/// A loop that uses up one thing a machine has and does nothing else, with as many threads as operations use: it slows down with
/// the machine, and with nothing in this library.
package struct ReferenceLoop: Sendable {
  package enum Work: Sendable, Hashable {
    /// Bytes read, and bytes written; what is written is a copy.
    case memory(read: Int, written: Int)
    /// float32 multiplications and additions.
    case arithmetic(operations: Double)
    /// Small objects made and released.
    case objects(Int)
  }

  private let work: Work
  private let from: Storage
  private let to: Storage

  package init(_ work: Work) throws(TensorError) {
    self.work = work
    switch work {
    case .memory(let read, let written):
      from = try Storage(byteCount: Swift.max(read, written))
      to = try Storage(byteCount: written)
      from.pointer.initializeMemory(as: UInt8.self, repeating: 1, count: from.byteCount)
    case .arithmetic, .objects: (from, to) = (.none, .none)
    }
    run()
  }

  package func run() {
    switch work {
    case .memory(let read, let written): move(read, written)
    case .arithmetic: compute()
    case .objects(let count): Cells.make(count)
    }
  }

  /// Seconds of the fastest of so many runs.
  package func fastest(of count: Int) -> Double {
    let clock = ContinuousClock()
    return (0..<count).map { _ in clock.measure(run).seconds }.min()!
  }

  // MARK: Memory

  private static let pieceByteCount = 128 << 10
  /// Copies of more go past the caches.
  private static let largestCached = 8 << 20

  private func move(_ read: Int, _ written: Int) {
    // Each piece writes its own part of the target.
    nonisolated(unsafe) let (source, target) = (from.pointer, to.pointer)
    let stream = written > ReferenceLoop.largestCached
    forEachPiece(from.byteCount) { start, end in
      let copied = Swift.min(end, written) - start
      if copied > 0 {
        if stream {
          Kernels.streamCopy(target + start, source + start, copied)
        } else {
          (target + start).copyMemory(from: source + start, byteCount: copied)
        }
      }
      let rest = Swift.max(start, written)
      if rest < end { _ = fb_table_read_limit(Kernels.table)(source + rest, end - rest) }
    }
  }

  private func forEachPiece(_ byteCount: Int, _ body: (Int, Int) -> Void) {
    let size = ReferenceLoop.pieceByteCount
    ThreadPool.run((byteCount + size - 1) / size) { piece in
      body(piece * size, Swift.min((piece + 1) * size, byteCount))
    }
  }

  // MARK: Arithmetic

  private static let roundsAtATime = 20_000

  private var rounds: Int {
    guard case .arithmetic(let operations) = work else { return 0 }
    return Swift.max(Int(operations / Double(Kernels.table.pointee.operations_a_round)), 1)
  }

  /// What a run computes: whole rounds.
  package var operations: Double { Double(rounds) * Double(Kernels.table.pointee.operations_a_round) }

  private func compute() {
    let (rounds, size) = (rounds, ReferenceLoop.roundsAtATime)
    ThreadPool.run((rounds + size - 1) / size) { piece in
      _ = fb_table_arithmetic_limit(Kernels.table)(Swift.min(size, rounds - piece * size))
    }
  }
}

/// Objects such as a call makes: as large as a tensor's body, holding one another, made where a task-local value is looked at. What
/// allocators, reference counts and task-locals cost differs from processor to processor, so the loop needs all three.
private enum Cells {
  private final class Cell {
    let before: Cell?
    /// As a body's layout, and what else it holds.
    let words: (Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int)

    init(before: Cell?, _ word: Int) {
      self.before = before
      words = (word, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, word)
    }
  }

  /// Eight live at a time, so that none is on the stack; every second one holds the one before it.
  static func make(_ count: Int) {
    var cells: [Cell?] = Array(repeating: nil, count: 8)
    for i in 0..<count {
      let holds = i & 1 == 1 && Context.current.gradEnabled
      cells[i & 7] = Cell(before: holds ? cells[(i - 1) & 7] : nil, i)
    }
    withExtendedLifetime(cells) {}
  }
}
