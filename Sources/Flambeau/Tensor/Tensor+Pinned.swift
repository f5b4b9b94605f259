// Memory of the processor that a GPU reads and writes by itself.
extension Tensor {
  /// The elements in pinned memory, which copies to a GPU need not wait for (``to(_:dtype:nonBlocking:)``); the same tensor if they are
  /// there already. Torch's `pin_memory`. Only tensors of the processor can be pinned, where there is a GPU: others are errors.
  public func pinMemory(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    if isPinned { return self }
    if let poison = body.poison { return Door.poisoned(by: poison, .current) }
    return .create("pin_memory", on: .cpu, at: CallSite(file, line)) { (_) throws(TensorError) in
      guard device.isCPU else {
        throw TensorError(.device, "cannot pin '\(dtype)' on \(device): only dense CPU tensors can be pinned")
      }
      let current = Device.current
      let value = try Value(pinned: body.layout.dense, dtype, for: current.isCPU ? .cuda() : current)
      try body.elements.copy(to: value.elements)
      return value
    }
  }

  /// The elements lie in pinned memory. Torch's `is_pinned`.
  public var isPinned: Bool { body.storage.isPinned }
}

extension Value {
  /// Fresh pinned memory for a dense layout, for copies from and to the GPU `device`. Contents undefined; memory of no bytes is not pinned.
  init(pinned layout: Layout, _ dtype: DType, for device: Device) throws(TensorError) {
    let byteCount = layout.elementCount * dtype.byteCount
    let storage = byteCount == 0 ? Storage.none : Storage(try GPUBackend.of(device).pinned.allocate(byteCount))
    self.init(storage, layout, dtype)
  }
}
