import CKernels

/// Where a product's sums go: with what is added and the finish to the result or, where the depth is shared out, to the workspace,
/// where a reduction takes the pieces' sums from.
struct ProductOutput {
  private let task: ProductTask
  private let matrices: ProductMatrices
  let computeClass: ComputeClass
  private let axes: KernelAxes
  /// Neighbours of a row may be written together, up to so many.
  private let width: Int

  init(_ task: ProductTask, _ matrices: ProductMatrices, wide: Bool) {
    (self.task, self.matrices, computeClass) = (task, matrices, task.c.dtype.computeClass)
    let operands = [task.c, task.a, task.b] + (task.added.map { [$0] } ?? [])
    let order = [2, 0, 1] + (task.added == nil ? [] : [3])
    axes = KernelAxes(
      name: "batch", sizes: matrices.batches.map(\.size),
      strides: order.map { i in matrices.batches.map { $0.strides[i] } },
      isWide: wide || KernelAxes.needsWide(task.c.layout.elementCount * ProductOutput.mostPieces, operands))
    let bytes = task.c.dtype.byteCount
    var width = 16 / bytes
    func fits() -> Bool {
      UInt(bitPattern: task.c.address) % UInt(width * bytes) == 0
        && ([matrices.c.row] + matrices.batches.map { $0.strides[2] }).allSatisfy { $0 % width == 0 }
    }
    if matrices.c.column != 1 { width = 1 }
    while width > 1 && !fits() { width /= 2 }
    self.width = width
  }

  /// Parts that the depth may be shared out to.
  static let mostPieces = 64

  var isWide: Bool { axes.isWide }
  /// Sums go to the workspace, which no reduction writes to.
  var keepsDepthWhole: Bool { task.resultIsWorkspace }
  var position: String { axes.position }
  private var hasAddend: Bool { task.added != nil && task.beta != 0 }

  /// - Parameter partials: Where in the workspace sums go, nil for the result.
  func declare(in arguments: inout KernelArguments, partials: Int?) {
    if let partials {
      arguments.workspace("p0", at: partials)
    } else if task.resultIsWorkspace {
      arguments.workspace("p0", at: Int(bitPattern: task.c.address))
    } else {
      arguments.address("p0", task.c.address)
    }
    arguments.address("p1", task.a.address)
    arguments.address("p2", task.b.address)
    arguments.address("p3", hasAddend ? task.added!.address : nil)
    for (name, value) in [
      ("m", matrices.m), ("n", matrices.n), ("c_row", matrices.c.row), ("c_column", matrices.c.column),
      ("added_row", matrices.added.row), ("added_column", matrices.added.column), ("batches", matrices.batchCount),
    ] {
      arguments.integer(name, value)
    }
    arguments.number("alpha", Number(task.alpha), in: computeClass)
    arguments.number("beta", Number(task.beta), in: computeClass)
    axes.declare(in: &arguments)
  }

  /// Types, and the functions `finished` and `put_sums`.
  func parts(isPartial: Bool) -> String {
    var text = computeClass.deviceTypes + "typedef \(position) Position;\n\n"
    if let finish = task.sumProgram, !isPartial { text += finish.code.deviceFunction("finish", in: computeClass) }
    text += KernelSource.tiles
    text += "\nFB_INLINE V finished(const Arguments &a, V sum, Position added) {\n  V y = op_mul::of(V(a.alpha), sum);\n"
    if hasAddend {
      let value = "op_mul::of(V(a.beta), element<C, \(task.added!.dtype.deviceName)>(a.p3, added))"
      text += "  \(isPartial ? "if (blockIdx.y == 0) " : "")y = op_add::of(y, \(value));\n"
    }
    if let finish = task.sumProgram, !isPartial {
      text += "  V z;\n  finish(\(finish.readsInput[0] ? "y, " : "")z);\n  return z;\n}\n\n"
    } else {
      text += "  return y;\n}\n\n"
    }
    let type = isPartial ? computeClass.deviceName : task.c.dtype.deviceName
    let (row, column) = isPartial ? ("(Position)a.n", "(Position)1") : ("(Position)a.c_row", "(Position)a.c_column")
    let together = isPartial ? "false" : "(1 < n && n <= \(width))"
    return text + """
      /// Sums of neighbours in a row, of which `left` are there.
      template <int n> FB_INLINE void put_sums(const Arguments &a, Position at, Position added, Position row, Position column, Position left, const C *sums) {
        V values[n];
      #pragma unroll
        for (int l = 0; l < n; l++) {
          if (l < left) values[l] = finished(a, V(sums[l]), added + row * (Position)a.added_row + (column + l) * (Position)a.added_column);
        }
        put_row<C, \(type), \(together), n>(a.p0, at + row * \(row) + column * \(column), \(column), left, values);
      }


      """
  }

  /// Positions at0…at3 of the batch with the number `batch`.
  func positions(isPartial: Bool) -> String {
    var text = "    Position at0 = 0, at1 = 0, at2 = 0, at3 = 0;\n"
    let operands: [String?] = [isPartial ? nil : "at0", "at1", "at2"] + (task.added == nil ? [] : ["at3"])
    text += axes.text("(\(axes.counter))batch", operands)
    if isPartial {
      text += "    at0 = ((Position)blockIdx.y * (Position)a.batches + (Position)batch) * (Position)(a.m * a.n);\n"
    }
    return text
  }

  /// Room for the sums of so many pieces.
  func reserve(_ pieces: Int, in work: inout KernelWork) -> Int {
    work.reserve(matrices.batchCount * matrices.m * matrices.n * pieces * computeClass.byteCount)
  }

  /// Adds up what so many pieces left in the workspace.
  func join(_ pieces: Int, at partials: Int, into work: inout KernelWork, _ device: DeviceShape) {
    let sums = Elements(
      UnsafeMutableRawPointer(bitPattern: partials)!, Layout(task.c.layout.shape.inserting(pieces, at: 0)), computeClass.dtype)
    ReductionKernel.append(
      to: &work, .value(fb_reduce_sum, finish: task.sumProgram), in: computeClass, [sums], dims: [0],
      into: Elements(task.c.pointer, task.c.layout.inserted(0), task.c.dtype), inputsAreWorkspace: true, on: device, wide: isWide)
  }
}
