import CKernels

/// Running totals along one dimension. float32 accumulates in float64.
enum Scan {
  /// Running sums or products along `dim`, reversed from the last element to the first; both have one shape, and may be
  /// the same elements.
  static func run(
    _ kind: Reduction.Kind, in computeClass: ComputeClass, _ input: Elements, dim: Int, isReversed: Bool = false,
    into output: Elements
  ) {
    if output.layout.elementCount == 0 { return }
    let dtype = computeClass.dtype
    let isSum = kind == .sum
    DenseRows.read(input, dim, as: dtype, in: computeClass) { from, rows, width in
      DenseRows.write(output, dim, as: dtype, in: computeClass) { to in
        DenseRows.parallel(rows, width) {
          for r in $0 {
            let row = Row(r, width, isReversed)
            switch computeClass {
            case fb_f32: isSum ? row.totals(from, to, 0, +, Float.self) : row.totals(from, to, 1, *, Float.self)
            case fb_f64: isSum ? row.totals(from, to, 0, +, Double.self) : row.totals(from, to, 1, *, Double.self)
            default: isSum ? row.totals(from, to, 0, &+) : row.totals(from, to, 1, &*)
            }
          }
        }
      }
    }
  }

  /// h[i] = b[i] + a[i]·h[i−1] along `dim`; reversed, h[i] = b[i] + a[i+1]·h[i+1]. All have one shape; floating point.
  static func recurrence(
    in computeClass: ComputeClass, _ a: Elements, _ b: Elements, dim: Int, isReversed: Bool, into output: Elements
  ) {
    if output.layout.elementCount == 0 { return }
    let dtype = computeClass.dtype
    DenseRows.read(a, dim, as: dtype, in: computeClass) { a, _, _ in
      DenseRows.read(b, dim, as: dtype, in: computeClass) { b, rows, width in
        DenseRows.write(output, dim, as: dtype, in: computeClass) { to in
          DenseRows.parallel(rows, width) {
            for r in $0 {
              let row = Row(r, width, isReversed)
              if computeClass == fb_f32 {
                row.recurrence(a, b, to, Float.self)
              } else {
                row.recurrence(a, b, to, Double.self)
              }
            }
          }
        }
      }
    }
  }

  /// One row, walked from either end.
  private struct Row {
    let first: Int
    let step: Int
    let count: Int

    init(_ index: Int, _ width: Int, _ isReversed: Bool) {
      first = index * width + (isReversed ? width - 1 : 0)
      step = isReversed ? -1 : 1
      count = width
    }

    @inline(__always)
    func totals<Element: BinaryFloatingPoint>(
      _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ start: Double, _ join: (Double, Double) -> Double,
      _ type: Element.Type
    ) {
      let (x, y) = (from.assumingMemoryBound(to: Element.self), to.assumingMemoryBound(to: Element.self))
      var (total, i) = (start, first)
      for _ in 0..<count {
        total = join(total, Double(x[i]))
        y[i] = Element(total)
        i &+= step
      }
    }

    @inline(__always)
    func totals(
      _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ start: Int64, _ join: (Int64, Int64) -> Int64
    ) {
      let (x, y) = (from.assumingMemoryBound(to: Int64.self), to.assumingMemoryBound(to: Int64.self))
      var (total, i) = (start, first)
      for _ in 0..<count {
        total = join(total, x[i])
        y[i] = total
        i &+= step
      }
    }

    @inline(__always)
    func recurrence<Element: BinaryFloatingPoint>(
      _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ type: Element.Type
    ) {
      let (a, b) = (a.assumingMemoryBound(to: Element.self), b.assumingMemoryBound(to: Element.self))
      let h = to.assumingMemoryBound(to: Element.self)
      var (last, i) = (Double(b[first]), first)
      h[i] = b[i]
      for _ in 1..<count {
        let next = i &+ step
        last = Double(b[next]) + Double(a[step > 0 ? next : i]) * last
        h[next] = Element(last)
        i = next
      }
    }
  }
}
