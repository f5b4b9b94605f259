import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Positions as rotations of pairs of features (Su et al., 2021): feature i and feature i + d/2 turn by the position times
/// frequency i, as in Hugging Face's models.
public struct RotaryEmbedding: Sendable, Hashable {
  /// How the frequencies differ from 1 / theta^(2i/d), so that a model reads longer texts than it was trained on.
  public enum Scaling: Sendable, Hashable {
    /// All frequencies over `factor`.
    case linear(factor: Double)
    /// LLaMA 3.1's: low frequencies over `factor`, high ones as they are, and a blend between.
    case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Int)
    /// YaRN (Peng et al., 2023): the same by the number of rotations in the original context. `attentionFactor` multiplies cos
    /// and sin; nil for 0.1 · ln(factor) + 1.
    case yarn(factor: Double, originalContext: Int, betaFast: Double, betaSlow: Double, attentionFactor: Double?)
  }

  /// Of a head's features, half of them in radians a position.
  let frequencies: [Double]
  let amplitude: Double

  /// Angles for heads of `width` features; `theta` is the base of their wavelengths.
  public init(width: Int, theta: Double = 10000, scaling: Scaling? = nil) {
    let plain = (0..<width / 2).map { 1 / pow(theta, 2 * Double($0) / Double(width)) }
    switch scaling {
    case nil: (frequencies, amplitude) = (plain, 1)
    case .linear(let factor): (frequencies, amplitude) = (plain.map { $0 / factor }, 1)
    case .llama3(let factor, let low, let high, let context):
      amplitude = 1
      frequencies = plain.map { frequency in
        let rotations = Double(context) * frequency / (2 * .pi)
        let share = Swift.min(1, Swift.max(0, (rotations - low) / (high - low)))
        return (1 - share) * frequency / factor + share * frequency
      }
    case .yarn(let factor, let context, let fast, let slow, let attentionFactor):
      func feature(turning rotations: Double) -> Double {
        Double(width) * log(Double(context) / (rotations * 2 * .pi)) / (2 * log(theta))
      }
      let low = Swift.max(feature(turning: fast).rounded(.down), 0)
      let high = Swift.min(feature(turning: slow).rounded(.up), Double(width - 1))
      frequencies = plain.enumerated().map { i, frequency in
        let ramp = Swift.min(1, Swift.max(0, (Double(i) - low) / (high == low ? 0.001 : high - low)))
        return ramp * frequency / factor + (1 - ramp) * frequency
      }
      amplitude = attentionFactor ?? (factor <= 1 ? 1 : 0.1 * log(factor) + 1)
    }
  }

  /// The rotations of `positions` [t] or [n, t], for tensors [n, heads, t, width] of `dtype`.
  func rotation(_ positions: Tensor, _ dtype: DType) -> Rotation {
    noGrad {
      let angles = positions.to(.float64).unsqueeze(-1) * Tensor(frequencies, device: positions.device)
      let spread = positions.ndim == 2 ? angles.unsqueeze(1) : angles
      return Rotation(cos: (spread.cos() * amplitude).to(dtype), sin: (spread.sin() * amplitude).to(dtype))
    }
  }

  struct Rotation {
    fileprivate let cos: Tensor
    fileprivate let sin: Tensor

    /// [n, heads, t, width] turned.
    func callAsFunction(_ x: Tensor) -> Tensor {
      let halves = x.chunk(2, dim: -1)
      let (a, b) = (halves[0], halves[1])
      return .cat([a * cos - b * sin, b * cos + a * sin], dim: -1)
    }
  }
}
