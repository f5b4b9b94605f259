/// A product of halves whose sizes or rows do not suit tensor cores, as one that does: sizes are rounded up, rows begin where 16 bytes do,
/// and zeros lie beyond the numbers. A vocabulary of 50,257 is multiplied several times faster so.
struct ProductPadding {
  /// A matrix, and the copy that takes its place; nil where it does as it is.
  private struct Side {
    let own: Elements
    let padded: Shape?

    var byteCount: Int { padded.map { $0.elementCount * own.dtype.byteCount } ?? 0 }
  }

  private let a: Side
  private let b: Side
  private let c: Side
  /// Matrices that lie by columns, whose copies do as well.
  private let isTurned: (a: Bool, b: Bool)
  private let task: ProductTask

  /// Elements that 16 bytes hold.
  private static let step = 8

  /// Nil where nothing would be gained.
  ///
  /// - Parameter least: Operations for each byte that is moved besides, from which copies are worth their time.
  init?(_ task: ProductTask, least: Double) {
    let matrices = ProductMatrices(task)
    let hasAddend = task.added != nil && task.beta != 0
    guard task.c.dtype.byteCount == 2, !hasAddend, task.finish == nil, matrices.batches.isEmpty else { return nil }
    let (m, n, k) = (matrices.m, matrices.n, matrices.k)
    guard Swift.min(m, n, k) >= ProductPadding.step else { return nil }
    func rounded(_ size: Int) -> Int { (size + ProductPadding.step - 1) / ProductPadding.step * ProductPadding.step }
    // Sizes along which a matrix lies in memory.
    var along = Set<Character>()
    func lie(_ names: (Character, Character), _ strides: (Int, Int)) -> Bool {
      if strides.1 == 1 { along.insert(names.1) } else if strides.0 == 1 { along.insert(names.0) } else { return false }
      return true
    }
    guard lie(("m", "k"), matrices.a), lie(("k", "n"), matrices.b), matrices.c.column == 1, lie(("m", "n"), matrices.c) else {
      return nil
    }
    let paddedM = along.contains("m") ? rounded(m) : m
    let paddedN = along.contains("n") ? rounded(n) : n
    let paddedK = along.contains("k") ? rounded(k) : k
    func side(_ elements: Elements, _ size: (Int, Int), _ strides: (Int, Int), _ wanted: (Int, Int)) -> Side {
      let layout = Layout(shape: [size.0, size.1], strides: [strides.0, strides.1], offset: elements.layout.offset)
      // Lines of a matrix in memory are its last dimension here.
      let isTurned = strides.1 != 1
      let own = elements.laid(isTurned ? layout.swapped(0, 1) : layout)
      let shape: Shape = isTurned ? [wanted.1, wanted.0] : [wanted.0, wanted.1]
      let pitch = isTurned ? strides.1 : strides.0
      let suits =
        size == wanted && pitch % ProductPadding.step == 0 && UInt(bitPattern: elements.address) % 16 == 0
      return Side(own: own, padded: suits ? nil : shape)
    }
    a = side(task.a, (m, k), matrices.a, (paddedM, paddedK))
    b = side(task.b, (k, n), matrices.b, (paddedK, paddedN))
    c = side(task.c, (m, n), matrices.c, (paddedM, paddedN))
    self.task = task
    isTurned = (matrices.a.depth != 1, matrices.b.column != 1)
    let moved = 2 * [a, b, c].reduce(0) { $0 + $1.byteCount }
    if moved == 0 || 2 * Double(m) * Double(n) * Double(k) < least * Double(moved) { return nil }
  }

  /// The product as it will be, of matrices that lie where the allocator's do.
  var model: ProductTask {
    var place = 0
    let tasks = try? tasks { _ in
      place += 1 << 44
      return UnsafeMutableRawPointer(bitPattern: place)!
    }
    return tasks!.product
  }

  /// Copies, the product and, where the result is padded, a copy back. `place` gives memory for a padded matrix.
  func tasks(_ place: (_ byteCount: Int) throws(TensorError) -> UnsafeMutableRawPointer) throws(TensorError) -> (
    before: [PaddedCopyTask], product: ProductTask, after: PaddedCopyTask?
  ) {
    func padded(_ side: Side) throws(TensorError) -> Elements {
      guard let shape = side.padded else { return side.own }
      return Elements(try place(side.byteCount), Layout(shape), side.own.dtype, on: side.own.device)
    }
    let (newA, newB, newC) = (try padded(a), try padded(b), try padded(c))
    func turned(_ elements: Elements, _ turns: Bool) -> Elements {
      turns ? elements.laid(elements.layout.swapped(0, 1)) : elements
    }
    let before = [(a, newA), (b, newB)].filter { $0.0.padded != nil }.map { PaddedCopyTask(from: $0.0.own, to: $0.1) }
    let product = ProductTask(
      a: turned(newA, isTurned.a), b: turned(newB, isTurned.b), c: newC, alpha: task.alpha, beta: task.beta)
    return (before, product, c.padded == nil ? nil : PaddedCopyTask(from: newC, to: c.own))
  }
}

/// A matrix as another of other sizes, whose elements beyond it are 0. Both lie together along the last dimension.
struct PaddedCopyTask: KernelTask {
  let source: Elements
  let target: Elements

  init(from source: Elements, to target: Elements) { (self.source, self.target) = (source, target) }

  var operands: [Elements] { [source, target] }
  var results: [Elements] { [target] }
  func mapOperands(_ f: (Elements) -> Elements) -> PaddedCopyTask { PaddedCopyTask(from: f(source), to: f(target)) }
  var attributes: NoAttributes { NoAttributes() }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    if target.layout.elementCount == 0 { return }
    // Loads of a thread that wait together.
    let (threads, loads) = (256, 8)
    let tiles = (target.layout.shape.at(1) + threads * loads - 1) / (threads * loads)
    var arguments = KernelArguments()
    for (name, elements) in [("source", source), ("target", target)] {
      arguments.address(name, elements.address)
      arguments.integer("\(name)_rows", elements.layout.shape.at(0))
      arguments.integer("\(name)_columns", elements.layout.shape.at(1))
      arguments.integer("\(name)_pitch", elements.layout.strides.at(0))
    }
    arguments.integer("tiles", tiles)
    let type = "uint\(8 * target.dtype.byteCount)_t"
    let body = """
        const int64_t row = blockIdx.x / a.tiles, first = (blockIdx.x - row * a.tiles) * \(threads * loads) + threadIdx.x;
        const \(type) *const from = (const \(type) *)a.source + row * a.source_pitch;
        \(type) *const to = (\(type) *)a.target + row * a.target_pitch;
        const int64_t end = row < a.source_rows ? a.source_columns : 0;
        \(type) values[\(loads)];
      #pragma unroll
        for (int i = 0; i < \(loads); i++) values[i] = first + i * \(threads) < end ? from[first + i * \(threads)] : (\(type))0;
      #pragma unroll
        for (int i = 0; i < \(loads); i++)
          if (first + i * \(threads) < a.target_columns) to[first + i * \(threads)] = values[i];

      """
    let source = KernelSource("padded_copy", arguments: arguments.declaration, body: body)
    let blocks = tiles * target.layout.shape.at(0)
    precondition(blocks <= KernelLaunch.mostBlocks, "a padded copy of more rows than a grid has blocks")
    work.launches.append(KernelLaunch(source, grid: (blocks, 1), block: (threads, 1), arguments))
  }
}
