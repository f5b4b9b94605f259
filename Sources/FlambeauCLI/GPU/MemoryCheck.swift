import Flambeau

extension GPUCheck {
  /// What the allocator counts, keeps and gives back, and a program that runs out of memory.
  static let memory = GPUCheck(name: "memory") { request in
    .of { report in
      let device = request.device
      func hold(_ condition: Bool, _ sentence: String) { if !condition { report.failures.append(sentence) } }
      let size = 32 << 20
      CUDA.synchronize(device)
      CUDA.emptyCache(device)
      CUDA.resetPeakMemoryStats(device)
      let before = CUDA.memoryAllocated(device)
      var x: Tensor? = Tensor.zeros([size / 4], device: device)
      hold(CUDA.memoryAllocated(device) == before + size, "32 MiB are not counted as allocated")
      x = nil
      hold(x == nil && CUDA.memoryAllocated(device) == before, "32 MiB that were given back still count as allocated")
      hold(CUDA.maxMemoryAllocated(device) >= before + size, "the most that was allocated is not noted")
      let kept = CUDA.memoryReserved(device)
      hold(kept >= before + size, "what was given back is not kept")
      CUDA.synchronize(device)
      CUDA.emptyCache(device)
      hold(CUDA.memoryReserved(device) <= kept - size, "emptying the cache gives nothing back")

      // A quarter of what is asked for below.
      let leaf = Tensor.ones([size / 4], device: device).requiresGrad_()
      (leaf * 3).sum().backward()
      let gradient = leaf.grad!
      let loss = (leaf.exp() * leaf).sum()
      let total = CUDA.devices[device.index].memoryByteCount
      CUDA.emptyCache(device)
      CUDA.setMemoryFraction(Double(CUDA.memoryReserved(device) + (1 << 20)) / Double(total), device)
      var refusal: TensorError?
      do {
        try withTensorErrors { loss.backward() }
      } catch {
        refusal = error as? TensorError
      }
      CUDA.setMemoryFraction(1, device)
      hold(refusal?.kind == .memory, "a backward pass without memory throws no error of memory")
      hold(refusal?.message.contains("MiB") ?? false, "the error does not say how much was asked for: \(refusal?.message ?? "")")
      hold(
        leaf.grad!.isSame(as: gradient) && gradient.sum().item() == Double(3 * size / 4),
        "a gradient has changed by a pass that failed")
      hold(Tensor.zeros([size / 4], device: device).sum().item() == 0, "nothing can be allocated any more")
      report.summary = "counted, kept, given back; out of memory in a backward pass, and on"
    }
  }
}
