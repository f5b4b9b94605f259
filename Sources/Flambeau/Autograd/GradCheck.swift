/// Where an analytic derivative differs from the measured one.
public struct GradCheckError: Error, Sendable, CustomStringConvertible {
  /// The sentence.
  public let description: String
}

/// Compares the gradients of `function` at `inputs` with central differences, element by element. Torch's `gradcheck`.
///
/// - Parameters:
///   - inputs: float64; those that require grad are checked. Choose points away from kinks.
///   - epsilon: Half the distance of the two points a difference is taken over.
///   - absolute, relative: A derivative a and its measured value m agree if |a − m| ≤ absolute + relative·|m|.
///   - function: Pure; results that do not require grad are left out.
/// - Throws: `GradCheckError` naming the first element that differs, or what `function` misused.
public func gradcheck(
  _ inputs: [Tensor], epsilon: Double = 1e-6, absolute: Double = 1e-5, relative: Double = 1e-3,
  _ function: ([Tensor]) -> [Tensor]
) throws {
  try withTensorErrors {
    for (i, input) in inputs.enumerated() where input.requiresGrad && input.dtype != .float64 {
      throw GradCheckError(description: "gradcheck: input \(i) is \(input.dtype), but differences need float64")
    }
    let leaves = inputs.map { $0.detach().requiresGrad_($0.requiresGrad) }
    let outputs = function(leaves).filter(\.requiresGrad)
    let tracked = leaves.indices.filter { leaves[$0].requiresGrad }
    let analytic = outputs.map { jacobianRows(of: $0, by: tracked.map { leaves[$0] }, createGraph: false) }
      .map { $0.map { $0.array(of: Double.self) } }
    for (position, i) in tracked.enumerated() {
      let values = inputs[i].array(of: Double.self)
      for element in values.indices {
        func moved(_ step: Double) -> [[Double]] {
          var all = inputs.map { $0.detach() }
          var changed = values
          changed[element] += step
          all[i] = Tensor(changed, shape: inputs[i].shape, device: inputs[i].device)
          // Which results count was decided above; recording is needed to see it again.
          for k in tracked { all[k] = all[k].requiresGrad_() }
          return function(all).filter(\.requiresGrad).map { $0.array(of: Double.self) }
        }
        let (above, below) = (moved(epsilon), moved(-epsilon))
        // What a step leads out of its domain, or misuse, has other results; the scope knows what was refused.
        guard above.map(\.count) == outputs.map(\.count), below.map(\.count) == outputs.map(\.count) else {
          throw GradCheckError(description: "gradcheck: the number of results depends on element \(element) of input \(i)")
        }
        for (o, output) in outputs.enumerated() {
          for k in 0..<output.count {
            let measured = (above[o][k] - below[o][k]) / (2 * epsilon)
            let derivative = analytic[o][position][k * values.count + element]
            if !(Swift.abs(derivative - measured) <= absolute + relative * Swift.abs(measured)) {
              throw GradCheckError(
                description:
                  "gradcheck: the derivative of element \(k) of output \(o) with respect to element \(element) of input \(i) "
                  + "is \(derivative), but differences give \(measured)")
            }
          }
        }
      }
    }
  }
}

/// Compares the second derivatives of `function` with differences of the first. Torch's `gradgradcheck`.
public func gradgradcheck(
  _ inputs: [Tensor], epsilon: Double = 1e-6, absolute: Double = 1e-5, relative: Double = 1e-3,
  _ function: ([Tensor]) -> [Tensor]
) throws {
  let outputs = noGrad { function(inputs.map { $0.detach() }) }.filter(\.dtype.isFloatingPoint)
  let weights = outputs.map { output in
    Tensor((0..<output.count).map { Double(($0 * 7 + 3) % 11) / 8 - 0.6 }, shape: output.shape, device: output.device)
      .requiresGrad_()
  }
  try gradcheck(inputs + weights, epsilon: epsilon, absolute: absolute, relative: relative) { all in
    let operands = Array(all.prefix(inputs.count))
    let results = function(operands)
    var roots: [Tensor] = []
    var cotangents: [Tensor?] = []
    for (result, weight) in zip(results.filter(\.dtype.isFloatingPoint), all.dropFirst(inputs.count))
    where result.requiresGrad {
      roots.append(result)
      cotangents.append(weight)
    }
    let tracked = operands.filter(\.requiresGrad)
    return Tensor.grad(of: roots, withRespectTo: tracked, gradients: cotangents, createGraph: true, allowUnused: true)
      .compactMap { $0 }
  }
}
