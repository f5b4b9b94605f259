import CKernels

/// Pooling of int64 planes; exact also for the smaller types they were converted from.
struct IntegerPooling {
  let pooling: Pooling

  /// Largest elements, the first of equals, and their positions in the planes.
  func max(
    _ input: UnsafePointer<Int64>, _ output: UnsafeMutablePointer<Int64>, positions: UnsafeMutablePointer<Int64>
  ) {
    KernelCall.task(PoolingTask(.max, pooling, .int64, input, output, positions: positions)) {
      forEachWindow { out, from, rows, columns in
        var (best, at) = (Int64.min, -1)
        for y in stride(from: rows.first, to: rows.end, by: rows.step) {
          for x in stride(from: columns.first, to: columns.end, by: columns.step) {
            let position = y * pooling.columns.inputSize + x
            if at < 0 || input[from + position] > best { (best, at) = (input[from + position], position) }
          }
        }
        (output[out], positions[out]) = (best, Int64(at))
      }
    }
  }

  /// Averages, cut off towards 0 as C divides.
  func average(_ input: UnsafePointer<Int64>, _ output: UnsafeMutablePointer<Int64>) {
    KernelCall.task(PoolingTask(.average, pooling, .int64, input, output)) {
      forEachWindow { out, from, rows, columns in
        var sum: Int64 = 0
        for y in stride(from: rows.first, to: rows.end, by: rows.step) {
          for x in stride(from: columns.first, to: columns.end, by: columns.step) {
            sum &+= input[from + y * pooling.columns.inputSize + x]
          }
        }
        output[out] = sum / Int64(pooling.divisor ?? Int(rows.size * columns.size))
      }
    }
  }

  /// Calls `body` with the output's position, its plane's first input element and the window's spans.
  private func forEachWindow(_ body: (Int, Int, fb_span, fb_span) -> Void) {
    for plane in 0..<pooling.planes {
      var out = plane * pooling.outputArea
      for rows in pooling.rows.spans {
        for columns in pooling.columns.spans {
          body(out, plane * pooling.inputArea, rows, columns)
          out += 1
        }
      }
    }
  }
}
