/// The windows of volumes [planes, d, h, w]: spans of depth, height and width, for all planes or for each.
struct VolumeWindows: Sendable {
  private let spans: [[PoolingSpans]]

  init(_ spans: [PoolingSpans]) { self.spans = [spans] }
  init(eachPlane spans: [[PoolingSpans]]) { self.spans = spans }

  func of(_ plane: Int) -> [PoolingSpans] { spans.count == 1 ? spans[0] : spans[plane] }

  /// Windows along every dimension.
  var counts: [Int] { spans.isEmpty ? [] : spans[0].map(\.count) }

  /// The positions, within its plane, of the largest element of every window: the first of equals, the last NaN; −1 where a
  /// window is empty. `x` is dense, of float32, float64 or int64.
  func maxima(_ x: UnsafeRawPointer, _ dtype: DType, planes: Int, into positions: UnsafeMutablePointer<Int64>) {
    switch dtype {
    case .float64: maxima(x.assumingMemoryBound(to: Double.self), planes, positions) { $0 != $0 }
    case .float32: maxima(x.assumingMemoryBound(to: Float.self), planes, positions) { $0 != $0 }
    default: maxima(x.assumingMemoryBound(to: Int64.self), planes, positions) { _ in false }
    }
  }

  @inline(__always)
  private func maxima<T: Comparable>(
    _ x: UnsafePointer<T>, _ planes: Int, _ positions: UnsafeMutablePointer<Int64>, isNaN: @Sendable (T) -> Bool
  ) {
    let outputs = counts.reduce(1, *)
    forEach(planes, parallel: planes * outputs > 1 << 10) { plane in
      let spans = of(plane)
      let (height, width) = (spans[1].inputSize, spans[2].inputSize)
      let from = x + plane * spans[0].inputSize * height * width
      var to = positions + plane * outputs
      for depths in spans[0].spans {
        for rows in spans[1].spans {
          for columns in spans[2].spans {
            var best = -1
            var d = depths.first
            while d < depths.end {
              var h = rows.first
              while h < rows.end {
                let line = (d &* height &+ h) &* width
                var w = columns.first
                while w < columns.end {
                  let value = from[line &+ w]
                  if best < 0 || value > from[best] || isNaN(value) { best = line &+ w }
                  w &+= columns.step
                }
                h &+= rows.step
              }
              d &+= depths.step
            }
            to.pointee = Int64(best)
            to += 1
          }
        }
      }
    }
  }
}
