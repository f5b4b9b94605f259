/// What the driver says of a GPU.
struct GPUProperties: Sendable {
  let name: String
  /// Such as 9.0: which instructions there are.
  let capability: CUDAVersion
  let byteCount: Int
  let multiprocessorCount: Int
  /// The most shared memory a block gets if it asks for it.
  let sharedByteCount: Int
  let threadsPerBlock: Int

  /// Of the GPU that the driver counts as `index`.
  init(_ index: Int, of driver: Driver) throws(TensorError) {
    let device = try GPUProperties.handle(index, of: driver)
    var name = [CChar](repeating: 0, count: 256)
    try driver.run(driver.deviceName) { $0(&name, Int32(name.count - 1), device) }
    self.name = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    var byteCount = 0
    try driver.run(driver.deviceMemory) { $0(&byteCount, device) }
    self.byteCount = byteCount

    func attribute(_ number: Int32) throws(TensorError) -> Int {
      var value: Int32 = 0
      try driver.run(driver.deviceAttribute) { $0(&value, number, device) }
      return Int(value)
    }
    threadsPerBlock = try attribute(1)
    multiprocessorCount = try attribute(16)
    capability = CUDAVersion(major: try attribute(75), minor: try attribute(76))
    sharedByteCount = try attribute(97)
  }

  /// The driver's number for a GPU.
  static func handle(_ index: Int, of driver: Driver) throws(TensorError) -> Int32 {
    var device: Int32 = 0
    try driver.run(driver.device) { $0(&device, Int32(index)) }
    return device
  }

  static func count(of driver: Driver) throws(TensorError) -> Int {
    var count: Int32 = 0
    try driver.run(driver.deviceCount) { $0(&count) }
    return Int(count)
  }

  /// What kernels are made for.
  var shape: DeviceShape {
    DeviceShape(
      multiprocessorCount: multiprocessorCount, sharedByteCount: sharedByteCount, hasTensorCores: capability.major >= 8)
  }

  /// As compilers call it, such as `sm_90`.
  var architecture: String { "sm_\(capability.major)\(capability.minor)" }
}
