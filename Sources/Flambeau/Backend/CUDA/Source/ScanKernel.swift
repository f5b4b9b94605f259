import CKernels

/// Running sums and products as kernels. float32 accumulates in float64. A line is scanned by a block, 1024 elements at a time,
/// or, where lines lie side by side, by one thread.
enum ScanKernel {
  private static let threads = 256
  private static let perThread = 4

  /// See ``Scan/run(_:in:_:dim:isReversed:into:)``.
  static func launch(
    _ kind: Reduction.Kind, in computeClass: ComputeClass, _ input: Elements, dim: Int, isReversed: Bool, into output: Elements,
    on device: DeviceShape, wide: Bool = false
  ) -> KernelLaunch? {
    let count = input.layout.elementCount
    if count == 0 { return nil }
    let rank = input.layout.rank
    let width = rank == 0 ? 1 : input.layout.shape.at(dim)
    let lines = count / width
    let operands = [output, input]
    let others = (0..<rank).filter { $0 != dim && input.layout.shape.at($0) != 1 }
    let axes = KernelAxes(
      name: "line", sizes: others.map { input.layout.shape.at($0) },
      strides: operands.map { operand in others.map { operand.layout.strides.at($0) } },
      isWide: wide || KernelAxes.needsWide(count, operands))
    let steps = operands.map { rank == 0 ? 1 : $0.layout.strides.at(dim) }
    // Neighbours along the line are neighbours in memory, or there are too few lines for a thread each.
    let isBlocked = (abs(steps[1]) == 1 && width > 32) || (lines < 1024 && width > 1024)

    var arguments = KernelArguments()
    for (i, operand) in operands.enumerated() {
      // From the last element to the first.
      let start = isReversed ? operand.address + steps[i] * (width - 1) * operand.dtype.byteCount : operand.address
      arguments.address("p\(i)", start)
      arguments.integer("step\(i)", isReversed ? -steps[i] : steps[i])
    }
    arguments.integer("lines", lines)
    arguments.integer("width", width)
    axes.declare(in: &arguments)
    let total = computeClass == fb_i64 ? "int64_t" : "double"
    let parts =
      computeClass.deviceTypes + "typedef Lanes<\(total)> Total;\ntypedef \(kind.kernel.deviceFold) Fold;\n\n"
      + "FB_INLINE Total widened_value(V x) { return Total((\(total))x.v); }\n"
      + "FB_INLINE V narrowed_value(Total x) { return V((C)x.v); }\n\n"
    let body = isBlocked ? blocked(axes, operands) : single(axes, operands)
    let source = KernelSource("scan", arguments: arguments.declaration, parts: parts, body: body)
    if isBlocked {
      return KernelLaunch(
        source, grid: (device.blocks(lines), 1), block: (threads, 1), sharedByteCount: 2 * 32 * 8, arguments)
    }
    return KernelLaunch(source, grid: (device.blocks((lines + 127) / 128), 1), block: (128, 1), arguments)
  }

  private static func line(_ axes: KernelAxes) -> String {
    "    \(axes.position) at0 = 0, at1 = 0;\n" + axes.text("(\(axes.counter))line", ["at0", "at1"])
  }

  private static func single(_ axes: KernelAxes, _ operands: [Elements]) -> String {
    """
      for (int64_t line = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; line < a.lines; line += (int64_t)gridDim.x * blockDim.x) {
    \(line(axes))    Total total = Fold::identity<Total>();
        for (int64_t i = 0; i < a.width; i++) {
          total = Fold::join<Total>(total, widened_value(element<C, \(operands[1].dtype.deviceName)>(a.p1, at1 + i * a.step1)));
          put<C, \(operands[0].dtype.deviceName)>(a.p0, at0 + i * a.step0, narrowed_value(total));
        }
      }

    """
  }

  /// A thread scans four neighbours; the threads' totals are scanned by shuffles, the warps' through shared memory.
  private static func blocked(_ axes: KernelAxes, _ operands: [Elements]) -> String {
    """
      FB_SHARED(shared);
      const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
      int turn = 0;
      for (int64_t line = blockIdx.x; line < a.lines; line += gridDim.x) {
    \(line(axes))    Total before = Fold::identity<Total>();
        for (int64_t first = 0; first < a.width; first += \(threads * perThread)) {
          Total mine[\(perThread)];
          Total total = Fold::identity<Total>();
          const int64_t own = first + threadIdx.x * \(perThread);
    #pragma unroll
          for (int k = 0; k < \(perThread); k++) {
            if (own + k < a.width) {
              total = Fold::join<Total>(total, widened_value(element<C, \(operands[1].dtype.deviceName)>(a.p1, at1 + (own + k) * a.step1)));
            }
            mine[k] = total;
          }
          // What all lanes up to this one have.
          Total upTo = total;
    #pragma unroll
          for (int distance = 1; distance < 32; distance *= 2) {
            const Total below = from_below(upTo, distance);
            if (lane >= distance) upTo = Fold::join<Total>(below, upTo);
          }
          Total *cells = (Total *)shared + turn * 32;
          turn ^= 1;
          if (lane == 31) cells[warp] = upTo;
          __syncthreads();
          Total start = before;
          for (int w = 0; w < \(threads / 32); w++) {
            if (w == warp) start = before;
            before = Fold::join<Total>(before, cells[w]);
          }
          const Total lower = from_below(upTo, 1);
          if (lane > 0) start = Fold::join<Total>(start, lower);
    #pragma unroll
          for (int k = 0; k < \(perThread); k++) {
            if (own + k < a.width) put<C, \(operands[0].dtype.deviceName)>(a.p0, at0 + (own + k) * a.step0, narrowed_value(Fold::join<Total>(start, mine[k])));
          }
        }
      }

    """
  }
}
