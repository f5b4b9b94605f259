/// Where a tensor's elements live. This build computes on the CPU.
public struct Device: Sendable, Hashable {
  /// What kinds there are.
  public enum Kind: UInt8, Sendable {
    /// The processor and its memory.
    case cpu
  }

  /// Its kind.
  public let kind: Kind

  /// The processor.
  public static let cpu = Device(kind: .cpu)
}

extension Device: CustomStringConvertible {
  public var description: String { "cpu" }
}
