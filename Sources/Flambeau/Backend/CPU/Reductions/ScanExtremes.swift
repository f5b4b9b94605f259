import CKernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

// Scans that compare.
extension Scan {
  /// The largest (or smallest) element up to each one along `dim`, and its position: of equal ones the last, or the first
  /// NaN. All have one shape.
  static func extreme(_ input: Elements, dim: Int, largest: Bool, values: Elements, places: Elements) throws(TensorError) {
    if input.layout.elementCount == 0 { return }
    let task = LineTask(.extreme(largest: largest), [input], dim: dim, into: [values, places])
    try KernelCall.task(on: input.device, task) { extremes(input, dim, largest, values, places) }
  }

  private static func extremes(_ input: Elements, _ dim: Int, _ largest: Bool, _ values: Elements, _ places: Elements) {
    let computeClass = input.dtype.computeClass
    let dtype = computeClass.dtype
    DenseRows.read(input, dim, as: dtype, in: computeClass) { from, rows, width in
      DenseRows.write(values, dim, as: dtype, in: computeClass) { to in
        DenseRows.write(places, dim, as: .int64, in: fb_i64) { places in
          let places = places.assumingMemoryBound(to: Int64.self)
          DenseRows.parallel(rows, width) { rows in
            switch computeClass {
            case fb_f32: extremes(rows, width, largest, from, to, places, Float.self) { $0 != $0 }
            case fb_f64: extremes(rows, width, largest, from, to, places, Double.self) { $0 != $0 }
            default: extremes(rows, width, largest, from, to, places, Int64.self) { _ in false }
            }
          }
        }
      }
    }
  }

  @inline(__always)
  private static func extremes<Element: Comparable>(
    _ rows: Range<Int>, _ width: Int, _ largest: Bool, _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer,
    _ places: UnsafeMutablePointer<Int64>, _ type: Element.Type, isNaN: (Element) -> Bool
  ) {
    let (x, y) = (from.assumingMemoryBound(to: Element.self), to.assumingMemoryBound(to: Element.self))
    for row in rows {
      let start = row * width
      var (best, place) = (x[start], 0)
      for i in 0..<width {
        let next = x[start + i]
        if !isNaN(best) && (isNaN(next) || (largest ? next >= best : next <= best)) { (best, place) = (next, i) }
        y[start + i] = best
        places[start + i] = Int64(place)
      }
    }
  }

  /// log Σ eˣ up to each element along `dim`; floating point. Both have one shape.
  static func logSumExp(_ input: Elements, dim: Int, into output: Elements) throws(TensorError) {
    if input.layout.elementCount == 0 { return }
    let task = LineTask(.logSumExp, [input], dim: dim, into: [output])
    try KernelCall.task(on: input.device, task) { logSums(input, dim, output) }
  }

  private static func logSums(_ input: Elements, _ dim: Int, _ output: Elements) {
    DenseRows.read(input, dim, as: .float64, in: fb_f64) { from, rows, width in
      DenseRows.write(output, dim, as: .float64, in: fb_f64) { to in
        let (x, y) = (from.assumingMemoryBound(to: Double.self), to.assumingMemoryBound(to: Double.self))
        // An element takes an exponential and a logarithm.
        DenseRows.parallel(rows, width * 32) { rows in
          for row in rows {
            var total = -Double.infinity
            for i in row * width..<(row + 1) * width {
              let (low, high) = x[i] < total ? (x[i], total) : (total, x[i])
              // Equal infinities have no difference.
              total = low == high && low.isInfinite || low.isNaN ? low : high + log1p(exp(low - high))
              y[i] = total
            }
          }
        }
      }
    }
  }
}
