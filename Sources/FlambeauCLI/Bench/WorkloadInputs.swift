import Flambeau

let mega = 1 << 20

/// Gigabytes of so many floats.
func gigabytes(_ floats: Int) -> Double { 4 * Double(floats) / 1e9 }

/// So many floats read and written.
func floats(read: Int, written: Int = 0) -> ReferenceLoop.Work { .memory(read: 4 * read, written: 4 * written) }

/// So many operations for each of `elements`.
func operations(_ each: Int, _ elements: Int) -> ReferenceLoop.Work { .arithmetic(operations: Double(each * elements)) }

/// Numbers around 0, the same for the same shape.
func numbers(_ shape: Shape) -> Tensor {
  withGenerator(Generator(seed: 0)) { Tensor.zeros(shape).normal_() }
}

/// Classes 0..<classes.
func classes(_ count: Int, _ classes: Int) -> Tensor { Tensor((0..<count).map { ($0 &* 7919) % classes }) }

/// Forward alone, and forward with the gradients of all operands.
///
/// - Parameter gflops: What forward computes, where that is to be the unit; with the gradients it counts three times.
func bothPasses(
  _ name: String, of shapes: [Shape], gflops: Double? = nil, least: ReferenceLoop.Work? = nil,
  gradientLeast: ReferenceLoop.Work? = nil, _ operation: @escaping @Sendable ([Tensor]) -> Tensor
) -> [Workload] {
  let unit: Workload.Unit = gflops == nil ? .milliseconds : .gflops
  return [
    Workload(name + "_fwd", unit, gflops ?? 1, least: least) {
      let operands = shapes.map { numbers($0) }
      return { noGrad { _ = operation(operands) } }
    },
    Workload(name + "_fwdbwd", unit, gflops.map { 3 * $0 } ?? 1, least: gradientLeast) {
      let operands = shapes.map { numbers($0).requiresGrad_() }
      let cotangent = numbers(noGrad { operation(operands).shape })
      return { _ = Tensor.grad(of: [operation(operands)], withRespectTo: operands, gradients: [cotangent]) }
    },
  ]
}
