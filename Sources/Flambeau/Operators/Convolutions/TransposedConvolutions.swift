/// Transposed convolutions: the gradients of convolutions with respect to their input.
struct TransposedConvolutions: Sendable {
  let composites: [Sample] = [
    Sample("F.conv_transpose1d(a, b, c)", [.real([2, 3, 5]), .real([3, 4, 3]), .real([4])]) {
      $0[0].convTranspose1d($0[1], bias: $0[2])
    },
    Sample("F.conv_transpose1d(a, b, None, 2, 1, 1, 2, 3)", [.real([4, 5]), .real([4, 3, 3])]) {
      $0[0].convTranspose1d($0[1], stride: 2, padding: 1, outputPadding: 1, groups: 2, dilation: 3)
    },
    Sample("F.conv_transpose2d(a, b, c)", [.real([2, 3, 4, 5]), .real([3, 2, 2, 3]), .real([2])]) {
      $0[0].convTranspose2d($0[1], bias: $0[2])
    },
    Sample("F.conv_transpose2d(a, b, c, 2, 1, 1)", [.real([1, 3, 4, 3]), .real([3, 2, 3, 3]), .real([2])]) {
      $0[0].convTranspose2d($0[1], bias: $0[2], stride: 2, padding: 1, outputPadding: 1)
    },
    Sample("F.conv_transpose2d(a, b, None, (1, 3), (2, 0), (1, 2), 2, (2, 1))", [.real([2, 4, 4, 3]), .real([4, 1, 2, 2])]) {
      $0[0].convTranspose2d(
        $0[1], stride: [1, 3], padding: [2, 0], outputPadding: [1, 2], groups: 2, dilation: [2, 1])
    },
    Sample("F.conv_transpose2d(a, b, groups=3)", [.real([1, 3, 3, 3]), .real([3, 1, 2, 2])]) {
      $0[0].convTranspose2d($0[1], groups: 3)
    },
    Sample("F.conv_transpose3d(a, b, c)", [.real([2, 2, 2, 3, 3]), .real([2, 3, 2, 2, 2]), .real([3])]) {
      $0[0].convTranspose3d($0[1], bias: $0[2])
    },
    Sample("F.conv_transpose3d(a, b, None, (2, 1, 2), (1, 0, 1), (1, 0, 1), 2)", [.real([4, 3, 2, 3]), .real([4, 2, 3, 2, 2])]) {
      $0[0].convTranspose3d($0[1], stride: [2, 1, 2], padding: [1, 0, 1], outputPadding: [1, 0, 1], groups: 2)
    },
  ].map(\.widened)
}

extension Tensor {
  /// The transposed convolution of sequences [n, c, l] or [c, l]. Torch's `conv_transpose1d`.
  ///
  /// The output has (l − 1) · stride − 2 · padding + dilation · (kernel − 1) + outputPadding + 1 positions.
  ///
  /// - Parameters:
  ///   - weight: [c, outputs / groups, kernel], of this dtype.
  ///   - bias: [outputs], of this dtype.
  ///   - padding: What is cut off on either side.
  ///   - outputPadding: Positions added at the end; less than stride or dilation.
  public func convTranspose1d(
    _ weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Int = 0, outputPadding: Int = 0, groups: Int = 1,
    dilation: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let check = ConvolutionCheck(
      name: "conv_transpose1d", stride: [stride], padding: [padding], dilation: [dilation], groups: groups,
      outputPadding: [outputPadding])
    return convolved(check, weight, bias, CallSite(file, line)) { x, weight, bias in
      let arguments = Conv2dArguments(
        stride: Size2D(1, stride), padding: Size2D(0, padding), dilation: Size2D(1, dilation), groups: groups)
      return x.unsqueeze(2).transposedPlanes(weight.unsqueeze(2), bias, arguments, Size2D(0, outputPadding)).squeeze(2)
    }
  }

  /// The transposed convolution of images [n, c, h, w] or [c, h, w]. Torch's `conv_transpose2d`.
  ///
  /// Sizes follow from each other as in ``convTranspose1d(_:bias:stride:padding:outputPadding:groups:dilation:file:line:)``.
  ///
  /// - Parameters:
  ///   - weight: [c, outputs / groups, kernel height, kernel width], of this dtype.
  ///   - bias: [outputs], of this dtype.
  ///   - padding: Rows and columns that are cut off on either side.
  ///   - outputPadding: Rows and columns added at the end; less than stride or dilation.
  public func convTranspose2d(
    _ weight: Tensor, bias: Tensor? = nil, stride: Size2D = 1, padding: Size2D = 0, outputPadding: Size2D = 0,
    groups: Int = 1, dilation: Size2D = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let check = ConvolutionCheck(
      name: "conv_transpose2d", stride: stride.sizes, padding: padding.sizes, dilation: dilation.sizes, groups: groups,
      outputPadding: outputPadding.sizes)
    return convolved(check, weight, bias, CallSite(file, line)) { x, weight, bias in
      let arguments = Conv2dArguments(stride: stride, padding: padding, dilation: dilation, groups: groups)
      return x.transposedPlanes(weight, bias, arguments, outputPadding)
    }
  }

  /// The transposed convolution of volumes [n, c, d, h, w] or [c, d, h, w]. Torch's `conv_transpose3d`.
  ///
  /// Sizes follow from each other as in ``convTranspose1d(_:bias:stride:padding:outputPadding:groups:dilation:file:line:)``.
  ///
  /// - Parameters:
  ///   - weight: [c, outputs / groups, kernel depth, kernel height, kernel width], of this dtype.
  ///   - bias: [outputs], of this dtype.
  ///   - padding: Planes, rows and columns that are cut off on either side.
  ///   - outputPadding: Planes, rows and columns added at the end; less than stride or dilation.
  public func convTranspose3d(
    _ weight: Tensor, bias: Tensor? = nil, stride: Size3D = 1, padding: Size3D = 0, outputPadding: Size3D = 0,
    groups: Int = 1, dilation: Size3D = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let check = ConvolutionCheck(
      name: "conv_transpose3d", stride: stride.sizes, padding: padding.sizes, dilation: dilation.sizes, groups: groups,
      outputPadding: outputPadding.sizes)
    return convolved(check, weight, bias, CallSite(file, line)) { x, weight, bias in
      if x.dtype.isHalf {
        // The sums over the depth are rounded once.
        return x.to(.float32).convTranspose3d(
          weight.to(.float32), bias: bias?.to(.float32), stride: stride, padding: padding, outputPadding: outputPadding,
          groups: groups, dilation: dilation
        ).to(x.dtype)
      }
      let (shape, kernel) = (x.shape, weight.shape)
      let outputs = kernel.at(1) * groups
      // The taps of the depth are channels of a 2-D transposed convolution, and overlap in the output.
      let planes = x.transpose(1, 2).reshape([shape.at(0) * shape.at(2), shape.at(1), shape.at(3), shape.at(4)])
      let flat = weight.reshape([kernel.at(0), kernel.at(1) * kernel.at(2), kernel.at(3), kernel.at(4)])
      let arguments = Conv2dArguments(
        stride: Size2D(stride.height, stride.width), padding: Size2D(padding.height, padding.width),
        dilation: Size2D(dilation.height, dilation.width), groups: groups)
      let taps = planes.transposedPlanes(flat, nil, arguments, Size2D(outputPadding.height, outputPadding.width))
      let (height, width) = (taps.shape.at(2), taps.shape.at(3))
      let depth = check.transposedSizes(shape, kernel)[0]
      let whole = (shape.at(2) - 1) * stride.depth + dilation.depth * (kernel.at(2) - 1) + 1
      let windows = SlidingWindows(size: whole, kernel: kernel.at(2), stride: stride.depth, dilation: dilation.depth)
      let apart = taps.reshape([shape.at(0), shape.at(2), outputs, kernel.at(2), height, width]).permute([0, 2, 3, 1, 4, 5])
      let sum = apart.overlapped(in: [shape.at(0), outputs, whole, height, width], [2: windows])
      let cut = [0, 0, 0, 0, -padding.depth, depth - whole + padding.depth]
      let result = cut.allSatisfy { $0 == 0 } ? sum : sum.pad(cut)
      return bias.map { result + $0.reshape([outputs, 1, 1, 1]) } ?? result
    }
  }

  /// The transposed convolution of images [n, c, h, w].
  private func transposedPlanes(
    _ weight: Tensor, _ bias: Tensor?, _ arguments: Conv2dArguments, _ outputPadding: Size2D
  ) -> Tensor {
    guard dtype.isFloatingPoint else { return spreadPlanes(weight, bias, arguments, outputPadding) }
    let outputs = weight.shape.at(1) * arguments.groups
    func transposed(_ arguments: Conv2dArguments, _ outputPadding: Size2D) -> Tensor {
      let check = ConvolutionCheck(
        name: "", stride: arguments.stride.sizes, padding: arguments.padding.sizes, dilation: arguments.dilation.sizes,
        groups: arguments.groups, outputPadding: outputPadding.sizes)
      let sizes = check.transposedSizes(shape, weight.shape)
      return ops.convolutions.inputGradient(
        self, weight, Conv2dGradientArguments(arguments: arguments, shape: [shape.at(0), outputs, sizes[0], sizes[1]]))
    }
    let (stride, cut) = (arguments.stride, arguments.padding)
    let result: Tensor
    if outputPadding.height < stride.height && outputPadding.width < stride.width {
      result = transposed(arguments, outputPadding)
    } else {
      // A convolution back from here would see more windows than there were: cut and pad what the windows cover.
      let whole = Conv2dArguments(stride: stride, padding: 0, dilation: arguments.dilation, groups: arguments.groups)
      result = transposed(whole, 0).pad([
        -cut.width, outputPadding.width - cut.width, -cut.height, outputPadding.height - cut.height,
      ])
    }
    return bias.map { result + $0.reshape([outputs, 1, 1]) } ?? result
  }

  /// The same of integers: a convolution of the elements spread out by the stride with the kernel turned around.
  private func spreadPlanes(
    _ weight: Tensor, _ bias: Tensor?, _ at: Conv2dArguments, _ outputPadding: Size2D
  ) -> Tensor {
    let (x, w, groups) = (shape, weight.shape, at.groups)
    let spread = placed(
      in: [x.at(0), x.at(1), (x.at(2) - 1) * at.stride.height + 1, (x.at(3) - 1) * at.stride.width + 1]
    ) {
      $0.sliced(2, start: 0, count: x.at(2), step: at.stride.height).sliced(3, start: 0, count: x.at(3), step: at.stride.width)
    }
    let turned = weight.flip([2, 3]).reshape([groups, w.at(0) / groups, w.at(1), w.at(2), w.at(3)]).transpose(1, 2)
      .reshape([groups * w.at(1), w.at(0) / groups, w.at(2), w.at(3)])
    let (rows, columns) = (
      at.dilation.height * (w.at(2) - 1) - at.padding.height, at.dilation.width * (w.at(3) - 1) - at.padding.width
    )
    return spread.pad([columns, columns + outputPadding.width, rows, rows + outputPadding.height])
      .conv2d(turned, bias: bias, dilation: at.dilation, groups: groups)
  }
}
