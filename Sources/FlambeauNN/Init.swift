import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Fills tensors, parameters among them, with torch's numbers: for one seed the same bits. Torch's `nn.init`.
///
/// Every function writes in place, unseen by graphs, and returns its tensor. Random ones take floating-point tensors and
/// draw from the current generator.
public enum Init {
  /// Which side of a weight's connections is counted.
  public enum FanMode: Sendable {
    /// Connections from inputs: keeps the forward pass's variance.
    case fanIn
    /// Connections to outputs: keeps the backward pass's.
    case fanOut
  }

  /// What follows the layer that is initialised.
  public enum Nonlinearity: Sendable {
    /// Gain 1.
    case linear
    /// Gain 1.
    case sigmoid
    /// Gain 5/3.
    case tanh
    /// Gain √2.
    case relu
    /// Gain 3/4.
    case selu
    /// Gain √(2 / (1 + slope²)).
    case leakyReLU(slope: Double = 0.01)
  }

  /// The factor that keeps the variance through a nonlinearity. Torch's `calculate_gain`.
  public static func gain(_ nonlinearity: Nonlinearity) -> Double {
    switch nonlinearity {
    case .linear, .sigmoid: 1
    case .tanh: 5.0 / 3
    case .relu: 2.0.squareRoot()
    case .leakyReLU(let slope): (2.0 / (1 + slope * slope)).squareRoot()
    case .selu: 3.0 / 4
    }
  }

  /// Fills with a number. Torch's `nn.init.constant_`.
  @discardableResult
  public static func constant_(_ tensor: Tensor, _ value: Double) -> Tensor {
    noGrad { tensor.fill_(value) }
  }

  /// Fills with zeros. Torch's `nn.init.zeros_`.
  @discardableResult
  public static func zeros_(_ tensor: Tensor) -> Tensor { constant_(tensor, 0) }

  /// Fills with ones. Torch's `nn.init.ones_`.
  @discardableResult
  public static func ones_(_ tensor: Tensor) -> Tensor { constant_(tensor, 1) }

  /// Uniform in [from, to).
  @discardableResult
  public static func uniform_(
    _ tensor: Tensor, from: Double = 0, to: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    noGrad { tensor.uniform_(from: from, to: to, file: file, line: line) }
  }

  /// Fills with draws from a normal distribution. Torch's `nn.init.normal_`.
  @discardableResult
  public static func normal_(
    _ tensor: Tensor, mean: Double = 0, std: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    noGrad { tensor.normal_(mean: mean, std: std, file: file, line: line) }
  }

  /// Normal numbers between `a` and `b`: those outside are drawn again.
  @discardableResult
  public static func truncNormal_(
    _ tensor: Tensor, mean: Double = 0, std: Double = 1, a: Double = -2, b: Double = 2, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    func share(below x: Double) -> Double { (1 + erf((x - mean) / std / 2.0.squareRoot())) / 2 }
    // A poor share of normal numbers would be kept: uniform ones are taken as often as the density says.
    let isRich = share(below: b) - share(below: a) > 0.3
    func inDtype(_ number: Double) -> Double { Tensor(number, device: .cpu).to(tensor.dtype).item() }
    let (low, high) = (inDtype(a), inDtype(b))
    let mode = Swift.max(a, Swift.min(mean, b))
    let peak = -0.5 * ((mode - mean) / std) * ((mode - mean) / std)
    let scratch = noGrad { Tensor.zeros(tensor.shape, dtype: tensor.dtype, device: tensor.device) }

    /// Fresh numbers for every place, and where they are refused.
    func draw(into numbers: Tensor) -> Tensor {
      if isRich {
        normal_(numbers, mean: mean, std: std, file: file, line: line)
        return (numbers .< low).logicalOr(numbers .> high)
      }
      uniform_(numbers, from: a, to: b, file: file, line: line)
      let density = ((numbers - mean) / std).square() * -0.5 - peak
      return scratch.uniform_().log_() .> density
    }
    return noGrad {
      var refused = draw(into: tensor)
      let again = Tensor.zeros(tensor.shape, dtype: tensor.dtype, device: tensor.device)
      while !Context.current.isFailed && refused.any().item() != 0 {
        let refusedAgain = draw(into: again)
        tensor.copy_(.where(refused, again, tensor))
        refused = refused.logicalAnd(refusedAgain)
      }
      return tensor
    }
  }

  /// Uniform, with the variance 2·gain² / (fan in + fan out) (Glorot and Bengio, 2010).
  @discardableResult
  public static func xavierUniform_(
    _ tensor: Tensor, gain: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard let fans = fans(tensor, "xavier_uniform_", file, line) else { return tensor }
    let bound = 3.0.squareRoot() * (gain * (2.0 / Double(fans.in + fans.out)).squareRoot())
    return uniform_(tensor, from: -bound, to: bound, file: file, line: line)
  }

  /// Normal, with the variance 2·gain² / (fan in + fan out) (Glorot and Bengio, 2010).
  @discardableResult
  public static func xavierNormal_(
    _ tensor: Tensor, gain: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard let fans = fans(tensor, "xavier_normal_", file, line) else { return tensor }
    return normal_(tensor, std: gain * (2.0 / Double(fans.in + fans.out)).squareRoot(), file: file, line: line)
  }

  /// Uniform, with the variance gain² / fan (He et al., 2015). `a` in torch is the slope of ``Nonlinearity/leakyReLU(slope:)``.
  @discardableResult
  public static func kaimingUniform_(
    _ tensor: Tensor, mode: FanMode = .fanIn, nonlinearity: Nonlinearity = .leakyReLU(slope: 0),
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard tensor.count > 0, let std = kaimingStd(tensor, mode, nonlinearity, "kaiming_uniform_", file, line) else {
      return tensor
    }
    let bound = 3.0.squareRoot() * std
    return uniform_(tensor, from: -bound, to: bound, file: file, line: line)
  }

  /// Normal, with the variance gain² / fan (He et al., 2015). `a` in torch is the slope of ``Nonlinearity/leakyReLU(slope:)``.
  @discardableResult
  public static func kaimingNormal_(
    _ tensor: Tensor, mode: FanMode = .fanIn, nonlinearity: Nonlinearity = .leakyReLU(slope: 0),
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard tensor.count > 0, let std = kaimingStd(tensor, mode, nonlinearity, "kaiming_normal_", file, line) else {
      return tensor
    }
    return normal_(tensor, std: std, file: file, line: line)
  }

  private static func kaimingStd(
    _ tensor: Tensor, _ mode: FanMode, _ nonlinearity: Nonlinearity, _ operation: String, _ file: StaticString, _ line: UInt
  ) -> Double? {
    fans(tensor, operation, file, line).map { fans in
      gain(nonlinearity) / Double(mode == .fanIn ? fans.in : fans.out).squareRoot()
    }
  }

  /// How many inputs an output of the weight `[out, in, kernel…]` has, and how many outputs an input.
  private static func fans(
    _ weight: Tensor, _ operation: String, _ file: StaticString, _ line: UInt
  ) -> (in: Int, out: Int)? {
    if Context.current.isFailed { return nil }
    guard weight.ndim >= 2 else {
      Door.fail(
        TensorError(.shape, "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"), in: operation,
        file: file, line: line)
      return nil
    }
    let field = weight.shape.dropFirst(2).reduce(1, *)
    return (weight.shape[1] * field, weight.shape[0] * field)
  }
}
