import CKernels

/// Scans along the lines of tensors as kernels. A line is scanned by a block, 1024 elements at a time, or, where lines lie side by
/// side, by one thread.
struct LineKernel {
  /// What a scan is, in text. Operand k's element i of the line at hand is at `at<k> + i * a.step<k>` from `a.p<k>`.
  struct Steps {
    /// The type of what elements join to, the struct that joins it, and what both need.
    var state: String
    var fold: String
    var parts = ""
    /// The state of element i alone.
    var read: String
    /// Statements that use element i's state, `total`.
    var write: String
    /// What a thread finds in its part of a line, `best`, by which struct it is joined, and statements that use it.
    var result: (type: String, fold: String, use: String)?
  }

  let name: String
  let steps: Steps
  /// All of one shape, but for those that have one element a line.
  let operands: [Elements]

  private static let threads = 256
  private static let perThread = 4

  /// The launch along `dim` of the operand `model`; nil where it has no elements. Reversed, every line begins at its end.
  func launch(
    along dim: Int, of model: Elements, in computeClass: ComputeClass, isReversed: Bool = false, on device: DeviceShape,
    wide: Bool = false
  ) -> KernelLaunch? {
    let count = model.layout.elementCount
    if count == 0 { return nil }
    let rank = model.layout.rank
    let width = rank == 0 ? 1 : model.layout.shape.at(dim)
    let lines = count / width
    let others = (0..<rank).filter { $0 != dim && model.layout.shape.at($0) != 1 }
    let axes = KernelAxes(
      name: "line", sizes: others.map { model.layout.shape.at($0) },
      strides: operands.map { operand in others.map { operand.layout.strides.at($0) } },
      isWide: wide || KernelAxes.needsWide(count, operands))
    let along = operands.map { rank == 0 ? 1 : $0.layout.strides.at(dim) }
    let reach = abs(rank == 0 ? 1 : model.layout.strides.at(dim))
    // Neighbours along the line are neighbours in memory, or there are too few lines for a thread each.
    let isBlocked = (reach == 1 && width > 32) || (lines < 1024 && width > 1024)

    var arguments = KernelArguments()
    for (i, operand) in operands.enumerated() {
      // From the last element to the first.
      let start = isReversed ? operand.address + along[i] * (width - 1) * operand.dtype.byteCount : operand.address
      arguments.address("p\(i)", start)
      arguments.integer("step\(i)", isReversed ? -along[i] : along[i])
    }
    arguments.integer("lines", lines)
    arguments.integer("width", width)
    axes.declare(in: &arguments)
    let parts =
      computeClass.deviceTypes + steps.parts + "typedef \(steps.state) State;\ntypedef \(steps.fold) Fold;\n"
      + (steps.result.map { "typedef \($0.type) Best;\ntypedef \($0.fold) BestFold;\n" } ?? "") + "\n"
    let source = KernelSource(
      name, arguments: arguments.declaration, parts: parts, body: isBlocked ? blocked(axes) : single(axes))
    if isBlocked {
      return KernelLaunch(
        source, grid: (device.blocks(lines), 1), block: (LineKernel.threads, 1), sharedByteCount: 3 * 32 * 16, arguments)
    }
    return KernelLaunch(source, grid: (device.blocks((lines + 127) / 128), 1), block: (128, 1), arguments)
  }

  // MARK: Text

  private func line(_ axes: KernelAxes) -> String {
    let at = operands.indices.map { "at\($0)" }
    return "    \(axes.position) \(at.map { "\($0) = 0" }.joined(separator: ", "));\n" + axes.text("(\(axes.counter))line", at)
      + "    auto read = [&](int64_t i) -> State { \(steps.read) };\n"
      + (steps.result == nil ? "" : "    Best best = BestFold::identity<Best>();\n")
      + "    auto write = [&](int64_t i, State total) {\n\(steps.write)    };\n"
  }

  private func single(_ axes: KernelAxes) -> String {
    """
      for (int64_t line = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; line < a.lines; line += (int64_t)gridDim.x * blockDim.x) {
    \(line(axes))    State total = Fold::identity<State>();
        for (int64_t i = 0; i < a.width; i++) {
          total = Fold::join<State>(total, read(i));
          write(i, total);
        }
    \(steps.result?.use ?? "")  }

    """
  }

  /// A thread scans four neighbours; the threads' totals are scanned by shuffles, the warps' through shared memory.
  private func blocked(_ axes: KernelAxes) -> String {
    let (threads, perThread) = (LineKernel.threads, LineKernel.perThread)
    var text = """
        FB_SHARED(shared);
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        int turn = 0;
        for (int64_t line = blockIdx.x; line < a.lines; line += gridDim.x) {
      \(line(axes))    State before = Fold::identity<State>();
          for (int64_t first = 0; first < a.width; first += \(threads * perThread)) {
            State mine[\(perThread)];
            State total = Fold::identity<State>();
            const int64_t own = first + threadIdx.x * \(perThread);
      #pragma unroll
            for (int k = 0; k < \(perThread); k++) {
              if (own + k < a.width) total = Fold::join<State>(total, read(own + k));
              mine[k] = total;
            }
            // What all lanes up to this one have.
            State upTo = total;
      #pragma unroll
            for (int distance = 1; distance < 32; distance *= 2) {
              const State below = from_below(upTo, distance);
              if (lane >= distance) upTo = Fold::join<State>(below, upTo);
            }
            State *cells = (State *)shared + turn * 32;
            turn ^= 1;
            if (lane == 31) cells[warp] = upTo;
            __syncthreads();
            State start = before;
            for (int w = 0; w < \(threads / 32); w++) {
              if (w == warp) start = before;
              before = Fold::join<State>(before, cells[w]);
            }
            const State lower = from_below(upTo, 1);
            if (lane > 0) start = Fold::join<State>(start, lower);
      #pragma unroll
            for (int k = 0; k < \(perThread); k++) {
              if (own + k < a.width) write(own + k, Fold::join<State>(start, mine[k]));
            }
          }

      """
    if let result = steps.result {
      text += "    best = joined<BestFold, \(threads)>(best, shared + \(2 * 32 * 16));\n"
      text += "    if (threadIdx.x == 0) {\n\(result.use)    }\n    __syncthreads();\n"
    }
    return text + "  }\n"
  }
}
