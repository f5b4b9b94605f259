import CKernels

// The row programs the library is made of, each with its gradient's. `g` is the gradient that arrives.
extension RowProgram {
  /// x → y
  static let softmax = RowProgram([.row], kernel: .init(fb_row_softmax, [0], [0])) { x, _, _ in
    let e = exp(x[0] - rowMax(x[0]))
    return [.row(e * reciprocal(rowSum(e)))]
  }

  /// y, g → gx
  static let softmaxBackward = RowProgram([.row, .row], kernel: .init(fb_row_softmax_slope, [0, 1], [0])) { x, _, _ in
    let (y, g) = (x[0], x[1])
    return [.row(y * (g - rowSum(y * g)))]
  }

  /// x → y
  static let logSoftmax = RowProgram([.row], kernel: .init(fb_row_log_softmax, [0], [0])) { x, _, _ in
    [.row(x[0] - finite(logSumExp(x[0])))]
  }

  /// y, g → gx
  static let logSoftmaxBackward = RowProgram([.row, .row], kernel: .init(fb_row_log_softmax_slope, [0, 1], [0])) { x, _, _ in
    let (y, g) = (x[0], x[1])
    return [.row(g - exp(y) * rowSum(g))]
  }

  /// x → a number for each row
  static let logSumExpRows = RowProgram([.row]) { x, _, _ in [.number(logSumExp(x[0]))] }

  private static func logSumExp(_ x: Scalar) -> Scalar {
    let largest = rowMax(x)
    return largest + log(rowSum(exp(x - largest)))
  }

  /// Infinities have no shares: where a row has one, all are NaN.
  private static func finite(_ total: Scalar) -> Scalar { select(eq(total, .infinity), .nan, total) }
}

extension RowProgram {
  /// x, weight?, bias? (rows) and ε → y, the row's mean, 1/√(variance + ε). Ba et al., 2016.
  static func layerNorm(weight: Bool, bias: Bool) -> RowProgram { layerNorms[weight ? 1 : 0][bias ? 1 : 0] }

  /// x, mean, 1/√(variance + ε), g, weight? → gx; with `parameters` also the gradients of weight and bias, as column sums.
  static func layerNormBackward(weight: Bool, parameters: Bool) -> RowProgram {
    layerNormBackwards[weight ? 1 : 0][parameters ? 1 : 0]
  }

  /// x, weight? (row) and ε → y, 1/√(mean of squares + ε). Zhang and Sennrich, 2019.
  static func rmsNorm(weight: Bool) -> RowProgram { rmsNorms[weight ? 1 : 0] }

  /// x, 1/√(mean of squares + ε), g, weight? → gx; with `parameters` also the weight's gradient, as a column sum.
  static func rmsNormBackward(weight: Bool, parameters: Bool) -> RowProgram {
    rmsNormBackwards[weight ? 1 : 0][parameters ? 1 : 0]
  }

  private static let layerNorms = [false, true].map { weight in
    [false, true].map { bias in
      let kernel = Kernel(fb_row_norm, [0, weight ? 1 : nil, bias ? (weight ? 2 : 1) : nil], [0, 1, 2])
      let inputs = Array(repeating: Input.row, count: 1 + (weight ? 1 : 0) + (bias ? 1 : 0))
      return RowProgram(inputs, scalars: 1, kernel: kernel) { x, s, width in
        let mean = rowSum(x[0]) / width
        let centred = x[0] - mean
        let scale = rsqrt(rowSum(square(centred)) / width + s[0])
        var y = centred * scale
        if weight { y = y * x[1] }
        if bias { y = y + x[weight ? 2 : 1] }
        return [.row(y), .number(mean), .number(scale)]
      }
    }
  }

  private static let layerNormBackwards = [false, true].map { weight in
    [false, true].map { parameters in
      let kernel = Kernel(fb_row_norm_slope, [0, 1, 2, 3, weight ? 4 : nil], parameters ? [0, 1, 2] : [0])
      return RowProgram([.row, .number, .number, .row] + (weight ? [.row] : []), kernel: kernel) { x, _, width in
        let (scale, g) = (x[2], x[3])
        let normal = (x[0] - x[1]) * scale
        let slope = weight ? g * x[4] : g
        let along = rowSum(slope * normal) / width
        let gradient = scale * (slope - (rowSum(slope) / width) - normal * along)
        return [.row(gradient)] + (parameters ? [.columnSum(g * normal), .columnSum(g)] : [])
      }
    }
  }

  private static let rmsNorms = [false, true].map { weight in
    let kernel = Kernel(fb_row_norm, [0, weight ? 1 : nil], [0, nil, 1])
    return RowProgram(weight ? [.row, .row] : [.row], scalars: 1, kernel: kernel) { x, s, width in
      let scale = rsqrt(rowSum(square(x[0])) / width + s[0])
      let y = x[0] * scale
      return [.row(weight ? y * x[1] : y), .number(scale)]
    }
  }

  private static let rmsNormBackwards = [false, true].map { weight in
    [false, true].map { parameters in
      let kernel = Kernel(fb_row_norm_slope, [0, nil, 1, 2, weight ? 3 : nil], parameters ? [0, 1] : [0])
      return RowProgram([.row, .number, .row] + (weight ? [.row] : []), kernel: kernel) { x, _, width in
        let (scale, g) = (x[1], x[2])
        let normal = x[0] * scale
        let slope = weight ? g * x[3] : g
        let along = rowSum(slope * normal) / width
        return [.row(scale * (slope - normal * along))] + (parameters ? [.columnSum(g * normal)] : [])
      }
    }
  }
}

extension RowProgram {
  /// How a part of every target is spread over the classes.
  enum Smoothing: Int, CaseIterable, Sendable { case none, even, weighted }

  /// logits, target class (index), its weight p, with smoothing also the spread weight q, and if it is weighted the classes'
  /// weights w (a row) → the row's loss p (−log softmax at the target) + q Σ w (−log softmax); with `gradient` also its
  /// gradient, to be scaled by what arrives. Rows whose weights are 0 are ignored. Szegedy et al., 2015 (smoothing).
  ///
  /// A target outside the row has no peak in the gradient: check targets first.
  static func crossEntropy(gradient: Bool, smoothing: Smoothing) -> RowProgram {
    crossEntropies[gradient ? 1 : 0][smoothing.rawValue]
  }

  private static let crossEntropies = [false, true].map { gradient in
    Smoothing.allCases.map { smoothing in
      let inputs: [[Input]] = [[], [.number], [.number, .row]]
      return RowProgram([.row, .index, .number] + inputs[smoothing.rawValue]) { x, _, width in
        let total = finite(logSumExp(x[0]))
        let peak = x[2]
        var (loss, whole) = (peak * (total - .pick(input: 0, index: 1)), peak)
        var flat: Scalar = 0
        if smoothing == .even {
          loss = loss + x[3] * (width * total - rowSum(x[0]))
          whole = whole + x[3] * width
          flat = x[3]
        } else if smoothing == .weighted {
          let weights = rowSum(x[4])
          loss = loss + x[3] * (weights * total - rowSum(x[4] * x[0]))
          whole = whole + x[3] * weights
          flat = x[3] * x[4]
        }
        var outputs: [Output] = [.number(select(eq(whole, 0), 0, loss))]
        if gradient {
          let share = exp(x[0] - total) * whole
          outputs.append(.patched(smoothing == .none ? share : share - flat, plus: -peak, at: 1))
        }
        return outputs
      }
    }
  }
}

extension RowProgram {
  /// x → the row's mean, the sum of squares about it
  static let moments = RowProgram([.row], kernel: .init(fb_row_moments, [0], [0, 1])) { x, _, width in
    let mean = rowSum(x[0]) / width
    return [.number(mean), .number(rowSum(square(x[0] - mean)))]
  }

  /// x, g, a number c → the sums of g and of g (x − c)
  static let slopeMoments = RowProgram(
    [.row, .row, .number], kernel: .init(fb_row_slope_moments, [0, 1, 2], [0, 1])
  ) { x, _, _ in
    [.number(rowSum(x[1])), .number(rowSum(x[1] * (x[0] - x[2])))]
  }
}
