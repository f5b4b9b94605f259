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
    if KernelCall.isObserved {
      KernelCall.observed(.scan(kind, computeClass, input, dim: dim, isReversed: isReversed, into: output)) {
        lines(kind, computeClass, input, dim, isReversed, output)
      }
    } else {
      lines(kind, computeClass, input, dim, isReversed, output)
    }
  }

  private static func lines(
    _ kind: Reduction.Kind, _ computeClass: ComputeClass, _ input: Elements, _ dim: Int, _ isReversed: Bool,
    _ output: Elements
  ) {
    let inner = (dim + 1..<Swift.max(input.layout.rank, dim + 1)).reduce(1) { $0 * input.layout.shape.at($1) }
    // Where neighbours are in different lines, lines are walked side by side.
    let isAcross = inner >= 8
    let along = isAcross ? input.layout.rank - 1 : dim
    let dtype = computeClass.dtype
    DenseRows.read(input, along, as: dtype, in: computeClass) { from, _, _ in
      DenseRows.write(output, along, as: dtype, in: computeClass) { to in
        let width = input.layout.rank == 0 ? 1 : input.layout.shape.at(dim)
        let lines = Lines(
          outer: input.layout.elementCount / width / (isAcross ? inner : 1), width: width, inner: isAcross ? inner : 1,
          isReversed: isReversed)
        DenseRows.parallel(lines.units, lines.unitLength) { units in
          // Here, so that each loop is compiled with its own functions.
          switch (computeClass, kind == .sum) {
          case (fb_f32, true): lines.scan(units, from, to, 0.0, +, { Double($0) }, { Float($0) })
          case (fb_f32, false): lines.scan(units, from, to, 1.0, *, { Double($0) }, { Float($0) })
          case (fb_f64, true): lines.scan(units, from, to, 0.0, +, { $0 }, { $0 })
          case (fb_f64, false): lines.scan(units, from, to, 1.0, *, { $0 }, { $0 })
          case (_, true): lines.scan(units, from, to, Int64(0), &+, { $0 }, { $0 })
          case (_, false): lines.scan(units, from, to, Int64(1), &*, { $0 }, { $0 })
          }
        }
      }
    }
  }

  /// h[i] = b[i] + a[i]·h[i−1] along `dim`; reversed, h[i] = b[i] + a[i+1]·h[i+1]. All have one shape; floating point.
  static func recurrence(
    in computeClass: ComputeClass, _ a: Elements, _ b: Elements, dim: Int, isReversed: Bool, into output: Elements
  ) throws(TensorError) {
    if output.layout.elementCount == 0 { return }
    let task = LineTask(.recurrence(isReversed: isReversed), [a, b], dim: dim, into: [output])
    try KernelCall.task(on: output.device, task) { recurrences(computeClass, a, b, dim, isReversed, output) }
  }

  private static func recurrences(
    _ computeClass: ComputeClass, _ a: Elements, _ b: Elements, _ dim: Int, _ isReversed: Bool, _ output: Elements
  ) {
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

  /// Lines of `width` elements, `inner` of them side by side. A unit of work is a line, or a block of neighbours.
  private struct Lines {
    let outer: Int
    let width: Int
    let inner: Int
    let isReversed: Bool

    private static let block = 256

    private var blocks: Int { (inner + Lines.block - 1) / Lines.block }
    var units: Int { outer * blocks }
    var unitLength: Int { width * Swift.min(inner, Lines.block) }

    @inline(__always)
    func scan<Element, Total>(
      _ units: Range<Int>, _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ start: Total,
      _ join: (Total, Total) -> Total, _ widen: (Element) -> Total, _ narrow: (Total) -> Element
    ) {
      let (x, y) = (from.assumingMemoryBound(to: Element.self), to.assumingMemoryBound(to: Element.self))
      if inner == 1 {
        for r in units {
          let row = Row(r, width, isReversed)
          var (total, i) = (start, row.first)
          for _ in 0..<width {
            total = join(total, widen(x[i]))
            y[i] = narrow(total)
            i &+= row.step
          }
        }
        return
      }
      withUnsafeTemporaryAllocation(of: Total.self, capacity: Lines.block) { totals in
        let totals = totals.baseAddress!
        for unit in units {
          let (line, block) = unit.quotientAndRemainder(dividingBy: blocks)
          let count = Swift.min(Lines.block, inner - block * Lines.block)
          let row = Row(line, width, isReversed)
          for j in 0..<count { totals[j] = start }
          var i = row.first * inner + block * Lines.block
          for _ in 0..<width {
            for j in 0..<count {
              totals[j] = join(totals[j], widen(x[i &+ j]))
              y[i &+ j] = narrow(totals[j])
            }
            i &+= row.step &* inner
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
