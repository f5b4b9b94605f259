import Flambeau

/// The frame a convolution puts around its input by itself, where it does not consist of zeros.
struct ConvolutionFrame: Sendable {
  let mode: PaddingMode
  /// As ``Tensor/pad(_:mode:value:file:line:)`` takes them: the last dimension first.
  private let amounts: [Int]

  /// As much on either side, one number for each dimension; nil for zeros.
  init?(_ mode: PaddingMode, _ padding: [Int]) {
    if mode == .constant { return nil }
    self.mode = mode
    amounts = padding.reversed().flatMap { [$0, $0] }
  }

  /// As much as its name says; nil also for strides that go with no such padding, which the convolution refuses.
  init?(_ mode: PaddingMode, _ padding: ConvolutionPadding, kernel: [Int], stride: [Int], dilation: [Int]) {
    if mode == .constant || padding == .same && stride.contains(where: { $0 != 1 }) { return nil }
    self.mode = mode
    amounts = zip(kernel, dilation).reversed().flatMap { kernel, dilation in
      let total = padding == .same ? dilation * (kernel - 1) : 0
      return [total / 2, total - total / 2]
    }
  }

  func callAsFunction(_ x: Tensor) -> Tensor { x.pad(amounts, mode: mode) }
}
