import CKernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What clipping does to many tensors at once: one pass that reads, one that writes.
package enum GradientScaling {
  /// The norm of all elements of `tensors` together, of `order` > 0, which may be infinite; nil, reported, if it cannot be had.
  package static func norm(of tensors: [Tensor], order: Double, operation: String) -> Double? {
    guard let arrays = dense(tensors, operation, written: false) else { return nil }
    let pieces = Pieces(counts: arrays.map(\.count))
    // Partial results join in the order of the pieces, whoever computed them.
    let parts = [Double](unsafeUninitializedCapacity: pieces.pieces.count) { parts, count in
      count = pieces.pieces.count
      let start = parts.baseAddress!
      nonisolated(unsafe) let out = start
      pieces.run { i, piece in
        out[i] = 0
        each(arrays[piece.array], piece) { block, n, computeClass in
          let part = Self.part(block, n, computeClass, order)
          out[i] = order == .infinity ? largest(out[i], part) : out[i] + part
        }
      }
    }
    if order == .infinity { return parts.reduce(0, largest) }
    let sum = parts.reduce(0, +)
    return order == 2 ? sum.squareRoot() : order == 1 ? sum : pow(sum, 1 / order)
  }

  /// Multiplies every element, in place.
  package static func scale(_ tensors: [Tensor], by factor: Double, operation: String) {
    write(tensors, operation) { block, n, computeClass in apply(fb_mul, block, factor, n, computeClass) }
  }

  /// Brings every element between -bound and bound, in place; NaN stays.
  package static func clamp(_ tensors: [Tensor], to bound: Double, operation: String) {
    write(tensors, operation) { block, n, computeClass in
      apply(fb_max, block, -bound, n, computeClass)
      apply(fb_min, block, bound, n, computeClass)
    }
  }

  private typealias Body = (_ block: UnsafeMutableRawPointer, _ count: Int, _ computeClass: fb_class) -> Void

  private static func write(_ tensors: [Tensor], _ operation: String, _ body: Body) {
    guard let arrays = dense(tensors, operation, written: true) else { return }
    Pieces(counts: arrays.map(\.count)).run { _, piece in each(arrays[piece.array], piece, stores: true, body) }
    for array in arrays { array.finish() }
  }

  /// Nil in a failed error scope, or when one is refused.
  private static func dense(_ tensors: [Tensor], _ operation: String, written: Bool) -> [DenseArray]? {
    if Context.current.isFailed { return nil }
    var arrays: [DenseArray] = []
    do throws(TensorError) {
      for tensor in tensors {
        if written { try TensorError.checkWritable(tensor) }
        arrays.append(try DenseArray(tensor))
      }
    } catch {
      _ = Door.refuse(error, operation, Few(), at: nil)
      return nil
    }
    return arrays
  }

  /// Calls `body` with the blocks of a piece, in the class they are computed in.
  private static func each(_ array: DenseArray, _ piece: Pieces.Piece, stores: Bool = false, _ body: Body) {
    let computeClass = array.computeClass
    for at in stride(from: piece.start, to: piece.start + piece.count, by: convertedBlock) {
      let n = Swift.min(convertedBlock, piece.start + piece.count - at)
      let elements = array.start + at * array.dtype.byteCount
      if !array.dtype.isHalf {
        body(elements, n, computeClass)
        continue
      }
      Scratch.withBytes(convertedBlock * computeClass.byteCount) { block in
        computeClass.load(array.dtype)(block, elements, 1, n)
        body(block, n, computeClass)
        if stores { computeClass.store(array.dtype)(elements, 1, block, n) }
      }
    }
  }

  /// What `n` elements contribute to a norm.
  private static func part(_ block: UnsafeRawPointer, _ n: Int, _ computeClass: fb_class, _ order: Double) -> Double {
    if order == 2 { return value(computeClass) { computeClass.reduce(fb_reduce_sum_squares)($0, block, n) } }
    return Scratch.withBytes(convertedBlock * computeClass.byteCount) { sizes in
      fb_abs.kernel(in: computeClass)!(sizes, block, nil, nil, n, 0)
      if order != 1 && order != .infinity { apply(fb_pow, sizes, order, n, computeClass) }
      return value(computeClass) {
        computeClass.reduce(order == .infinity ? fb_reduce_max : fb_reduce_sum)($0, sizes, n)
      }
    }
  }

  /// block[i] = primitive(block[i], number).
  private static func apply(
    _ primitive: fb_primitive, _ block: UnsafeMutableRawPointer, _ number: Double, _ n: Int, _ computeClass: fb_class
  ) {
    let kernel = primitive.kernel(in: computeClass)!
    if computeClass == fb_f32 {
      withUnsafePointer(to: Float(number)) { kernel(block, block, $0, nil, n, 2) }
    } else {
      withUnsafePointer(to: number) { kernel(block, block, $0, nil, n, 2) }
    }
  }

  private static func value(_ computeClass: fb_class, _ body: (UnsafeMutableRawPointer) -> Void) -> Double {
    if computeClass == fb_f32 {
      var single: Float = 0
      body(&single)
      return Double(single)
    }
    var double = 0.0
    body(&double)
    return double
  }

  private static func largest(_ a: Double, _ b: Double) -> Double { a.isNaN || b.isNaN ? .nan : Swift.max(a, b) }
}
