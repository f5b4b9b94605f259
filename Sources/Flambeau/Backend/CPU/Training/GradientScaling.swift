import CKernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What clipping does to many tensors at once: one pass that reads, one that writes.
package enum GradientScaling {
  /// The norm of all elements of `tensors` together, a float64 where the first lives, of `order` > 0, which may be infinite; nil, reported, if
  /// it cannot be had. Nobody waits for it.
  package static func norm(of tensors: [Tensor], order: Double, operation: String) -> Tensor? {
    if let parts = parts(of: tensors) {
      var norms: [Tensor] = []
      for part in parts {
        guard let norm = norm(of: part, order: order, operation: operation) else { return nil }
        norms.append(norm.to(tensors[0].device))
      }
      return noGrad { Tensor.stack(norms).vectorNorm(ord: order) }
    }
    guard let arrays = dense(tensors, operation, written: false) else { return nil }
    let span = Context.current.profiler?.begin(.function(operation))
    defer { span?.end(byteCount: arrays.reduce(0) { $0 + $1.byteCount }) }
    do throws(TensorError) {
      let device = try arrays.device()
      let norm = try Value(Layout([]), .float64, on: device)
      try KernelCall.task(on: device, GradientTask(.norm(order: order, result: norm.elements), arrays.map(\.elements))) {
        norm.storage.pointer.storeBytes(of: Self.norm(of: arrays, order), as: Double.self)
      }
      return Tensor(TensorBody(norm))
    } catch {
      _ = Door.refuse(error, operation, Few(), at: nil)
      return nil
    }
  }

  private static func norm(of arrays: [DenseArray], _ order: Double) -> Double {
    let runs = arrays.map(Run.init)
    let pieces = Pieces(counts: runs.map(\.count))
    if pieces.pieces.isEmpty { return 0 }
    // Partial results join in the order of the pieces, whoever computed them.
    let parts = [Double](unsafeUninitializedCapacity: pieces.pieces.count) { parts, count in
      count = pieces.pieces.count
      let start = parts.baseAddress!
      // Each piece writes its own element.
      nonisolated(unsafe) let out = start
      pieces.run { i, piece in
        out[i] = 0
        runs[piece.array].each(piece) { block, n, computeClass in
          let part = Self.part(block, n, computeClass, order)
          out[i] = order == .infinity ? largest(out[i], part) : out[i] + part
        }
      }
    }
    withExtendedLifetime(arrays) {}
    if order == .infinity { return parts.reduce(0, largest) }
    let sum = parts.reduce(0, +)
    return order == 2 ? sum.squareRoot() : order == 1 ? sum : pow(sum, 1 / order)
  }

  /// Multiplies every element, in place.
  package static func scale(_ tensors: [Tensor], by factor: Double, operation: String) {
    write(tensors, operation, .scale(by: factor, found: nil)) { block, n, computeClass in
      apply(fb_mul, block, factor, n, computeClass)
    }
  }

  /// The same, with a float32 where the first lives that becomes 1 if an element was not finite before, and is 0 otherwise; nil, reported, if it
  /// cannot be done. Nobody waits for it.
  package static func unscale(_ tensors: [Tensor], by factor: Double, operation: String) -> Tensor? {
    if let parts = parts(of: tensors) {
      var found: [Tensor] = []
      for part in parts {
        guard let one = unscale(part, by: factor, operation: operation) else { return nil }
        found.append(one.to(tensors[0].device))
      }
      return noGrad { Tensor.stack(found).amax() }
    }
    if tensors.allSatisfy(\.device.isCPU) {
      guard let largest = norm(of: tensors, order: .infinity, operation: operation) else { return nil }
      scale(tensors, by: factor, operation: operation)
      return Tensor(Float(largest.item(as: Double.self).isFinite ? 0 : 1), device: .cpu)
    }
    let found = Tensor.zeros([], device: tensors[0].device)
    if found.body.isPoisoned { return nil }
    write(tensors, operation, .scale(by: factor, found: found.body.elements)) { _, _, _ in }
    return Context.current.isFailed ? nil : found
  }

  /// Multiplies every element by `bound` / (`norm` + 10⁻⁶), in place, where that is less than 1 or NaN. `norm` is ``norm(of:order:operation:)``'s.
  package static func clip(_ tensors: [Tensor], to bound: Double, norm: Tensor, operation: String) {
    if let parts = parts(of: tensors) {
      for part in parts { clip(part, to: bound, norm: norm.to(part[0].device), operation: operation) }
      return
    }
    if norm.device.isCPU {
      let factor = bound / (norm.item(as: Double.self) + 1e-6)
      if !(factor >= 1) { scale(tensors, by: factor, operation: operation) }
      return
    }
    withExtendedLifetime(norm) { write(tensors, operation, .clip(to: bound, norm: norm.body.elements)) { _, _, _ in } }
  }

  /// Brings every element between -bound and bound, in place; NaN stays.
  package static func clamp(_ tensors: [Tensor], to bound: Double, operation: String) {
    if let parts = parts(of: tensors) {
      for part in parts { clamp(part, to: bound, operation: operation) }
      return
    }
    write(tensors, operation, .clamp(to: bound)) { block, n, computeClass in
      apply(fb_max, block, -bound, n, computeClass)
      apply(fb_min, block, bound, n, computeClass)
    }
  }

  /// Those of each device, in the order of the first of each; nil where they live on one.
  private static func parts(of tensors: [Tensor]) -> [[Tensor]]? {
    guard let first = tensors.first?.device, tensors.contains(where: { $0.device != first }) else { return nil }
    var devices: [Device] = []
    for tensor in tensors where !devices.contains(tensor.device) { devices.append(tensor.device) }
    return devices.map { device in tensors.filter { $0.device == device } }
  }

  private typealias Body = (_ block: UnsafeMutableRawPointer, _ count: Int, _ computeClass: fb_class) -> Void

  private static func write(_ tensors: [Tensor], _ operation: String, _ action: GradientTask.Action, _ body: Body) {
    guard let arrays = dense(tensors, operation, written: true) else { return }
    let span = Context.current.profiler?.begin(.function(operation))
    do throws(TensorError) {
      try KernelCall.task(on: arrays.device(), GradientTask(action, arrays.map(\.elements))) {
        let runs = arrays.map(Run.init)
        Pieces(counts: runs.map(\.count)).run { _, piece in runs[piece.array].each(piece, stores: true, body) }
      }
      for array in arrays { try array.finish() }
    } catch {
      _ = Door.refuse(error, operation, Few(), at: nil)
    }
    span?.end(byteCount: arrays.reduce(0) { $0 + 2 * $1.byteCount })
  }

  /// Nil in a failed error scope, or when one is refused.
  private static func dense(_ tensors: [Tensor], _ operation: String, written: Bool) -> [DenseArray]? {
    let context = Context.current
    if context.isFailed { return nil }
    var arrays: [DenseArray] = []
    do throws(TensorError) {
      for tensor in tensors {
        if written { try tensor.body.checkWritable(context, recording: false) }
        arrays.append(try DenseArray(tensor))
      }
    } catch {
      _ = Door.refuse(error, operation, Few(), at: nil)
      return nil
    }
    return arrays
  }

  private static let block = 2048

  /// An array as threads see it: numbers and addresses only, so that they share no reference counts.
  private struct Run {
    let start: UnsafeMutableRawPointer
    let dtype: DType
    let count: Int

    init(_ array: DenseArray) {
      start = array.start
      dtype = array.dtype
      count = array.count
    }

    /// Calls `body` with the blocks of a piece, in the class they are computed in.
    func each(_ piece: Pieces.Piece, stores: Bool = false, _ body: Body) {
      let computeClass = dtype.computeClass
      for at in stride(from: piece.start, to: piece.start + piece.count, by: block) {
        let n = Swift.min(block, piece.start + piece.count - at)
        let elements = start + at * dtype.byteCount
        if !dtype.isHalf {
          body(elements, n, computeClass)
          continue
        }
        Scratch.withBytes(block * computeClass.byteCount) { converted in
          computeClass.load(dtype)(converted, elements, 1, n)
          body(converted, n, computeClass)
          if stores { computeClass.store(dtype)(elements, 1, converted, n) }
        }
      }
    }
  }

  /// What `n` elements contribute to a norm.
  private static func part(_ elements: UnsafeRawPointer, _ n: Int, _ computeClass: fb_class, _ order: Double) -> Double {
    if order == 2 { return value(computeClass) { computeClass.reduce(fb_reduce_sum_squares)($0, elements, n) } }
    return Scratch.withBytes(Self.block * computeClass.byteCount) { sizes in
      fb_abs.kernel(in: computeClass)!(sizes, elements, nil, nil, n, 0)
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
