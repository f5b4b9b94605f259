import CKernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Attention where each head has one query, as when a model writes token by token: memory bounds it, so keys and values are read
/// once, where they lie.
struct SingleQueryAttention {
  private let attention: Attention
  /// Queries that share keys and values, as rows of one product.
  private let rows: Int
  private let keys: MatrixOperand
  private let values: MatrixOperand

  /// Nil where there are more queries, or keys and values do not lie row by row.
  init?(_ attention: Attention) {
    self.attention = attention
    guard attention.queries == 1, !attention.isCausal, attention.keys > 0, attention.heads > 0 else { return nil }
    (keys, values) = (attention.k.matrix(0), attention.v.matrix(0))
    guard keys.columnStride == 1, values.columnStride == 1 else { return nil }
    let dim = attention.k.layout.rank - 3
    let isShared = attention.k.layout.strides.at(dim) == 0 && attention.v.layout.strides.at(dim) == 0
    rows = isShared ? (1...ThinGemm.limit).last { attention.group % $0 == 0 }! : 1
  }

  /// As `Attention.forward`.
  func forward(into result: Elements, logSums: UnsafeMutableRawPointer) {
    let count = attention.heads / rows
    let byteCount = count * attention.keys * (attention.depth + attention.width) * keys.dtype.byteCount
    forEach(count, parallel: byteCount >= SingleQueryAttention.parallelByteCount) { i in
      forward(i * rows, into: result, logSums: logSums + i * rows * attention.blocks.bytes)
    }
  }

  /// What takes some microseconds to read.
  private static let parallelByteCount = 1 << 18

  private func forward(_ head: Int, into result: Elements, logSums: UnsafeMutableRawPointer) {
    let (blocks, count, depth) = (attention.blocks, attention.keys, attention.depth)
    let (k, v) = (attention.k.matrix(head), attention.v.matrix(head))
    let table = GemmTable.current
    attention.withMemory { (rooms: inout Attention.Rooms) in
      // Rows a power of two apart would share cache sets.
      let (queryRow, scoreRow, sumRow) = (depth + 16, count + 16, blocks.padded(attention.width))
      let (queries, scores) = (rooms.room(rows * queryRow), rooms.room(rows * scoreRow))
      let (sums, biases) = (rooms.room(rows * sumRow), rooms.room(attention.bias == nil ? 0 : count))
      if rooms.isCounting { return }
      for row in 0..<rows {
        let q = attention.q.matrix(head + row)
        blocks.computeClass.load(q.dtype)(queries[row * queryRow], q.data, q.columnStride, depth)
        blocks.scale(queries[row * queryRow], by: attention.scale, depth)
      }
      table.type(k.dtype).pointee.dots(scores.start, scoreRow, queries.start, queryRow, rows, k.data, k.rowStride, count, depth)
      if let bias = attention.bias {
        for row in 0..<rows {
          let from = bias.matrix(head + row)
          blocks.computeClass.load(from.dtype)(biases.start, from.data, from.columnStride, count)
          blocks.add(biases.start, to: scores[row * scoreRow], count)
        }
      }
      var totals: [Double] = []
      for row in 0..<rows {
        let (largest, total) = blocks.softmaxParts(scores[row * scoreRow], count)
        totals.append(total)
        blocks.put(total == 0 ? .infinity : largest + log(total), logSums, row)
      }
      blocks.clear(sums.start, rows * sumRow)
      table.type(v.dtype).pointee.scaled_rows(
        sums.start, sumRow, scores.start, scoreRow, rows, v.data, v.rowStride, attention.width, count)
      for row in 0..<rows {
        blocks.put(sums[row * sumRow], 1, attention.width, into: result.matrix(head + row)) { _ in
          totals[row] == 0 ? 0 : 1 / totals[row]
        }
      }
    }
  }
}

extension AttentionBlocks {
  /// Replaces scores by exp(score − the largest), all 0 if every score is −∞; gives the largest and the sum.
  fileprivate func softmaxParts(_ scores: UnsafeMutableRawPointer, _ count: Int) -> (largest: Double, total: Double) {
    Scratch.withBytes(2 * bytes) { numbers in
      let (largest, total) = (numbers, numbers + bytes)
      Kernels.reduce(fb_reduce_max, computeClass)(largest, scores, count)
      if number(largest, 0) == -.infinity {
        clear(scores, count)
        return (-.infinity, 0)
      }
      Kernels.expSum(computeClass)!(scores, total, scores, largest, count)
      return (number(largest, 0), number(total, 0))
    }
  }
}
