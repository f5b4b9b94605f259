// Functions of three numbers, and choices between numbers.
struct Selections: Sendable {
  let `where`: Operator<PointwiseArguments> = .map(
    "where", .promoted, Program { condition, a, b in select(condition, a, b) }, typedBy: [1, 2],
    samples: [
      Sample("torch.where(c, a, b)", [.real([3, 4]), .real([3, 4]), .mask([3, 4])]) { .where($0[2], $0[0], $0[1]) },
      Sample("torch.where(c, a, b)", [.real([2, 1, 4]), .real([3, 1]), .mask([4])]) { .where($0[2], $0[0], $0[1]) },
      Sample("a.where(b, 3)", [.real([3, 4]), .mask([3, 4])]) { .where($0[1], $0[0], 3) },
      Sample("a.where(b, 2.5)", [.real([3, 4]), .mask([4])]) { .where($0[1], $0[0], 2.5) },
      Sample("torch.where(b, -1, a)", [.real([3, 4]), .mask([3, 4])]) { .where($0[1], -1, $0[0]) },
      Sample("torch.where(b, 0, a)", [.real([]), .mask([3])]) { .where($0[1], 0, $0[0]) },
      Sample("torch.where(b, a, 0.5)", [.real([]), .mask([])]) { .where($0[1], $0[0], 0.5) },
    ])

  let clamp: Operator<PointwiseArguments> = held("clamp", ge, le) { x, s in Flambeau.clamp(x, s[0], s[1]) }
  let clampMin: Operator<PointwiseArguments> = .map(
    "clamp_min", .promoted,
    Program(inputs: 1, scalars: 1) { x, s in
      select(lt(x[0], s[0]), s[0], x[0])
    } derivatives: { x, s, _, g in
      [select(ge(x[0], s[0]), g, 0)]
    }, numbers: .checked,
    samples: [
      .unary("torch.clamp(a, min=0)") { $0.clamp(min: 0) }, .unary("torch.clamp(a, min=0.25)") { $0.clamp(min: 0.25) },
    ])
  let clampMax: Operator<PointwiseArguments> = .map(
    "clamp_max", .promoted,
    Program(inputs: 1, scalars: 1) { x, s in
      select(gt(x[0], s[0]), s[0], x[0])
    } derivatives: { x, s, _, g in
      [select(le(x[0], s[0]), g, 0)]
    }, numbers: .checked,
    samples: [
      .unary("torch.clamp(a, max=1)") { $0.clamp(max: 1) }, .unary("torch.clamp(a, max=0.25)") { $0.clamp(max: 0.25) },
      .unary("a.clone().clamp_(max=1)") { $0.clone().clamp_(max: 1) },
    ])
  /// Between two tensors: the lower bound first, ties share the gradient.
  // Between tensors. At a bound the gradient is the first operand's.
  let clampTensors: Operator<PointwiseArguments> = .map(
    "clamp", .promoted,
    Program(inputs: 3, scalars: 0) { x, _ in
      min(max(x[0], x[1]), x[2])
    } derivatives: { x, _, _, g in
      [
        select(and(ge(x[0], x[1]), le(x[0], x[2])), g, 0), select(and(lt(x[0], x[1]), lt(x[1], x[2])), g, 0),
        select(or(gt(x[0], x[2]), lt(x[2], x[1])), g, 0),
      ]
    },
    samples: [
      .pointwise("torch.clamp(a, b, c)", -2...2, -1...0, 0...1) { $0[0].clamp(min: $0[1], max: $0[2]) },
      .pointwise("torch.clamp(a, b, c)", -2...2, -1...1, -1...1) { $0[0].clamp(min: $0[1], max: $0[2]) },
      .unary("torch.clamp(a, a, a)") { $0.clamp(min: $0, max: $0) },
    ])
  let clampMinTensor: Operator<PointwiseArguments> = .map(
    "clamp_min", .promoted,
    Program(inputs: 2, scalars: 0) { x, _ in
      max(x[0], x[1])
    } derivatives: { x, _, _, g in
      [select(ge(x[0], x[1]), g, 0), select(lt(x[0], x[1]), g, 0)]
    },
    samples: [
      .binary("torch.clamp(a, min=b)") { $0.clamp(min: $1) },
      .unary("torch.clamp(a, min=a.detach())") { $0.clamp(min: $0.detach()) },
    ])
  let clampMaxTensor: Operator<PointwiseArguments> = .map(
    "clamp_max", .promoted,
    Program(inputs: 2, scalars: 0) { x, _ in
      min(x[0], x[1])
    } derivatives: { x, _, _, g in
      [select(le(x[0], x[1]), g, 0), select(gt(x[0], x[1]), g, 0)]
    },
    samples: [
      .binary("torch.clamp(a, max=b)") { $0.clamp(max: $1) },
      .unary("torch.clamp(a, max=a.detach())") { $0.clamp(max: $0.detach()) },
    ])

  let lerp: Operator<PointwiseArguments> = .map(
    "lerp", .promoted, Program { a, b, w in mixed(a, b, w) }, refusal: integers("lerp"),
    samples: [
      .pointwise("torch.lerp(a, b, c)", -2...2, -2...2, 0...1) { $0[0].lerp($0[1], $0[2]) },
      .pointwise("a.clone().lerp_(b, c)", -2...2, -2...2, 0...1) { $0[0].clone().lerp_($0[1], $0[2]) },
    ])
  let lerpNumber: Operator<PointwiseArguments> = .map(
    "lerp", .promoted, Program(inputs: 2, scalars: 1) { x, s in mixed(x[0], x[1], s[0]) }, refusal: integers("lerp"),
    samples: [
      .binary("torch.lerp(a, b, 0.3)") { $0.lerp($1, 0.3) }, .binary("torch.lerp(a, b, 0.8)") { $0.lerp($1, 0.8) },
      .binary("a.clone().lerp_(b, 0.8)") { $0.clone().lerp_($1, 0.8) },
    ])

  let addcmul: Operator<PointwiseArguments> = .map(
    "addcmul", .promoted, Program(inputs: 3, scalars: 1) { x, s in x[0] + s[0] * x[1] * x[2] }, numbers: .checkedInteger,
    samples: [
      .pointwise("torch.addcmul(a, b, c)", -2...2, -2...2, -2...2) { $0[0].addcmul($0[1], $0[2]) },
      .pointwise("torch.addcmul(a, b, c, value=2)", -2...2, -2...2, -2...2) { $0[0].addcmul($0[1], $0[2], value: 2) },
      .pointwise("a.clone().addcmul_(b, c)", -2...2, -2...2, -2...2) { $0[0].clone().addcmul_($0[1], $0[2]) },
    ])
  let addcdiv: Operator<PointwiseArguments> = .map(
    "addcdiv", .promoted, Program(inputs: 3, scalars: 1) { x, s in x[0] + s[0] * (x[1] / x[2]) }, numbers: .checkedInteger,
    samples: [
      .pointwise("torch.addcdiv(a, b, c)", -2...2, -2...2, 0.5...2) { $0[0].addcdiv($0[1], $0[2]) },
      .pointwise("torch.addcdiv(a, b, c, value=0.5)", -2...2, -2...2, 0.5...2) { $0[0].addcdiv($0[1], $0[2], value: 0.5) },
      .pointwise("a.clone().addcdiv_(b, c)", -2...2, -2...2, 0.5...2) { $0[0].clone().addcdiv_($0[1], $0[2]) },
    ])

  /// add and sub with a factor on the second operand.
  let addScaled: Operator<PointwiseArguments> = .map(
    "add", .promoted, Program(inputs: 2, scalars: 1) { x, s in x[0] + s[0] * x[1] }, numbers: .checked,
    samples: [
      .binary("torch.add(a, b, alpha=2)") { $0.add($1, alpha: 2) },
      .binary("a.clone().add_(b, alpha=2)") { $0.clone().add_($1, alpha: 2) },
    ])

  let subScaled: Operator<PointwiseArguments> = .map(
    "sub", .promoted, Program(inputs: 2, scalars: 1) { x, s in x[0] - s[0] * x[1] }, numbers: .checked,
    refusal: Refusal.subtraction,
    samples: [.binary("torch.sub(a, b, alpha=3)") { $0.sub($1, alpha: 3) }])

  private static func held(
    _ name: String, _ above: @escaping (Scalar, Scalar) -> Scalar, _ below: @escaping (Scalar, Scalar) -> Scalar,
    _ body: (Scalar, [Scalar]) -> Scalar
  ) -> Operator<PointwiseArguments> {
    .map(
      name, .promoted,
      Program(inputs: 1, scalars: 2) { x, s in
        body(x[0], s)
      } derivatives: { x, s, _, g in
        [select(and(above(x[0], s[0]), below(x[0], s[1])), g, 0)]
      }, numbers: .checked,
      samples: [
        .unary("torch.clamp(a, 0, 1)") { $0.clamp(min: 0, max: 1) },
        .unary("torch.clamp(a, -0.5, 0.75)") { $0.clamp(min: -0.5, max: 0.75) },
        .unary("a.clone().clamp_(0, 1)") { $0.clone().clamp_(min: 0, max: 1) },
      ])
  }

  /// Counted from the nearer end, as torch does.
  private static func mixed(_ a: Scalar, _ b: Scalar, _ w: Scalar) -> Scalar {
    select(lt(abs(w), 0.5), a + w * (b - a), b - (b - a) * (1 - w))
  }

  private static func integers(_ name: String) -> @Sendable (DType) -> String? {
    { $0.isFloatingPoint ? nil : "\"\(name)\" not implemented for '\($0.torchScalarName)'" }
  }
}

extension Tensor {
  /// Elements of `a` where `condition` (bool) is true, of `b` elsewhere; all three broadcast. Torch's `where`.
  public static func `where`(
    _ condition: Tensor, _ a: Tensor, _ b: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard condition.dtype == .bool || condition.body.poison != nil else {
      return Door.refuse(
        .dtype("expected condition to be a boolean tensor, but got a tensor with dtype \(condition.dtype)"), "where",
        Few(condition, a, b), at: CallSite(file, line))
    }
    return ops.selections.where(condition, a, b, PointwiseArguments(), at: CallSite(file, line))
  }

  /// The same with numbers.
  public static func `where`(
    _ condition: Tensor, _ a: Tensor, _ b: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { .where(condition, a, a.beside(b), file: file, line: line) }

  /// The same with numbers.
  public static func `where`(
    _ condition: Tensor, _ a: Double, _ b: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { .where(condition, b.beside(a), b, file: file, line: line) }

  /// The same with numbers.
  public static func `where`(
    _ condition: Tensor, _ a: Tensor, _ b: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { .where(condition, a, a.beside(b, CallSite(file, line)), file: file, line: line) }

  /// The same with numbers.
  public static func `where`(
    _ condition: Tensor, _ a: Int, _ b: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { .where(condition, b.beside(a, CallSite(file, line)), b, file: file, line: line) }

  /// A choice between two numbers, in float32.
  public static func `where`(
    _ condition: Tensor, _ a: Double, _ b: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { .where(condition, Tensor(Float(a), device: .cpu), Tensor(Float(b), device: .cpu), file: file, line: line) }

  /// A choice between two whole numbers, in int64.
  public static func `where`(
    _ condition: Tensor, _ a: Int, _ b: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { .where(condition, Tensor(a, device: .cpu), Tensor(b, device: .cpu), file: file, line: line) }

  /// A number that the choice is between, as a scalar tensor that raises this dtype only if its category is higher.
  private func beside(_ number: Double) -> Tensor {
    Tensor(number, device: .cpu).to(dtype.isFloatingPoint ? dtype : .float32)
  }

  private func beside(_ number: Int, _ site: CallSite) -> Tensor {
    if dtype.isFloatingPoint { return Tensor(Double(number), device: .cpu).to(dtype) }
    return dtype == .bool ? Tensor(number, device: .cpu) : scalar(Number(number), .integer, "where", at: site)
  }

  /// x held between `min` and `max`, of which one may be missing. Torch's `clamp`.
  public consuming func clamp(
    min: Double? = nil, max: Double? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard let (row, arguments) = Tensor.bounds(min, max, .floatingPoint) else { return withoutBounds(CallSite(file, line)) }
    return row(consume self, arguments, at: CallSite(file, line))
  }

  /// The same with numbers.
  public consuming func clamp(
    min: Int? = nil, max: Int? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard let (row, arguments) = Tensor.bounds(min, max, .integer) else { return withoutBounds(CallSite(file, line)) }
    return row(consume self, arguments, at: CallSite(file, line))
  }

  /// ``clamp(min:max:file:line:)-(Double?,_,_,_)`` in place. Torch's `clamp_`.
  @discardableResult
  public func clamp_(
    min: Double? = nil, max: Double? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard let (row, arguments) = Tensor.bounds(min, max, .floatingPoint) else { return withoutBounds(CallSite(file, line)) }
    return row.write(Few(self), arguments, at: CallSite(file, line))
  }

  /// The same with numbers.
  @discardableResult
  public func clamp_(
    min: Int? = nil, max: Int? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard let (row, arguments) = Tensor.bounds(min, max, .integer) else { return withoutBounds(CallSite(file, line)) }
    return row.write(Few(self), arguments, at: CallSite(file, line))
  }

  /// x held between the elements of `min` and `max`, of which one may be missing. Torch's `clamp`.
  public func clamp(
    min: Tensor? = nil, max: Tensor? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return switch (min, max) {
    case (nil, nil): withoutBounds(site)
    case (let min?, nil): ops.selections.clampMinTensor(self, min, PointwiseArguments(), at: site)
    case (nil, let max?): ops.selections.clampMaxTensor(self, max, PointwiseArguments(), at: site)
    case (let min?, let max?): ops.selections.clampTensors(self, min, max, PointwiseArguments(), at: site)
    }
  }

  private static func bounds(
    _ min: Double?, _ max: Double?, _ category: DType.Category
  ) -> (Operator<PointwiseArguments>, PointwiseArguments)? {
    bounds(min.map { Number($0) }, max.map { Number($0) }, category)
  }

  private static func bounds(
    _ min: Int?, _ max: Int?, _ category: DType.Category
  ) -> (Operator<PointwiseArguments>, PointwiseArguments)? {
    bounds(min.map { Number($0) }, max.map { Number($0) }, category)
  }

  private static func bounds(
    _ min: Number?, _ max: Number?, _ category: DType.Category
  ) -> (Operator<PointwiseArguments>, PointwiseArguments)? {
    switch (min, max) {
    case (let min?, let max?): (ops.selections.clamp, PointwiseArguments(scalars: Scalars(min, max), number: category))
    case (let min?, nil): (ops.selections.clampMin, PointwiseArguments(scalars: Scalars(min), number: category))
    case (nil, let max?): (ops.selections.clampMax, PointwiseArguments(scalars: Scalars(max), number: category))
    case (nil, nil): nil
    }
  }

  private func withoutBounds(_ site: CallSite) -> Tensor {
    Door.refuse(.argument("At least one of 'min' or 'max' must not be None"), "clamp", Few(self), at: site)
  }

  /// The way from this to `end`, gone to the share `weight`. Torch's `lerp`.
  public func lerp(_ end: Tensor, _ weight: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    typedAlike("lerp", [("end", end), ("weight", weight)], CallSite(file, line))
      ?? ops.selections.lerp(self, end, weight, PointwiseArguments(), at: CallSite(file, line))
  }

  /// The same with a number.
  public func lerp(_ end: Tensor, _ weight: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    typedAlike("lerp", [("end", end)], CallSite(file, line))
      ?? ops.selections.lerpNumber(self, end, .scaled(weight), at: CallSite(file, line))
  }

  /// Torch's `lerp_`.
  @discardableResult
  public func lerp_(_ end: Tensor, _ weight: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    typedAlike("lerp_", [("end", end), ("weight", weight)], CallSite(file, line))
      ?? ops.selections.lerp.write(Few(self, end, weight), PointwiseArguments(), at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func lerp_(_ end: Tensor, _ weight: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    typedAlike("lerp_", [("end", end)], CallSite(file, line))
      ?? ops.selections.lerpNumber.write(Few(self, end), .scaled(weight), at: CallSite(file, line))
  }

  /// The refusal of operands whose dtype is another than this one's.
  private func typedAlike(_ name: String, _ others: [(String, Tensor)], _ site: CallSite) -> Tensor? {
    for (role, other) in others where other.dtype != dtype && other.body.poison == nil && body.poison == nil {
      return Door.refuse(
        .dtype("expected dtype \(dtype) for `\(role)` but got dtype \(other.dtype)"), name, Few(self, other), at: site)
    }
    return nil
  }

  /// self + value · a · b. Torch's `addcmul`.
  public func addcmul(
    _ a: Tensor, _ b: Tensor, value: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { ops.selections.addcmul(self, a, b, .scaled(value), at: CallSite(file, line)) }

  /// self + value · a / b. Torch's `addcdiv`.
  public func addcdiv(
    _ a: Tensor, _ b: Tensor, value: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    wholeQuotient(a, b, CallSite(file, line)) ?? ops.selections.addcdiv(self, a, b, .scaled(value), at: CallSite(file, line))
  }

  /// Torch's `addcmul_`.
  @discardableResult
  public func addcmul_(
    _ a: Tensor, _ b: Tensor, value: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { ops.selections.addcmul.write(Few(self, a, b), .scaled(value), at: CallSite(file, line)) }

  /// Torch's `addcdiv_`.
  @discardableResult
  public func addcdiv_(
    _ a: Tensor, _ b: Tensor, value: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    wholeQuotient(a, b, CallSite(file, line))
      ?? ops.selections.addcdiv.write(Few(self, a, b), .scaled(value), at: CallSite(file, line))
  }

  /// self + alpha · other. Torch's `add`.
  public func add(
    _ other: Tensor, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    withoutAlpha("add", other, alpha, CallSite(file, line))
      ?? ops.selections.addScaled(self, other, .scaled(alpha), at: CallSite(file, line))
  }

  /// self − alpha · other. Torch's `sub`.
  public func sub(
    _ other: Tensor, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    withoutAlpha("sub", other, alpha, CallSite(file, line))
      ?? ops.selections.subScaled(self, other, .scaled(alpha), at: CallSite(file, line))
  }

  /// Torch's `add_` with `alpha`.
  @discardableResult
  public func add_(
    _ other: Tensor, alpha: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    withoutAlpha("add_", other, alpha, CallSite(file, line))
      ?? ops.selections.addScaled.write(Few(self, other), .scaled(alpha), at: CallSite(file, line))
  }

  /// The refusal to divide integers by integers, of which torch once kept the whole part.
  private func wholeQuotient(_ a: Tensor, _ b: Tensor, _ site: CallSite) -> Tensor? {
    guard !a.dtype.isFloatingPoint, !b.dtype.isFloatingPoint, body.poison == nil, a.body.poison == nil, b.body.poison == nil
    else { return nil }
    return Door.refuse(
      .dtype("Integer division with addcdiv is no longer supported: convert tensor1 or tensor2 to a floating-point dtype"),
      "addcdiv", Few(self, a, b), at: site)
  }

  /// The refusal of a fraction of an integer.
  private func withoutAlpha(_ name: String, _ other: Tensor, _ alpha: Double, _ site: CallSite) -> Tensor? {
    guard alpha != alpha.rounded(), !dtype.isFloatingPoint, !other.dtype.isFloatingPoint, body.poison == nil,
      other.body.poison == nil
    else { return nil }
    return Door.refuse(
      .argument("For integral input tensors, argument alpha must not be a floating point number."), name, Few(self, other),
      at: site)
  }
}

extension PointwiseArguments {
  /// A factor, which does not decide the dtype.
  fileprivate static func scaled(_ factor: Double) -> PointwiseArguments {
    PointwiseArguments(scalars: Scalars(Number(factor)))
  }
}
