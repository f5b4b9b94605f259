import CKernels

/// Functions of how floating-point numbers are stored, element by element. All operands have one shape.
struct FloatBitsTask: KernelTask {
  enum Kind: Hashable {
    /// x → mantissa, exponent; see ``Mantissas``.
    case frexp
    /// a, b of a half type → the next number after a on the way to b.
    case nextHalf
  }

  private let kind: Kind
  private(set) var inputs: [Elements]
  private(set) var results: [Elements]

  init(_ kind: Kind, _ inputs: [Elements], into results: [Elements]) {
    (self.kind, self.inputs, self.results) = (kind, inputs, results)
  }

  var operands: [Elements] { results + inputs }

  func mapOperands(_ f: (Elements) -> Elements) -> FloatBitsTask {
    FloatBitsTask(kind, inputs.map(f), into: results.map(f))
  }

  var attributes: Kind { kind }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let count = inputs[0].layout.elementCount
    if count == 0 { return }
    let axes = KernelAxes(elementwise: operands, wide: wide)
    var arguments = KernelArguments()
    for (i, operand) in operands.enumerated() { arguments.address("p\(i)", operand.address) }
    arguments.integer("count", count)
    axes.declare(in: &arguments)
    let parts = if case .nextHalf = kind { FloatBitsTask.nextHalf } else { "" }
    let source = KernelSource("bits", arguments: arguments.declaration, parts: parts, body: axes.loop(statements))
    work.launches.append(KernelLaunch(source, grid: (device.blocks((count + 255) / 256), 1), arguments))
  }

  // MARK: Text

  private var statements: String {
    let types = operands.map(\.dtype.deviceName)
    switch kind {
    case .frexp:
      return """
            double x = element<double, \(types[2])>(a.p2, at2).v;
            int exponent = 0;
            // Of what has none, infinities and NaN too, the element itself.
            if (x - x == 0) x = frexp(x, &exponent);
            put<double, \(types[0])>(a.p0, at0, Lanes<double>(x));
            put<int64_t, \(types[1])>(a.p1, at1, Lanes<int64_t>((int64_t)exponent));

        """
    case .nextHalf:
      let infinity = operands[0].dtype == .float16 ? "0x7c00" : "0x7f80"
      return """
            put_plain<uint16_t>(a.p0, at0, next_half(plain<uint16_t>(a.p1, at1), plain<uint16_t>(a.p2, at2), \(infinity)));

        """
    }
  }

  /// By the bits, as steps from 0.
  private static let nextHalf = """
    FB_INLINE int steps_from_zero(uint16_t bits) { return bits & 0x8000 ? -(int)(bits & 0x7fff) : (int)bits; }

    FB_INLINE uint16_t next_half(uint16_t a, uint16_t b, int infinity) {
      if ((a & 0x7fff) > infinity) return a;
      if ((b & 0x7fff) > infinity) return b;
      const int x = steps_from_zero(a), y = steps_from_zero(b);
      if (x == y) return b;
      const int next = x + (y > x ? 1 : -1);
      if (next == 0) return a & 0x8000;
      return next < 0 ? 0x8000 | -next : next;
    }


    """
}
