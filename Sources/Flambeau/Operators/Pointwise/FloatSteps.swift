// Functions of two numbers about how numbers are stored, steps, and powers.
struct FloatSteps: Sendable {
  /// Half types are stepped by their bits, other floating-point types by a program.
  let nextAfter: Operator<None> = Operator(
    "nextafter",
    plan: { (operands, _) throws(TensorError) in
      let dtype = DType.common(operands)
      guard dtype.isFloatingPoint else { throw .dtype("\"nextafter_cpu\" not implemented for '\(dtype.torchScalarName)'") }
      return ResultPlan(layout: try Pointwise.resultLayout(operands), dtype: dtype, compute: dtype)
    },
    fill: { (operands, _, plan, result) throws(TensorError) in
      if plan.dtype.isHalf {
        try FloatSteps.stepHalves(operands, plan.dtype, into: result)
      } else {
        try Pointwise.run(next, operands, Scalars(), in: plan.compute, into: result)
      }
    },
    // A step is as small as rounding: torch passes the gradient on to the first operand.
    backward: { (call, gradient) throws(TensorError) in
      Few(call.needs(0) ? gradient.fitted(to: call.shape(0), call.dtype(0)) : nil, nil)
    },
    samples: [
      Sample("torch.nextafter(a, b)", [.real([3, 4]).withoutGradient, .real([3, 4]).withoutGradient]) {
        $0[0].nextAfter($0[1])
      },
      Sample("torch.nextafter(a * 0, b)", [.real([3, 4]).withoutGradient, .real([4]).withoutGradient]) {
        ($0[0] * 0).nextAfter($0[1])
      },
      Sample("a.clone().nextafter_(b)", [.real([3, 4]).withoutGradient, .real([3, 4]).withoutGradient]) {
        $0[0].clone().nextAfter_($0[1])
      },
    ]
  ).onGPU()

  private static let next = Program { a, b in Flambeau.nextAfter(a, b) }

  private static func stepHalves(_ operands: Few<Tensor>, _ dtype: DType, into result: Elements) throws(TensorError) {
    let shape = result.layout.shape
    if shape.elementCount == 0 { return }
    // Numbers may be of another dtype.
    let values = try (0..<2).map { (i) throws(TensorError) in
      let body = operands[i]!.body
      if body.dtype == dtype && body.device == result.device { return Value(body.storage, body.layout, dtype) }
      let value = try Value(Layout(body.layout.shape), dtype, on: result.device)
      try withExtendedLifetime(body) { () throws(TensorError) in try body.elements.copy(to: value.elements) }
      return value
    }
    let inputs = values.map { $0.elements($0.layout.broadcast(to: shape)!) }
    try withExtendedLifetime(values) { () throws(TensorError) in
      try KernelCall.task(on: result.device, FloatBitsTask(.nextHalf, inputs, into: [result])) {
        stepHalves(inputs, dtype, into: result)
      }
    }
  }

  private static func stepHalves(_ inputs: [Elements], _ dtype: DType, into result: Elements) {
    let shape = result.layout.shape
    var rows: [[UInt16]] = []
    for input in inputs {
      rows.append(
        [UInt16](unsafeUninitializedCapacity: shape.elementCount) { buffer, count in
          count = shape.elementCount
          input.copyOnProcessor(to: Elements(buffer.baseAddress!, Layout(shape), dtype))
        })
    }
    var stepped = zip(rows[0], rows[1]).map { dtype.nextHalf($0, towards: $1) }
    stepped.withUnsafeMutableBytes { Elements($0.baseAddress!, Layout(shape), dtype).copyOnProcessor(to: result) }
  }

  let logAddExp2: BinaryRow = BinaryRow(
    "logaddexp2", .promoted, samples: [.binary("torch.logaddexp2(a, b)") { $0.logAddExp2($1) }]
  ) { a, b in
    let high = max(a, b)
    return select(and(isInf(a), eq(a, b)), a, high + log2(1 + exp2(-abs(a - b))))
  }
  let heaviside: BinaryRow = BinaryRow(
    "heaviside", .promoted,
    samples: [
      .binary("torch.heaviside(a.detach(), b.detach())") { $0.detach().heaviside($1.detach()) },
      .binary("torch.heaviside(a.detach().round(), b.detach())") { $0.detach().round().heaviside($1.detach()) },
    ]
  ) { x, value in select(eq(x, 0), value, gt(x, 0)) }

  /// Made of other rows.
  let composites: [Sample] = [
    // Torch's gradient takes 2^b in the dtype of b, so that they have one dtype here.
    Sample("torch.ldexp(a, b)", [.real([3, 4]), .real([4])]) { $0[0].ldexp($0[1]) },
    Sample("a.clone().ldexp_(b)", [.real([3, 4]), .real([3, 4])]) { $0[0].clone().ldexp_($0[1]) },
    .binary("torch.float_power(a, b)", 0.3...2, -2...2) { $0.floatPower($1) },
    .unary("torch.float_power(a, 2)", 0.3...2) { $0.floatPower(2) },
  ]
}

extension DType {
  /// The bits of the number of this half type after `a` on the way to `b`.
  fileprivate func nextHalf(_ a: UInt16, towards b: UInt16) -> UInt16 {
    let infinity: UInt16 = self == .float16 ? 0x7c00 : 0x7f80
    if a & 0x7fff > infinity { return a }
    if b & 0x7fff > infinity { return b }
    // As steps from 0, which bits without their sign are.
    let (x, y) = (steps(a), steps(b))
    if x == y { return b }
    let next = x + (y > x ? 1 : -1)
    if next == 0 { return a & 0x8000 }
    return next < 0 ? 0x8000 | UInt16(-next) : UInt16(next)
  }

  private func steps(_ bits: UInt16) -> Int32 {
    let magnitude = Int32(bits & 0x7fff)
    return bits & 0x8000 == 0 ? magnitude : -magnitude
  }
}

extension Tensor {
  /// The next number of the dtype on the way to `other`. Not differentiable. Torch's `nextafter`.
  public func nextAfter(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.floatSteps.nextAfter(self, other, None(), at: CallSite(file, line))
  }
  /// Torch's `nextafter_`.
  @discardableResult
  public func nextAfter_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.floatSteps.nextAfter.write(Few(self, other), None(), at: CallSite(file, line))
  }

  /// log₂(2ᵃ + 2ᵇ), without overflow. Torch's `logaddexp2`.
  public func logAddExp2(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.floatSteps.logAddExp2(self, other, at: CallSite(file, line))
  }

  /// 0 below 0, 1 above, and `values` at 0; both have one dtype. Torch's `heaviside`.
  public func heaviside(_ values: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("heaviside", at: site) { _ throws(TensorError) in
      try checkAlike(values)
      return ops.floatSteps.heaviside(self, values, at: site)
    }
  }
  /// Torch's `heaviside_`.
  @discardableResult
  public func heaviside_(_ values: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("heaviside_", at: site) { _ throws(TensorError) in
      try checkAlike(values)
      return ops.floatSteps.heaviside.write(self, values, at: site)
    }
  }

  private func checkAlike(_ values: Tensor) throws(TensorError) {
    guard dtype == values.dtype || values.body.poison != nil else {
      throw .dtype("heaviside is not yet implemented for tensors with different dtypes.")
    }
  }

  /// self · 2^other. Torch's `ldexp`.
  public func ldexp(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checkedOperands("ldexp", [other], site) { _ throws(TensorError) in
      if let autocast = AutocastMethod("ldexp", on: self) {
        return try autocast(self, other) { $0[0]!.ldexp($0[1]!, file: file, line: line) }
      }
      return ops.arithmetic.mul(self, ops.binary.pow(2, .floatingPoint, other, at: site), at: site)
    }
  }
  /// Torch's `ldexp_`.
  @discardableResult
  public func ldexp_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return ops.arithmetic.mul.write(self, ops.binary.pow(2, .floatingPoint, other, at: site), at: site)
  }

  /// A power in float64. Torch's `float_power`.
  public func floatPower(_ exponent: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    to(.float64).pow(exponent.to(.float64), file: file, line: line)
  }
  /// The same with a number.
  public func floatPower(_ exponent: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    to(.float64).pow(exponent, file: file, line: line)
  }
}
