/// Convolutions of sequences and volumes, made of the 2-D rows.
struct ConvolutionRanks: Sendable {
  let composites: [Sample] = [
    Sample("F.conv1d(a, b, c)", [.real([2, 3, 7]), .real([4, 3, 3]), .real([4])]) { $0[0].conv1d($0[1], bias: $0[2]) },
    Sample("F.conv1d(a, b, None, 2, 1, 2, 2)", [.real([2, 4, 9]), .real([6, 2, 3])]) {
      $0[0].conv1d($0[1], stride: 2, padding: 1, dilation: 2, groups: 2)
    },
    Sample("F.conv1d(a, b, c, padding='same')", [.real([3, 6]), .real([2, 3, 4]), .real([2])]) {
      $0[0].conv1d($0[1], bias: $0[2], padding: .same)
    },
    Sample("F.conv1d(a, b, groups=3)", [.real([2, 3, 6]), .real([3, 1, 3])]) { $0[0].conv1d($0[1], groups: 3) },
    Sample("F.conv3d(a, b, c)", [.real([2, 2, 3, 4, 3]), .real([3, 2, 2, 2, 2]), .real([3])]) {
      $0[0].conv3d($0[1], bias: $0[2])
    },
    Sample("F.conv3d(a, b, None, (2, 1, 2), (1, 0, 1), (1, 2, 1), 2)", [.real([1, 4, 4, 5, 4]), .real([2, 2, 3, 2, 2])]) {
      $0[0].conv3d($0[1], stride: [2, 1, 2], padding: [1, 0, 1], dilation: [1, 2, 1], groups: 2)
    },
    Sample("F.conv3d(a, b, padding='same', dilation=(2, 1, 1))", [.real([2, 4, 3, 3]), .real([2, 2, 2, 3, 2])]) {
      $0[0].conv3d($0[1], padding: .same, dilation: [2, 1, 1])
    },
    Sample("F.conv3d(a, b, groups=2)", [.real([1, 2, 3, 3, 3]), .real([4, 1, 2, 2, 2])]) { $0[0].conv3d($0[1], groups: 2) },
  ]
}

extension Tensor {
  /// The convolution of sequences [n, c, l], or of one sequence [c, l]. Torch's `conv1d`.
  ///
  /// - Parameters:
  ///   - weight: [outputs, c / groups, kernel], of this dtype.
  ///   - bias: [outputs], of this dtype.
  ///   - padding: Zeros on either side.
  ///   - groups: Channels are cut into as many parts, each convolved for itself.
  public func conv1d(
    _ weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Int = 0, dilation: Int = 1, groups: Int = 1,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let check = ConvolutionCheck(
      name: "conv1d", stride: [stride], padding: [padding], dilation: [dilation], groups: groups)
    return convolved(check, weight, bias, CallSite(file, line)) { x, weight, bias in
      let arguments = Conv2dArguments(
        stride: Size2D(1, stride), padding: Size2D(0, padding), dilation: Size2D(1, dilation), groups: groups)
      return ops.convolutions.conv2d.call(Few(x.unsqueeze(2), weight.unsqueeze(2), bias), arguments).squeeze(2)
    }
  }

  /// The convolution with as much padding as its name says. Torch's `conv1d` with `padding="same"` or `"valid"`.
  public func conv1d(
    _ weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: ConvolutionPadding, dilation: Int = 1,
    groups: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    named(padding, "conv1d", weight, [stride], [dilation], CallSite(file, line)) { x, padding in
      x.conv1d(
        weight, bias: bias, stride: stride, padding: padding[0], dilation: dilation, groups: groups, file: file, line: line)
    }
  }

  /// The convolution of volumes [n, c, d, h, w], or of one volume [c, d, h, w]. Torch's `conv3d`.
  ///
  /// - Parameters:
  ///   - weight: [outputs, c / groups, kernel depth, kernel height, kernel width], of this dtype.
  ///   - bias: [outputs], of this dtype.
  ///   - padding: Planes, rows and columns of zeros on either side.
  ///   - groups: Channels are cut into as many parts, each convolved for itself.
  public func conv3d(
    _ weight: Tensor, bias: Tensor? = nil, stride: Size3D = 1, padding: Size3D = 0, dilation: Size3D = 1, groups: Int = 1,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let check = ConvolutionCheck(
      name: "conv3d", stride: stride.sizes, padding: padding.sizes, dilation: dilation.sizes, groups: groups)
    return convolved(check, weight, bias, CallSite(file, line)) { x, weight, bias in
      let kernel = weight.shape
      let padded = padding.depth == 0 ? x : x.pad([0, 0, 0, 0, padding.depth, padding.depth])
      let windows = SlidingWindows(
        size: padded.shape.at(2), kernel: kernel.at(2), stride: stride.depth, dilation: dilation.depth)
      // The taps of the depth become channels: [n, d', c, taps, h, w].
      let taps = padded.windows([2: windows]).permute([0, 3, 1, 2, 4, 5])
      let (n, d) = (taps.shape.at(0), taps.shape.at(1))
      let planes = taps.reshape([n * d, x.shape.at(1) * kernel.at(2), x.shape.at(3), x.shape.at(4)])
      let flat = weight.reshape([kernel.at(0), kernel.at(1) * kernel.at(2), kernel.at(3), kernel.at(4)])
      let result = planes.conv2d(
        flat, bias: bias, stride: Size2D(stride.height, stride.width), padding: Size2D(padding.height, padding.width),
        dilation: Size2D(dilation.height, dilation.width), groups: groups)
      return result.reshape(Shape([n, d] + result.shape.dropFirst())).transpose(1, 2).contiguous()
    }
  }

  /// The convolution with as much padding as its name says. Torch's `conv3d` with `padding="same"` or `"valid"`.
  public func conv3d(
    _ weight: Tensor, bias: Tensor? = nil, stride: Size3D = 1, padding: ConvolutionPadding, dilation: Size3D = 1,
    groups: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    named(padding, "conv3d", weight, stride.sizes, dilation.sizes, CallSite(file, line)) { x, padding in
      x.conv3d(
        weight, bias: bias, stride: stride, padding: Size3D(depth: padding[0], height: padding[1], width: padding[2]),
        dilation: dilation, groups: groups, file: file, line: line)
    }
  }

  /// Checks the operands of a convolution and calls `body` with a batch, also where this is a single sample.
  func convolved(
    _ check: ConvolutionCheck, _ weight: Tensor, _ bias: Tensor?, _ site: CallSite,
    _ body: (_ x: Tensor, _ weight: Tensor, _ bias: Tensor?) -> Tensor
  ) -> Tensor {
    checked(check.name, at: site) { layout throws(TensorError) in
      if let autocast = AutocastMethod(check.name, on: self) {
        return try autocast(self, weight, bias) { $0[0]!.convolved(check, $0[1]!, $0[2], site, body) }
      }
      for case let operand? in [weight, bias] {
        if let poison = operand.body.poison { return Door.poisoned(by: poison, .current) }
      }
      let rank = check.stride.count
      guard layout.rank == rank + 1 || layout.rank == rank + 2 else { throw check.rankError(layout.shape) }
      let batch = layout.rank == rank + 1 ? unsqueeze(0) : self
      try check.check(batch.body, weight.body, bias?.body)
      let result = body(batch, weight, bias)
      return layout.rank == rank + 1 ? result.squeeze(0) : result
    }
  }

  /// Calls `body` with the tensor, padded by the odd zeros of `same`, and the padding left to do.
  private func named(
    _ padding: ConvolutionPadding, _ name: String, _ weight: Tensor, _ stride: [Int], _ dilation: [Int], _ site: CallSite,
    _ body: (Tensor, [Int]) -> Tensor
  ) -> Tensor {
    checked(name, at: site) { layout throws(TensorError) in
      let rank = stride.count
      guard padding == .same else { return body(self, Array(repeating: 0, count: rank)) }
      guard stride.allSatisfy({ $0 == 1 }) else {
        throw .argument("padding='same' is not supported for strided convolutions")
      }
      guard weight.ndim == rank + 2, layout.rank > rank else { return body(self, Array(repeating: 0, count: rank)) }
      let totals = (0..<rank).map { dilation[$0] * (weight.shape.at($0 + 2) - 1) }
      let odd = totals.reversed().flatMap { [0, $0 % 2] }
      return body(odd.contains(1) ? pad(odd) : self, totals.map { $0 / 2 })
    }
  }
}
