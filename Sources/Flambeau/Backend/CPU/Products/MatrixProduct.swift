import CKernels

/// Products of the matrices in the last two dimensions of tensors, one for each position of the others.
struct MatrixProduct {
  /// [batch …, m, k] and [batch …, k, n]; batches broadcast to the result's.
  let a: Elements
  let b: Elements
  /// [batch …, m, n], row-major.
  let c: Elements
  var alpha = 1.0
  var beta = 0.0
  /// A matrix's.
  var finish: ProductFinish?
  private var epilogue = GemmEpilogue()

  init(_ a: Elements, _ b: Elements, into c: Elements, alpha: Double = 1, beta: Double = 0) {
    (self.a, self.b, self.c, self.alpha, self.beta) = (a, b, c, alpha, beta)
  }

  /// c = alpha · a b + beta · c, finished
  func run() {
    if c.layout.elementCount == 0 { return }
    if KernelCall.isObserved {
      KernelCall.observed(.task(task)) { compute() }
    } else {
      compute()
    }
  }

  /// The same for a GPU.
  private var task: ProductTask {
    var task = ProductTask(a: a, b: b, c: c, alpha: alpha, finish: finish)
    if beta != 0 { (task.added, task.beta) = (c, beta) }
    if let bias = epilogue.columnBias {
      let row = Layout([c.layout.shape.at(c.layout.rank - 1)]).broadcast(to: c.layout.shape)!
      task.added = Elements(UnsafeMutableRawPointer(mutating: bias), row, c.dtype)
    }
    return task
  }

  private func compute() {
    fb_count_operations(2 * Double(work))
    let rank = c.layout.rank
    let (m, n) = (c.layout.shape.at(rank - 2), c.layout.shape.at(rank - 1))
    var epilogue = epilogue
    epilogue.rows = finish?.rows(of: c, GemmTable.current)
    let gemm = Gemm(
      m: m, n: n, k: a.layout.shape.at(a.layout.rank - 1), a: MatrixOperand(a), b: MatrixOperand(b), c: c.start,
      cType: c.dtype, cRowStride: n, alpha: alpha, beta: beta, epilogue: epilogue)
    if rank == 2 { return gemm.run() }
    let batches = Batches(a.layout, b.layout, c.layout.shape)
    if let only = batches.only {
      gemm.runBatch(only.count, aStride: only.a, bStride: only.b, cStride: m * n)
    } else {
      gemm.runBatch(batches.count) { batches.offsets($0, cStride: m * n) }
    }
  }

  /// The batch dimensions, merged where both operands allow it.
  private struct Batches {
    private var dims: [(count: Int, a: Int, b: Int)] = []
    let count: Int

    init(_ a: Layout, _ b: Layout, _ shape: Shape) {
      var count = 1
      for i in 0..<shape.count - 2 where shape.at(i) != 1 {
        let size = shape.at(i)
        let fromEnd = shape.count - i
        let next = (count: size, a: Self.stride(a, fromEnd), b: Self.stride(b, fromEnd))
        count *= size
        if let last = dims.last, last.a == next.a * size, last.b == next.b * size {
          dims[dims.count - 1] = (last.count * size, next.a, next.b)
        } else {
          dims.append(next)
        }
      }
      self.count = count
    }

    private static func stride(_ layout: Layout, _ fromEnd: Int) -> Int {
      let dim = layout.rank - fromEnd
      return dim < 0 || layout.shape.at(dim) == 1 ? 0 : layout.strides.at(dim)
    }

    /// All batches as one dimension; nil if they are not.
    var only: (count: Int, a: Int, b: Int)? { dims.count > 1 ? nil : dims.first ?? (1, 0, 0) }

    func offsets(_ batch: Int, cStride: Int) -> (a: Int, b: Int, c: Int) {
      var (rest, a, b) = (batch, 0, 0)
      for dim in dims.reversed() {
        let (quotient, index) = rest.quotientAndRemainder(dividingBy: dim.count)
        a += index * dim.a
        b += index * dim.b
        rest = quotient
      }
      return (a, b, batch * cStride)
    }
  }
}

extension MatrixProduct {
  /// alpha · a b + beta · input, `input` broadcast to `shape`.
  static func value(
    _ a: Elements, _ b: Elements, _ shape: Shape, plus input: TensorBody? = nil, alpha: Double = 1, beta: Double = 1
  ) throws(TensorError) -> Value {
    let result = try Value(Layout(shape), a.dtype, on: a.device)
    try fill(result.elements, a, b, plus: input, alpha: alpha, beta: beta)
    return result
  }

  /// The same, finished, into `c`, which is dense.
  static func fill(
    _ c: Elements, _ a: Elements, _ b: Elements, plus input: TensorBody? = nil, alpha: Double = 1, beta: Double = 1,
    finish: ProductFinish? = nil
  ) throws(TensorError) {
    if !c.device.isCPU {
      var task = ProductTask(a: a, b: b, c: c, alpha: alpha, finish: finish)
      task.add(input, beta: beta)
      return try GPUBackend.run(.task(task), on: c.device)
    }
    var product = MatrixProduct(a, b, into: c, alpha: alpha)
    let isInteger = !c.dtype.isFloatingPoint
    if !isInteger { product.finish = finish }
    if let input, beta != 0 {
      let stretched = input.layout.broadcast(to: c.layout.shape)!
      if beta == 1 && a.dtype.isFloatingPoint && product.work > Gemm.smallWork && stretched.isOneRow {
        product.epilogue.columnBias = UnsafeRawPointer(input.elements.start)
      } else {
        product.beta = beta
        input.elements(stretched).copyOnProcessor(to: c)
      }
    }
    withExtendedLifetime(input) { product.run() }
    // Integers are multiplied by loops that finish nothing.
    if isInteger, case .activation(let function, nil) = finish {
      Interpreter.run(function.program, in: c.dtype.computeClass, c, into: c)
    }
  }

  private var work: Int { c.layout.elementCount * a.layout.shape.at(a.layout.rank - 1) }
}

extension Gemm {
  /// Work so small that what surrounds a product decides.
  static let smallWork = 4096
}

extension Layout {
  /// All rows are the same dense row.
  fileprivate var isOneRow: Bool {
    for i in 0..<rank - 1 where shape.at(i) != 1 && strides.at(i) != 0 { return false }
    return strides.at(rank - 1) == 1 || shape.at(rank - 1) == 1
  }
}

extension MatrixOperand {
  /// The first matrix of `elements`.
  init(_ elements: Elements) {
    let rank = elements.layout.rank
    self.init(
      data: elements.start, dtype: elements.dtype, rowStride: elements.layout.strides.at(rank - 2),
      columnStride: elements.layout.strides.at(rank - 1))
  }
}
