// Which device a call runs on.

extension Few where Element == Tensor {
  /// The GPU of the first operand that lives on one; the processor where none does.
  @inline(__always)
  var device: Device {
    for i in 0..<count {
      if let device = self[i]?.body.storage.device, !device.isCPU { return device }
    }
    return .cpu
  }
}

extension Operator {
  /// The operands on the GPU that the call runs on: a number may come from the processor. Throws where others live elsewhere, or
  /// the row has no kernels.
  func placed(_ operands: Few<Tensor>, on device: Device) throws(TensorError) -> Few<Tensor> {
    guard runsOnGPU else { throw .noKernel(on: device) }
    var placed = operands
    for i in 0..<operands.count {
      guard let operand = operands[i], operand.device != device else { continue }
      guard operand.device.isCPU && operand.ndim == 0 else { throw .differentDevices(device, operand.device) }
      placed[i] = try operand.number(on: device)
    }
    return placed
  }

  /// The operands of a write where the written tensor lives; of a row that crosses devices, where each is, but for numbers.
  func placed(_ operands: Few<Tensor>, beside target: Tensor) throws(TensorError) -> Few<Tensor> {
    let device = operands.device
    if device.isCPU { return operands }
    if crossesDevices && (target.device != device || operands[1]!.ndim > 0) { return operands }
    guard target.device == device else { throw .differentDevices(target.device, device) }
    return try placed(operands, on: device)
  }

  /// What is written may come from another device. Said as the row is made.
  func acrossDevices() -> Self {
    crossesDevices = true
    return self
  }

  /// The row runs on GPUs too, forward and backward. Said as the row is made.
  func onGPU() -> Self {
    runsOnGPU = true
    return self
  }
}

extension Tensor {
  /// A number of the processor's on a GPU: as an argument of a kernel, which a graph may repeat, unless a gradient is to come back.
  fileprivate func number(on device: Device) throws(TensorError) -> Tensor {
    if requiresGrad && Context.current.records {
      let moved = to(device)
      if let poison = moved.body.poison { throw poison }
      return moved
    }
    let value = try Value(Layout([]), dtype, on: device)
    try value.elements.fill(dtype.isFloatingPoint ? Number(item(as: Double.self)) : Number(item(as: Int64.self)))
    return Tensor(TensorBody(value))
  }
}

extension TensorError {
  static func noKernel(on device: Device) -> TensorError {
    TensorError(
      .device,
      "there is no kernel for \(device) yet: move the operands with .cpu(), and the result back with .to(\"\(device)\")")
  }

  static func differentDevices(_ a: Device, _ b: Device) -> TensorError {
    TensorError(.device, "Expected all tensors to be on the same device, but found at least two devices, \(a) and \(b)!")
  }
}
