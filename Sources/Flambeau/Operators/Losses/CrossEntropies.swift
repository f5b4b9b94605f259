import CKernels

struct CrossEntropyArguments: Sendable {
  let ignoreIndex: Int
  let reduction: LossReduction
  let smoothing: Double
  /// A gradient may be asked for: it is made while the logits are in cache.
  let storesGradient: Bool
  /// Logits of a half type count as if they had been cast to float32, and so does the loss. On a GPU only.
  var readsHalves = false
}

/// The cross entropy of classes under the softmax of logits, in one pass that also makes the gradient where it is wanted.
struct CrossEntropies: Sendable {
  /// Logits, classes, maybe weights of the classes. The gradient for a loss gradient of 1 follows the result, if it is made.
  let crossEntropy: Operator<CrossEntropyArguments> = Operator<CrossEntropyArguments>(
    "cross_entropy", auxiliaryCount: 1,
    saves: { SavePlan(operands: [.operand(1), .operand(2)], auxiliaries: $0.contains(0)) },
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!.body
      guard x.dtype.isFloatingPoint else {
        throw .dtype("\"log_softmax_lastdim_kernel_impl\" not implemented for '\(x.dtype.torchScalarName)'")
      }
      if !x.device.isCPU {
        return try DeviceTargets(
          x, operands[1]!, weight: operands[2], at.ignoreIndex, dtype: at.readsHalves ? .float32 : nil
        ).crossEntropy(x, at)
      }
      let targets = try ClassTargets(x, operands[1]!.body, weight: operands[2]?.body, ignoreIndex: at.ignoreIndex)
      let rows = try ClassRows(targets, x, weight: operands[2]?.body, at)
      return try rows.forward(x, at)
    },
    backward: { (call, gradient) throws(TensorError) in
      let shape = call.shape(0)
      // Losses of rows stand where the classes were.
      let scale = gradient.ndim == 0 || shape.count == 1 ? gradient : gradient.unsqueezed(1)
      if Context.current.records { return Few(try CrossEntropies.tensorGradient(call, scale).to(call.dtype(0))) }
      let slope = try call.takenAuxiliary(0)
      if scale.ndim == 0 && (scale.body.storage.holdsOnes || scale.device.isCPU && scale.item() == 1) {
        return Few(slope.to(call.dtype(0)))
      }
      return Few(ops.arithmetic.mul(consume slope, scale).to(call.dtype(0)))
    },
    samples: CrossEntropies.samples
  ).onGPU()

  let probabilities: [Sample] = [
    Sample("F.cross_entropy(a, b)", [.real([3, 5]), .real([3, 5], 0...1)]) { $0[0].crossEntropy($0[1]) },
    Sample("F.cross_entropy(a, b, c, reduction='none')", [.real([3, 4, 2]), .real([3, 4, 2], 0...1), .real([4], 0.5...2)]) {
      $0[0].crossEntropy($0[1], weight: $0[2], reduction: .none)
    },
    Sample("F.cross_entropy(a, b, reduction='sum', label_smoothing=0.3)", [.real([2, 4]), .real([2, 4], 0...1)]) {
      $0[0].crossEntropy($0[1], reduction: .sum, labelSmoothing: 0.3)
    },
  ]

  /// −w x of picked elements; 0 where w is.
  let negativeLogLikelihood: Operator<PointwiseArguments> = .map(
    "nll_loss", .promoted, Program { x, w in select(eq(w, 0), 0, -(w * x)) }, samples: CrossEntropies.likelihoods)
}

extension CrossEntropies {
  private static let samples: [Sample] = [
    Sample("F.cross_entropy(a, b)", [.real([4, 5]), .integers([4], 0...4)]) { $0[0].crossEntropy($0[1]) },
    Sample("F.cross_entropy(a, b, reduction='none', ignore_index=2)", [.real([6, 3]), .integers([6], 0...2)]) {
      $0[0].crossEntropy($0[1], ignoreIndex: 2, reduction: .none)
    },
    Sample("F.cross_entropy(a, b, reduction='sum', label_smoothing=0.2)", [.real([3, 4]), .integers([3], 0...3)]) {
      $0[0].crossEntropy($0[1], reduction: .sum, labelSmoothing: 0.2)
    },
    Sample("F.cross_entropy(a, b, \(weight), ignore_index=1)", [.real([5, 3, 2]), .integers([5, 2], 0...2)]) {
      $0[0].crossEntropy($0[1], weight: Tensor(weights).to($0[0].dtype), ignoreIndex: 1)
    },
    Sample("F.cross_entropy(a, b, \(weight), ignore_index=0, label_smoothing=0.2)", [.real([6, 3]), .integers([6], 0...2)]) {
      $0[0].crossEntropy($0[1], weight: Tensor(weights).to($0[0].dtype), ignoreIndex: 0, labelSmoothing: 0.2)
    },
    Sample("F.cross_entropy(a, b)", [.real([4]), .integers([], 0...3)]) { $0[0].crossEntropy($0[1]) },
  ]

  private static let likelihoods: [Sample] = [
    Sample("F.nll_loss(a, b)", [.real([4, 5]), .integers([4], 0...4)]) { $0[0].nllLoss($0[1]) },
    Sample("F.nll_loss(a, b, \(weight), ignore_index=1)", [.real([5, 3, 2, 2]), .integers([5, 2, 2], 0...2)]) {
      $0[0].nllLoss($0[1], weight: Tensor(weights).to($0[0].dtype), ignoreIndex: 1)
    },
    Sample("F.nll_loss(a, b, reduction='none', ignore_index=2)", [.real([6, 3]), .integers([6], 0...2)]) {
      $0[0].nllLoss($0[1], ignoreIndex: 2, reduction: .none)
    },
    Sample("F.nll_loss(a, b, reduction='sum')", [.real([4]), .integers([], 0...3)]) {
      $0[0].nllLoss($0[1], reduction: .sum)
    },
  ]

  private static let weights = [0.5, 2, 1.25]
  private static let weight = "torch.tensor(\(weights)).to(a.dtype)"

  /// The gradient as scale · (A · softmax − K), in tensor operations that differentiate again.
  ///
  /// The logits may be gone: their softmax is what the stored gradient was made of, and is put back as what it was, a
  /// result of the logits.
  private static func tensorGradient(_ call: Call<CrossEntropyArguments>, _ scale: Tensor) throws(TensorError) -> Tensor {
    let slope = try call.auxiliary(0).body
    let logits = TensorBody(Value(slope.storage, Layout(call.shape(0)), call.dtype(0)))
    let weight = try call.optionalOperand(2)
    let targets = try ClassTargets(
      logits, try call.operand(1).body, weight: weight?.body, ignoreIndex: call.attributes.ignoreIndex)
    let rows = try ClassRows(targets, logits, weight: weight?.body, call.attributes)
    let (softmax, factor, constant) = try rows.softmax(from: slope, dtype: call.dtype(0))
    let node = OperatorNode(
      ops.softmaxes.softmax, rows.classDimension, edges: Edges(call.node.edges[0]),
      operandShapes: OperandShapes(Few(Tensor(logits))))
    node.saved = SavedValues(count: 2)
    node.saved[1] = SavedTensor(result: softmax, index: 0)
    return scale * (Tensor(TensorBody(softmax, node: node)) * factor - constant)
  }
}

/// The pass over rows of logits that gives each row's loss, and the gradient while the row is in cache.
struct CrossEntropyPass {
  /// The logits'.
  let shape: Shape
  let smoothing: RowProgram.Smoothing

  private var classDimension: Int { shape.count == 1 ? 0 : 1 }
  private var rowShape: Shape { shape.removing(at: classDimension) }

  /// - Parameters:
  ///   - classes: int64, one for each row, as `peaks` and `spreads` are.
  ///   - weights: One for each class, where smoothing goes by them.
  func run(
    _ x: TensorBody, _ at: CrossEntropyArguments, classes: Value, peaks: Value, spreads: Value, weights: Value?
  ) throws(TensorError) -> (losses: Value, slope: Value?) {
    let computeClass = x.dtype.computeClass
    let dtype = at.readsHalves || at.reduction != .none ? computeClass.dtype : x.dtype
    let losses = try Value(Layout(rowShape), dtype, on: x.device)
    // float16 has no room for the small shares of many classes.
    let slope = at.storesGradient ? try Value(Layout(shape), x.dtype == .float16 ? .float32 : x.dtype, on: x.device) : nil
    var inputs = [x.elements.along(classDimension), perRow(classes), perRow(peaks)]
    if smoothing != .none { inputs.append(perRow(spreads)) }
    if let weights { inputs.append(weights.elements.broadcast(to: inputs[0].layout.shape)) }
    let result = losses.elements(Layout(rowShape.inserting(1, at: rowShape.count)))
    try withExtendedLifetime((classes, peaks, spreads, weights)) { () throws(TensorError) in
      try Backend.rows(
        .crossEntropy(gradient: slope != nil, smoothing: smoothing), in: computeClass, inputs: inputs,
        into: [result] + (slope.map { [$0.elements.along(classDimension)] } ?? []))
    }
    return (losses, slope)
  }

  /// Values for each row, as an operand of a row program.
  private func perRow(_ value: Value) -> Elements {
    let rows = Layout(rowShape.inserting(1, at: rowShape.count))
    return value.elements(rows.broadcast(to: rowShape.inserting(shape.at(classDimension), at: rowShape.count))!)
  }

  /// The losses themselves, where the targets stood, or their sum.
  func reduced(
    _ losses: Value, _ at: CrossEntropyArguments, _ dtype: DType, targetShape: Shape
  ) throws(TensorError) -> Value {
    if at.reduction == .none {
      return Value(losses.storage, Layout(targetShape.count == rowShape.count ? targetShape : rowShape), losses.dtype)
    }
    return try ReductionArguments(dims: Array(0..<rowShape.count), keepDim: false).reduce(
      .sum, in: dtype.computeClass, [losses.elements], as: dtype)
  }
}

/// What each row of logits counts: the loss is peak · (−log softmax at the class) + spread · Σ weights (−log softmax).
private struct ClassRows {
  private let targets: ClassTargets
  private let shape: Shape
  private let peaks: [Double]
  private let spreads: [Double]
  /// Of the classes, where they differ.
  private let weights: [Double]?
  private let smoothing: RowProgram.Smoothing

  var classDimension: Int { shape.count == 1 ? 0 : 1 }
  private var classCount: Int { shape.at(classDimension) }
  private var rowShape: Shape { shape.removing(at: classDimension) }

  init(
    _ targets: ClassTargets, _ x: TensorBody, weight: TensorBody?, _ at: CrossEntropyArguments
  ) throws(TensorError) {
    self.targets = targets
    shape = x.layout.shape
    let classCount = x.layout.shape.at(x.layout.rank == 1 ? 0 : 1)
    weights = at.smoothing > 0 ? try ClassTargets.classWeights(weight, classCount, x.dtype) : nil
    smoothing = at.smoothing == 0 ? .none : weights == nil ? .even : .weighted
    let divisor = at.reduction == .mean && targets.total != 0 ? targets.total : 1
    peaks = targets.weights.map { $0 * (1 - at.smoothing) / divisor }
    let spread = at.smoothing / Double(classCount) / divisor
    spreads = targets.isIgnored.map { $0 ? 0 : spread }
  }

  func forward(_ x: TensorBody, _ at: CrossEntropyArguments) throws(TensorError) -> Value {
    let statistics = x.dtype.computeClass.dtype
    let pass = CrossEntropyPass(shape: shape, smoothing: smoothing)
    let (losses, slope) = try pass.run(
      x, at, classes: targets.classes, peaks: Value(peaks, statistics), spreads: Value(spreads, statistics),
      weights: weights.map { (list) throws(TensorError) in try Value(list, statistics) })
    var loss = try pass.reduced(losses, at, x.dtype, targetShape: targets.shape)
    if at.reduction == .mean && targets.total == 0 {
      loss = try Value(Layout([]), x.dtype)
      try loss.elements.fill(Number(Double.nan))
    }
    if let slope { loss.auxiliaries = [slope] }
    return loss
  }

  /// The softmax p that a stored gradient A p − K was made of, with A for each row and K.
  func softmax(from slope: TensorBody, dtype: DType) throws(TensorError) -> (Value, factor: Tensor, constant: Tensor) {
    let whole = weights?.reduce(0, +) ?? Double(classCount)
    let factors = peaks.indices.map { peaks[$0] + spreads[$0] * whole }
    let (p, constant) = (try Value(Layout(shape), .float64), try Value(Layout(shape), .float64))
    try slope.elements.copy(to: p.elements)
    let values = p.storage.pointer.assumingMemoryBound(to: Double.self)
    let constants = constant.storage.pointer.assumingMemoryBound(to: Double.self)
    let inner = shape.count == 1 ? 1 : shape.dropFirst(2).reduce(1, *)
    for row in factors.indices {
      let start = row / inner * classCount * inner + row % inner
      for c in 0..<classCount {
        let at = start + c * inner
        let peak = Int(targets.pointer[row]) == c ? peaks[row] : 0
        constants[at] = peak + spreads[row] * (weights?[c] ?? 1)
        values[at] = factors[row] == 0 ? 0 : (values[at] + constants[at]) / factors[row]
      }
    }
    let softmax = try Value(Layout(shape), dtype)
    try p.elements.copy(to: softmax.elements)
    let factor = try Value(factors, .float64)
    let each = rowShape.inserting(1, at: classDimension)
    let device = slope.device
    return (
      try softmax.moved(to: device),
      Tensor(TensorBody(Value(factor.storage, Layout(each), .float64))).to(device, dtype: dtype),
      Tensor(TensorBody(constant)).to(device, dtype: dtype)
    )
  }
}

extension Tensor {
  /// With a dimension of size 1.
  fileprivate func unsqueezed(_ dim: Int) -> Tensor { reshape(shape.inserting(1, at: dim)) }

  /// The cross entropy of classes under the softmax of these logits. Torch's `cross_entropy`.
  ///
  /// - Parameters:
  ///   - target: Classes [n, …] (int64 or uint8) for logits [n, classes, …], or probabilities of the logits' shape.
  ///   - weight: What each class counts, [classes].
  ///   - ignoreIndex: Targets that count nothing.
  ///   - reduction: The mean is that of the targets that count, by weight.
  ///   - labelSmoothing: The part of each target that is spread evenly over all classes.
  public func crossEntropy(
    _ target: Tensor, weight: Tensor? = nil, ignoreIndex: Int = -100, reduction: LossReduction = .mean,
    labelSmoothing: Double = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("cross_entropy", at: site) { layout throws(TensorError) in
      func compute(_ x: Tensor, _ target: Tensor, _ weight: Tensor?, readsHalves: Bool) throws(TensorError) -> Tensor {
        try x.crossEntropy(
          of: target, weight,
          CrossEntropyArguments(
            ignoreIndex: ignoreIndex, reduction: reduction, smoothing: labelSmoothing,
            storesGradient: Context.current.records && requiresGrad, readsHalves: readsHalves), at: site)
      }
      if let autocast = AutocastMethod("cross_entropy", on: self) {
        // Their cast would be as large as twice the logits.
        let readsHalves = !device.isCPU && (dtype == .float16 || dtype == .bfloat16) && target.shape != layout.shape
        return try autocast(readsHalves ? nil : self, target, weight) { (cast) throws(TensorError) in
          try compute(cast[0] ?? self, cast[1]!, cast[2], readsHalves: readsHalves)
        }
      }
      return try compute(self, target, weight, readsHalves: false)
    }
  }

  private func crossEntropy(
    of target: Tensor, _ weight: Tensor?, _ at: CrossEntropyArguments, at site: CallSite
  ) throws(TensorError) -> Tensor {
    for case let operand? in [target, weight] {
      if let poison = operand.body.poison { return Door.poisoned(by: poison, .current) }
    }
    guard at.smoothing >= 0, at.smoothing <= 1 else {
      throw .argument("label_smoothing must be between 0.0 and 1.0. Got: \(at.smoothing)")
    }
    if target.shape == shape {
      return try crossEntropyOfProbabilities(target, weight, at.ignoreIndex, at.reduction, at.smoothing)
    }
    guard ndim > 0 else { throw .shape("Expected 1 or more dimensions (got 0)") }
    try Losses.checkNoGradient(weight, "nll_loss_forward")
    return ops.crossEntropies.crossEntropy.call(Few(self, target, weight), at, at: site)
  }

  private func crossEntropyOfProbabilities(
    _ target: Tensor, _ weight: Tensor?, _ ignoreIndex: Int, _ reduction: LossReduction, _ smoothing: Double
  ) throws(TensorError) -> Tensor {
    guard target.dtype.isFloatingPoint else {
      throw .dtype(
        "Expected floating point type for target with class probabilities, got \(target.dtype.torchScalarName)")
    }
    guard ignoreIndex < 0 else { throw .argument("ignore_index is not supported for floating point target") }
    let dim = ndim == 1 ? 0 : 1
    let count = shape.at(dim)
    var likelihoods = logSoftmax(dim: dim)
    if let weight {
      guard weight.shape == [count] else {
        throw .shape(
          "cross_entropy: weight tensor should be defined either for all \(count) classes or no classes but got weight "
            + "tensor of shape: \(weight.shape)")
      }
      likelihoods = likelihoods * weight.reshape(Shape([count] + Array(repeating: 1, count: ndim - 1 - dim)))
    }
    let target = smoothing > 0 ? target * (1 - smoothing) + smoothing / Double(count) : target
    let losses = -(likelihoods * target)
    switch reduction {
    case .none: return losses.sum(dim: dim)
    case .sum: return losses.sum()
    case .mean: return losses.sum() / (Double(self.count) / Double(count))
    }
  }

  /// The negative log likelihood of classes, given logarithms of probabilities. Torch's `nll_loss`.
  ///
  /// - Parameters:
  ///   - target: Classes [n, …] (int64 or uint8) for log probabilities [n, classes, …].
  ///   - weight: What each class counts, [classes].
  ///   - ignoreIndex: Targets that count nothing.
  ///   - reduction: The mean is that of the targets that count, by weight.
  public func nllLoss(
    _ target: Tensor, weight: Tensor? = nil, ignoreIndex: Int = -100, reduction: LossReduction = .mean,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("nll_loss", at: site) { layout throws(TensorError) in
      if let autocast = AutocastMethod("nll_loss", on: self) {
        return try autocast(self, target, weight) {
          $0[0]!.nllLoss(
            $0[1]!, weight: $0[2], ignoreIndex: ignoreIndex, reduction: reduction, file: file, line: line)
        }
      }
      for case let operand? in [target, weight] {
        if let poison = operand.body.poison { return Door.poisoned(by: poison, .current) }
      }
      guard layout.rank > 0 else { throw .shape("Expected 1 or more dimensions (got 0)") }
      guard dtype.isFloatingPoint else {
        throw .dtype("\"nll_loss_out_frame\" not implemented for '\(dtype.torchScalarName)'")
      }
      try Losses.checkNoGradient(weight, "nll_loss_forward")
      let dim = layout.rank == 1 ? 0 : 1
      let lines = layout.shape.replacing(dim, with: 1)
      let (index, weights, total): (Tensor, Tensor, Tensor?)
      var count = 0.0
      if device.isCPU {
        let targets = try ClassTargets(body, target.body, weight: weight?.body, ignoreIndex: ignoreIndex)
        index = Tensor(TensorBody(Value(targets.classes.storage, Layout(lines), .int64)))
        weights = Tensor(TensorBody(try Value(targets.weights, dtype))).reshape(lines)
        (total, count) = (nil, targets.total)
      } else {
        let targets = try DeviceTargets(body, target, weight: weight, ignoreIndex)
        (index, weights, total) = (targets.classes.reshape(lines), targets.weights.to(dtype).reshape(lines), targets.total)
      }
      let picked = ops.gathering.gather(self, index, dim, at: site)
      let losses = ops.crossEntropies.negativeLogLikelihood(picked, weights, PointwiseArguments(), at: site)
      switch reduction {
      case .none: return losses.reshape(layout.shape.removing(at: dim))
      case .sum: return losses.sum()
      case .mean:
        let sum = losses.sum()
        return total.map { (sum.to($0.dtype) / $0).to(dtype) } ?? sum / count
      }
    }
  }
}
