/// The windows of volumes [planes, d, h, w]: spans of depth, height and width, for all planes or for each.
struct VolumeWindows: Sendable {
  private let spans: [[PoolingSpans]]

  init(_ spans: [PoolingSpans]) { self.spans = [spans] }
  init(eachPlane spans: [[PoolingSpans]]) { self.spans = spans }

  func of(_ plane: Int) -> [PoolingSpans] { spans.count == 1 ? spans[0] : spans[plane] }

  /// Windows along every dimension.
  var counts: [Int] { spans.isEmpty ? [] : spans[0].map(\.count) }

  /// Some window has no element.
  var hasEmpty: Bool { spans.contains { $0.contains { $0.spans.contains { $0.first >= $0.end } } } }

  /// All windows alike, those of every dimension; nil where planes have their own.
  var common: [PoolingSpans]? { spans.count == 1 && spans[0].allSatisfy { !$0.isListed } ? spans[0] : nil }

  /// The first positions and the ends of all spans, plane by plane and dimension by dimension, in one row, int64; the steps are 1.
  private func listed() throws(TensorError) -> Value {
    let numbers = spans.flatMap { $0.flatMap { $0.spans.flatMap { [Int64($0.first), Int64($0.end)] } } }
    let value = try Value(Layout([numbers.count]), .int64)
    value.storage.pointer.assumingMemoryBound(to: Int64.self).update(from: numbers, count: numbers.count)
    return value
  }

  /// The positions, within its plane, of the largest element of every window: the first of equals, the last NaN; −1 where a
  /// window is empty. `x`, [planes, d, h, w], is dense, on the processor of float32, float64 or int64; `positions` is int64.
  func maxima(_ x: Elements, into positions: Elements) throws(TensorError) {
    var table: Value?
    if common == nil && (!x.device.isCPU || KernelCall.isObserved) {
      let here = try listed()
      table = x.device.isCPU ? here : try Value(here.layout, .int64, on: x.device)
      if !x.device.isCPU { try here.elements.copy(to: table!.elements) }
    }
    try KernelCall.task(on: x.device, VolumeMaximaTask(self, x, positions, listed: table?.elements)) {
      let to = positions.start.assumingMemoryBound(to: Int64.self)
      let planes = x.layout.shape.at(0)
      switch x.dtype {
      case .float64: maxima(x.start.assumingMemoryBound(to: Double.self), planes, to) { $0 != $0 }
      case .float32: maxima(x.start.assumingMemoryBound(to: Float.self), planes, to) { $0 != $0 }
      default: maxima(x.start.assumingMemoryBound(to: Int64.self), planes, to) { _ in false }
      }
    }
    withExtendedLifetime(table) {}
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
