import CKernels

/// Sorting and selecting along a dimension, stable and with NaN last (descending: first).
enum Sort {
  /// The elements along `dim` in order, unless nobody wants them, and their positions before. All have one shape; nothing is
  /// empty.
  static func run(_ input: Elements, dim: Int, descending: Bool, values: Elements?, indices: Elements) throws(TensorError) {
    try KernelCall.task(
      on: input.device, SortTask(input, dim: dim, descending: descending, .all, values: values, indices: indices)
    ) {
      all(input, dim, descending, values, indices)
    }
  }

  private static func all(_ input: Elements, _ dim: Int, _ descending: Bool, _ values: Elements?, _ indices: Elements) {
    read(input, dim, values, indices) { rows, from, values, indices in
      rows.forEach { at, n in
        let row = from + at * rows.byteCount
        let (values, indices) = (values.map { $0 + at * rows.byteCount }, indices + at)
        // The bits of keys that are alike in the whole row need not be looked at; often there are many.
        let bits = n <= few ? rows.keyBits : rows.differingBits(row)
        let sorter = fb_sorter_for(Int32(bits), n).pointee
        Scratch.withBytes(2 * n * sorter.pair_bytes) { pairs in
          forPieces(n) { piece in
            sorter.pack(
              pairs + piece.lowerBound * sorter.pair_bytes, rows.dtype, row + piece.lowerBound * rows.byteCount,
              piece.lowerBound, piece.count, descending)
          }
          let sorted = sort(sorter, pairs, n, keyBits: bits)
          forPieces(n) { piece in
            sorter.unpack(
              indices + piece.lowerBound, values.map { $0 + piece.lowerBound * rows.byteCount },
              sorted + piece.lowerBound * sorter.pair_bytes, piece.count, row, Int32(rows.byteCount))
          }
        }
      }
    }
  }

  /// The first `k` along `dim`, in order if `sorted`. `values` and `indices` have size k there.
  static func top(
    _ input: Elements, dim: Int, k: Int, descending: Bool, sorted: Bool, values: Elements, indices: Elements
  ) throws(TensorError) {
    try KernelCall.task(
      on: input.device,
      SortTask(input, dim: dim, descending: descending, .first(k, sorted: sorted), values: values, indices: indices)
    ) { first(k, of: input, dim, descending, sorted, values, indices) }
  }

  private static func first(
    _ k: Int, of input: Elements, _ dim: Int, _ descending: Bool, _ sorted: Bool, _ values: Elements, _ indices: Elements
  ) {
    read(input, dim, values, indices) { rows, from, values, indices in
      let sorter = fb_sorter_for(Int32(rows.keyBits), rows.width).pointee
      rows.forEach { at, n in
        let row = from + at * rows.byteCount
        let place = at / n * k
        let room = (2 * k + 256) * sorter.pair_bytes
        // Pieces of a long row give up their own first k; each has more.
        let pieces = n >= longRow && k <= n / 64 ? 16 : 1
        let length = (n + pieces - 1) / pieces
        Scratch.withBytes(Swift.max(pieces * k, 2 * k) * sorter.pair_bytes) { winners in
          ThreadPool.run(pieces) { piece in
            Scratch.withBytes(room) { kept in
              let first = piece * length
              sorter.top(kept, k, rows.dtype, row + first * rows.byteCount, first, Swift.min(length, n - first), descending)
              (winners + piece * k * sorter.pair_bytes).copyMemory(from: kept, byteCount: k * sorter.pair_bytes)
            }
          }
          if pieces > 1 { sorter.select(winners, pieces * k, k - 1) }
          if sorted { sorter.merge_sort(winners, winners + k * sorter.pair_bytes, k) }
          sorter.unpack(indices + place, values! + place * rows.byteCount, winners, k, row, Int32(rows.byteCount))
        }
      }
    }
  }

  enum Rank: Hashable, Sendable {
    /// Counted from 0.
    case at(Int)
    /// The lower of two middle ones; of a row with NaN the first NaN.
    case middle
    /// The lower of two middle ones among those that are not NaN.
    case middleOfNumbers

    fileprivate func position(_ n: Int, _ nans: Int) -> Int {
      switch self {
      case .at(let k): k
      case .middle: nans > 0 ? n - nans : (n - 1) / 2
      case .middleOfNumbers: Swift.max(0, (n - nans - 1) / 2)
      }
    }
  }

  /// The element of a rank along `dim` (nil: of all), and its position. `values` and `indices` have size 1 there.
  static func select(_ input: Elements, dim: Int?, _ rank: Rank, values: Elements, indices: Elements?) throws(TensorError) {
    try KernelCall.task(
      on: input.device, SortTask(input, dim: dim, descending: false, .rank(rank), values: values, indices: indices)
    ) {
      one(input, dim, rank, values, indices)
    }
  }

  private static func one(_ input: Elements, _ dim: Int?, _ rank: Rank, _ values: Elements, _ indices: Elements?) {
    read(input, dim, values, indices) { rows, from, values, indices in
      let sorter = fb_sorter_for(Int32(rows.keyBits), rows.width).pointee
      rows.forEach { at, n in
        let row = from + at * rows.byteCount
        Scratch.withBytes(n * sorter.pair_bytes) { pairs in
          sorter.pack(pairs, rows.dtype, row, 0, n, false)
          let k = rank.position(n, sorter.count_nan(pairs, rows.dtype, n))
          sorter.select(pairs, n, k)
          sorter.unpack(
            indices + at / n, values! + at / n * rows.byteCount, pairs + k * sorter.pair_bytes, 1, row,
            Int32(rows.byteCount))
        }
      }
    }
  }

  // MARK: Rows

  private static let longRow = 1 << 17
  /// Rows up to here are merged, longer ones distributed by digits.
  private static let few = 256

  private struct Rows {
    let count: Int
    let width: Int
    let dtype: Int32
    let byteCount: Int

    var keyBits: Int { byteCount * 8 }

    /// Runs `body(where the row begins, its length)`, one row after the other where each is work for all threads.
    func forEach(_ body: (Int, Int) -> Void) {
      if width >= longRow {
        for r in 0..<count { body(r * width, width) }
      } else {
        DenseRows.parallel(count, width * 4) { for r in $0 { body(r * width, width) } }
      }
    }

    /// The number of low bits outside which a row's keys are alike.
    func differingBits(_ row: UnsafeRawPointer) -> Int {
      let pieces = pieceCount(width)
      return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: pieces) { found in
        let found = found.baseAddress!
        forPieces(width) { piece in
          // Each piece begins with the element the one before ends with, so that the pieces are compared too.
          let first = Swift.max(piece.lowerBound - 1, 0)
          found[piece.lowerBound / pieceLength(width)] = fb_differing_key_bits(
            dtype, row + first * byteCount, piece.upperBound - first)
        }
        var bits: UInt64 = 0
        for i in 0..<pieces { bits |= found[i] }
        return 64 - bits.leadingZeroBitCount
      }
    }
  }

  private static func read(
    _ input: Elements, _ dim: Int?, _ values: Elements?, _ indices: Elements?,
    _ body: (Rows, UnsafeMutableRawPointer, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int64>) -> Void
  ) {
    let (dtype, computeClass) = (input.dtype, input.dtype.computeClass)
    DenseRows.read(input, dim, as: dtype, in: computeClass) { from, count, width in
      let rows = Rows(count: count, width: width, dtype: Int32(dtype.rawValue), byteCount: dtype.byteCount)
      DenseRows.write(indices, dim, count, as: .int64, in: fb_i64) { indices in
        let indices = indices.assumingMemoryBound(to: Int64.self)
        guard let values else { return body(rows, from, nil, indices) }
        DenseRows.write(values, dim ?? 0, as: dtype, in: computeClass) { body(rows, from, $0, indices) }
      }
    }
  }

  // MARK: Order

  /// Sorts `n` pairs, at first in order of position; there is room for twice as many. Returns where they are then.
  private static func sort(
    _ sorter: fb_sorter, _ pairs: UnsafeMutableRawPointer, _ n: Int, keyBits: Int
  ) -> UnsafeMutableRawPointer {
    let spare = pairs + n * sorter.pair_bytes
    if n <= few {
      sorter.merge_sort(pairs, spare, n)
      return pairs
    }
    // From the lowest digit to the highest; each pass keeps the order of equal digits.
    let passes = (keyBits + (n < 8192 ? 7 : 10)) / (n < 8192 ? 8 : 11)
    if passes == 0 { return pairs }
    let bits = (keyBits + passes - 1) / passes
    let buckets = 1 << bits
    let pieces = pieceCount(n)
    var (from, to) = (pairs, spare)
    Scratch.withBytes(pieces * buckets * 8) { memory in
      let places = memory.assumingMemoryBound(to: Int.self)
      for pass in 0..<passes {
        let shift = Int32(pass * bits)
        forPieces(n) { piece in
          sorter.count(
            places + piece.lowerBound / pieceLength(n) * buckets, from + piece.lowerBound * sorter.pair_bytes, piece.count,
            shift, Int32(bits))
        }
        if !distribute(places, pieces, buckets, n) { continue }
        forPieces(n) { piece in
          sorter.scatter(
            to, places + piece.lowerBound / pieceLength(n) * buckets, from + piece.lowerBound * sorter.pair_bytes,
            piece.count, shift, Int32(bits))
        }
        swap(&from, &to)
      }
    }
    return from
  }

  /// Turns the pieces' counts of digits into the places of their first pairs; false if all have one digit.
  private static func distribute(
    _ places: UnsafeMutablePointer<Int>, _ pieces: Int, _ buckets: Int, _ n: Int
  ) -> Bool {
    var place = 0
    for bucket in 0..<buckets {
      let first = place
      for piece in 0..<pieces {
        let count = places[piece &* buckets &+ bucket]
        places[piece &* buckets &+ bucket] = place
        place &+= count
      }
      if place &- first == n { return false }
    }
    return true
  }

  private static func pieceCount(_ n: Int) -> Int { n < longRow ? 1 : Swift.min(64, n >> 16) }
  private static func pieceLength(_ n: Int) -> Int { (n + pieceCount(n) - 1) / pieceCount(n) }

  private static func forPieces(_ n: Int, _ body: (Range<Int>) -> Void) {
    let (count, length) = (pieceCount(n), pieceLength(n))
    if count == 1 {
      body(0..<n)
    } else {
      ThreadPool.run(count) { body($0 * length..<Swift.min(($0 + 1) * length, n)) }
    }
  }
}
