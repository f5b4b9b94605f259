// A GPU's memory and queues, from outside. Names are torch's of `torch.cuda`.
extension CUDA {
  /// Bytes that tensors take, as the allocator rounds them. Torch's `memory_allocated`.
  public static func memoryAllocated(_ device: Device = .cuda()) -> Int { figure(device, \.allocated.now) }

  /// The most bytes that tensors have taken at a time. Torch's `max_memory_allocated`.
  public static func maxMemoryAllocated(_ device: Device = .cuda()) -> Int { figure(device, \.allocated.peak) }

  /// Bytes that are held of the GPU, used or cached. Torch's `memory_reserved`.
  public static func memoryReserved(_ device: Device = .cuda()) -> Int { figure(device, \.reserved.now) }

  /// The most bytes that have been held at a time. Torch's `max_memory_reserved`.
  public static func maxMemoryReserved(_ device: Device = .cuda()) -> Int { figure(device, \.reserved.peak) }

  /// From here on the most is what there is now. Torch's `reset_peak_memory_stats`.
  public static func resetPeakMemoryStats(_ device: Device = .cuda()) { with(device) { $0.memory.resetPeaks() } }

  /// Figures and the largest live blocks with the operators that made them, as a table. Torch's `memory_summary`.
  public static func memorySummary(_ device: Device = .cuda()) -> String {
    var text = ""
    with(device) { text = $0.memory.summary }
    return text
  }

  /// Gives what is cached and not used back to the driver; what queued work still uses is waited for. Torch's `empty_cache`.
  public static func emptyCache(_ device: Device = .cuda()) {
    with(device) { (backend) throws(TensorError) in try backend.memory.emptyCache() }
  }

  /// The part of the GPU's memory, from 0 to 1, that may be held; the cache gives way first. Torch's
  /// `set_per_process_memory_fraction`.
  public static func setMemoryFraction(_ fraction: Double, _ device: Device = .cuda()) {
    with(device) { (backend) throws(TensorError) in
      guard (0...1).contains(fraction) else { throw .argument("a part of the memory lies between 0 and 1, not at \(fraction)") }
      backend.memory.fraction = fraction
    }
  }

  /// Waits until all that is queued on a GPU is done; what went wrong there is reported now. Torch's `synchronize`.
  public static func synchronize(_ device: Device = .cuda()) {
    with(device) { (backend) throws(TensorError) in try backend.gpu.synchronize() }
  }

  private static func figure(_ device: Device, _ path: KeyPath<GPUMemoryFigures, Int>) -> Int {
    var bytes = 0
    with(device) { bytes = $0.memory.figures[keyPath: path] }
    return bytes
  }

  private static func with(_ device: Device, _ body: (GPUBackend) throws(TensorError) -> Void) { _ = value(device, nil, body) }
}
