import CKernels

/// c = finish(alpha · a b + beta · added), for the matrices in the last two dimensions; what ``MatrixProduct`` does on the CPU.
struct ProductTask: KernelTask {
  /// [batch …, m, k] and [batch …, k, n] of one dtype; batches broadcast to the result's. Any strides.
  let a: Elements
  let b: Elements
  /// [batch …, m, n], of any strides.
  let c: Elements
  /// Of c's shape; it may be c itself.
  var added: Elements?
  var alpha = 1.0
  var beta = 1.0
  var finish: ProductFinish?
  /// [n]: what the columns of c add up to. Of a slope's product only: a bias's gradient.
  var columnSums: Elements?
  /// What cuBLASLt notes of a rectifier's sums, and reads for its slope: bits [m, 128 · …] as bytes. Only for tasks that it does as a whole
  /// (``ProductLibrary/doesWhole(_:)``).
  var signs: Elements?
  /// c is a position in the launches' workspace instead of an address.
  var resultIsWorkspace = false

  var operands: [Elements] { [a, b, c] + [added, finish?.elements, columnSums, signs].compactMap { $0 } }
  var results: [Elements] {
    if case .activation(_, let kept) = finish { return [c] + [kept, signs].compactMap { $0 } }
    return [c] + [columnSums].compactMap { $0 }
  }
  var product: ProductTask? { self }

  func mapOperands(_ f: (Elements) -> Elements) -> ProductTask {
    ProductTask(
      a: f(a), b: f(b), c: resultIsWorkspace ? c : f(c), added: added.map(f), alpha: alpha, beta: beta,
      finish: finish?.mapElements(f), columnSums: columnSums.map(f), signs: signs.map(f), resultIsWorkspace: resultIsWorkspace)
  }

  struct Attributes: Hashable {
    let alpha: Number
    let beta: Number
    let finish: ProductFinish.Kind?
    let hasColumnSums: Bool
    let hasSigns: Bool
    let resultIsWorkspace: Bool
  }

  var attributes: Attributes {
    Attributes(
      alpha: Number(alpha), beta: Number(beta), finish: finish?.kind, hasColumnSums: columnSums != nil,
      hasSigns: signs != nil, resultIsWorkspace: resultIsWorkspace)
  }

  /// beta · input, broadcast, is added too.
  mutating func add(_ input: TensorBody?, beta: Double = 1) {
    guard let input, beta != 0 else { return }
    (added, self.beta) = (input.elements(input.layout.broadcast(to: c.layout.shape)!), beta)
  }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    if c.layout.elementCount == 0 { return }
    if let parts {
      parts.product.append(to: &work, on: device, wide: wide)
      for call in parts.after { call.append(to: &work, on: device, wide: wide) }
      return
    }
    let matrices = ProductMatrices(self)
    let output = ProductOutput(self, matrices, wide: wide)
    if let thin = ThinProductKernel(self, matrices, output) {
      thin.append(to: &work, device)
    } else {
      ProductKernel(self, matrices, output, device).append(to: &work, device)
    }
  }
}

extension ProductTask {
  /// The product alone, and what follows it; nil if a product is all, or does the rest while it writes.
  var parts: (product: ProductTask, after: [KernelCall])? {
    if finish?.elements == nil && columnSums == nil { return nil }
    return split
  }

  /// The product without a finish, and what does that.
  var split: (product: ProductTask, after: [KernelCall]) {
    var product = self
    (product.finish, product.columnSums, product.signs) = (nil, nil, nil)
    let computeClass = c.dtype.computeClass
    var after: [KernelCall] = []
    switch finish {
    case .activation(let function, let kept):
      if let kept { product = product.into(kept) }
      after.append(.map(function.program, computeClass, [product.c], Scalars(), into: [c]))
    case .slope(let function, let input):
      after.append(.map(function.slope, computeClass, [input, c], Scalars(), into: [c]))
    case nil: break
    }
    if let columnSums {
      let row = columnSums.laid(columnSums.layout.inserted(0))
      after.append(.reduction(.sum, computeClass, [c], map: nil, dims: [0], Scalars(), finish: nil, into: row))
    }
    return (product, after)
  }

  private func into(_ c: Elements) -> ProductTask {
    ProductTask(a: a, b: b, c: c, added: added, alpha: alpha, beta: beta, resultIsWorkspace: resultIsWorkspace)
  }

  /// What our own kernels do to a sum before they round it.
  var sumProgram: Program? {
    if case .activation(let function, nil) = finish { return function.program }
    return nil
  }
}

/// The sizes and strides of a product, batches merged as far as they allow it.
struct ProductMatrices {
  private(set) var m: Int
  let n: Int
  let k: Int
  private(set) var a: (row: Int, depth: Int)
  let b: (depth: Int, column: Int)
  private(set) var c: (row: Int, column: Int)
  private(set) var added: (row: Int, column: Int)
  /// The batch dimensions, and the strides of a, b, c and what is added there.
  private(set) var batches: [(size: Int, strides: [Int])] = []

  var batchCount: Int { batches.reduce(1) { $0 * $1.size } }

  init(_ task: ProductTask) {
    let shape = task.c.layout.shape
    let rank = shape.count
    let depthOfA = task.a.layout.rank - 1
    (m, n, k) = (shape.at(rank - 2), shape.at(rank - 1), task.a.layout.shape.at(depthOfA))
    // Where there is one position only, no stride is ever used.
    func strides(_ elements: Elements) -> (Int, Int) {
      let last = elements.layout.rank - 1
      func stride(_ dim: Int) -> Int { elements.layout.shape.at(dim) == 1 ? 0 : elements.layout.strides.at(dim) }
      return (stride(last - 1), stride(last))
    }
    (a, b, c) = (strides(task.a), strides(task.b), strides(task.c))
    added = task.added.map(strides) ?? (0, 0)
    let operands = [task.a, task.b, task.c] + (task.added.map { [$0] } ?? [])
    for dim in (0..<rank - 2).reversed() where shape.at(dim) != 1 {
      let own = operands.map { ProductMatrices.stride($0.layout, fromEnd: rank - dim) }
      if !takeAsRows(shape.at(dim), own) { takeAsBatch(shape.at(dim), own) }
    }
  }

  private static func stride(_ layout: Layout, fromEnd: Int) -> Int {
    let dim = layout.rank - fromEnd
    return dim < 0 || layout.shape.at(dim) == 1 ? 0 : layout.strides.at(dim)
  }

  /// Matrices that follow each other and share b are one taller matrix.
  private mutating func takeAsRows(_ size: Int, _ strides: [Int]) -> Bool {
    guard batches.isEmpty, strides[1] == 0 else { return false }
    let rows = [a.row, c.row, added.row]
    let steps = [strides[0], strides[2], strides.count > 3 ? strides[3] : 0]
    if m == 1 {
      (a.row, c.row, added.row) = (steps[0], steps[1], steps[2])
    } else if zip(rows, steps).contains(where: { $0 * m != $1 }) {
      return false
    }
    m *= size
    return true
  }

  /// Dimensions come from the innermost outwards.
  private mutating func takeAsBatch(_ size: Int, _ strides: [Int]) {
    if let inner = batches.first, zip(inner.strides, strides).allSatisfy({ $0 * inner.size == $1 }) {
      batches[0].size *= size
    } else {
      batches.insert((size, strides), at: 0)
    }
  }
}

/// A matrix as a kernel brings it in: lines are its rows or columns, the other direction is the depth that is summed over.
struct ProductOperand {
  let elements: Elements
  let lineStride: Int
  let depthStride: Int
  /// Neighbours in depth are neighbours in memory, or nearer than those of lines.
  let isAlongDepth: Bool
  /// Neighbours that are read together.
  let width: Int

  /// `steps`: what is added to positions besides, such as from batch to batch.
  init(_ elements: Elements, line: Int, depth: Int, lines: Int, depths: Int, steps: [Int], most: Int = 16) {
    (self.elements, lineStride, depthStride) = (elements, line, depth)
    isAlongDepth = depths > 1 && (lines == 1 || abs(depth) <= abs(line))
    let (near, far) = isAlongDepth ? (depth, line) : (line, depth)
    let width = Swift.min(16 / elements.dtype.byteCount, most)
    let isAligned =
      near == 1 && (isAlongDepth ? depths : lines) >= width
      && UInt(bitPattern: elements.address) % UInt(width * elements.dtype.byteCount) == 0
      && (steps + [far]).allSatisfy { $0 % width == 0 }
    self.width = isAligned ? width : 1
  }
}
