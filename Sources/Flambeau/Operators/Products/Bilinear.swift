/// Forms that are linear in each of two operands.
struct BilinearForms: Sendable {
  let composites: [Sample] = [
    Sample("F.bilinear(a, b, c)", [.real([3, 4]), .real([3, 2]), .real([5, 4, 2])]) { $0[0].bilinear($0[1], $0[2]) },
    Sample("F.bilinear(a, b, c, d)", [.real([2, 3, 4]), .real([2, 3, 2]), .real([5, 4, 2]), .real([5])]) {
      $0[0].bilinear($0[1], $0[2], $0[3])
    },
  ]
}

extension Tensor {
  /// xᵀ W y + b of the last dimensions of this tensor [*, m] and of `other` [*, n]. Torch's `bilinear`.
  ///
  /// - Parameters:
  ///   - weight: [outputs, m, n].
  ///   - bias: [outputs].
  public func bilinear(
    _ other: Tensor, _ weight: Tensor, _ bias: Tensor? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let others = [other, weight] + (bias.map { [$0] } ?? [])
    return checkedOperands("bilinear", others, CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("bilinear", on: self) {
        return try autocast(self, other, weight, bias) { $0[0]!.bilinear($0[1]!, $0[2]!, $0[3], file: file, line: line) }
      }
      guard layout.rank == other.ndim, layout.rank > 0 else {
        throw .shape("bilinear(): input dimensions do not match: got \(layout.rank) and \(other.ndim)")
      }
      let lead = Array(layout.shape.dropLast())
      guard lead == Array(other.shape.dropLast()) else {
        throw .shape("bilinear(): input batch dimensions do not match: got \(layout.shape) and \(other.shape)")
      }
      guard weight.ndim == 3, layout.shape.last! == weight.shape.at(1), other.shape.last! == weight.shape.at(2) else {
        throw .shape(
          "bilinear(): input sizes do not match weight size: got \(layout.shape) and \(other.shape) but expected weight of "
            + "[*, \(layout.shape.last!), \(other.shape.last!)], got \(weight.shape)")
      }
      if let bias, bias.shape != [weight.shape.at(0)] {
        throw .shape("bilinear(): bias size does not match weight size: got \(bias.shape) but expected \(weight.shape.at(0))")
      }
      let (outputs, m, n) = (weight.shape.at(0), weight.shape.at(1), weight.shape.at(2))
      let rows = lead.reduce(1, *)
      // [rows, m] · [m, outputs · n], then a product with y for every row.
      let half = reshape([rows, m]).mm(weight.transpose(0, 1).reshape([m, outputs * n])).reshape([rows, outputs, n])
      let result = half.bmm(other.reshape([rows, n, 1])).reshape(Shape(lead + [outputs]))
      return bias.map { result + $0 } ?? result
    }
  }
}
