import CKernels

/// A linear map along one dimension in which every output is a sum of few weighted inputs.
final class DimensionMap: Sendable {
  let inputSize: Int
  /// The terms of output i are those from `starts[i]` up to `starts[i + 1]`.
  let starts: [Int]
  let inputs: [Int]
  let weights: [Double]
  private let weights32: [Float]

  var outputSize: Int { starts.count - 1 }

  /// `terms[i]` are the inputs that output i is made of.
  init(inputSize: Int, _ terms: [[(input: Int, weight: Double)]]) {
    self.inputSize = inputSize
    var starts = [0]
    for list in terms { starts.append(starts.last! + list.count) }
    self.starts = starts
    inputs = terms.flatMap { $0.map(\.input) }
    weights = terms.flatMap { $0.map(\.weight) }
    weights32 = weights.map { Float($0) }
  }

  /// From outputs to inputs: what takes the gradient back. Made when it is first asked for.
  var transposed: DimensionMap {
    if let known = lock.withLock({ reverse }) { return known }
    var terms = Array(repeating: [(input: Int, weight: Double)](), count: inputSize)
    for i in 0..<outputSize {
      for k in starts[i]..<starts[i + 1] { terms[inputs[k]].append((i, weights[k])) }
    }
    let made = DimensionMap(inputSize: outputSize, terms)
    lock.withLock { reverse = made }
    return made
  }

  /// The weights in units of 2⁻ᵇⁱᵗˢ, as many as fit into 16 bits. Made when they are first asked for.
  var inWholeNumbers: (map: DimensionMap, bits: Int) {
    if let known = lock.withLock({ whole }) { return known }
    let largest = weights.max() ?? 0
    var bits = 0
    while bits < 22 && Int(0.5 + largest * Double(1 << (bits + 1))) < 1 << 15 { bits += 1 }
    let unit = Double(1 << bits)
    let terms = (0..<outputSize).map { i in
      (starts[i]..<starts[i + 1]).map { k in
        (input: inputs[k], weight: (weights[k] * unit).rounded(.toNearestOrAwayFromZero))
      }
    }
    let made = (map: DimensionMap(inputSize: inputSize, terms), bits: bits)
    lock.withLock { whole = made }
    return made
  }

  private let lock = Lock()
  // Guarded by the lock.
  private nonisolated(unsafe) var reverse: DimensionMap?
  private nonisolated(unsafe) var whole: (map: DimensionMap, bits: Int)?
  private nonisolated(unsafe) var copies: [Place: Copy] = [:]

  // MARK: Maps that were made

  private static let most = 128
  private static let shelf = Lock()
  /// By what they were made of; guarded by the lock.
  private nonisolated(unsafe) static var known: [AnyHashable: DimensionMap] = [:]

  /// The map that belongs to `key`, made once: a GPU has its numbers then.
  static func of(_ key: some Hashable, make: () -> DimensionMap) -> DimensionMap {
    let key = AnyHashable(key)
    if let map = shelf.withLock({ known[key] }) { return map }
    let map = make()
    let old = shelf.withLock {
      let old = known.count >= most ? known : [:]
      if !old.isEmpty { known = [:] }
      known[key] = map
      return old
    }
    // Memory is given back here, not under the lock.
    withExtendedLifetime(old) {}
    return map
  }

  /// From [outer, inputSize, inner] to [outer, outputSize, inner], both dense, of float32, float64, or of bytes, whose weights are whole
  /// numbers in units of 2⁻ᵇⁱᵗˢ.
  func run(_ x: Elements, into y: Elements, bits: Int? = nil) throws(TensorError) {
    func task(_ tables: Tables) -> DimensionMapTask { DimensionMapTask(x, into: y, tables, bits: bits) }
    let weightType: DType = bits == nil ? x.dtype : .int32
    if !x.device.isCPU {
      return try GPUBackend.run(.task(task(deviceTables(weightType, on: x.device))), on: x.device)
    }
    try withTables(weightType) { (tables) throws(TensorError) in
      KernelCall.task(task(tables)) {
        let (outer, inner) = (x.layout.shape.at(0), x.layout.shape.at(2))
        if let bits {
          runBytes(x.start, into: y.start, tables.weights.start, bits: bits, outer: outer, inner: inner)
        } else {
          run(x.start, y.start, tables.weights.start, x.dtype, outer, inner)
        }
      }
    }
  }

  // MARK: As operands

  /// `starts` and `inputs`, int64, and the weights.
  struct Tables {
    var starts, inputs, weights: Elements
  }

  /// In the processor's memory.
  private func withTables<R>(_ weightType: DType, _ body: (Tables) throws(TensorError) -> R) throws(TensorError) -> R {
    func elements(_ bytes: UnsafeRawBufferPointer, _ dtype: DType) -> Elements {
      let empty = Storage.none.address
      return Elements(
        bytes.baseAddress.map { UnsafeMutableRawPointer(mutating: $0) } ?? empty, Layout([bytes.count / dtype.byteCount]), dtype)
    }
    func run(_ weights: UnsafeRawBufferPointer) -> Result<R, TensorError> {
      starts.withUnsafeBytes { starts in
        inputs.withUnsafeBytes { inputs in
          Result { () throws(TensorError) in
            try body(
              Tables(starts: elements(starts, .int64), inputs: elements(inputs, .int64), weights: elements(weights, weightType)))
          }
        }
      }
    }
    let result =
      switch weightType {
      case .float64: weights.withUnsafeBytes(run)
      case .float32: weights32.withUnsafeBytes(run)
      default: weights.map { Int32($0) }.withUnsafeBytes(run)
      }
    return try result.get()
  }

  /// In a GPU's memory, brought there once for each stream that uses them.
  func deviceTables(_ weightType: DType, on device: Device) throws(TensorError) -> Tables {
    let stream = try GPUBackend.of(device).stream
    let place = Place(device: device, stream: stream.handle, weightType: weightType)
    if stream.isCapturing.load(ordering: .relaxed) {
      // A graph may run when the map is long gone, and takes what any stream has brought there.
      let known = lock.withLock {
        copies[place] ?? copies.first { $0.key.device == device && $0.key.weightType == weightType }?.value
      }
      if let known {
        DimensionMap.shelf.withLock { DimensionMap.captured.append(known) }
        return known.tables
      }
    }
    if let known = lock.withLock({ copies[place] }) { return known.tables }
    let copy = try withTables(weightType) { (tables) throws(TensorError) in try Copy(of: tables, on: device) }
    try stream.synchronize()
    // Of threads that came at once all use the first one's copy: nobody else's is held.
    return lock.withLock {
      let kept = copies[place] ?? copy
      copies[place] = kept
      return kept.tables
    }
  }

  /// What graphs hold; guarded by the shelf's lock.
  private nonisolated(unsafe) static var captured: [Copy] = []

  private struct Place: Hashable {
    let device: Device
    let stream: Driver.Handle
    let weightType: DType
  }

  private struct Copy {
    private let values: [Value]
    let tables: Tables

    init(of tables: Tables, on device: Device) throws(TensorError) {
      values = try [tables.starts, tables.inputs, tables.weights].map { (table) throws(TensorError) in
        let value = try Value(table.layout, table.dtype, on: device)
        try table.copy(to: value.elements)
        return value
      }
      self.tables = Tables(starts: values[0].elements, inputs: values[1].elements, weights: values[2].elements)
    }
  }

  // MARK: On the processor

  /// From [outer, inputSize, inner] to [outer, outputSize, inner], both dense, of bytes. The weights are whole numbers.
  private func runBytes(
    _ x: UnsafeRawPointer, into y: UnsafeMutableRawPointer, _ weights: UnsafeRawPointer, bits: Int, outer: Int, inner: Int
  ) {
    let (from, to) = (x.assumingMemoryBound(to: UInt8.self), y.assumingMemoryBound(to: UInt8.self))
    let (size, count) = (inputSize, outputSize)
    if outer * count * inner == 0 { return }
    let wholes = weights.assumingMemoryBound(to: Int32.self)
    let (rows, columns) = (Kernels.table.pointee.weigh_rows!, Kernels.table.pointee.weigh_columns!)
    let isLast = inner == 1
    let outerAPiece = Swift.max(1, (1 << 16) / (count * inner))
    let pieces = (outer + outerAPiece - 1) / outerAPiece
    starts.withUnsafeBufferPointer { starts in
      inputs.withUnsafeBufferPointer { inputs in
        forEach(pieces, parallel: outer * count * inner > 1 << 16) { piece in
          let first = piece * outerAPiece
          let last = Swift.min(first + outerAPiece, outer)
          if isLast {
            columns(
              to + first &* count, count, from + first &* size, size, last &- first, starts.baseAddress, inputs.baseAddress,
              wholes, Int32(bits))
            return
          }
          for o in first..<last {
            for i in 0..<count {
              rows(
                to + (o &* count &+ i) &* inner, from + o &* size &* inner, inputs.baseAddress! + starts[i],
                wholes + starts[i], starts[i &+ 1] &- starts[i], inner, Int32(bits))
            }
          }
        }
      }
    }
  }

  private func run(
    _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, _ weights: UnsafeRawPointer?, _ dtype: DType, _ outer: Int, _ inner: Int
  ) {
    let (from, to) = (inputSize * inner * dtype.byteCount, outputSize * inner * dtype.byteCount)
    if outer * to == 0 { return }
    let outerAPiece = Swift.max(1, (1 << 14) / (outputSize * inner))
    let pieces = (outer + outerAPiece - 1) / outerAPiece
    let kernel = KernelAccess.mapDimension[Int(dtype.computeClass.rawValue)]!
    starts.withUnsafeBufferPointer { starts in
      inputs.withUnsafeBufferPointer { inputs in
        var map = fb_dimension_map(
          size: inputSize, count: outputSize, inner: inner, starts: starts.baseAddress, inputs: inputs.baseAddress,
          weights: weights)
        withUnsafePointer(to: &map) { map in
          forEach(pieces, parallel: outer * outputSize * inner > 1 << 14) { piece in
            let first = piece * outerAPiece
            kernel(map, y + first * to, x + first * from, Swift.min(outerAPiece, outer - first))
          }
        }
      }
    }
  }
}
