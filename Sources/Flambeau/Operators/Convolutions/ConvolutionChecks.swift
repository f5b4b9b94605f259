/// A convolution of any rank, as far as misuse goes; sizes come outermost first.
struct ConvolutionCheck {
  /// Torch's name of the function, such as `conv2d`.
  let name: String
  let stride: [Int]
  let padding: [Int]
  let dilation: [Int]
  let groups: Int
  /// Of transposed convolutions.
  var outputPadding: [Int]?

  private var rank: Int { stride.count }
  private var isTransposed: Bool { outputPadding != nil }

  /// Throws torch's sentence unless batched operands fit.
  func check(_ x: TensorBody, _ w: TensorBody, _ bias: TensorBody?) throws(TensorError) {
    let (input, weight) = (x.layout.shape, w.layout.shape)
    try checkNumbers()
    guard input.count == rank + 2 else { throw rankError(input) }
    guard weight.count == rank + 2 else {
      throw .shape(
        "Expected \(weight.count)-dimensional input for \(weight.count)-dimensional weight \(weight), but got "
          + "\(input.count)-dimensional input of size \(input) instead")
    }
    try checkWeight(weight)
    try checkChannels(input, weight, bias)
    try isTransposed ? checkTransposedSizes(input, weight) : checkSizes(input, weight)
    guard x.dtype == w.dtype else {
      throw .dtype("expected scalar type \(x.dtype.torchScalarName) but found \(w.dtype.torchScalarName)")
    }
    guard bias == nil || bias!.dtype == x.dtype else {
      throw .dtype(
        "Input type (\(x.dtype.torchElementName)) and bias type (\(bias!.dtype.torchElementName)) should be the same")
    }
  }

  /// What input that is neither batched nor one sample is refused with.
  func rankError(_ input: Shape) -> TensorError {
    .shape(
      "Expected \(rank + 1)D (unbatched) or \(rank + 2)D (batched) input to \(name), but got input of size: \(input)")
  }

  private func checkNumbers() throws(TensorError) {
    guard padding.allSatisfy({ $0 >= 0 }) else { throw .argument("negative padding is not supported") }
    guard stride.allSatisfy({ $0 > 0 }) else { throw .argument("non-positive stride is not supported") }
    guard groups > 0 else { throw .argument("non-positive groups is not supported") }
    guard dilation.allSatisfy({ $0 > 0 }) else {
      throw .argument("dilation should be greater than zero, but got \(dilation)")
    }
    guard let outputPadding else { return }
    guard outputPadding.allSatisfy({ $0 >= 0 }) else { throw .argument("negative output_padding is not supported") }
    for i in 0..<rank where outputPadding[i] >= stride[i] && outputPadding[i] >= dilation[i] {
      let names = ["depth", "height", "width"].suffix(rank)
      let lists = [("output_padding", outputPadding), ("stride", stride), ("dilation", dilation)]
      let numbers = lists.flatMap { list in zip(names, list.1).map { "\(list.0)_\($0): \($1)" } }
      throw .argument(
        "output padding must be smaller than either stride or dilation, but got \(numbers.joined(separator: " "))")
    }
  }

  private func checkWeight(_ weight: Shape) throws(TensorError) {
    let kernel = weight.dropFirst(2)
    guard kernel.allSatisfy({ $0 > 0 }) else {
      let named = zip(["depth", "height", "width"].suffix(rank), kernel).map { "kernel_\($0): \($1)" }
      throw .shape("kernel size should be greater than zero, but got \(named.joined(separator: " "))")
    }
    guard weight.at(0) >= groups else {
      throw .shape(
        "Given groups=\(groups), expected weight to be at least \(groups) at dimension 0, but got weight of size "
          + "\(weight) instead")
    }
    guard weight.at(0) % groups == 0 else {
      throw .shape(
        "Given groups=\(groups), expected weight to be divisible by \(groups) at dimension 0, but got weight of size "
          + "[\(weight)] instead")
    }
  }

  private func checkChannels(_ input: Shape, _ weight: Shape, _ bias: TensorBody?) throws(TensorError) {
    let given = isTransposed ? "Given transposed=1, weight of size \(weight)" : "Given groups=\(groups), weight of size \(weight)"
    let channels = isTransposed ? weight.at(0) : weight.at(1) * groups
    guard input.at(1) == channels else {
      throw .shape(
        "\(given), expected input\(input) to have \(channels) channels, but got \(input.at(1)) channels instead")
    }
    let outputs = isTransposed ? weight.at(1) * groups : weight.at(0)
    guard let bias, bias.layout.rank != 1 || bias.layout.elementCount != outputs else { return }
    throw .shape(
      "\(isTransposed ? given : "Given weight of size \(weight)"), expected bias to be 1-dimensional with \(outputs) elements, "
        + "but got bias of size \(bias.layout.shape) instead")
  }

  private func checkSizes(_ input: Shape, _ weight: Shape) throws(TensorError) {
    guard input.dropFirst(2).allSatisfy({ $0 > 0 }) else {
      throw .shape("Only zero batch or zero channel inputs are supported, but got input shape: \(input)")
    }
    let padded = (0..<rank).map { input.at($0 + 2) + 2 * padding[$0] }
    let reach = (0..<rank).map { dilation[$0] * (weight.at($0 + 2) - 1) + 1 }
    if zip(padded, reach).allSatisfy({ $0 >= $1 }) { return }
    func text(_ sizes: [Int]) -> String { sizes.map(String.init).joined(separator: " x ") }
    throw .shape(
      "Calculated padded input size per channel: (\(text(padded))). Kernel size: (\(text(reach))). Kernel size can't be "
        + "greater than actual input size")
  }

  private func checkTransposedSizes(_ input: Shape, _ weight: Shape) throws(TensorError) {
    guard input.dropFirst(1).allSatisfy({ $0 > 0 }) else {
      throw .shape("non-empty \(rank + 1)D or \(rank + 2)D (batch mode) tensor expected for input, but got \(input)")
    }
    let output = transposedSizes(input, weight)
    if output.allSatisfy({ $0 > 0 }) { return }
    func text(_ sizes: [Int]) -> String { sizes.map(String.init).joined(separator: " x ") }
    throw .shape(
      "Given input size per channel: (\(text(Array(input.dropFirst(2))))). Calculated output size per channel: "
        + "(\(text(output))). Output size is too small")
  }

  /// The sizes of a transposed convolution's output, without batch and channels.
  func transposedSizes(_ input: Shape, _ weight: Shape) -> [Int] {
    (0..<rank).map { i in
      (input.at(i + 2) - 1) * stride[i] - 2 * padding[i] + dilation[i] * (weight.at(i + 2) - 1) + outputPadding![i] + 1
    }
  }
}
