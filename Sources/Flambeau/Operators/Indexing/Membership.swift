/// Which elements occur in another tensor; made of other rows.
struct Membership: Sendable {
  let composites: [Sample] = [
    Sample("torch.isin(a.round(), b.round())", [.real([3, 4]).withoutGradient, .real([5]).withoutGradient]) {
      $0[0].round().isIn($0[1].round())
    },
    Sample("torch.isin(a.round(), b.contiguous(), invert=True)", [.real([3, 4]).withoutGradient, .integers([2, 2], -2...2)]) {
      $0[0].round().isIn($0[1], invert: true)
    },
    Sample(
      "torch.isin(a.round(), (b.round() / b.round().abs()).cumsum(0))",
      [.real([3, 4]).withoutGradient, .real([9]).withoutGradient]
    ) {
      let b = $0[1].round()
      return $0[0].round().isIn((b / b.abs()).cumsum(dim: 0))
    },
    Sample("torch.isin(a.round(), 1)", [.real([3, 4]).withoutGradient]) { $0[0].round().isIn(1) },
    Sample("torch.isin(a.round(), torch.empty(0))", [.real([3, 4]).withoutGradient]) { $0[0].round().isIn(.empty([0])) },
    .several("torch.unravel_index(b, (3, 4, 2))", [.real([1]), .integers([2, 5], 0...23)]) {
      Array($0[1].unravelIndex([3, 4, 2]))
    },
  ]
}

extension Tensor {
  /// Where an element equals one of `others`; with `invert` where it equals none. Bool. Not differentiable. Torch's `isin`.
  ///
  /// NaN equals nothing. Elements are compared in the dtype that both promote to.
  public func isIn(_ others: Tensor, invert: Bool = false, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("isin", with: others, at: CallSite(file, line)) { layout throws(TensorError) in
      for dtype in [dtype, others.dtype] where dtype == .bool {
        throw .dtype("Unsupported input type encountered for isin(): Bool")
      }
      let common = dtype.promoted(with: others.dtype)
      var table = others.detach().to(common).flatten()
      // Nothing is found behind a NaN by bisection, and NaN itself equals nothing.
      if common.isFloatingPoint { table = table[table .== table] }
      table = table.sort().values
      guard table.count > 0 else { return .full(layout.shape, invert, device: device) }
      let sought = detach().to(common)
      let places = table.searchSorted(sought.flatten()).clamp(max: table.count - 1)
      let nearest = table.indexSelect(dim: 0, index: places).reshape(layout.shape)
      return invert ? nearest .!= sought : nearest .== sought
    }
  }

  /// Where an element equals a number.
  public func isIn(_ number: Double, invert: Bool = false, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("isin", at: CallSite(file, line)) { _ throws(TensorError) in
      guard dtype != .bool else { throw .dtype("Unsupported input type encountered for isin(): Bool") }
      return invert ? detach() .!= number : detach() .== number
    }
  }

  /// The coordinates, one tensor for each dimension, of places that are counted row by row in a tensor of `shape`. int64.
  /// Torch's `unravel_index`.
  public func unravelIndex(_ shape: Shape, file: StaticString = #fileID, line: UInt = #line) -> TensorList {
    list("unravel_index", CallSite(file, line)) { _ throws(TensorError) in
      guard dtype.isInteger else {
        throw .dtype("expected 'indices' to be integer dtype, but got torch.\(dtype)")
      }
      guard !shape.contains(where: { $0 < 0 }) else {
        throw .argument("'shape' cannot have negative values, but got \(shape)")
      }
      var step = 1
      var coordinates: [Tensor] = []
      let places = to(.int64)
      for size in shape.reversed() {
        guard size > 0 || count == 0 else { throw .argument("a shape with a dimension of size 0 has no places: \(shape)") }
        coordinates.insert(size == 0 ? places : places.floorDivide(step).remainder(size), at: 0)
        let (next, overflow) = step.multipliedReportingOverflow(by: Swift.max(size, 1))
        step = overflow ? .max : next
      }
      return coordinates
    }
  }
}
