import CKernels

/// Scalar programs as kernels: every thread computes some elements, in 16-byte accesses where the layouts allow.
struct MapKernel {
  private let program: Program
  private let computeClass: ComputeClass
  /// Outputs, then the inputs that are read.
  private let operands: [Elements]
  private let inputs: [Int]
  private let outputCount: Int
  /// The innermost counts packs.
  private let axes: KernelAxes
  private let iteration: Iteration
  /// Elements a thread reads and writes together.
  private let width: Int

  /// The launch that applies `program` to every element, as ``Interpreter/run(_:in:inputs:scalars:into:)`` does; nil if there are none.
  static func launch(
    _ program: Program, in computeClass: ComputeClass, inputs: [Elements], scalars: Scalars = Scalars(),
    into outputs: [Elements], on device: DeviceShape, wide: Bool = false
  ) -> KernelLaunch? {
    if outputs[0].layout.elementCount == 0 { return nil }
    return MapKernel(program, computeClass, inputs, outputs, wide).launch(scalars, device)
  }

  private init(_ program: Program, _ computeClass: ComputeClass, _ inputs: [Elements], _ outputs: [Elements], _ wide: Bool) {
    (self.program, self.computeClass, outputCount) = (program, computeClass, outputs.count)
    let reads = program.readsInput
    self.inputs = inputs.indices.filter { reads[$0] }
    operands = outputs + self.inputs.map { inputs[$0] }
    iteration = Iteration(operands, leading: 0)
    width = MapKernel.width(operands, outputCount, iteration)
    var sizes = iteration.sizes
    sizes[sizes.count - 1] /= width
    let (iteration, width) = (iteration, width)
    let strides = operands.indices.map { i in
      sizes.indices.map { iteration.stride(i, $0) * ($0 == sizes.count - 1 ? width : 1) }
    }
    axes = KernelAxes(
      name: "", sizes: sizes, strides: strides,
      isWide: wide || KernelAxes.needsWide(outputs[0].layout.elementCount, operands))
  }

  /// As many as fill 16 bytes of the smallest type, 8 at most, if all operands are dense or constant along the inner dimension and
  /// begin where such accesses may.
  private static func width(_ operands: [Elements], _ outputCount: Int, _ iteration: Iteration) -> Int {
    var width = Swift.min(8, 16 / operands.map(\.dtype.byteCount).min()!)
    let inner = iteration.rank - 1
    for (i, operand) in operands.enumerated() {
      let stride = iteration.innerStride(i)
      if stride == 0 && i >= outputCount { continue }
      if stride != 1 { return 1 }
      func fits() -> Bool {
        let bytes = Swift.min(16, width * operand.dtype.byteCount)
        return UInt(bitPattern: operand.address) % UInt(bytes) == 0
          && (0..<inner).allSatisfy { iteration.stride(i, $0) % width == 0 }
      }
      while width > 1 && !fits() { width /= 2 }
    }
    // A single row may end in elements that fill no pack.
    while iteration.rank > 1 && iteration.innerSize % width != 0 { width /= 2 }
    return width
  }

  private func launch(_ scalars: Scalars, _ device: DeviceShape) -> KernelLaunch {
    var arguments = KernelArguments()
    for i in operands.indices { arguments.address("p\(i)", operands[i].address) }
    let packs = axes.count
    arguments.integer("count", packs)
    if !isFlat { axes.declare(in: &arguments) }
    let rest = iteration.rank == 1 ? iteration.innerSize % width : 0
    if width > 1 && iteration.rank == 1 { arguments.integer("end", packs * width + rest) }
    arguments.scalars(scalars, count: program.scalarCount, in: computeClass)
    let source = KernelSource(
      "map", arguments: arguments.declaration,
      parts: computeClass.deviceTypes + program.code.deviceFunction("program", in: computeClass), body: body)
    let threads = Swift.max(packs, rest)
    return KernelLaunch(source, grid: (device.blocks((threads + 255) / 256), 1), arguments)
  }

  /// One dimension along which everything is dense or constant: positions are the counter.
  private var isFlat: Bool { iteration.rank == 1 && operands.indices.allSatisfy { (0...1).contains(iteration.innerStride($0)) } }

  // MARK: Text

  private var body: String {
    var text = (0..<program.scalarCount).map { "  const V s\($0) = V(a.s\($0));\n" }.joined()
    text +=
      "  const \(axes.counter) step = (\(axes.counter))gridDim.x * blockDim.x, first = (\(axes.counter))blockIdx.x * blockDim.x + threadIdx.x;\n"
    text += "  for (\(axes.counter) i = first; i < a.count; i += step) {\n\(positions)\(width == 1 ? one : packed)  }\n"
    if width > 1 && iteration.rank == 1 {
      let at = operands.indices.map { "    const \(axes.position) at\($0) = \(iteration.innerStride($0) == 0 ? "0" : "i");\n" }
        .joined()
      text += "  for (\(axes.counter) i = a.count * \(width) + first; i < a.end; i += step) {\n\(at)\(one)  }\n"
    }
    return text
  }

  private var positions: String {
    if isFlat {
      return operands.indices.map { i in
        "    const \(axes.position) at\(i) = \(iteration.innerStride(i) == 0 ? "0" : width == 1 ? "i" : "i * \(width)");\n"
      }.joined()
    }
    return operands.indices.map { "    \(axes.position) at\($0) = 0;\n" }.joined()
      + axes.text("i", operands.indices.map { "at\($0)" })
  }

  private func call(_ inputs: [String]) -> String {
    let scalars = (0..<program.scalarCount).map { "s\($0)" }
    let outputs = (0..<outputCount).map { "y\($0)" }
    return "V \(outputs.joined(separator: ", "));\n program(\((inputs + scalars + outputs).joined(separator: ", ")));\n"
  }

  private func type(_ i: Int) -> String { operands[i].dtype.deviceName }

  private var one: String {
    let values = inputs.indices.map { i in
      let operand = outputCount + i
      return "element<C, \(type(operand))>(a.p\(operand), at\(operand))"
    }
    return "    " + call(values) + (0..<outputCount).map { "    put<C, \(type($0))>(a.p\($0), at\($0), y\($0));\n" }.joined()
  }

  private var packed: String {
    var text = ""
    var values: [String] = []
    for i in inputs.indices.map({ outputCount + $0 }) {
      if iteration.innerStride(i) == 0 {
        text += "    const V c\(i) = element<C, \(type(i))>(a.p\(i), at\(i));\n"
        values.append("c\(i)")
      } else {
        text += "    const auto in\(i) = pack<\(type(i)), \(width)>(a.p\(i), at\(i));\n"
        values.append("element_of<C>(in\(i), k)")
      }
    }
    for k in 0..<outputCount { text += "    Pack<\(type(k)), \(width)> out\(k);\n" }
    text += "#pragma unroll\n    for (int k = 0; k < \(width); k++) {\n      \(call(values))"
    for k in 0..<outputCount { text += "      set_element<C>(out\(k), k, y\(k));\n" }
    text += "    }\n"
    for k in 0..<outputCount { text += "    put_last_pack<\(type(k)), \(width)>(a.p\(k), at\(k), out\(k));\n" }
    return text
  }
}
