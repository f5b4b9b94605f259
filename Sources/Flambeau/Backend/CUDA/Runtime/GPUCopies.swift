/// Copies, queued on a stream. Memory that is not pinned may be written again when an upload returns, and holds what was asked for
/// when a download returns; pinned memory must be left alone until the stream has come to the copy.
extension GPUStream {
  /// From the CPU's memory to the GPU's.
  func copy(_ source: UnsafeRawPointer, to target: Driver.Address, _ byteCount: Int, for operation: String = "")
    throws(TensorError)
  {
    if byteCount == 0 { return }
    try refuseCapture("a copy to the GPU\(operation.isEmpty ? "" : " of \(operation)")")
    try gpu.enqueue(gpu.driver.upload, on: self, WorkLabel(work: "a copy to the GPU", operation: operation)) {
      $0(target, source, byteCount, handle)
    }
  }

  /// From the GPU's memory to the CPU's.
  func copy(
    _ source: Driver.Address, to target: UnsafeMutableRawPointer, _ byteCount: Int, for operation: String = ""
  ) throws(TensorError) {
    if byteCount == 0 { return }
    try refuseCapture("a copy from the GPU\(operation.isEmpty ? "" : " of \(operation)")")
    try gpu.enqueue(gpu.driver.download, on: self, WorkLabel(work: "a copy from the GPU", operation: operation)) {
      $0(target, source, byteCount, handle)
    }
    try gpu.faults.check(on: gpu)
  }

  /// Within the GPU's memory.
  func copy(_ source: Driver.Address, to target: Driver.Address, _ byteCount: Int, for operation: String = "") throws(TensorError)
  {
    if byteCount == 0 { return }
    try gpu.enqueue(gpu.driver.copy, on: self, WorkLabel(work: "a copy on the GPU", operation: operation)) {
      $0(target, source, byteCount, handle)
    }
  }

  /// Sets bytes of the GPU's memory.
  func fill(_ target: Driver.Address, with byte: UInt8, _ byteCount: Int, for operation: String = "") throws(TensorError) {
    if byteCount == 0 { return }
    try gpu.enqueue(gpu.driver.fill, on: self, WorkLabel(work: "a fill", operation: operation)) {
      $0(target, byte, byteCount, handle)
    }
  }
}
