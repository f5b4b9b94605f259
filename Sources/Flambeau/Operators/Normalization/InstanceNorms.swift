/// Normalisation of each channel of each sample, and by neighbouring channels.
struct InstanceNorms: Sendable {
  let composites: [Sample] = [
    Sample("F.instance_norm(a)", [.real([2, 3, 4])]) { $0[0].instanceNorm() }.widened,
    Sample("F.instance_norm(a, weight=b, bias=c, eps=0.1)", [.real([2, 3, 2, 3]), .real([3], 0.5...2), .real([3])]) {
      $0[0].instanceNorm(weight: $0[1], bias: $0[2], eps: 0.1)
    },
    Sample("F.local_response_norm(a, 3, 0.5)", [.real([2, 4, 3])]) { $0[0].localResponseNorm(3, alpha: 0.5) },
    Sample("F.local_response_norm(a, 2, 0.5, 1.5, 2.0)", [.real([2, 4, 2, 3])]) {
      $0[0].localResponseNorm(2, alpha: 0.5, beta: 1.5, k: 2)
    },
  ]
}

extension Tensor {
  /// Every channel of every sample of [n, c, *] less its mean, divided by √(variance + eps), then scaled and moved. Torch's
  /// `instance_norm`.
  ///
  /// - Parameter weight, bias: [c].
  public func instanceNorm(
    weight: Tensor? = nil, bias: Tensor? = nil, eps: Double = 1e-5, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checkedOperands("instance_norm", [weight, bias].compactMap { $0 }, CallSite(file, line)) { layout throws(TensorError) in
      let shape = layout.shape
      guard shape.count > 2, shape.dropFirst(2).reduce(1, *) > 1 else {
        throw .shape("Expected more than 1 spatial element when training, got input size \(shape)")
      }
      for (name, parameter) in [("weight", weight), ("bias", bias)] {
        guard let parameter, parameter.shape != [shape.at(1)] else { continue }
        throw .shape("\(name) should contain \(shape.at(1)) elements not \(parameter.count)")
      }
      if let autocast = AutocastMethod("instance_norm", on: self) {
        return try autocast(self, weight, bias) {
          $0[0]!.instanceNorm(weight: $0[1], bias: $0[2], eps: eps, file: file, line: line)
        }
      }
      // Every channel is a group of its own.
      return groupNorm(shape.at(1), weight: weight, bias: bias, eps: eps, file: file, line: line)
    }
  }

  /// Every element over (k + alpha · mean of the squares of `size` neighbouring channels)^beta (Krizhevsky et al., 2012).
  /// Torch's `local_response_norm`. The input is [n, c, *], with at least one more dimension.
  public func localResponseNorm(
    _ size: Int, alpha: Double = 1e-4, beta: Double = 0.75, k: Double = 1, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    checked("local_response_norm", at: CallSite(file, line)) { layout throws(TensorError) in
      let shape = layout.shape
      guard shape.count >= 3 else {
        throw .shape("Expected 3D or higher dimensionality input (got \(shape.count) dimensions)")
      }
      guard size > 0 else { throw .argument("kernel size should be greater than zero, but got kH: \(size) kW: 1") }
      if shape.elementCount == 0 { return self }
      // Torch pools all but sequences as volumes.
      if shape.count > 3, let autocast = AutocastMethod("avg_pool3d", on: self) {
        return try autocast(self) { $0[0]!.localResponseNorm(size, alpha: alpha, beta: beta, k: k, file: file, line: line) }
      }
      let squares = (self * self).reshape([shape.at(0), shape.at(1), shape.dropFirst(2).reduce(1, *)])
      let neighbours = squares.pad([0, 0, size / 2, (size - 1) / 2]).unsqueeze(1)
      let means = neighbours.avgPool2d(Size2D(size, 1), stride: 1).reshape(shape)
      return self / (means * alpha + k).pow(beta)
    }
  }
}
