import CKernels

/// Brings rows of a matrix in memory into the dense blocks that the attention kernels read, and back.
struct AttentionBlocks {
  static let queries = fb_attention_queries
  static let keys = fb_attention_keys

  let computeClass: ComputeClass
  let kernels: fb_attention
  private let multiply: fb_map
  private let sum: fb_map
  private let transpose: fb_transpose

  init(_ computeClass: ComputeClass) {
    self.computeClass = computeClass
    kernels = fb_table_attention(Kernels.table, computeClass).pointee
    multiply = fb_mul.kernel(in: computeClass)!
    sum = fb_add.kernel(in: computeClass)!
    transpose = Kernels.transpose(computeClass.dtype)
  }

  var bytes: Int { computeClass.byteCount }

  /// So many features, filled up for the kernels.
  func padded(_ features: Int) -> Int { (features + kernels.granule - 1) / kernels.granule * kernels.granule }

  /// [count][padded width], zeros past the features.
  func rows(_ from: MatrixOperand, _ count: Int, _ features: Int, into to: UnsafeMutableRawPointer) {
    let (load, width) = (computeClass.load(from.dtype), padded(features))
    for i in 0..<count {
      let row = to + i * width * bytes
      load(row, from.advanced(rows: i).data, from.columnStride, features)
      clear(row + features * bytes, width - features)
    }
  }

  /// The same where they lie, if they lie so, or in `room`.
  func rowsInPlace(
    _ from: MatrixOperand, _ count: Int, _ features: Int, else room: UnsafeMutableRawPointer
  ) -> UnsafeRawPointer {
    if from.dtype == computeClass.dtype, from.columnStride == 1, from.rowStride == features, padded(features) == features {
      return from.data
    }
    rows(from, count, features, into: room)
    return UnsafeRawPointer(room)
  }

  /// [features][lanes], zeros past the rows, all times `scale`.
  func columns(
    _ from: MatrixOperand, _ count: Int, _ features: Int, lanes: Int, scale: Double = 1,
    into to: UnsafeMutableRawPointer
  ) {
    if count < lanes { clear(to, features * lanes) }
    if from.dtype == computeClass.dtype && from.columnStride == 1 {
      transpose(to, lanes, from.data, from.rowStride, count, features)
    } else {
      Scratch.withBytes(count * features * bytes) { dense in
        let load = computeClass.load(from.dtype)
        for i in 0..<count { load(dense + i * features * bytes, from.advanced(rows: i).data, from.columnStride, features) }
        transpose(to, lanes, dense, features, count, features)
      }
    }
    if scale != 1 { self.scale(to, by: scale, features * lanes) }
  }

  /// Rows of a block to a matrix, each times a number of its own.
  func put(
    _ from: UnsafeMutableRawPointer, _ count: Int, _ features: Int, into to: MatrixOperand, scale: (Int) -> Double
  ) {
    let (store, width) = (computeClass.store(to.dtype), padded(features))
    let isDirect = to.dtype == computeClass.dtype && to.columnStride == 1
    for i in 0..<count {
      let (row, target) = (from + i * width * bytes, UnsafeMutableRawPointer(mutating: to.advanced(rows: i).data))
      self.scale(row, by: scale(i), features, into: isDirect ? target : row)
      if !isDirect { store(target, to.columnStride, row, features) }
    }
  }

  func clear(_ at: UnsafeMutableRawPointer, _ count: Int) {
    at.initializeMemory(as: UInt8.self, repeating: 0, count: count * bytes)
  }

  func fill(_ at: UnsafeMutableRawPointer, _ count: Int, _ value: Double) {
    for i in 0..<count { put(value, at, i) }
  }

  func number(_ at: UnsafeMutableRawPointer, _ i: Int) -> Double {
    computeClass == fb_f64
      ? at.assumingMemoryBound(to: Double.self)[i] : Double(at.assumingMemoryBound(to: Float.self)[i])
  }

  func put(_ value: Double, _ at: UnsafeMutableRawPointer, _ i: Int) {
    if computeClass == fb_f64 {
      at.assumingMemoryBound(to: Double.self)[i] = value
    } else {
      at.assumingMemoryBound(to: Float.self)[i] = Float(value)
    }
  }

  /// Adds a block to another.
  func add(_ from: UnsafeMutableRawPointer, to: UnsafeMutableRawPointer, _ count: Int) {
    sum(to, to, from, nil, count, 0)
  }

  func scale(_ at: UnsafeMutableRawPointer, by factor: Double, _ count: Int, into to: UnsafeMutableRawPointer? = nil) {
    let to = to ?? at
    if factor == 1 && to == at { return }
    var (wide, narrow) = (factor, Float(factor))
    if computeClass == fb_f64 {
      multiply(to, at, &wide, nil, count, 0b10)
    } else {
      multiply(to, at, &narrow, nil, count, 0b10)
    }
  }
}
