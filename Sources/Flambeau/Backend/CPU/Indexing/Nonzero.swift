import CKernels

/// Where a tensor's elements are not 0.
enum Nonzero {
  static let pieceElements = 1 << 16

  /// The positions, [count, rank] int64, in row-major order; column after column in memory, so that each column is dense.
  static func positions(_ body: TensorBody) throws(TensorError) -> Value {
    let shape = body.layout.shape
    let mask = try booleans(body)
    let total = shape.elementCount
    let pieces = (total + pieceElements - 1) / pieceElements
    let device = body.device
    let sums = try Value(Layout([pieces + 1]), .int64, on: device)
    if !device.isCPU { return try positions(mask, sums, shape) }
    let starts = sums.elements.start.assumingMemoryBound(to: Int64.self)
    let bytes = UnsafePointer(mask.elements.start.assumingMemoryBound(to: UInt8.self))
    KernelCall.task(NonzeroCounts(mask.elements, into: sums.elements)) {
      starts[0] = 0
      ThreadPool.run(pieces) { piece in
        var count = 0
        for i in piece * pieceElements..<Swift.min((piece + 1) * pieceElements, total) { count &+= Int(bytes[i]) }
        starts[piece + 1] = Int64(count)
      }
      for piece in 0..<pieces { starts[piece + 1] += starts[piece] }
    }
    let (count, rank) = (Int(starts[pieces]), shape.count)
    let result = try Value(Layout([rank, count]), .int64)
    let out = result.elements.start.assumingMemoryBound(to: Int64.self)
    withExtendedLifetime((mask.storage, sums.storage)) {
      if rank == 0 || count == 0 { return }
      KernelCall.task(NonzeroPositions(mask.elements, starts: sums.elements, into: result.elements)) {
        ThreadPool.run(pieces) { piece in
          let range = piece * pieceElements..<Swift.min((piece + 1) * pieceElements, total)
          write(bytes, range, shape, out + Int(starts[piece]), columns: count)
        }
      }
    }
    return Value(result.storage, result.layout.permuted([1, 0]), .int64)
  }

  /// The same on a GPU, which is waited for between counting and writing.
  private static func positions(_ mask: Value, _ sums: Value, _ shape: Shape) throws(TensorError) -> Value {
    let device = mask.storage.device
    try GPUBackend.run(.task(NonzeroCounts(mask.elements, into: sums.elements)), on: device)
    let total: Int64 = try sums.elements(sums.layout.selected(0, sums.layout.elementCount - 1)).only()
    let result = try Value(Layout([shape.count, Int(total)]), .int64, on: device)
    if result.layout.elementCount > 0 {
      try GPUBackend.run(
        .task(NonzeroPositions(mask.elements, starts: sums.elements, into: result.elements)), on: device)
    }
    return Value(result.storage, result.layout.permuted([1, 0]), .int64)
  }

  /// The elements as row-major bytes of 0 and 1.
  private static func booleans(_ body: TensorBody) throws(TensorError) -> Value {
    if body.dtype == .bool && body.layout.isContiguous { return body.value }
    let mask = try Value(Layout(body.layout.shape), .bool, on: body.device)
    try body.elements.copy(to: mask.elements)
    return mask
  }

  /// The positions of the ones of `range`; a coordinate's column is `columns` after the one before it.
  private static func write(
    _ bytes: UnsafePointer<UInt8>, _ range: Range<Int>, _ shape: Shape, _ out: UnsafeMutablePointer<Int64>, columns: Int
  ) {
    let rank = shape.count
    let width = shape.at(rank - 1)
    var place = [Int](repeating: 0, count: rank)
    var rest = range.lowerBound
    for dim in (0..<rank).reversed() {
      place[dim] = rest % shape.at(dim)
      rest /= shape.at(dim)
    }
    var at = range.lowerBound
    var found = 0
    while at < range.upperBound {
      let rowStart = at - place[rank - 1]
      let end = Swift.min(rowStart + width, range.upperBound)
      let before = found
      let column = out + (rank - 1) * columns
      for i in at..<end where bytes[i] != 0 {
        column[found] = Int64(i - rowStart)
        found &+= 1
      }
      for dim in 0..<rank - 1 {
        for i in before..<found { out[dim * columns + i] = Int64(place[dim]) }
      }
      at = end
      place[rank - 1] = 0
      var dim = rank - 2
      while dim >= 0 {
        place[dim] += 1
        if place[dim] < shape.at(dim) { break }
        place[dim] = 0
        dim -= 1
      }
    }
  }
}
