import CKernels

/// How the result of a product is cut into tiles; see tiles.inc.
struct TileShape: Hashable {
  /// What a tile's threads multiply with.
  enum Means: Hashable {
    /// Each has high × wide sums.
    case threads(high: Int, wide: Int)
    /// Tensor cores, which multiply halves: down × over warps share the tile.
    case tensorCores(DType, down: Int, over: Int)
  }

  let rows: Int
  let columns: Int
  let depth: Int
  let means: Means

  var threads: Int {
    switch means {
    case .threads(let high, let wide): rows / high * (columns / wide)
    case .tensorCores(_, let down, let over): 32 * down * over
    }
  }

  /// Its type in a kernel.
  var text: String {
    switch means {
    case .threads(let high, let wide): "Tile<C, \(rows), \(columns), \(depth), \(high), \(wide)>"
    case .tensorCores(let dtype, let down, let over):
      "TensorTile<\(dtype.deviceName), \(rows), \(columns), \(depth), \(down), \(over)>"
    }
  }

  /// Neighbours in a row that a thread has the sums of.
  func broad(_ computeClass: ComputeClass) -> Int {
    if case .threads(_, let wide) = means { Swift.min(wide, 16 / computeClass.byteCount) } else { 2 }
  }

  /// Shared memory of two slices of both operands.
  func sharedByteCount(_ computeClass: ComputeClass) -> Int {
    if case .tensorCores = means { return 2 * (rows + columns) * (depth + 8) * 2 }
    return 2 * depth * (rows + columns + 32 / computeClass.byteCount) * computeClass.byteCount
  }

  /// Shared memory of a whole tile that is multiplied from there; it is square.
  func residentByteCount(_ computeClass: ComputeClass) -> Int {
    if case .tensorCores = means { return columns * (columns + 8) * 2 }
    return columns * (rows + 16 / computeClass.byteCount) * computeClass.byteCount
  }

  func count(_ m: Int, _ n: Int) -> Int { ((m + rows - 1) / rows) * ((n + columns - 1) / columns) }

  /// The largest tiles first. `halves`: what both operands consist of, if tensor cores multiply them.
  private static func all(_ computeClass: ComputeClass, _ halves: DType?) -> [TileShape] {
    if let halves {
      return [128, 64, 32].map { TileShape(rows: $0, columns: $0, depth: 32, means: .tensorCores(halves, down: 2, over: 4)) }
    }
    let large = TileShape(rows: 128, columns: 128, depth: 8, means: .threads(high: 8, wide: 8))
    let others = [(64, 4), (32, 2)].map { side, each in
      TileShape(rows: side, columns: side, depth: 16, means: .threads(high: each, wide: each))
    }
    return (computeClass == fb_f32 ? [large] : []) + others
  }

  /// What operands of these dtypes consist of, if tensor cores multiply them.
  static func halves(_ dtypes: DType...) -> DType? {
    dtypes[0].isHalf && dtypes.allSatisfy { $0 == dtypes[0] } ? dtypes[0] : nil
  }

  /// The largest whose tiles keep every multiprocessor busy, or else the smallest.
  static func fitting(
    _ m: Int, _ n: Int, times: Int, _ computeClass: ComputeClass, halves: DType?, _ device: DeviceShape
  ) -> TileShape {
    let shapes = all(computeClass, halves)
    return shapes.first { $0.count(m, n) * times >= device.multiprocessorCount && m * 2 > $0.rows && n * 2 > $0.columns }
      ?? shapes.last!
  }
}
