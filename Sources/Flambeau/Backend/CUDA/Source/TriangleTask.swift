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
    let (shape, count) = (output.layout.shape, output.layout.elementCount)
    if count == 0 { return }
    let axes = KernelAxes(elementwise: operands, wide: wide)
    var arguments = KernelArguments()
    for (i, operand) in operands.enumerated() { arguments.address("p\(i)", operand.address) }
    arguments.integer("count", count)
    arguments.number("diagonal", 0, of: numbers, in: fb_i64)
    arguments.divisor("rows", shape[-2], wide: axes.isWide)
    arguments.divisor("columns", shape[-1], wide: axes.isWide)
    axes.declare(in: &arguments)
    let bits = "uint\(output.dtype.byteCount * 8)_t"
    let statements = """
          const \(axes.counter) line = quotient_by(i, a.columns);
          const int64_t column = i - line * a.columns.size, row = line - quotient_by(line, a.rows) * a.rows.size;
          \(bits) value = 0;
          if (column - row \(isUpper ? ">=" : "<=") a.diagonal) value = plain<\(bits)>(a.p1, at1);
          put_plain<\(bits)>(a.p0, at0, value);

      """
    let source = KernelSource("triangle", arguments: arguments.declaration, body: axes.loop(statements))
    work.launches.append(KernelLaunch(source, grid: (device.blocks((count + 255) / 256), 1), arguments))
  }
}
