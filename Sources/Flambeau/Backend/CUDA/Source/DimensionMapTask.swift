import CKernels

/// A ``DimensionMap`` from [outer, inputs, inner] to [outer, outputs, inner], both dense, of float32 or float64.
struct DimensionMapTask: KernelTask {
  private(set) var input: Elements
  private(set) var output: Elements
  /// The map's own, where the output is: int64, int64, and the output's dtype.
  private(set) var starts: Elements
  private(set) var inputs: Elements
  private(set) var weights: Elements

  init(_ input: Elements, into output: Elements, starts: Elements, inputs: Elements, weights: Elements) {
    (self.input, self.output) = (input, output)
    (self.starts, self.inputs, self.weights) = (starts, inputs, weights)
  }

  var operands: [Elements] { [input, output, starts, inputs, weights] }
  var results: [Elements] { [output] }

  func mapOperands(_ f: (Elements) -> Elements) -> DimensionMapTask {
    DimensionMapTask(f(input), into: f(output), starts: f(starts), inputs: f(inputs), weights: f(weights))
  }

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
    let body = """
        const \(counter) step = (\(counter))gridDim.x * blockDim.x;
        for (\(counter) n = (\(counter))blockIdx.x * blockDim.x + threadIdx.x; n < a.count; n += step) {
          const \(counter) line = quotient_by(n, a.inner), j = n - line * a.inner.size;
          const \(counter) outer = quotient_by(line, a.outputs), i = line - outer * a.outputs.size;
          \(type) sum = 0;
          const int64_t end = plain<int64_t>(a.starts, i + 1);
          for (int64_t k = plain<int64_t>(a.starts, i); k < end; k++) {
            const \(counter) place = (outer * (\(counter))a.size + (\(counter))plain<int64_t>(a.inputs, k)) * a.inner.size + j;
            sum += plain<\(type)>(a.weights, k) * plain<\(type)>(a.x, place);
          }
          put_plain<\(type)>(a.y, n, sum);
        }

      """
    let source = KernelSource("map_dimension", arguments: arguments.declaration, body: body)
    work.launches.append(KernelLaunch(source, grid: (device.blocks((count + 255) / 256), 1), arguments))
  }
}
