/// Pooling of images [n, c, h, w] or [c, h, w].
struct Poolings: Sendable {
  let max: Operator<PoolingArguments> = Poolings.maximum(
    "max_pool2d",
    samples: [
      Sample("F.max_pool2d(a, 2)", [.real([2, 3, 5, 6])]) { $0[0].maxPool2d(2) },
      .several("F.max_pool2d(a, 3, (2, 1), 1, return_indices=True)", [.real([2, 2, 5, 6])]) {
        let (values, indices) = $0[0].maxPool2dWithIndices(3, stride: [2, 1], padding: 1)
        return [values, indices]
      },
      Sample("F.max_pool2d(a, (2, 3), 2, (1, 1), (2, 1), True)", [.real([3, 6, 7])]) {
        $0[0].maxPool2d([2, 3], stride: 2, padding: 1, dilation: [2, 1], ceilMode: true)
      },
    ])

  let adaptiveMax: Operator<PoolingArguments> = Poolings.maximum(
    "adaptive_max_pool2d",
    samples: [
      Sample("F.adaptive_max_pool2d(a, (2, 3))", [.real([2, 2, 5, 7])]) { $0[0].adaptiveMaxPool2d([2, 3]) },
      .several("F.adaptive_max_pool2d(a, (4, 1), return_indices=True)", [.real([2, 5, 6])]) {
        let (values, indices) = $0[0].adaptiveMaxPool2dWithIndices([4, 1])
        return [values, indices]
      },
    ])

  let average: Operator<PoolingArguments> = Poolings.mean(
    "avg_pool2d",
    samples: [
      Sample("F.avg_pool2d(a, 2)", [.real([2, 3, 5, 6])]) { $0[0].avgPool2d(2) },
      Sample("F.avg_pool2d(a, (3, 2), (2, 1), (1, 1), True)", [.real([2, 2, 6, 5])]) {
        $0[0].avgPool2d([3, 2], stride: [2, 1], padding: 1, ceilMode: true)
      },
      Sample("F.avg_pool2d(a, 3, 2, 1, True, False)", [.real([2, 6, 5])]) {
        $0[0].avgPool2d(3, stride: 2, padding: 1, ceilMode: true, countIncludePad: false)
      },
      Sample("F.avg_pool2d(a, 3, 1, 1, divisor_override=5)", [.real([1, 2, 4, 4])]) {
        $0[0].avgPool2d(3, stride: 1, padding: 1, divisorOverride: 5)
      },
    ])

  let adaptiveAverage: Operator<PoolingArguments> = Poolings.mean(
    "adaptive_avg_pool2d",
    samples: [
      Sample("F.adaptive_avg_pool2d(a, (2, 3))", [.real([2, 2, 5, 7])]) { $0[0].adaptiveAvgPool2d([2, 3]) },
      Sample("F.adaptive_avg_pool2d(a, 1)", [.real([3, 5, 6])]) { $0[0].adaptiveAvgPool2d(1) },
    ])

  /// Gradients of outputs, added at the positions of the largest elements.
  let maxBackward: Operator<PoolingGradientArguments> = Operator<PoolingGradientArguments>(
    "max_pool2d_backward", saves: { _ in SavePlan(operands: .operand(1)) },
    forward: { (operands, at) throws(TensorError) in
      let isLast = at.isChannelsLast
      let (g, positions) = (try operands[0]!.body.body(channelsLast: isLast), operands[1]!.body)
      let result = try Value(Layout(at.shape, channelsLast: isLast), g.dtype, on: g.device)
      let pooling = at.arguments.pooling(at.shape, g.dtype)
      if try Poolings.launch(.maxGradient, pooling, g, into: result, positions: positions, isChannelsLast: isLast) {
        return result
      }
      withExtendedLifetime(g) {
        pooling.maxGradient(g.elements.start, positions: positions.positions, result.storage.pointer)
      }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(ops.poolings.maxGather(gradient, try call.operand(1), call.attributes))
    }
  ).onGPU()

  /// What a tensor of the input's shape holds at the positions of the largest elements.
  let maxGather: Operator<PoolingGradientArguments> = Operator<PoolingGradientArguments>(
    "max_pool2d_gather_backward", saves: { _ in SavePlan(operands: .operand(1)) },
    forward: { (operands, at) throws(TensorError) in
      let isLast = at.isChannelsLast
      let (x, positions) = (try operands[0]!.body.body(channelsLast: isLast), operands[1]!.body)
      let result = try Value(Layout(positions.layout.shape, channelsLast: isLast), x.dtype, on: x.device)
      let pooling = at.arguments.pooling(at.shape, x.dtype)
      if try Poolings.launch(.gather, pooling, x, into: result, positions: positions, isChannelsLast: isLast) { return result }
      withExtendedLifetime(x) {
        pooling.gather(x.elements.start, positions: positions.positions, result.storage.pointer)
      }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(ops.poolings.maxBackward(gradient, try call.operand(1), call.attributes))
    }
  ).onGPU()

  /// Gradients of averages, shared among what they are the average of.
  let averageBackward: Operator<PoolingGradientArguments> = Operator<PoolingGradientArguments>(
    "avg_pool2d_backward",
    forward: { (operands, at) throws(TensorError) in
      let isLast = at.isChannelsLast || operands[0]!.body.keepsChannelsLast
      let g = try operands[0]!.body.body(channelsLast: isLast)
      let result = try Value(Layout(at.shape, channelsLast: isLast), g.dtype, on: g.device)
      let pooling = at.arguments.pooling(at.shape, g.dtype)
      if try Poolings.launch(.averageGradient, pooling, g, into: result, isChannelsLast: isLast) { return result }
      withExtendedLifetime(g) { pooling.averageGradient(g.elements.start, result.storage.pointer) }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(ops.poolings.average(gradient, call.attributes.arguments))
    }
  ).onGPU()
}

extension Poolings {
  /// Does it on the GPU that the operands live on; false where that is the processor. All are laid out alike.
  private static func launch(
    _ action: PoolingTask.Action, _ pooling: Pooling, _ input: TensorBody, into result: Value, positions: TensorBody? = nil,
    isChannelsLast isLast: Bool
  ) throws(TensorError) -> Bool {
    let device = input.device
    if device.isCPU { return false }
    let task = PoolingTask(
      action, pooling, input.dtype, input.elements.address, result.elements.address, positions: positions?.positions,
      channelsLast: isLast ? input.layout.shape.at(1) : nil, on: device)
    try withExtendedLifetime((input, positions)) { () throws(TensorError) in try GPUBackend.run(.task(task), on: device) }
    return true
  }

  /// A row of the largest elements, their positions (int64, in the plane) after them.
  private static func maximum(_ name: String, samples: [Sample]) -> Operator<PoolingArguments> {
    Operator(
      name, auxiliaryCount: 1, saves: { SavePlan(auxiliaries: $0.contains(0)) },
      forward: { (operands, at) throws(TensorError) in
        let x = operands[0]!.body
        try at.check(x.layout.shape, name)
        try checkElements(x.dtype, name, integers: name == "max_pool2d" ? .int : .none)
        let pooling = at.pooling(x.layout.shape, x.dtype)
        let shape = outputShape(x.layout.shape, pooling)
        let isLast = x.keepsChannelsLast
        let positions = try Value(Layout(shape, channelsLast: isLast), .int64, on: x.device)
        if !x.device.isCPU {
          var result = try Value(Layout(shape, channelsLast: isLast), x.dtype, on: x.device)
          let input = try x.body(channelsLast: isLast)
          _ = try Poolings.launch(
            .max, pooling, input, into: result, positions: TensorBody(positions), isChannelsLast: isLast)
          result.auxiliaries = [positions]
          return result
        }
        let at = positions.storage.pointer.assumingMemoryBound(to: Int64.self)
        var result = try pooled(x, shape, integers: { IntegerPooling(pooling: pooling).max($0, $1, positions: at) }) {
          pooling.max($0, $1, positions: at)
        }
        result.auxiliaries = [positions]
        return result
      },
      backward: { (call, gradient) throws(TensorError) in
        let at = PoolingGradientArguments(
          arguments: call.attributes, shape: call.shape(0), isChannelsLast: call.isChannelsLast(0))
        return Few(ops.poolings.maxBackward(gradient, try call.auxiliary(0), at))
      }, samples: samples
    ).onGPU()
  }

  private static func mean(_ name: String, samples: [Sample]) -> Operator<PoolingArguments> {
    Operator(
      name,
      forward: { (operands, at) throws(TensorError) in
        let x = operands[0]!.body
        try at.check(x.layout.shape, name)
        try checkElements(x.dtype, name, integers: name == "avg_pool2d" ? .int64 : .none)
        let pooling = at.pooling(x.layout.shape, x.dtype)
        if !x.device.isCPU {
          let isLast = x.keepsChannelsLast
          let result = try Value(
            Layout(outputShape(x.layout.shape, pooling), channelsLast: isLast), x.dtype, on: x.device)
          _ = try Poolings.launch(
            .average, pooling, try x.body(channelsLast: isLast), into: result, isChannelsLast: isLast)
          return result
        }
        return try pooled(
          x, outputShape(x.layout.shape, pooling), integers: { IntegerPooling(pooling: pooling).average($0, $1) }
        ) { pooling.average($0, $1) }
      },
      backward: { (call, gradient) throws(TensorError) in
        let at = PoolingGradientArguments(
          arguments: call.attributes, shape: call.shape(0), isChannelsLast: call.isChannelsLast(0))
        return Few(ops.poolings.averageBackward(gradient, at))
      }, samples: samples
    ).onGPU()
  }

  /// Which integer types torch pools.
  private enum Integers { case none, int64, int }

  private static func checkElements(_ dtype: DType, _ name: String, integers: Integers) throws(TensorError) {
    let isTaken = dtype.isFloatingPoint || integers == .int && dtype.isInteger || integers == .int64 && dtype == .int64
    if !isTaken {
      throw .dtype("\"\(name)\" not implemented for '\(dtype.torchScalarName)'. Convert the input, such as with .to(.float32).")
    }
  }

  private static func outputShape(_ shape: Shape, _ pooling: Pooling) -> Shape {
    shape.replacing(shape.count - 2, with: pooling.rows.count).replacing(shape.count - 1, with: pooling.columns.count)
  }

  /// Runs the pooling of the dtype; integers as int64.
  private static func pooled(
    _ x: TensorBody, _ shape: Shape, integers: (UnsafePointer<Int64>, UnsafeMutablePointer<Int64>) -> Void,
    floats: (UnsafeRawPointer, UnsafeMutableRawPointer) -> Void
  ) throws(TensorError) -> Value {
    let result = try Value(Layout(shape), x.dtype)
    if x.dtype.isFloatingPoint {
      let input = try x.contiguousBody()
      withExtendedLifetime(input) { floats(input.elements.start, result.storage.pointer) }
      return result
    }
    let wide = try Value(Layout(x.layout.shape), .int64)
    try x.elements.copy(to: wide.elements)
    let pooled = try Value(Layout(shape), .int64)
    withExtendedLifetime(wide) {
      integers(
        wide.storage.pointer.assumingMemoryBound(to: Int64.self), pooled.storage.pointer.assumingMemoryBound(to: Int64.self))
    }
    try pooled.elements.copy(to: result.elements)
    return result
  }
}

extension TensorBody {
  /// Positions as `maximum` makes them.
  fileprivate var positions: UnsafePointer<Int64> { UnsafePointer(elements.address.assumingMemoryBound(to: Int64.self)) }
}

extension Tensor {
  /// The largest element of every window. Torch's `max_pool2d`.
  ///
  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - padding: Rows and columns of −∞ on either side.
  ///   - dilation: From element to element of a window.
  ///   - ceilMode: A last window may hang over the edge.
  public func maxPool2d(
    _ kernelSize: Size2D, stride: Size2D? = nil, padding: Size2D = 0, dilation: Size2D = 1, ceilMode: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let windows = PoolingArguments.Windows.sliding(
      kernel: kernelSize, stride: stride ?? kernelSize, padding: padding, dilation: dilation, ceilMode: ceilMode)
    return ops.poolings.max(self, PoolingArguments(windows: windows), at: CallSite(file, line))
  }

  /// The largest elements and their positions in their planes, row · width + column, as int64. Torch's `max_pool2d` with
  /// `return_indices=True`.
  public func maxPool2dWithIndices(
    _ kernelSize: Size2D, stride: Size2D? = nil, padding: Size2D = 0, dilation: Size2D = 1, ceilMode: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    let windows = PoolingArguments.Windows.sliding(
      kernel: kernelSize, stride: stride ?? kernelSize, padding: padding, dilation: dilation, ceilMode: ceilMode)
    let both = ops.poolings.max.callAll(Few(self), PoolingArguments(windows: windows), at: CallSite(file, line))
    return (both[0], both[1])
  }

  /// The mean of every window. Torch's `avg_pool2d`.
  ///
  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - padding: Rows and columns of zeros on either side.
  ///   - ceilMode: A last window may hang over the edge.
  ///   - countIncludePad: The zeros count in the number that sums are divided by.
  ///   - divisorOverride: What sums are divided by, in place of the window's size.
  public func avgPool2d(
    _ kernelSize: Size2D, stride: Size2D? = nil, padding: Size2D = 0, ceilMode: Bool = false,
    countIncludePad: Bool = true, divisorOverride: Int? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let windows = PoolingArguments.Windows.sliding(
      kernel: kernelSize, stride: stride ?? kernelSize, padding: padding, dilation: 1, ceilMode: ceilMode)
    let arguments = PoolingArguments(windows: windows, countsPadding: countIncludePad, divisor: divisorOverride)
    return ops.poolings.average(self, arguments, at: CallSite(file, line))
  }

  /// The means of `outputSize` windows of about equal size. Torch's `adaptive_avg_pool2d`.
  public func adaptiveAvgPool2d(
    _ outputSize: Size2D, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.poolings.adaptiveAverage(self, PoolingArguments(windows: .adaptive(outputSize)), at: CallSite(file, line))
  }

  /// The largest elements of `outputSize` windows of about equal size. Torch's `adaptive_max_pool2d`.
  public func adaptiveMaxPool2d(
    _ outputSize: Size2D, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.poolings.adaptiveMax(self, PoolingArguments(windows: .adaptive(outputSize)), at: CallSite(file, line))
  }

  /// The largest elements and their positions in their planes, row · width + column, as int64.
  public func adaptiveMaxPool2dWithIndices(
    _ outputSize: Size2D, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    let arguments = PoolingArguments(windows: .adaptive(outputSize))
    let both = ops.poolings.adaptiveMax.callAll(Few(self), arguments, at: CallSite(file, line))
    return (both[0], both[1])
  }
}
