import CKernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// softmax(q kᵀ · scale + bias) v for every head, blocked over queries and keys: of the scores only a block is ever in memory.
///
/// Leading dimensions are heads: [outer …, group]. The queries of a group have keys and values of their own or, with a stride
/// of 0, in common. Bits depend on shapes and the instruction set only.
struct Attention {
  /// [heads …, queries, depth], [heads …, keys, depth], [heads …, keys, width]
  let q: Elements
  let k: Elements
  let v: Elements
  /// [heads …, queries, keys], added to the scores.
  let bias: Elements?
  let isCausal: Bool
  let scale: Double
  let blocks: AttentionBlocks

  init(_ q: Elements, _ k: Elements, _ v: Elements, bias: Elements?, isCausal: Bool, scale: Double) {
    (self.q, self.k, self.v, self.bias, self.isCausal, self.scale) = (q, k, v, bias, isCausal, scale)
    blocks = AttentionBlocks(q.dtype.computeClass)
  }

  private var rank: Int { q.layout.rank }
  var queries: Int { q.layout.shape.at(rank - 2) }
  var keys: Int { k.layout.shape.at(rank - 2) }
  var depth: Int { q.layout.shape.at(rank - 1) }
  var width: Int { v.layout.shape.at(rank - 1) }
  var group: Int { q.layout.shape.at(rank - 3) }
  var heads: Int { Shape(q.layout.shape.prefix(rank - 2)).elementCount }
  /// Multiplications of the two products.
  private var work: Int { heads * queries * keys * (depth + width) }
  var isParallel: Bool { work >= Gemm.parallelWork }
  /// Multiplications and additions of the two products, as far as a mask by position leaves them.
  var operations: Double { (isCausal ? 1 : 2) * Double(work) }

  /// Queries that share what is packed of the keys: as many as leave enough chunks for threads to share, and as a core's caches hold.
  private var chunk: Int {
    let least = 8 * AttentionBlocks.queries
    let most = Swift.max(least, (1 << 17) / Swift.max(depth + width, 1) / least * least)
    return Swift.min(most, Swift.max(least, heads * queries / 32 / least * least))
  }

  /// The result [heads …, queries, width] and log Σ exp(score) [heads …, queries], dense and of the class computed in; +∞ for
  /// a query that sees no key, whose result is 0.
  func forward(into result: Elements, logSums: UnsafeMutableRawPointer) {
    if KernelCall.isObserved {
      let task = AttentionTask(inputs: inputs, result: result, logSums: ofQueries(logSums))
      KernelCall.observed(.task(task)) { computeForward(into: result, logSums: logSums) }
    } else {
      computeForward(into: result, logSums: logSums)
    }
  }

  /// What a GPU's kernels take.
  var inputs: AttentionInputs { AttentionInputs(q: q, k: k, v: v, bias: bias, isCausal: isCausal, scale: scale) }

  /// A number for each query, dense.
  func ofQueries(_ pointer: UnsafeRawPointer) -> Elements {
    Elements(
      UnsafeMutableRawPointer(mutating: pointer), Layout(Shape(q.layout.shape.prefix(rank - 1))), blocks.computeClass.dtype)
  }

  private func computeForward(into result: Elements, logSums: UnsafeMutableRawPointer) {
    fb_count_operations(operations)
    if let single = SingleQueryAttention(self) { return single.forward(into: result, logSums: logSums) }
    let chunk = self.chunk
    let chunks = (queries + chunk - 1) / chunk
    forEach(heads * chunks, parallel: isParallel) { i in
      let (head, start) = (i / chunks, i % chunks * chunk)
      forward(
        head, start..<Swift.min(start + chunk, queries), into: result.matrix(head),
        logSums + head * queries * blocks.bytes)
    }
  }

  private func forward(
    _ head: Int, _ range: Range<Int>, into result: MatrixOperand, _ logSums: UnsafeMutableRawPointer
  ) {
    let (lanes, most, columns) = (AttentionBlocks.queries, AttentionBlocks.keys, blocks.padded(width))
    let count = (range.count + lanes - 1) / lanes
    let (q, k, v) = (self.q.matrix(head), self.k.matrix(head), self.v.matrix(head))
    let bias = self.bias?.matrix(head)
    withMemory { (rooms: inout Rooms) in
      let (across, sums) = (rooms.room(count * depth * lanes), rooms.room(count * lanes * columns))
      let (maxima, totals) = (rooms.room(count * lanes), rooms.room(count * lanes))
      let (keyColumns, valueRows) = (rooms.room(depth * most), rooms.room(most * columns))
      let (scores, biases) = (rooms.room(most * lanes), rooms.room(bias == nil ? 0 : most * lanes))
      if rooms.isCounting { return }
      func at(_ block: Int) -> Int { range.lowerBound + block * lanes }
      func size(_ block: Int) -> Int { Swift.min(lanes, range.upperBound - at(block)) }
      for i in 0..<count {
        blocks.columns(
          q.advanced(rows: at(i)), size(i), depth, lanes: lanes, scale: scale, into: across[i * depth * lanes])
      }
      blocks.fill(maxima.start, count * lanes, -.infinity)
      blocks.clear(totals.start, count * lanes)
      if keys == 0 { blocks.clear(sums.start, count * lanes * columns) }
      for first in stride(from: 0, to: keys, by: most) {
        if isCausal && first >= range.upperBound { break }
        let here = Swift.min(most, keys - first)
        blocks.columns(
          k.advanced(rows: first), here, depth, lanes: most, into: keyColumns.start)
        let values = blocks.rowsInPlace(v.advanced(rows: first), here, width, else: valueRows.start)
        for i in 0..<count where !isCausal || at(i) + size(i) > first {
          let block = block(
            at(i), size(i), first, here, queries: across[i * depth * lanes], keyColumns: keyColumns.start, bias, biases.start,
            scores: scores.start)
          var step = fb_attention_forward(
            block: block, values: values, maxima: maxima[i * lanes], sums: totals[i * lanes],
            result: sums[i * lanes * columns], is_first: first == 0)
          blocks.kernels.forward(&step)
        }
      }
      for i in 0..<count {
        blocks.put(sums[i * lanes * columns], size(i), width, into: result.advanced(rows: at(i))) { row in
          let total = blocks.number(totals.start, i * lanes + row)
          let logSum: Double = total == 0 ? .infinity : blocks.number(maxima.start, i * lanes + row) + log(total)
          blocks.put(logSum, logSums, at(i) + row)
          return total == 0 ? 0 : 1 / total
        }
      }
    }
  }

  /// What both directions read of a block.
  func block(
    _ query: Int, _ queries: Int, _ key: Int, _ keys: Int, queries across: UnsafeMutableRawPointer,
    keyColumns: UnsafeMutableRawPointer, _ bias: MatrixOperand?, _ room: UnsafeMutableRawPointer,
    scores: UnsafeMutableRawPointer
  ) -> fb_attention_block {
    var keys = keys
    if isCausal { keys = Swift.min(keys, query + queries - key) }
    if let bias {
      blocks.columns(
        bias.advanced(rows: query, columns: key), queries, keys, lanes: AttentionBlocks.queries, into: room)
    }
    return fb_attention_block(
      keys: keys, depth: depth, padded_depth: blocks.padded(depth), padded_width: blocks.padded(width), queries: across,
      key_columns: keyColumns, bias: bias == nil ? nil : room,
      later: isCausal ? key - query : -AttentionBlocks.keys - AttentionBlocks.queries, scores: scores)
  }

  /// Working memory: `body` is called once to count what it takes, and once to work.
  func withMemory(_ body: (inout Rooms) -> Void) {
    var rooms = Rooms(bytes: blocks.bytes)
    body(&rooms)
    Scratch.withBytes(rooms.size) { memory in
      var rooms = Rooms(bytes: blocks.bytes, memory)
      body(&rooms)
    }
  }

  struct Rooms {
    fileprivate let bytes: Int
    fileprivate var memory: UnsafeMutableRawPointer?
    fileprivate var size = 0
    var isCounting: Bool { memory == nil }

    fileprivate init(bytes: Int, _ memory: UnsafeMutableRawPointer? = nil) { (self.bytes, self.memory) = (bytes, memory) }

    /// The next so many numbers.
    mutating func room(_ count: Int) -> Room {
      defer { size += (count * bytes + 127) & ~127 }
      return Room(start: (memory ?? UnsafeMutableRawPointer(bitPattern: 128)!) + size, bytes: bytes)
    }
  }

  struct Room {
    let start: UnsafeMutableRawPointer
    fileprivate let bytes: Int

    subscript(_ i: Int) -> UnsafeMutableRawPointer { start + i * bytes }
  }
}

extension Elements {
  /// The matrix of a head: the last two dimensions at a position of the others, counted row by row.
  func matrix(_ head: Int) -> MatrixOperand {
    var (rest, offset) = (head, 0)
    for dim in (0..<layout.rank - 2).reversed() {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: layout.shape.at(dim))
      offset += index * layout.strides.at(dim)
      rest = quotient
    }
    return MatrixOperand(self).advanced(by: offset)
  }
}
