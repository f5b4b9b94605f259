/// Where a tensor's elements live. This build computes on the CPU.
public struct Device: Sendable, Hashable {
  public enum Kind: UInt8, Sendable { case cpu }

  public let kind: Kind

  public static let cpu = Device(kind: .cpu)
}

extension Device: CustomStringConvertible {
  public var description: String { "cpu" }
}
