/// Where a tensor's elements live: the processor's memory or a GPU's. A string literal names one: `x.to("cuda:1")`.
public struct Device: Sendable, Hashable {
  /// What kinds there are.
  public enum Kind: UInt8, Sendable {
    /// The processor and its memory.
    case cpu
    /// NVIDIA's GPUs.
    case cuda
  }

  /// Its kind.
  public let kind: Kind
  private let number: UInt8

  /// Which of several GPUs; 0 for the processor.
  public var index: Int { Int(number) }

  @inline(__always)
  private init(kind: Kind, number: UInt8 = 0) {
    self.kind = kind
    self.number = number
  }

  /// The processor.
  public static let cpu = Device(kind: .cpu)

  /// A GPU by its number; the first one without. ``CUDA/deviceCount`` says how many there are.
  public static func cuda(_ index: Int = 0) -> Device {
    guard let number = UInt8(exactly: index) else {
      Door.fail(TensorError(.device, "there is no cuda:\(index): GPUs are numbered from 0", operation: "Device.cuda"))
      return .cpu
    }
    return Device(kind: .cuda, number: number)
  }

  /// The device that torch calls so: `cpu`, `cuda` or `cuda:1`; nil if it is none of these.
  public init?(name: String) {
    let parts = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    switch (parts[0], parts.count) {
    case ("cpu", 1): self = .cpu
    case ("cuda", 1): self = .cuda()
    case ("cuda", 2):
      guard let number = UInt8(parts[1]), parts[1].allSatisfy(\.isNumber) else { return nil }
      self.init(kind: .cuda, number: number)
    default: return nil
    }
  }

  @inline(__always)
  var isCPU: Bool { kind == .cpu }
}

extension Device: CustomStringConvertible {
  public var description: String { isCPU ? "cpu" : "cuda:\(index)" }
}

extension Device: ExpressibleByStringLiteral {
  /// The device of that name. A name of no device is an error.
  public init(stringLiteral name: String) {
    if let device = Device(name: name) {
      self = device
    } else {
      Door.fail(TensorError(.device, "\"\(name)\" names no device: write cpu, cuda or cuda:1", operation: "Device"))
      self = .cpu
    }
  }
}

extension Device {
  /// Where tensors are made that are told no device: the processor, but inside of ``with(_:_:)``.
  public static var current: Device { Context.current.device }

  /// Runs `body`, in which tensors are made on `device` unless they are told another. Torch's `with torch.device(…)`.
  public static func with<R>(_ device: Device, _ body: () throws -> R) rethrows -> R {
    try Context.run(Context.current.with(device: device), body)
  }

  /// The asynchronous form of ``with(_:_:)-(_,()->R)``.
  public static func with<R>(
    _ device: Device, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
  ) async rethrows -> R {
    try await Context.run(Context.current.with(device: device), isolation: isolation, body)
  }
}
