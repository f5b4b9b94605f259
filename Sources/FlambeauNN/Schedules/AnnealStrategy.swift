#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The curve between two rates. Torch's `anneal_strategy`.
public enum AnnealStrategy: Sendable {
  /// Half a cosine wave.
  case cos
  /// A straight line.
  case linear

  /// - Parameter part: How much of the way lies behind, 0...1.
  func between(_ start: Double, _ end: Double, _ part: Double) -> Double {
    switch self {
    case .cos: end + (start - end) / 2 * (cosine(Double.pi * part) + 1)
    case .linear: (end - start) * part + start
    }
  }

  /// How much of the change lies behind at `part`, 0...1. From 0 to 1 it is ``between(_:_:_:)`` but for rounding, which is torch's.
  func share(at part: Double) -> Double {
    switch self {
    case .cos: (1 - cosine(Double.pi * part)) / 2
    case .linear: part
    }
  }
}

// Within the enumeration `cos` is its case.
private func cosine(_ x: Double) -> Double { cos(x) }
