import CKernels

/// A ``DimensionMap`` from [outer, inputs, inner] to [outer, outputs, inner], both dense, of float32, float64, or bytes.
struct DimensionMapTask: KernelTask {
  private(set) var input: Elements
  private(set) var output: Elements
  /// The map's own, where the output is; the weights are of its dtype, or int32 for bytes.
  private(set) var tables: DimensionMap.Tables
  /// Of bytes: the weights are in units of 2⁻ᵇⁱᵗˢ.
  let bits: Int?

  init(_ input: Elements, into output: Elements, _ tables: DimensionMap.Tables, bits: Int?) {
    (self.input, self.output, self.tables, self.bits) = (input, output, tables, bits)
  }

  var operands: [Elements] { [input, output, tables.starts, tables.inputs, tables.weights] }
  var results: [Elements] { [output] }

  func mapOperands(_ f: (Elements) -> Elements) -> DimensionMapTask {
    let tables = DimensionMap.Tables(starts: f(tables.starts), inputs: f(tables.inputs), weights: f(tables.weights))
    return DimensionMapTask(f(input), into: f(output), tables, bits: bits)
  }

  var attributes: Int? { bits }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let count = output.layout.elementCount
    if count == 0 { return }
    var arguments = KernelArguments()
    for (name, operand) in zip(["x", "y", "starts", "inputs", "weights"], operands) { arguments.address(name, operand.address) }
    arguments.integer("count", count)
    let isWide = wide || KernelAxes.needsWide(Swift.max(count, input.layout.elementCount), [])
    let (from, to) = (input.layout.shape, output.layout.shape)
    arguments.integer("size", from.at(1))
    arguments.divisor("outputs", to.at(1), wide: isWide)
    arguments.divisor("inner", to.at(2), wide: isWide)
    let (counter, type) = (isWide ? "uint64_t" : "uint32_t", output.dtype.deviceName)
    if let bits { arguments.integer("bits", bits) }
    let sum = tables.weights.dtype.deviceName
    let result = bits == nil ? "sum" : "(uint8_t)(sum >> a.bits < 0 ? 0 : sum >> a.bits > 255 ? 255 : sum >> a.bits)"
    let body = """
        const \(counter) step = (\(counter))gridDim.x * blockDim.x;
        for (\(counter) n = (\(counter))blockIdx.x * blockDim.x + threadIdx.x; n < a.count; n += step) {
          const \(counter) line = quotient_by(n, a.inner), j = n - line * a.inner.size;
          const \(counter) outer = quotient_by(line, a.outputs), i = line - outer * a.outputs.size;
          \(sum) sum = \(bits == nil ? "0" : "1 << (a.bits - 1)");
          const int64_t end = plain<int64_t>(a.starts, i + 1);
          for (int64_t k = plain<int64_t>(a.starts, i); k < end; k++) {
            const \(counter) place = (outer * (\(counter))a.size + (\(counter))plain<int64_t>(a.inputs, k)) * a.inner.size + j;
            sum += plain<\(sum)>(a.weights, k) * plain<\(type)>(a.x, place);
          }
          put_plain<\(type)>(a.y, n, \(result));
        }

      """
    let source = KernelSource("map_dimension", arguments: arguments.declaration, body: body)
    work.launches.append(KernelLaunch(source, grid: (device.blocks((count + 255) / 256), 1), arguments))
  }
}
