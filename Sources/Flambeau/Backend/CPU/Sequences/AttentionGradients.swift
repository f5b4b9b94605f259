import CKernels

extension Attention {
  /// The gradients of q, k and v, from that of the result; the scores are computed again from `logSums`.
  ///
  /// dq is [heads …, queries, depth]; dk and dv have one matrix for each group.
  func backward(
    result: Elements, gradient: Elements, logSums: UnsafeRawPointer, dq: Elements, dk: Elements, dv: Elements
  ) {
    func compute() { computeBackward(result, gradient, logSums, dq, dk, dv) }
    if KernelCall.isObserved {
      let task = AttentionGradientTask(
        inputs: inputs, result: result, gradient: gradient, logSums: ofQueries(logSums), dq: dq, dk: dk, dv: dv)
      KernelCall.observed(.task(task), compute)
    } else {
      compute()
    }
  }

  private func computeBackward(
    _ result: Elements, _ gradient: Elements, _ logSums: UnsafeRawPointer, _ dq: Elements, _ dk: Elements, _ dv: Elements
  ) {
    forEach(heads / group, parallel: isParallel) { i in
      backward(i, result, gradient, logSums, dq, dk.matrix(i), dv.matrix(i))
    }
  }

  private func backward(
    _ outer: Int, _ result: Elements, _ gradient: Elements, _ logSums: UnsafeRawPointer, _ dq: Elements,
    _ dk: MatrixOperand, _ dv: MatrixOperand
  ) {
    let (lanes, most) = (AttentionBlocks.queries, AttentionBlocks.keys)
    let (deep, wide) = (blocks.padded(depth), blocks.padded(width))
    let each = (queries + lanes - 1) / lanes
    let count = each * group
    let (k, v) = (self.k.matrix(outer * group), self.v.matrix(outer * group))
    withMemory { (rooms: inout Rooms) in
      let (across, gradientAcross) = (rooms.room(count * depth * lanes), rooms.room(count * width * lanes))
      let (rows, gradientRows) = (rooms.room(count * lanes * deep), rooms.room(count * lanes * wide))
      let (sums, logs, along) = (rooms.room(count * lanes * deep), rooms.room(count * lanes), rooms.room(count * lanes))
      let (keyColumns, valueColumns, keyRows) = (rooms.room(most * depth), rooms.room(most * width), rooms.room(most * deep))
      let (keyGradient, valueGradient) = (rooms.room(most * deep), rooms.room(most * wide))
      let (scores, slopes) = (rooms.room(most * lanes), rooms.room(most * lanes))
      let biases = rooms.room(bias == nil ? 0 : most * lanes)
      if rooms.isCounting { return }
      func head(_ block: Int) -> Int { outer * group + block / each }
      func at(_ block: Int) -> Int { block % each * lanes }
      func size(_ block: Int) -> Int { Swift.min(lanes, queries - at(block)) }
      for i in 0..<count {
        let (q, g) = (self.q.matrix(head(i)).advanced(rows: at(i)), gradient.matrix(head(i)).advanced(rows: at(i)))
        blocks.columns(q, size(i), depth, lanes: lanes, scale: scale, into: across[i * depth * lanes])
        blocks.columns(g, size(i), width, lanes: lanes, into: gradientAcross[i * width * lanes])
        blocks.rows(q, size(i), depth, into: rows[i * lanes * deep])
        blocks.rows(g, size(i), width, into: gradientRows[i * lanes * wide])
        blocks.clear(rows[(i * lanes + size(i)) * deep], (lanes - size(i)) * deep)
        blocks.clear(gradientRows[(i * lanes + size(i)) * wide], (lanes - size(i)) * wide)
        // The room of a gradient holds the result's rows first.
        blocks.rows(result.matrix(head(i)).advanced(rows: at(i)), size(i), width, into: valueGradient.start)
        blocks.clear(along[i * lanes], lanes)
        blocks.kernels.row_dots(
          along[i * lanes], valueGradient.start, wide, gradientRows[i * lanes * wide], wide, size(i), width)
        blocks.fill(logs[i * lanes], lanes, .infinity)
        logs[i * lanes].copyMemory(
          from: logSums + (head(i) * queries + at(i)) * blocks.bytes, byteCount: size(i) * blocks.bytes)
      }
      blocks.clear(sums.start, count * lanes * deep)
      for first in stride(from: 0, to: keys, by: most) {
        let here = Swift.min(most, keys - first)
        blocks.columns(k.advanced(rows: first), here, depth, lanes: most, into: keyColumns.start)
        blocks.columns(v.advanced(rows: first), here, width, lanes: most, into: valueColumns.start)
        let keyRows = blocks.rowsInPlace(k.advanced(rows: first), here, depth, else: keyRows.start)
        blocks.clear(keyGradient.start, most * deep)
        blocks.clear(valueGradient.start, most * wide)
        for i in 0..<count where !isCausal || at(i) + size(i) > first {
          let block = block(
            at(i), size(i), first, here, queries: across[i * depth * lanes], keyColumns: keyColumns.start,
            bias?.matrix(head(i)), biases.start, scores: scores.start)
          var step = fb_attention_backward(
            block: block, width: width, value_columns: valueColumns.start,
            gradient_columns: gradientAcross[i * width * lanes], query_rows: rows[i * lanes * deep],
            key_rows: keyRows, gradient_rows: gradientRows[i * lanes * wide], log_sums: logs[i * lanes],
            along: along[i * lanes], slopes: slopes.start, query_gradient: sums[i * lanes * deep],
            key_gradient: keyGradient.start, value_gradient: valueGradient.start)
          blocks.kernels.backward(&step)
        }
        blocks.put(keyGradient.start, here, depth, into: dk.advanced(rows: first)) { _ in scale }
        blocks.put(valueGradient.start, here, width, into: dv.advanced(rows: first)) { _ in 1 }
      }
      for i in 0..<count {
        blocks.put(sums[i * lanes * deep], size(i), depth, into: dq.matrix(head(i)).advanced(rows: at(i))) { _ in scale }
      }
    }
  }
}
