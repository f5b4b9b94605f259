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
    var pack = Swift.min(8, 16 / (dense.map(\.dtype.byteCount).min() ?? 16))
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
      return Form(threads: 32, rows: 4, pack: pack, held: ((packs + 31) / 32).powerOfTwo)
    }
    let mostHeld = longestHeld * 4 / computeClass.byteCount
    if width <= mostHeld {
      let threads = [128, 256, 512].first { $0 * 16 * 4 / computeClass.byteCount >= width } ?? 512
      return Form(threads: threads, rows: 1, pack: pack, held: ((packs + threads - 1) / threads).powerOfTwo)
    }
    var form = Form(threads: 512, rows: 1, pack: pack, held: nil)
    let staged = rowOperands.prefix(code.inputs.count { $0 == .row }).reduce(0) { $0 + (width * $1.dtype.byteCount + 15) & ~15 }
    form.isStaged = staged + 16384 <= device.sharedByteCount
    return form
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
    let blocks = device.blocks((rows + form.rows - 1) / form.rows, perMultiprocessor: sums.isEmpty ? 16 : 2)
    let parts = blocks * form.rows
    var arguments = KernelArguments()
    for (i, input) in inputs.enumerated() {
      arguments.address("p\(i)", input.address)
      arguments.integer("step\(i)", input.innerStride)
    }
    var partials: [Int: Int] = [:]
    for (k, output) in outputs.enumerated() {
      if sums.contains(k) {
        partials[k] = work.reserve(parts * width * computeClass.byteCount)
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
    let source = KernelSource("rows", arguments: arguments.declaration, parts: computeClass.deviceTypes + "\n", body: body)
    work.launches.append(
      KernelLaunch(source, grid: (blocks, 1), block: (form.threads, form.rows), sharedByteCount: text.sharedByteCount, arguments))
    for k in sums {
      let layout = outputs[k].layout
      let from = Elements(UnsafeMutableRawPointer(bitPattern: partials[k]!)!, Layout([parts, width]), computeClass.dtype)
      let row = Layout(shape: [1, width], strides: [0, outputs[k].innerStride], offset: layout.offset)
      ReductionKernel.append(
        to: &work, .value(fb_reduce_sum, finish: nil), in: computeClass, [from], dims: [0],
        into: Elements(outputs[k].pointer, row, outputs[k].dtype), inputsAreWorkspace: true, on: device)
    }
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
  /// The smallest power of two that is not below.
  fileprivate var powerOfTwo: Int {
    var power = 1
    while power < self { power *= 2 }
    return power
  }
}
