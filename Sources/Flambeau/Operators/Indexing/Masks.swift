/// Choosing elements by booleans.
struct Masks: Sendable {
  let fill: Operator<PointwiseArguments> = .map(
    "masked_fill", .promoted, Program(inputs: 2, scalars: 1) { x, s in select(x[1], s[0], x[0]) }, typedBy: [0],
    samples: [
      Sample("a.masked_fill(b, 2)", [.real([3, 4]), .mask([3, 4])]) { $0[0].maskedFill($0[1], 2) },
      Sample("a.masked_fill(b, 1.5)", [.real([4]), .mask([3, 1])]) { $0[0].maskedFill($0[1], 1.5) },
      Sample("a.clone().masked_fill_(b, 3)", [.real([3, 4]), .mask([4])]) { $0[0].clone().maskedFill_($0[1], 3) },
    ])

  let fillTensor: Operator<PointwiseArguments> = .map(
    "masked_fill", .promoted, Program { x, mask, value in select(mask, value, x) }, typedBy: [0],
    samples: [
      Sample("a.masked_fill(b, c)", [.real([3, 4]), .mask([3, 1]), .real([])]) { $0[0].maskedFill($0[1], $0[2]) },
      Sample("a.clone().masked_fill_(b, c.double())", [.real([3, 4]), .mask([4]), .real([])]) {
        $0[0].clone().maskedFill_($0[1], $0[2].to(.float64))
      },
    ])

  let nonzero: Operator<None> = Operator<None>(
    "nonzero", forward: { (operands, _) throws(TensorError) in try Nonzero.positions(operands[0]!.body) },
    samples: [
      Sample("a.nonzero()", [.real([3, 4], 0...2)]) { $0[0].nonzero() },
      Sample("a.nonzero()", [.mask([5])]) { $0[0].nonzero() },
      Sample("a.nonzero()", [.mask([2, 3, 4])]) { $0[0].nonzero() },
    ]
  ).onGPU()

  /// Made of other rows.
  let composites: [Sample] = [
    Sample("a.masked_select(b)", [.real([3, 4]), .mask([3, 4])]) { $0[0].maskedSelect($0[1]) },
    Sample("a.masked_select(b)", [.real([4]), .mask([3, 1])]) { $0[0].maskedSelect($0[1]) },
    Sample("a.masked_scatter(b, c)", [.real([3, 4]), .mask([3, 1]), .real([3, 5])]) {
      $0[0].maskedScatter($0[1], $0[2])
    },
    Sample("a.clone().masked_scatter_(b, c)", [.real([3, 4]), .mask([3, 4]), .real([12])]) {
      $0[0].clone().maskedScatter_($0[1], $0[2])
    },
    Sample("F.one_hot(b, 4)", [.real([1]), .integers([2, 3], 0...3)]) { $0[1].oneHot(4) },
    Sample("F.one_hot(b)", [.real([1]), .integers([3], 0...5)]) { $0[1].oneHot() },
  ]
}

extension Tensor {
  /// `value` where `mask` is true; the two broadcast. Torch's `masked_fill`.
  public consuming func maskedFill(
    _ mask: Tensor, _ value: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { maskedFill(mask, Number(value), .floatingPoint, CallSite(file, line)) }

  /// The same with a whole number.
  public consuming func maskedFill(
    _ mask: Tensor, _ value: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { maskedFill(mask, Number(value), .integer, CallSite(file, line)) }

  /// The scalar tensor `value` where `mask` is true; the two others broadcast. Torch's `masked_fill`.
  public consuming func maskedFill(
    _ mask: Tensor, _ value: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    if let refused = refusedMask(mask, value, "masked_fill", site) { return refused }
    let value = value.to(dtype)
    return ops.masks.fillTensor(consume self, mask, value, PointwiseArguments(), at: site)
  }

  /// `value` written where `mask`, broadcast to this shape, is true. Torch's `masked_fill_`.
  @discardableResult
  public func maskedFill_(
    _ mask: Tensor, _ value: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { maskedFill_(mask, Number(value), .floatingPoint, CallSite(file, line)) }

  /// The same with a whole number.
  @discardableResult
  public func maskedFill_(
    _ mask: Tensor, _ value: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { maskedFill_(mask, Number(value), .integer, CallSite(file, line)) }

  /// The scalar tensor `value` written where `mask`, broadcast to this shape, is true. Torch's `masked_fill_`.
  @discardableResult
  public func maskedFill_(
    _ mask: Tensor, _ value: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    if let refused = refusedMask(mask, value, "masked_fill_", site) { return refused }
    return ops.masks.fillTensor.write(Few(self, mask, value.to(dtype)), PointwiseArguments(), at: site)
  }

  private consuming func maskedFill(
    _ mask: Tensor, _ number: Number, _ category: DType.Category, _ site: CallSite
  ) -> Tensor {
    let (arguments, refused) = maskedArguments(mask, number, category, "masked_fill", site)
    if let refused { return refused }
    return ops.masks.fill(consume self, mask, arguments, at: site)
  }

  private func maskedFill_(
    _ mask: Tensor, _ number: Number, _ category: DType.Category, _ site: CallSite
  ) -> Tensor {
    let (arguments, refused) = maskedArguments(mask, number, category, "masked_fill_", site)
    return refused ?? ops.masks.fill.write(Few(self, mask), arguments, at: site)
  }

  /// The row's arguments, or what a refusal of them returned.
  private func maskedArguments(
    _ mask: Tensor, _ number: Number, _ category: DType.Category, _ name: String, _ site: CallSite
  ) -> (PointwiseArguments, refused: Tensor?) {
    var arguments = PointwiseArguments()
    let refused = refusal(name, [mask], site) { () throws(TensorError) in
      try mask.checkIsMask(name)
      arguments.scalars = Scalars(try dtype.element(number, category))
    }
    return (arguments, refused)
  }

  private func refusedMask(_ mask: Tensor, _ value: Tensor, _ name: String, _ site: CallSite) -> Tensor? {
    refusal(name, [mask, value], site) { () throws(TensorError) in
      try mask.checkIsMask(name)
      guard value.ndim == 0 else {
        throw .shape(
          "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with \(value.ndim) dimension(s).")
      }
    }
  }

  /// What a refusal by `check` returned; nil if it passes.
  private func refusal(
    _ name: String, _ others: [Tensor], _ site: CallSite, _ check: () throws(TensorError) -> Void
  ) -> Tensor? {
    for tensor in [self] + others {
      if let poison = tensor.body.poison { return Door.poisoned(by: poison, .current) }
    }
    do throws(TensorError) {
      try check()
      return nil
    } catch {
      return Door.refuse(error, name, Few([self] + others), at: site)
    }
  }

  private func checkIsMask(_ name: String) throws(TensorError) {
    guard dtype == .bool else {
      throw .dtype("\(name) only supports boolean masks, but got mask with dtype \(dtype)")
    }
  }
}

extension Tensor {
  /// The elements where `mask` is true, as a vector; the two broadcast. Torch's `masked_select`.
  public func maskedSelect(_ mask: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    let refused = refusal("masked_select", [mask], site) { () throws(TensorError) in
      guard mask.dtype == .bool else { throw .dtype("masked_select: expected BoolTensor for mask") }
      _ = try Shape.broadcast(mask.shape, shape)
    }
    if let refused { return refused }
    let both = try! Shape.broadcast(shape, mask.shape)
    if both.isEmpty { return flatten()[mask.flatten()] }
    return expand(both)[mask.expand(both)]
  }

  /// With the first elements of `source`, in their order, where `mask` is true; this tensor and the mask broadcast. Torch's
  /// `masked_scatter`.
  public func maskedScatter(
    _ mask: Tensor, _ source: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    if let refused = refusedSource(mask, source, "masked_scatter", site) { return refused }
    let both = try! Shape.broadcast(shape, mask.shape)
    return expand(both).scattered(mask.expand(both), source, "masked_scatter", site) { table, positions, values in
      table.indexPut(positions, values)
    }
  }

  /// ``maskedScatter(_:_:file:line:)`` in place, with `mask` broadcast to this shape. Torch's `masked_scatter_`.
  @discardableResult
  public func maskedScatter_(
    _ mask: Tensor, _ source: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    if let refused = refusedSource(mask, source, "masked_scatter_", site) { return refused }
    return scattered(mask.expand(shape, file: file, line: line), source, "masked_scatter_", site) {
      $0.indexPut_($1, $2)
    }
  }

  private func scattered(
    _ mask: Tensor, _ source: Tensor, _ name: String, _ site: CallSite, _ put: (Tensor, [Tensor], Tensor) -> Tensor
  ) -> Tensor {
    if ndim == 0 {
      return flatten().scattered(mask.flatten(), source, name, site, put).reshape([])
    }
    let positions = mask.nonzero().unbind(dim: 1)
    let count = positions[0].count
    let refused = refusal(name, [mask, source], site) { () throws(TensorError) in
      guard count <= source.count else { throw .shape("Number of elements of source < number of ones in mask") }
    }
    return refused ?? put(self, Array(positions), source.flatten().narrow(0, start: 0, length: count))
  }

  private func refusedSource(_ mask: Tensor, _ source: Tensor, _ name: String, _ site: CallSite) -> Tensor? {
    refusal(name, [mask, source], site) { () throws(TensorError) in
      try mask.checkIsMask(name)
      guard dtype == source.dtype else {
        throw .dtype(
          "masked_scatter: expected self and source to have same dtypes but got \(dtype.torchScalarName) and "
            + "\(source.dtype.torchScalarName)")
      }
      _ = try Shape.broadcast(shape, mask.shape)
    }
  }

  /// Where the elements are not 0, in row-major order: [count, dimensions] int64. Torch's `nonzero`.
  public func nonzero(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.masks.nonzero(self, None(), at: CallSite(file, line))
  }

  /// A new last dimension of `classCount` positions, 1 at the one each element names and 0 elsewhere, int64. Torch's
  /// `functional.one_hot`.
  ///
  /// The elements are int64 from 0; without `classCount` there are as many classes as the largest needs.
  public func oneHot(_ classCount: Int = -1, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("one_hot", at: CallSite(file, line)) { layout throws(TensorError) in
      guard dtype == .int64 else { throw .dtype("one_hot is only applicable to index tensor of type LongTensor.") }
      func hot(_ count: Int) -> Tensor {
        Tensor.zeros(Shape(layout.shape + [count]), dtype: .int64, device: device).scatter(dim: -1, index: unsqueeze(-1), 1)
      }
      if classCount > 0 && !device.isCPU {
        let x = detach()
        try (x .>= 0).logicalAnd(x .< classCount).all().orThrow(
          .argument("Class values must be non-negative and smaller than num_classes."), in: "one_hot")
        return hot(classCount)
      }
      let classes = try soundArray(of: Int.self)
      guard classCount > 0 || !classes.isEmpty else {
        throw .argument(
          classCount == -1
            ? "Can not infer total number of classes from empty tensor." : "num_classes should be positive")
      }
      guard classes.allSatisfy({ $0 >= 0 }) else { throw .argument("Class values must be non-negative.") }
      let needed = (classes.max() ?? -1) + 1
      guard classCount == -1 || needed <= classCount else {
        throw .argument("Class values must be smaller than num_classes.")
      }
      return hot(classCount == -1 ? needed : classCount)
    }
  }
}
