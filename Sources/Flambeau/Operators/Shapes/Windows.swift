import CKernels

/// Weights that fade a stretch of a signal in and out; made of other rows.
struct Windows: Sendable {
  let composites: [Sample] = [
    Sample("torch.hann_window(7)", [.real([1])]) { _ in .hannWindow(7) },
    Sample("torch.hann_window(6, periodic=False, dtype=torch.float64)", [.real([1])]) { _ in
      .hannWindow(6, periodic: false, dtype: .float64)
    },
    Sample("torch.hann_window(1)", [.real([1])]) { _ in .hannWindow(1) },
    Sample("torch.hamming_window(7, True, 0.6, 0.4)", [.real([1])]) { _ in .hammingWindow(7, alpha: 0.6, beta: 0.4) },
    Sample("torch.bartlett_window(8)", [.real([1])]) { _ in .bartlettWindow(8) },
    Sample("torch.bartlett_window(7, periodic=False)", [.real([1])]) { _ in .bartlettWindow(7, periodic: false) },
    Sample("torch.blackman_window(7)", [.real([1])]) { _ in .blackmanWindow(7) },
    Sample("torch.kaiser_window(7, True, 9.0)", [.real([1])]) { _ in .kaiserWindow(7, beta: 9) },
    Sample("torch.kaiser_window(0)", [.real([1])]) { _ in .kaiserWindow(0) },
  ]
}

extension Tensor {
  /// sin² over half a period: 0 at the ends. Torch's `hann_window`.
  ///
  /// - Parameter periodic: As for the window that follows on this one: one weight longer, without the last.
  public static func hannWindow(
    _ length: Int, periodic: Bool = true, dtype: DType = .float32, device: Device? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor { raisedCosine("hann_window", length, periodic, 0.5, 0.5, dtype, device, CallSite(file, line)) }

  /// `alpha` − `beta` · cos over a period. Torch's `hamming_window`.
  public static func hammingWindow(
    _ length: Int, periodic: Bool = true, alpha: Double = 0.54, beta: Double = 0.46, dtype: DType = .float32,
    device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { raisedCosine("hamming_window", length, periodic, alpha, beta, dtype, device, CallSite(file, line)) }

  /// A triangle: 0 at the ends, 1 in the middle. Torch's `bartlett_window`.
  public static func bartlettWindow(
    _ length: Int, periodic: Bool = true, dtype: DType = .float32, device: Device? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    window("bartlett_window", length, periodic, dtype, device, CallSite(file, line)) { places, last in
      1 - (places * (2 / last) - 1).abs()
    }
  }

  /// 0.42 − ½ cos over a period + 0.08 cos over two. Torch's `blackman_window`.
  public static func blackmanWindow(
    _ length: Int, periodic: Bool = true, dtype: DType = .float32, device: Device? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    window("blackman_window", length, periodic, dtype, device, CallSite(file, line)) { places, last in
      let angle = places * (Double.pi / last)
      return (angle * 4).cos() * 0.08 - (angle * 2).cos() * 0.5 + 0.42
    }
  }

  /// I₀(β √(1 − t²)) / I₀(β) for t from −1 to 1. Torch's `kaiser_window`.
  public static func kaiserWindow(
    _ length: Int, periodic: Bool = true, beta: Double = 12, dtype: DType = .float32, device: Device? = nil,
    file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    window("kaiser_window", length, periodic, dtype, device, CallSite(file, line)) { places, last in
      let t = places * (2 / last) - 1
      return ((1 - t * t).clamp(min: 0).sqrt() * beta).i0() / Tensor.full([], beta, dtype: .float64).i0()
    }
  }

  private static func raisedCosine(
    _ name: String, _ length: Int, _ periodic: Bool, _ alpha: Double, _ beta: Double, _ dtype: DType, _ device: Device?,
    _ site: CallSite
  ) -> Tensor {
    window(name, length, periodic, dtype, device, site) { places, last in (places * (2 * Double.pi / last)).cos() * -beta + alpha
    }
  }

  /// `weights` of the places from 0 to `last`, computed in float64.
  private static func window(
    _ name: String, _ length: Int, _ periodic: Bool, _ dtype: DType, _ device: Device?, _ site: CallSite,
    _ weights: (_ places: Tensor, _ last: Double) -> Tensor
  ) -> Tensor {
    let refused = refusing(name, site) { () throws(TensorError) in
      guard dtype.isFloatingPoint else { throw .dtype("\(name) expects floating point dtypes, got: \(dtype)") }
      guard length >= 0 else { throw .argument("\(name) requires non-negative window_length, got window_length=\(length)") }
    }
    if let refused { return refused }
    if length <= 1 { return .ones([length], dtype: dtype, device: device) }
    let count = periodic ? length + 1 : length
    let places = Tensor.arange(Double(count), dtype: .float64, device: device)
    return weights(places, Double(count - 1)).narrow(0, start: 0, length: length).to(dtype)
  }

  /// What a call gives that `check` refuses.
  private static func refusing(_ name: String, _ site: CallSite, _ check: () throws(TensorError) -> Void) -> Tensor? {
    do throws(TensorError) {
      try check()
      return nil
    } catch {
      return Door.refuse(error, name, Few(), at: site)
    }
  }
}
