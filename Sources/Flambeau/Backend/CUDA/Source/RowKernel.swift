import CKernels

/// Row programs as kernels. A row belongs to a warp or a block. It is read once, into registers, where it fits; longer rows are read
/// once more for each reduction, from shared memory if there is room. Sums over rows are made in parts, one for each warp or
/// block, which a second launch adds.
struct RowKernel {
  let code: RowProgram.Code
  let computeClass: ComputeClass
  let graph: RowGraph
  let inputs: [Elements]
  let outputs: [Elements]
  let rows: Int
  let width: Int
  /// Dimensions of the rows' numbers; strides of the inputs, then of the outputs.
  let axes: KernelAxes
  let form: Form

  struct Form {
    /// Threads of a row.
    var threads: Int
    /// Rows of a block.
    var rows: Int
    /// Neighbours that a thread reads together.
    var pack: Int
    /// Packs a thread holds in registers; nil: the row is walked.
    var held: Int?
    /// Walked rows wait in shared memory.
    var isStaged = false
    /// Rows begin and end within packs.
    var isPeeled = false
  }

  /// The launches of what ``RowInterpreter/run(_:in:inputs:scalars:into:)`` does. `longestHeld` is for tests.
  static func append(
    to work: inout KernelWork, _ program: RowProgram, in computeClass: ComputeClass, inputs: [Elements],
    scalars: Scalars = Scalars(), into outputs: [Elements], on device: DeviceShape, longestHeld: Int = 8192
  ) {
    let kernel = RowKernel(program, computeClass, inputs, outputs, device, longestHeld)
    kernel.append(to: &work, scalars, device)
  }

  private init(
    _ program: RowProgram, _ computeClass: ComputeClass, _ inputs: [Elements], _ outputs: [Elements], _ device: DeviceShape,
    _ longestHeld: Int
  ) {
    let row = { (e: Elements) in e.layout.rank > 0 ? e : e.laid(e.layout.inserted(0)) }
    (code, self.computeClass, graph) = (program.code, computeClass, RowGraph(program.code))
    (self.inputs, self.outputs) = (inputs.map(row), outputs.map(row))
    let shape = self.inputs[code.inputs.firstIndex(of: .row)!].layout.shape
    width = shape.at(shape.count - 1)
    rows = width == 0 ? 0 : shape.elementCount / width
    axes = RowKernel.axes(shape, self.inputs, self.outputs, code)
    form = RowKernel.form(width, self.inputs, self.outputs, code, computeClass, device, longestHeld)
  }

  private static func axes(_ shape: Shape, _ inputs: [Elements], _ outputs: [Elements], _ code: RowProgram.Code) -> KernelAxes {
    let outer = (0..<shape.count - 1).filter { shape.at($0) != 1 }
    var strides = inputs.map { input in outer.map { input.layout.strides.at($0) } }
    for (output, description) in zip(outputs, code.outputs) {
      if case .columnSum = description {
        strides.append(outer.map { _ in 0 })
      } else {
        strides.append(outer.map { output.layout.strides.at($0) })
      }
    }
    return KernelAxes(name: "row", sizes: outer.map { shape.at($0) }, strides: strides, isWide: true).merged
  }

  private static func form(
    _ width: Int, _ inputs: [Elements], _ outputs: [Elements], _ code: RowProgram.Code, _ computeClass: ComputeClass,
    _ device: DeviceShape, _ longestHeld: Int
  ) -> Form {
    var rowOperands = inputs.indices.filter { code.inputs[$0] == .row }.map { inputs[$0] }
    for (output, description) in zip(outputs, code.outputs) where description.isRow { rowOperands.append(output) }
    let dense = rowOperands.filter { $0.innerStride == 1 }
    let widest = Swift.min(8, 16 / (dense.map(\.dtype.byteCount).min() ?? 16))
    var pack = widest
    func fits(_ operand: Elements) -> Bool {
      let bytes = Swift.min(16, pack * operand.dtype.byteCount)
      return UInt(bitPattern: operand.address) % UInt(bytes) == 0
        && (0..<operand.layout.rank - 1).allSatisfy {
          operand.layout.shape.at($0) == 1 || operand.layout.strides.at($0) % pack == 0
        }
    }
    while pack > 1 && (width % pack != 0 || !dense.allSatisfy(fits)) { pack /= 2 }

    let packs = (width + pack - 1) / pack
    if width <= Swift.min(1024, longestHeld) {
      return Form(threads: 32, rows: 4, pack: pack, held: ((packs + 31) / 32).roundedUp)
    }
    let mostHeld = longestHeld * 4 / computeClass.byteCount
    if width <= mostHeld {
      let threads = [128, 256, 512].first { $0 * 16 * 4 / computeClass.byteCount >= width } ?? 512
      return Form(threads: threads, rows: 1, pack: pack, held: ((packs + threads - 1) / threads).roundedUp)
    }
    var form = Form(threads: 512, rows: 1, pack: pack, held: nil)
    if pack < widest && areAlike(dense, widest) { (form.pack, form.isPeeled) = (widest, true) }
    let staged = rowOperands.prefix(code.inputs.count { $0 == .row }).reduce(0) {
      $0 + ((width + 2 * form.pack) * $1.dtype.byteCount + 15) & ~15
    }
    form.isStaged = staged + 16384 <= device.sharedByteCount
    // Where a multiprocessor has room for one block only, it is a large one.
    if form.isStaged && 2 * (staged + 4096) > device.sharedByteCount { form.threads = 1024 }
    return form
  }

  /// Whether every row of each begins as far from a multiple of `pack` elements as the others' do.
  private static func areAlike(_ operands: [Elements], _ pack: Int) -> Bool {
    guard let finest = operands.min(by: { $0.dtype.byteCount < $1.dtype.byteCount }) else { return false }
    return operands.allSatisfy { operand in
      let period = Swift.min(pack, 16 / operand.dtype.byteCount)
      func isAlike(_ a: Int, _ b: Int) -> Bool { (a - b) % period == 0 }
      let (own, other) = (UInt(bitPattern: operand.address), UInt(bitPattern: finest.address))
      return own % UInt(operand.dtype.byteCount) == 0
        && isAlike(Int(own % 16) / operand.dtype.byteCount, Int(other % 16) / finest.dtype.byteCount)
        && (0..<operand.layout.rank - 1).allSatisfy {
          operand.layout.shape.at($0) == 1 || isAlike(operand.layout.strides.at($0), finest.layout.strides.at($0))
        }
    }
  }

  private func append(to work: inout KernelWork, _ scalars: Scalars, _ device: DeviceShape) {
    let sums = code.outputs.indices.filter { if case .columnSum = code.outputs[$0] { true } else { false } }
    if rows == 0 {
      for k in sums {
        let launch = MapKernel.launch(
          RowKernel.zero, in: fb_f32, inputs: [outputs[k]], into: [outputs[k]], on: device)
        if let launch { work.launches.append(launch) }
      }
      return
    }
    // Blocks that sum over rows leave a part of each sum.
    let blocks = device.blocks(
      (rows + form.rows - 1) / form.rows,
      perMultiprocessor: sums.isEmpty ? 64 : Swift.max(2, 512 / (form.threads * form.rows)))
    var arguments = KernelArguments()
    for (i, input) in inputs.enumerated() {
      arguments.address("p\(i)", input.address)
      arguments.integer("step\(i)", input.innerStride)
    }
    var partials: [Int: Int] = [:]
    for (k, output) in outputs.enumerated() {
      if sums.contains(k) {
        partials[k] = work.reserve(blocks * width * computeClass.byteCount)
        arguments.workspace("o\(k)", at: partials[k]!)
      } else {
        arguments.address("o\(k)", output.address)
        arguments.integer("ostep\(k)", output.innerStride)
      }
    }
    arguments.integer("rows", rows)
    arguments.integer("width", width)
    axes.declare(in: &arguments)
    arguments.scalars(scalars, count: code.scalarCount, in: computeClass)
    arguments.number("s\(code.scalarCount)", Number(width), in: computeClass)

    var text = RowKernelText(self)
    let body = text.body()
    let source = KernelSource(
      "rows", arguments: arguments.declaration, parts: computeClass.deviceTypes + "\n", threads: form.threads * form.rows,
      blocks: wantedBlocks(sums: !sums.isEmpty), body: body)
    work.launches.append(
      KernelLaunch(source, grid: (blocks, 1), block: (form.threads, form.rows), sharedByteCount: text.sharedByteCount, arguments))
    if !sums.isEmpty { work.launches.append(joinSums(sums.map { ($0, partials[$0]!) }, parts: blocks, device)) }
  }

  /// How many blocks a multiprocessor should have registers for, so that they hide each other's waiting.
  private func wantedBlocks(sums: Bool) -> Int {
    guard let held = form.held else { return form.threads == 512 ? 2 : 1 }
    let elements = held * form.pack * computeClass.byteCount / 4
    return !sums || form.rows == 1 ? 1 : elements <= 24 ? 4 : elements <= 32 ? 3 : 1
  }

  /// Adds the parts of all sums, each at its place in the workspace.
  private func joinSums(_ sums: [(output: Int, place: Int)], parts: Int, _ device: DeviceShape) -> KernelLaunch {
    var arguments = KernelArguments()
    for (k, place) in sums {
      arguments.workspace("p\(k)", at: place)
      arguments.address("o\(k)", outputs[k].address)
      arguments.integer("ostep\(k)", outputs[k].innerStride)
    }
    arguments.integer("parts", parts)
    arguments.integer("width", width)
    let (columns, sharing) = (32, 16)
    let stores = sums.enumerated().map { y, sum in
      let type = outputs[sum.output].dtype.deviceName
      return "      if (blockIdx.y == \(y)) put<C, \(type)>(a.o\(sum.output), c * a.ostep\(sum.output), total);\n"
    }.joined()
    let from = sums.enumerated().map { y, sum in "  if (blockIdx.y == \(y)) from = a.p\(sum.output);\n" }.joined()
    let source = KernelSource(
      "row_sums", arguments: arguments.declaration, parts: computeClass.deviceTypes + "\n", threads: columns * sharing,
      body: """
          FB_SHARED(shared);
          const void *from = nullptr;
        \(from)  for (int64_t first = (int64_t)blockIdx.x * \(columns); first < a.width; first += (int64_t)gridDim.x * \(columns)) {
            const int64_t c = first + threadIdx.x;
            V total = V(0);
            if (c < a.width) {
        #pragma unroll 4
              for (int64_t p = threadIdx.y; p < a.parts; p += \(sharing)) total = op_add::of(total, element<C, C>(from, p * a.width + c));
            }
            V *cells = (V *)shared;
            cells[threadIdx.y * \(columns) + threadIdx.x] = total;
            __syncthreads();
            if (threadIdx.y == 0 && c < a.width) {
              for (int k = 1; k < \(sharing); k++) total = op_add::of(total, cells[k * \(columns) + threadIdx.x]);
        \(stores)    }
            __syncthreads();
          }

        """)
    return KernelLaunch(
      source, grid: (device.blocks((width + columns - 1) / columns), sums.count), block: (columns, sharing),
      sharedByteCount: columns * sharing * computeClass.byteCount, arguments)
  }

  private static let zero = Program { _ in 0 }
}

extension KernelAxes {
  /// The same with axes that nest for every operand made one.
  fileprivate var merged: KernelAxes {
    var (sizes, columns): ([Int], [[Int]]) = ([], [])
    for d in self.sizes.indices {
      let column = strides.map { $0[d] }
      if let last = columns.last, zip(last, column).allSatisfy({ $0 == $1 * self.sizes[d] }) {
        sizes[sizes.count - 1] *= self.sizes[d]
        columns[columns.count - 1] = column
      } else {
        sizes.append(self.sizes[d])
        columns.append(column)
      }
    }
    return KernelAxes(name: name, sizes: sizes, strides: strides.indices.map { i in columns.map { $0[i] } }, isWide: isWide)
  }
}

extension RowProgram.CodeOutput {
  /// A value for every element of a row.
  var isRow: Bool {
    switch self {
    case .row, .patched: true
    case .number, .columnSum: false
    }
  }
}

extension Elements {
  /// The step along the last dimension.
  var innerStride: Int { layout.strides.at(layout.rank - 1) }
}

extension Int {
  /// The next of 1, 2, 3, 4, 6, 8, 12, …, so that few kernels do.
  fileprivate var roundedUp: Int {
    var power = 1
    while 2 * power < self { power *= 2 }
    return self <= power ? power : 2 * self <= 3 * power ? 3 * power / 2 : 2 * power
  }
}
