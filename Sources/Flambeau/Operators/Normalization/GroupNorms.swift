import CKernels

struct GroupNormArguments: Sendable {
  let groups: Int
  let eps: Double
}

/// Normalisation of groups of channels.
struct GroupNorms: Sendable {
  /// Input [n, c, *], weight and bias [c]; mean and 1/√(variance + ε) of each group follow the result.
  let groupNorm: Operator<GroupNormArguments> = Operator(
    "group_norm", auxiliaryCount: 2, saves: { _ in SavePlan(operands: [.operand(0), .operand(1)], auxiliaries: true) },
    forward: { (operands, at) throws(TensorError) in
      let (x, weight, bias) = (operands[0]!.body, operands[1]?.body, operands[2]?.body)
      try GroupNorms.check(x, weight, bias, at)
      return try x.device.isCPU ? ChannelGroups(x, at).forward(weight, bias) : GroupPrograms(x, at).forward(x, weight, bias)
    },
    backward: { (call, gradient) throws(TensorError) in
      let (x, weight) = (try call.operand(0), try call.optionalOperand(1))
      if Context.current.records { return GroupNorms.tensorGradients(call, x, weight, gradient) }
      let (mean, scale) = (try call.auxiliary(0), try call.auxiliary(1))
      if x.device.isCPU {
        return try ChannelGroups(x.body, call.attributes).backward(call, gradient, weight?.body, mean.body, scale.body)
      }
      return try GroupPrograms(x.body, call.attributes).backward(call, x.body, gradient.body, weight?.body, mean.body, scale.body)
    },
    samples: [
      Sample("F.group_norm(a, 3, b, c)", [.real([2, 6, 4]), .real([6], 0.5...2), .real([6])]) {
        $0[0].groupNorm(3, weight: $0[1], bias: $0[2])
      },
      Sample("F.group_norm(a, 2, None, b)", [.real([2, 6]), .real([6])]) { $0[0].groupNorm(2, bias: $0[1]) },
      Sample("F.group_norm(a, 2)", [.real([2, 4, 2, 3])]) { $0[0].groupNorm(2) },
      Sample("F.group_norm(a, 1, b)", [.real([2, 3, 5]), .real([3], 0.5...2)]) { $0[0].groupNorm(1, weight: $0[1]) },
    ]
  ).onGPU()

  private static func check(
    _ x: TensorBody, _ weight: TensorBody?, _ bias: TensorBody?, _ at: GroupNormArguments
  ) throws(TensorError) {
    let shape = x.layout.shape
    guard shape.count >= 2 else {
      throw .shape("Expected at least 2 dimensions for input tensor but received \(shape.count)")
    }
    let channels = shape.at(1)
    guard at.groups > 0, channels % at.groups == 0 else {
      throw .shape(
        "Expected number of channels in input to be divisible by num_groups, but got input of shape \(shape) and "
          + "num_groups=\(at.groups)")
    }
    for (name, parameter) in [("weight", weight), ("bias", bias)] {
      guard let parameter, parameter.layout.shape != [channels] else { continue }
      throw .shape(
        "Expected \(name) to be a vector of size equal to the number of channels in input, but got \(name) of shape "
          + "\(parameter.layout.shape) and input of shape \(shape)")
    }
    try Normalization.checkElements(x, [weight, bias], "GroupNormKernelImpl")
  }

  /// The gradients in tensor operations.
  private static func tensorGradients(
    _ call: Call<GroupNormArguments>, _ x: Tensor, _ weight: Tensor?, _ gradient: Tensor
  ) -> Few<Tensor> {
    let (shape, at) = (x.shape, call.attributes)
    let each: Shape = [at.groups, shape[1] / at.groups, 1]
    let grouped: Shape = [shape[0], at.groups, shape[1] / at.groups, shape.dropFirst(2).reduce(1, *)]
    let all = Normalization.Gradients(
      x.reshape(grouped), gradient.reshape(grouped), weight: weight?.reshape(each), dims: [2, 3], eps: at.eps)
    return Few(
      call.needs(0) ? all.input.reshape(shape) : nil,
      call.needs(1) ? all.weight.fitted(to: each, call.dtype(1)).reshape(call.shape(1)) : nil,
      call.needs(2) ? all.bias.fitted(to: each, call.dtype(2)).reshape(call.shape(2)) : nil)
  }
}

/// The channels of [n, c, *] in groups, in the dtype that is computed in: the processor's way, which reads a group once.
private struct ChannelGroups {
  private let x: TensorBody
  private let dtype: DType
  private let shape: Shape
  private let at: GroupNormArguments
  private let perGroup, width: Int

  init(_ x: TensorBody, _ at: GroupNormArguments) throws(TensorError) {
    self.at = at
    (dtype, shape) = (x.dtype, x.layout.shape)
    self.x = try x.wideBody()
    perGroup = shape.at(1) / at.groups
    width = shape.dropFirst(2).reduce(1, *)
  }

  private var wide: DType { dtype.computeClass.dtype }
  private var bytes: Int { wide.byteCount }
  private var count: Int { shape.at(0) * at.groups }
  private var groupBytes: Int { perGroup * width * bytes }

  /// Runs `body(group, where its elements and where its channels' numbers begin, where its channels' parameters do)`; bytes.
  private func forEachGroup(_ body: (Int, Int, Int, Int) -> Void) {
    if groupBytes == 0 { return }
    DenseRows.parallel(count, perGroup * width) { range in
      for group in range { body(group, group * groupBytes, group * perGroup * bytes, group % at.groups * perGroup * bytes) }
    }
  }

  func forward(_ weight: TensorBody?, _ bias: TensorBody?) throws(TensorError) -> Value {
    let (w, b) = (try weight?.wideBody(), try bias?.wideBody())
    let y = try Value(Layout(shape), wide)
    let numbers = [try Value(Layout([shape.at(0), at.groups]), wide), try Value(Layout([shape.at(0), at.groups]), wide)]
    let kernel = KernelAccess.groupNorm[Int(wide.computeClass.rawValue)]!
    forEachGroup { group, first, _, parameters in
      var work = fb_group_norm(
        channels: perGroup, width: width, x: x.elements.start + first, weight: w.map { $0.elements.start + parameters },
        bias: b.map { $0.elements.start + parameters }, y: y.storage.pointer + first,
        mean: numbers[0].storage.pointer + group * bytes, scale: numbers[1].storage.pointer + group * bytes, eps: at.eps)
      kernel(&work)
    }
    withExtendedLifetime((x, w, b)) {}
    var result = try y.rounded(to: dtype)
    result.auxiliaries = numbers
    return result
  }

  func backward(
    _ call: Call<GroupNormArguments>, _ gradient: Tensor, _ weight: TensorBody?, _ mean: TensorBody, _ scale: TensorBody
  ) throws(TensorError) -> Few<Tensor> {
    let (g, w) = (try gradient.body.wideBody(), try weight?.wideBody())
    let gx = try Value(Layout(shape), wide)
    // Sums for every channel of every sample.
    let (sums, along) = (
      try Value(Layout([shape.at(0), shape.at(1)]), wide), try Value(Layout([shape.at(0), shape.at(1)]), wide)
    )
    if groupBytes == 0 {
      try sums.fillZero()
      try along.fillZero()
    }
    let kernel = KernelAccess.groupSlope[Int(wide.computeClass.rawValue)]!
    forEachGroup { group, first, channels, parameters in
      var work = fb_group_slope(
        channels: perGroup, width: width, x: x.elements.start + first, g: g.elements.start + first,
        weight: w.map { $0.elements.start + parameters }, mean: mean.elements.start + group * bytes,
        scale: scale.elements.start + group * bytes, gx: gx.storage.pointer + first, sums: sums.storage.pointer + channels,
        along: along.storage.pointer + channels)
      kernel(&work)
    }
    withExtendedLifetime((x, g, w, mean, scale)) {}
    var gradients = Few<Tensor>(count: 3)
    if call.needs(0) { gradients[0] = Tensor(TensorBody(try gx.rounded(to: dtype))) }
    if call.needs(1) { gradients[1] = Tensor(TensorBody(along)).sum(dim: 0).to(call.dtype(1)) }
    if call.needs(2) { gradients[2] = Tensor(TensorBody(sums)).sum(dim: 0).to(call.dtype(2)) }
    return gradients
  }
}

extension Value {
  /// These elements in a dtype of the same class.
  fileprivate func rounded(to dtype: DType) throws(TensorError) -> Value {
    if self.dtype == dtype { return self }
    let result = try Value(layout, dtype)
    try elements.copy(to: result.elements)
    return result
  }
}

extension Tensor {
  /// Channels in groups, each normalised over its channels and all positions, then scaled and moved by channel. Torch's
  /// `group_norm`.
  ///
  /// - Parameters:
  ///   - groups: How many; they divide the channels of [n, c, *].
  ///   - weight, bias: [c].
  public func groupNorm(
    _ groups: Int, weight: Tensor? = nil, bias: Tensor? = nil, eps: Double = 1e-5, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    ops.groupNorms.groupNorm.call(
      Few(self, weight, bias), GroupNormArguments(groups: groups, eps: eps), at: CallSite(file, line))
  }
}
