/// Elements picked along a dimension by int64 positions, and put back.
enum AlongDimension {
  /// picked[…, j, …] = x[…, index[…, j, …], …]. `index` and `picked` have one shape and are row-major; `x` may differ from
  /// it along `dim`.
  static func take(_ x: Elements, _ dim: Int, _ index: Elements, into picked: Elements) {
    walk(x, dim, index, picked, isTaking: true)
  }

  /// x[…, index[…, j, …], …] = picked[…, j, …].
  static func put(_ picked: Elements, _ dim: Int, _ index: Elements, into x: Elements) {
    walk(x, dim, index, picked, isTaking: false)
  }

  private static let chunk = 4096

  private static func walk(_ x: Elements, _ dim: Int, _ index: Elements, _ picked: Elements, isTaking: Bool) {
    let count = index.layout.elementCount
    if count == 0 { return }
    let lines = Lines(x.layout, index.layout.shape, dim)
    let (x, index, picked, size) = (
      x.start, index.start.assumingMemoryBound(to: Int64.self), picked.start, x.dtype.byteCount
    )
    let chunks = (count + chunk - 1) / chunk
    let body = { (i: Int) in
      let range = i * chunk..<Swift.min((i + 1) * chunk, count)
      switch size {
      case 1: lines.walk(UInt8.self, range, x, index, picked, isTaking)
      case 2: lines.walk(UInt16.self, range, x, index, picked, isTaking)
      case 4: lines.walk(UInt32.self, range, x, index, picked, isTaking)
      default: lines.walk(UInt64.self, range, x, index, picked, isTaking)
      }
    }
    if chunks == 1 { body(0) } else { ThreadPool.run(chunks, body) }
  }

  /// Row-major positions, and where in x's memory the line of each begins.
  private struct Lines {
    let sizes: [Int]
    /// x's strides, 0 along the dimension.
    let strides: [Int]
    let along: Int

    init(_ x: Layout, _ shape: Shape, _ dim: Int) {
      sizes = Array(shape)
      var strides = Array(x.strides)
      along = x.rank == 0 ? 0 : strides[dim]
      if x.rank > 0 { strides[dim] = 0 }
      self.strides = strides
    }

    @inline(__always)
    func walk<Element: FixedWidthInteger>(
      _ type: Element.Type, _ range: Range<Int>, _ x: UnsafeMutableRawPointer, _ index: UnsafePointer<Int64>,
      _ picked: UnsafeMutableRawPointer, _ isTaking: Bool
    ) {
      let x = x.assumingMemoryBound(to: Element.self)
      let picked = picked.assumingMemoryBound(to: Element.self)
      let last = sizes.count - 1
      let (rowLength, step) = last < 0 ? (1, 0) : (sizes[last], strides[last])
      var i = range.lowerBound
      while i < range.upperBound {
        // The rest of a row of the last dimension.
        var (rest, column) = i.quotientAndRemainder(dividingBy: rowLength)
        var start = column &* step
        for d in stride(from: last - 1, through: 0, by: -1) {
          let (quotient, position) = rest.quotientAndRemainder(dividingBy: sizes[d])
          start += position * strides[d]
          rest = quotient
        }
        let end = Swift.min(range.upperBound, i + rowLength - column)
        if isTaking {
          while i < end {
            picked[i] = x[start &+ Int(index[i]) &* along]
            start &+= step
            i &+= 1
          }
        } else {
          while i < end {
            x[start &+ Int(index[i]) &* along] = picked[i]
            start &+= step
            i &+= 1
          }
        }
        column = 0
      }
    }
  }
}
