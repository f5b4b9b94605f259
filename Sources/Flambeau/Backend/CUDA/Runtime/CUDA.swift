import Synchronization

/// NVIDIA's GPUs on this machine, found when first asked for: what is there, and their memory. Tensors live on them by ``Device``.
public enum CUDA {
  /// What a GPU is. Torch's `torch.cuda.get_device_properties`.
  public struct DeviceProperties: Sendable {
    /// Its number, from 0: `cuda:0`.
    public let index: Int
    /// Such as `NVIDIA H100 80GB HBM3`.
    public let name: String
    /// Which instructions it has, such as 9.0.
    public let computeCapability: (major: Int, minor: Int)
    /// Its memory, in bytes, whoever uses it.
    public let memoryByteCount: Int
    /// How many blocks of threads run at a time, at least.
    public let multiprocessorCount: Int
  }

  /// There is at least one GPU with a driver that can be used.
  public static var isAvailable: Bool { deviceCount > 0 }

  /// How many GPUs there are; CUDA_VISIBLE_DEVICES chooses and orders them.
  public static var deviceCount: Int { devices.count }

  /// The GPUs, by number.
  public static var devices: [DeviceProperties] { (try? found.get()) ?? [] }

  /// The sentence why there is no GPU; nil where there is one.
  public static var unavailabilityReason: String? {
    if case .failure(let error) = found { return error.message }
    return nil
  }

  /// Products and convolutions of float32 may round their factors to TF32, with 10 bits of fraction instead of 23, which is several times
  /// as fast; false by default. Torch's `torch.backends.cuda.matmul.allow_tf32`, and its `torch.backends.cudnn.allow_tf32`.
  public static var allowTF32: Bool {
    get { tf32.load(ordering: .relaxed) }
    set { tf32.store(newValue, ordering: .relaxed) }
  }

  private static let tf32 = Atomic(false)

  private static let found: Result<[DeviceProperties], TensorError> = Result { () throws(TensorError) in
    try list(of: Driver.shared.get())
  }

  static func list(of driver: Driver) throws(TensorError) -> [DeviceProperties] {
    var devices: [DeviceProperties] = []
    for index in 0..<(try GPUProperties.count(of: driver)) {
      let properties = try GPUProperties(index, of: driver)
      devices.append(
        DeviceProperties(
          index: index, name: properties.name,
          computeCapability: (properties.capability.major, properties.capability.minor),
          memoryByteCount: properties.byteCount, multiprocessorCount: properties.multiprocessorCount))
    }
    return devices
  }
}
