/// Numbers taken apart.
struct Mantissas: Sendable {
  let frexp: Operator<None> = Operator(
    "frexp", auxiliaryCount: 1, saves: { _ in SavePlan(auxiliaries: true) },
    forward: { (operands, _) throws(TensorError) in
      let x = operands[0]!.body
      guard x.dtype.isFloatingPoint else {
        throw .dtype("torch.frexp() only supports floating-point dtypes")
      }
      let layout = x.layout.dense
      let exponents = try Value(layout, .int32, on: x.device)
      var mantissas = try Value(layout, x.dtype, on: x.device)
      if layout.elementCount > 0 {
        let wide = x.device.isCPU ? try Value(layout, .float64) : nil
        try withExtendedLifetime((x, wide, exponents.storage, mantissas.storage)) { () throws(TensorError) in
          let task = FloatBitsTask(.frexp, [x.elements], into: [mantissas.elements, exponents.elements])
          try KernelCall.task(on: x.device, task) {
            takeApart(x.elements, wide!.elements, into: mantissas.elements, exponents.elements)
          }
        }
      }
      mantissas.auxiliaries = [exponents]
      return mantissas
    },
    backward: { (call, gradient) throws(TensorError) in
      let exponents = try call.auxiliary(0)
      return Few((gradient / exponents.to(gradient.dtype == .float64 ? .float64 : .float32).exp2()).to(call.dtype(0)))
    },
    samples: [
      .several("torch.frexp(a)", [.real([3, 4])]) { pair($0[0].frexp()) },
      .several("torch.frexp(a * 1000)", [.real([3, 4])]) { pair(($0[0] * 1000).frexp()) },
    ]
  ).onGPU()

  /// On the processor, by way of float64 in `wide`; all lie alike.
  private static func takeApart(_ x: Elements, _ wide: Elements, into mantissas: Elements, _ exponents: Elements) {
    let count = wide.layout.elementCount
    x.copyOnProcessor(to: wide)
    let numbers = wide.start.bindMemory(to: Double.self, capacity: count)
    let powers = exponents.start.bindMemory(to: Int32.self, capacity: count)
    for i in 0..<count {
      let x = numbers[i]
      let isApart = x.isFinite && x != 0
      powers[i] = isApart ? Int32(x.exponent) + 1 : 0
      if isApart { numbers[i] = (x.sign == .minus ? -x.significand : x.significand) / 2 }
    }
    wide.copyOnProcessor(to: mantissas)
  }

  private static func pair(_ results: (mantissa: Tensor, exponent: Tensor)) -> [Tensor] {
    [results.mantissa, results.exponent]
  }
}

extension Tensor {
  /// Each element as mantissa · 2^exponent, the mantissa's magnitude in ½..<1; the exponents int32. Of 0, infinities and NaN the
  /// element itself and 0. Torch's `frexp`.
  public func frexp(file: StaticString = #fileID, line: UInt = #line) -> (mantissa: Tensor, exponent: Tensor) {
    let results = ops.mantissas.frexp.callAll(Few(self), None(), at: CallSite(file, line))
    return (results[0], results[1])
  }
}
