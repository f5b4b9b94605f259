struct FillValue: Sendable {
  let number: Number
  let category: DType.Category
}

/// Rows that exist only in place: what was there does not matter.
struct Writes: Sendable {
  /// The second operand, converted and broadcast, over the first, from whichever device. The attribute: nobody waits for a copy from or
  /// to pinned memory.
  let copy: Operator<Bool> = Operator<Bool>(
    "copy_",
    plan: { (operands, _) throws(TensorError) in
      let (target, source) = (operands[0]!.body, operands[1]!.body)
      guard source.layout.broadcast(to: target.layout.shape) != nil else {
        throw .shape(
          "output with shape \(target.layout.shape) doesn't match the broadcast shape of the source, \(source.layout.shape)")
      }
      return ResultPlan(layout: target.layout, dtype: target.dtype, compute: target.dtype)
    },
    fill: { (operands, nonBlocking, _, result) throws(TensorError) in
      let source = operands[1]!.body
      try withExtendedLifetime(source) { () throws(TensorError) in
        try source.elements(source.layout.broadcast(to: result.layout.shape)!).copy(to: result, waits: !nonBlocking)
      }
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(nil, call.needs(1) ? gradient.fitted(to: call.shape(1), call.dtype(1)).to(call.device(1)) : nil)
    },
    samples: [
      Sample("a.clone().copy_(b)", [.real([2, 3]), .real([3])]) { $0[0].clone().copy_($0[1]) },
      Sample("a.t().clone().copy_(b)", [.real([2, 3]), .real([3, 1])]) { $0[0].T.clone().copy_($0[1]) },
    ]
  ).onGPU().acrossDevices()

  /// One number everywhere.
  let fill: Operator<FillValue> = Operator<FillValue>(
    "fill_",
    plan: { (operands, value) throws(TensorError) in
      let target = operands[0]!.body
      _ = try target.dtype.element(value.number, value.category)
      return ResultPlan(layout: target.layout, dtype: target.dtype, compute: target.dtype)
    },
    fill: { (_, value, _, result) throws(TensorError) in try result.fill(value.number) },
    backward: { (_, _) throws(TensorError) in Few(nil) },
    samples: [
      Sample("a.clone().fill_(2)", [.real([2, 3])]) { $0[0].clone().fill_(2) },
      Sample("a.clone().zero_()", [.real([2, 3])]) { $0[0].clone().zero_() },
    ]
  ).onGPU()
}

extension Tensor {
  /// The elements of `source`, which may live on another device, converted and broadcast, written over these. Torch's `copy_`.
  ///
  /// - Parameter nonBlocking: A copy between pinned memory and a GPU is queued on the current stream, and the pinned tensor must be left
  ///   alone until it is done. A copy to the processor that has to spread elements there is waited for.
  @discardableResult
  public func copy_(
    _ source: Tensor, nonBlocking: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    overwrite(with: source, nonBlocking: nonBlocking, at: CallSite(file, line))
  }

  /// ``copy_(_:nonBlocking:file:line:)`` for a caller of another operation.
  @discardableResult
  func overwrite(with source: Tensor, nonBlocking: Bool = false, at site: CallSite) -> Tensor {
    // What is to be stretched goes to its device first.
    let near = source.count == count ? source : source.to(device, nonBlocking: nonBlocking && !device.isCPU)
    return ops.writes.copy.write(Few(self, near), nonBlocking, at: site)
  }

  /// `value` written over every element. Torch's `fill_`.
  @discardableResult
  public func fill_(_ value: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.writes.fill.write(Few(self), FillValue(number: Number(value), category: .floatingPoint), at: CallSite(file, line))
  }

  /// The same with a whole number.
  @discardableResult
  public func fill_(_ value: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.writes.fill.write(Few(self), FillValue(number: Number(value), category: .integer), at: CallSite(file, line))
  }

  /// 0 written over every element. Torch's `zero_`.
  @discardableResult
  public func zero_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    fill_(0, file: file, line: line)
  }
}
