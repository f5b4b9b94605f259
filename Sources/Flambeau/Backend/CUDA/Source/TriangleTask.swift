import CKernels

/// A triangle of the last two dimensions, and 0 outside; see ``Rearrangements``.
struct TriangleTask: KernelTask {
  private let isUpper: Bool
  /// No further away than the corners.
  private let diagonal: Int
  private(set) var source: Elements
  private(set) var output: Elements

  init(upper: Bool, _ diagonal: Int, of source: Elements, into output: Elements) {
    (isUpper, self.diagonal, self.source, self.output) = (upper, diagonal, source, output)
  }

  var operands: [Elements] { [output, source] }
  var results: [Elements] { [output] }

  func mapOperands(_ f: (Elements) -> Elements) -> TriangleTask {
    var copy = self
    copy.output = f(output)
    copy.source = f(source)
    return copy
  }

  var attributes: Bool { isUpper }
  var numbers: [Number] { [Number(diagonal)] }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let layout = output.layout
    let count = layout.elementCount
    if count == 0 { return }
    let kept = (0..<layout.rank).filter { layout.shape.at($0) != 1 }
    let isFlat = operands.allSatisfy(\.layout.isContiguous)
    let axes = KernelAxes(
      name: "", sizes: isFlat ? [count] : kept.map(layout.shape.at),
      strides: operands.map { operand in isFlat ? [1] : kept.map(operand.layout.strides.at) },
      isWide: wide || KernelAxes.needsWide(count, operands))
    var arguments = KernelArguments()
    for (i, operand) in operands.enumerated() { arguments.address("p\(i)", operand.address) }
    arguments.integer("count", count)
    arguments.number("diagonal", 0, of: numbers, in: fb_i64)
    arguments.divisor("rows", layout.shape[-2], wide: axes.isWide)
    arguments.divisor("columns", layout.shape[-1], wide: axes.isWide)
    axes.declare(in: &arguments)
    let (counter, bits) = (axes.counter, "uint\(output.dtype.byteCount * 8)_t")
    let body = """
        const \(counter) step = (\(counter))gridDim.x * blockDim.x;
        for (\(counter) i = (\(counter))blockIdx.x * blockDim.x + threadIdx.x; i < a.count; i += step) {
          \(axes.position) at0 = 0, at1 = 0;
      \(axes.text("i", ["at0", "at1"]))    const \(counter) line = quotient_by(i, a.columns);
          const int64_t column = i - line * a.columns.size, row = line - quotient_by(line, a.rows) * a.rows.size;
          \(bits) value = 0;
          if (column - row \(isUpper ? ">=" : "<=") a.diagonal) value = plain<\(bits)>(a.p1, at1);
          put_plain<\(bits)>(a.p0, at0, value);
        }

      """
    let source = KernelSource("triangle", arguments: arguments.declaration, body: body)
    work.launches.append(KernelLaunch(source, grid: (device.blocks((count + 255) / 256), 1), arguments))
  }
}
