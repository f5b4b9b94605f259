/// What this machine can do at most, with as many threads as operations use: what measurements are held against.
public struct MachineLimits: Sendable, Hashable {
  /// Threads that were used.
  public let threads: Int
  /// float32 multiplications and additions a second, from registers, of all threads together.
  public let operationsPerSecond: Double
  /// Bytes a second between memory and cores: the better of reading and copying.
  public let bytesPerSecond: Double

  /// Measures for about a quarter of a second, with 128 MB of memory. Throws if ``Memory/limit`` forbids that.
  public static func measure() throws(TensorError) -> MachineLimits {
    let megabytes = 64 << 20
    let arithmetic = try ReferenceLoop(.arithmetic(operations: 2e9))
    let reading = try ReferenceLoop(.memory(read: megabytes, written: 0))
    let copying = try ReferenceLoop(.memory(read: megabytes, written: megabytes))
    return MachineLimits(
      threads: threadCount, operationsPerSecond: arithmetic.operations / arithmetic.fastest(of: 20),
      bytesPerSecond: Swift.max(
        Double(megabytes) / reading.fastest(of: 15), Double(2 * megabytes) / copying.fastest(of: 15)))
  }

  /// The least time in which so much can be moved and computed.
  public func seconds(byteCount: Double, operations: Double) -> Double {
    Swift.max(byteCount / bytesPerSecond, operations / operationsPerSecond)
  }
}
