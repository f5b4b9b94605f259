import CKernels

/// A convolution or one of its gradients; what ``Convolution`` does on the CPU.
struct ConvolutionTask: KernelTask {
  /// Which of the three is computed from the two others.
  enum Direction: Hashable, Sendable {
    case forward
    case inputGradient
    case weightGradient
  }

  let direction: Direction
  let geometry: ConvolutionGeometry
  /// [batch, in, h, w], or its gradient. All may have any strides.
  let input: Elements
  /// [out, in / groups, kh, kw], or its gradient.
  let weight: Elements
  /// [batch, out, h', w'], or its gradient.
  let output: Elements
  /// One for each channel of the result, which is no weight.
  var bias: Elements?

  var operands: [Elements] { [input, weight, output] + (bias.map { [$0] } ?? []) }
  var results: [Elements] { [result] }

  /// Over tensors as ``Convolution`` takes them, contiguous ones.
  init(
    _ direction: Direction, _ geometry: ConvolutionGeometry, _ dtype: DType, input: UnsafeRawPointer, weight: UnsafeRawPointer,
    output: UnsafeRawPointer, bias: UnsafeRawPointer? = nil
  ) {
    let g = geometry
    func elements(_ pointer: UnsafeRawPointer, _ shape: Shape) -> Elements {
      Elements(UnsafeMutableRawPointer(mutating: pointer), Layout(shape), dtype)
    }
    self.init(
      direction: direction, geometry: g, input: elements(input, [g.batch, g.inChannels, g.input.height, g.input.width]),
      weight: elements(weight, [g.outChannels, g.groupIn, g.kernel.height, g.kernel.width]),
      output: elements(output, [g.batch, g.outChannels, g.output.height, g.output.width]),
      bias: bias.map { elements($0, [direction == .forward ? g.outChannels : g.inChannels]) })
  }

  init(
    direction: Direction, geometry: ConvolutionGeometry, input: Elements, weight: Elements, output: Elements, bias: Elements?
  ) {
    (self.direction, self.geometry) = (direction, geometry)
    (self.input, self.weight, self.output, self.bias) = (input, weight, output, bias)
  }

  /// Runs what the CPU does instead; the observer, if there is one, sees the task.
  static func observed(_ task: @autoclosure () -> ConvolutionTask, _ run: () -> Void) {
    if KernelCall.isObserved {
      KernelCall.observed(.task(task()), run)
    } else {
      run()
    }
  }

  var result: Elements {
    switch direction {
    case .forward: output
    case .inputGradient: input
    case .weightGradient: weight
    }
  }

  func mapOperands(_ f: (Elements) -> Elements) -> ConvolutionTask {
    ConvolutionTask(
      direction: direction, geometry: geometry, input: f(input), weight: f(weight), output: f(output), bias: bias.map(f))
  }

  struct Attributes: Hashable {
    let direction: Direction
    let geometry: ConvolutionGeometry
  }

  var attributes: Attributes { Attributes(direction: direction, geometry: geometry) }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    if result.layout.elementCount == 0 { return }
    if let product { return product.append(to: &work, on: device, wide: wide) }
    let text = ConvolutionText(self, wide: wide)
    if geometry.isDepthwise && output.layout.elementCount > 0 {
      work.launches.append(DepthwiseKernel(self, text).launch(device))
    } else {
      ConvolutionKernel(self, text).append(to: &work, device)
    }
  }
}

extension ConvolutionTask {
  /// With a kernel of one tap, an image's result is a product of the weight and the image's channels, pixel by pixel.
  var product: ProductTask? {
    let g = geometry
    guard direction != .weightGradient, g.kernel.area == 1, g.stride.area == 1, g.padding == 0, g.groups == 1,
      let (pixels, c) = direction == .forward ? pair(input, output) : pair(output, input)
    else { return nil }
    let strides = weight.layout.strides
    let matrix = Layout(
      shape: [g.outChannels, g.inChannels], strides: [strides.at(0), strides.at(1)], offset: weight.layout.offset)
    let a = Elements(weight.pointer, direction == .forward ? matrix : matrix.swapped(0, 1), weight.dtype)
    let added = bias.map { bias in
      let layout = Layout(shape: c.layout.shape, strides: [0, bias.layout.strides.at(0), 0], offset: bias.layout.offset)
      return Elements(bias.pointer, layout, bias.dtype)
    }
    return ProductTask(a: a, b: pixels, c: c, added: added)
  }

  /// Images as matrices [channels, pixels]; nil where their pixels are not in one run.
  private func pair(_ x: Elements, _ y: Elements) -> (Elements, Elements)? {
    func matrices(_ images: Elements) -> Elements? {
      let (shape, strides) = (images.layout.shape, images.layout.strides)
      let (height, width) = (shape.at(2), shape.at(3))
      guard height <= 1 || width <= 1 || strides.at(2) == width * strides.at(3) else { return nil }
      let layout = Layout(
        shape: [shape.at(0), shape.at(1), height * width],
        strides: [strides.at(0), strides.at(1), width == 1 ? strides.at(2) : strides.at(3)], offset: images.layout.offset)
      return Elements(images.pointer, layout, images.dtype)
    }
    guard let a = matrices(x), let b = matrices(y) else { return nil }
    return (a, b)
  }
}

/// What the kernels of convolutions share.
struct ConvolutionText {
  let task: ConvolutionTask
  let computeClass: ComputeClass
  let isWide: Bool

  init(_ task: ConvolutionTask, wide: Bool) {
    (self.task, computeClass) = (task, task.result.dtype.computeClass)
    let g = task.geometry
    let numbers = [
      g.batch * g.output.area, g.batch * g.input.area, g.outChannels * g.taps, g.inChannels * g.groupOut * g.kernel.area,
      task.result.layout.elementCount * ProductOutput.mostPieces,
    ]
    isWide = wide || KernelAxes.needsWide(numbers.max()!, task.operands)
  }

  var position: String { isWide ? "int64_t" : "int32_t" }
  var count: String { isWide ? "uint64_t" : "uint32_t" }

  /// Pointers x, w, y and bias with strides, but for the result's pointer, and the geometry.
  func declare(in arguments: inout KernelArguments) {
    let g = task.geometry
    for (name, operand) in [("x", task.input), ("w", task.weight), ("y", task.output)] {
      arguments.address(name, operand.address)
      for d in 0..<4 { arguments.integer("\(name)\(d)", operand.layout.strides.at(d)) }
    }
    arguments.address("bias", task.bias?.address)
    arguments.integer("bias_stride", task.bias?.layout.strides.at(0) ?? 0)
    let sizes = [("in", g.input), ("out", g.output), ("kernel", g.kernel), ("stride", g.stride)]
    for (name, size) in sizes {
      arguments.divisor("\(name)_h", Swift.max(size.height, 1), wide: isWide)
      arguments.divisor("\(name)_w", Swift.max(size.width, 1), wide: isWide)
    }
    for (name, value) in [
      ("pad_h", g.padding.height), ("pad_w", g.padding.width), ("dilation_h", g.dilation.height),
      ("dilation_w", g.dilation.width), ("batch", g.batch), ("group_in", g.groupIn), ("group_out", g.groupOut),
    ] {
      arguments.integer(name, value)
    }
  }

  /// Types, and how numbers are taken apart.
  var parts: String {
    let divisor = isWide ? "WideDivisor" : "Divisor"
    return computeClass.deviceTypes + """
      typedef \(position) Position;
      typedef \(count) Count;

      /// A pixel or a tap, and what it is of.
      struct Place {
        Position of, y, x;
      };
      FB_INLINE Place place(Position number, \(divisor) height, \(divisor) width) {
        const Count row = quotient_by((Count)number, width), of = quotient_by(row, height);
        return Place{(Position)of, (Position)(row - of * (Count)height.size), (Position)((Count)number - row * (Count)width.size)};
      }

      /// The position among outputs that an input and a tap meet in, or -1.
      FB_INLINE Position met(Position at, \(divisor) stride, \(divisor) size) {
        if (at < 0) return -1;
        const Count q = quotient_by((Count)at, stride);
        return q * (Count)stride.size == (Count)at && q < (Count)size.size ? (Position)q : -1;
      }


      """
  }

  func type(_ operand: Elements) -> String { operand.dtype.deviceName }
  var inputType: String { type(task.input) }
  var weightType: String { type(task.weight) }
  var outputType: String { type(task.output) }
}
