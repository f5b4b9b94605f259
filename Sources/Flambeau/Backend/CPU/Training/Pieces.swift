/// The elements of several dense arrays cut into pieces, so that the pool's threads share one pass over all of them.
///
/// Large arrays are cut, small ones are done together; where the cuts lie depends on the counts alone.
struct Pieces {
  static let length = 1 << 14

  struct Piece {
    let array: Int
    let start: Int
    let count: Int
  }

  private(set) var pieces: [Piece] = []
  /// Where in `pieces` the work of each task begins, and the end.
  private var tasks: [Int] = [0]

  init(counts: some Sequence<Int>) {
    var filled = 0
    for (array, count) in counts.enumerated() {
      var start = 0
      while start < count {
        let piece = Piece(array: array, start: start, count: Swift.min(count - start, Pieces.length))
        if filled > 0 && filled + piece.count > Pieces.length {
          tasks.append(pieces.count)
          filled = 0
        }
        pieces.append(piece)
        filled += piece.count
        start += piece.count
      }
    }
    if !pieces.isEmpty { tasks.append(pieces.count) }
  }

  /// Calls `body` with each piece and its number, on any thread.
  func run(_ body: (Int, Piece) -> Void) {
    pieces.withUnsafeBufferPointer { pieces in
      tasks.withUnsafeBufferPointer { tasks in
        ThreadPool.run(tasks.count - 1) { task in
          for i in tasks[task]..<tasks[task + 1] { body(i, pieces[i]) }
        }
      }
    }
  }
}
