@testable import Flambeau

extension OpTable {
  mutating func addPointwise() {
    addUnary()
    addBinary()
    addTernary()
    addActivations()
  }

  private mutating func addUnary() {
    unary("abs") { $0.abs() }
    unary("neg") { -$0 }
    unary("sign") { $0.sign() }
    unary("floor") { $0.floor() }
    unary("ceil") { $0.ceil() }
    unary("round") { $0.round() }
    unary("trunc") { $0.trunc() }
    unary("frac") { $0.frac() }
    unary("sqrt") { $0.sqrt() }
    unary("rsqrt") { $0.rsqrt() }
    unary("reciprocal") { $0.reciprocal() }
    unary("square") { $0.square() }
    unary("exp") { $0.exp() }
    unary("exp2") { $0.exp2() }
    unary("expm1") { $0.expm1() }
    unary("log") { $0.log() }
    unary("log2") { $0.log2() }
    unary("log10") { $0.log10() }
    unary("log1p") { $0.log1p() }
    unary("sin") { $0.sin() }
    unary("cos") { $0.cos() }
    unary("tan") { $0.tan() }
    unary("asin") { $0.asin() }
    unary("acos") { $0.acos() }
    unary("atan") { $0.atan() }
    unary("sinh") { $0.sinh() }
    unary("cosh") { $0.cosh() }
    unary("tanh") { $0.tanh() }
    unary("asinh") { $0.asinh() }
    unary("acosh") { $0.acosh() }
    unary("atanh") { $0.atanh() }
    unary("erf") { $0.erf() }
    unary("erfc") { $0.erfc() }
    unary("sigmoid") { $0.sigmoid() }
    unary("isnan") { $0.isNaN() }
    unary("isinf") { $0.isInf() }
    unary("isfinite") { $0.isFinite() }
    unary("logical_not") { $0.logicalNot() }
    unary("deg2rad") { $0.deg2rad() }
    unary("rad2deg") { $0.rad2deg() }
    unary("digamma") { $0.digamma() }
    unary("lgamma") { $0.lgamma() }
    unary("erfinv") { $0.erfinv() }
    unary("i0") { $0.i0() }
    unary("special.i0e") { $0.i0e() }
    unary("special.i1") { $0.i1() }
    unary("special.i1e") { $0.i1e() }
    unary("special.ndtr") { $0.ndtr() }
    unary("special.entr") { $0.entr() }
    unary("isneginf") { $0.isNegInf() }
    unary("isposinf") { $0.isPosInf() }
    unary("signbit") { $0.signBit() }
    unary("sinc") { $0.sinc() }
    unary("bitwise_not") { $0.bitwiseNot() }
    one("nan_to_num") { c in
      try c.x.nanToNum(
        nan: try c.double("nan", 1, default: 0), posInf: try c.doubleIfAny("posinf", 2), negInf: try c.doubleIfAny("neginf", 3))
    }
    for name in ["0", "3", "neg_3"] {
      one("round.decimals_\(name)") { c in try c.x.round(decimals: try c.int("decimals")) }
    }
    for p in [1, 3, 5] { one("mvlgamma.mvlgamma_p_\(p)") { c in try c.x.mvlgamma(try c.int("p", 1)) } }
    for n in 0...4 { one("polygamma.polygamma_n_\(n)") { c in try c.x.polygamma(try c.int("n", 1)) } }
    one("logit") { c in try c.x.logit(eps: try c.doubleIfAny("eps", 1)) }
  }

  private mutating func addBinary() {
    one("add") { c in
      let (x, alpha) = (try c.x, try c.double("alpha", default: 1))
      if case .tensor(let other)? = c.argument("other", 1) { return x.add(other, alpha: alpha) }
      return x + (try c.double("other", 1)) * alpha
    }
    one("sub") { c in
      let (x, alpha) = (try c.x, try c.double("alpha", default: 1))
      if case .tensor(let other)? = c.argument("other", 1) { return x.sub(other, alpha: alpha) }
      return x - (try c.double("other", 1)) * alpha
    }
    binary("mul", { $0 * $1 }, { $0 * $1 }, { $0 * $1 })
    for name in ["div.no_rounding_mode", "true_divide"] {
      binary(name, { $0 / $1 }, { $0 / $1 }, { $0 / $1 })
    }
    binary("__radd__", { $1 + $0 }, { $1 + $0 }, { $1 + $0 })
    binary("__rmul__", { $1 * $0 }, { $1 * $0 }, { $1 * $0 })
    binary("__rdiv__", { $1 / $0 }, { $1 / $0 }, { $1 / $0 })
    binary("__rsub__", { $1 - $0 }, { $1 - $0 }, { $1 - $0 })
    binary("floor_divide", { $0.floorDivide($1) }, { $0.floorDivide($1) }, { $0.floorDivide($1) })
    binary("remainder", { $0.remainder($1) }, { $0.remainder($1) }, { $0.remainder($1) })
    binary("fmod", { $0.fmod($1) }, { $0.fmod($1) }, { $0.fmod($1) })
    binary("pow", { $0.pow($1) }, { $0.pow($1) }, { $0.pow($1) })
    binary("xlogy", { $0.xlogy($1) }, { $0.xlogy($1) }, { $0.xlogy($1) })
    binary("copysign", { $0.copysign($1) }, { $0.copysign($1) }, { $0.copysign($1) })
    binary("eq", { $0 .== $1 }, { $0 .== $1 }, { $0 .== $1 })
    binary("ne", { $0 .!= $1 }, { $0 .!= $1 }, { $0 .!= $1 })
    binary("lt", { $0 .< $1 }, { $0 .< $1 }, { $0 .< $1 })
    binary("le", { $0 .<= $1 }, { $0 .<= $1 }, { $0 .<= $1 })
    binary("gt", { $0 .> $1 }, { $0 .> $1 }, { $0 .> $1 })
    binary("ge", { $0 .>= $1 }, { $0 .>= $1 }, { $0 .>= $1 })
    for name in ["maximum", "max.binary"] { binary(name) { $0.maximum($1) } }
    for name in ["minimum", "min.binary"] { binary(name) { $0.minimum($1) } }
    binary("fmax") { $0.fmax($1) }
    binary("fmin") { $0.fmin($1) }
    binary("atan2") { $0.atan2($1) }
    binary("hypot") { $0.hypot($1) }
    binary("logaddexp") { $0.logAddExp($1) }
    binary("logical_and") { $0.logicalAnd($1) }
    binary("logical_or") { $0.logicalOr($1) }
    binary("logical_xor") { $0.logicalXor($1) }
    binary("bitwise_and") { $0 & $1 }
    binary("bitwise_or") { $0 | $1 }
    binary("bitwise_xor") { $0 ^ $1 }
    binary("bitwise_left_shift") { $0 << $1 }
    binary("bitwise_right_shift") { $0 >> $1 }
    binary("gcd") { $0.gcd($1) }
    binary("lcm") { $0.lcm($1) }
    binary("heaviside") { $0.heaviside($1) }
    binary("logaddexp2") { $0.logAddExp2($1) }
    binary("nextafter") { $0.nextAfter($1) }
    binary("ldexp") { $0.ldexp($1) }
    binary("special.zeta") { $0.zeta($1) }
    binary("special.xlog1py", { $0.xlog1py($1) }, { $0.xlog1py($1) }, { $0.xlog1py(Double($1)) })
    binary("float_power", { $0.floatPower($1) }, { $0.floatPower($1) }, { $0.floatPower(Double($1)) })
    binary("__rand__") { $1 & $0 }
    binary("__ror__") { $1 | $0 }
    binary("__rxor__") { $1 ^ $0 }
    for (name, mode) in [("div.trunc_rounding", RoundingMode.trunc), ("div.floor_rounding", .floor)] {
      one(name) { c in
        _ = try c.text("rounding_mode")
        let x = try c.x
        switch c.argument("other", 1) {
        case .tensor(let other)?: return x.div(other, rounding: mode)
        case .int(let other)?: return x.div(other, rounding: mode)
        default: return x.div(try c.double("other", 1), rounding: mode)
        }
      }
    }
    one("clamp_min") { c in
      if case .tensor(let bound)? = c.argument("min", 1) { return try c.x.clamp(min: bound) }
      return try c.x.clamp(min: try c.double("min", 1))
    }
    one("clamp_max") { c in
      if case .tensor(let bound)? = c.argument("max", 1) { return try c.x.clamp(max: bound) }
      return try c.x.clamp(max: try c.double("max", 1))
    }
    one("isclose") { c in
      try c.x.isClose(
        try c.tensor("other", 1), rtol: try c.double("rtol", 2, default: 1e-5), atol: try c.double("atol", 3, default: 1e-8),
        equalNan: try c.bool("equal_nan"))
    }
    one("allclose") { c in
      Tensor([
        try c.x.allClose(
          try c.tensor("other", 1), rtol: try c.double("rtol", default: 1e-5), atol: try c.double("atol", default: 1e-8),
          equalNan: try c.bool("equal_nan"))
      ]).reshape([])
    }
    one("equal") { c in Tensor([try c.x.isEqual(to: try c.tensor("other", 1))]).reshape([]) }
  }

  private mutating func addTernary() {
    one("lerp") { c in
      let (x, end) = (try c.x, try c.tensor("end", 1))
      if case .tensor(let weight)? = c.argument("weight", 2) { return x.lerp(end, weight) }
      return x.lerp(end, try c.double("weight", 2))
    }
    one("addcmul") { c in
      try c.x.addcmul(try c.tensor("tensor1", 1), try c.tensor("tensor2", 2), value: try c.double("value", default: 1))
    }
    one("addcdiv") { c in
      try c.x.addcdiv(try c.tensor("tensor1", 1), try c.tensor("tensor2", 2), value: try c.double("value", default: 1))
    }
    one("clamp") { c in
      let x = try c.x
      let (low, high) = (c.argument("min", 1), c.argument("max", 2))
      switch (low, high) {
      case (.tensor(let low)?, .tensor(let high)?): return x.clamp(min: low, max: high)
      case (.tensor(let low)?, nil), (.tensor(let low)?, OpArgument.none?): return x.clamp(min: low)
      case (nil, .tensor(let high)?), (OpArgument.none?, .tensor(let high)?): return x.clamp(max: high)
      default: return x.clamp(min: try c.doubleIfAny("min", 1), max: try c.doubleIfAny("max", 2))
      }
    }
    one("where") { c in
      Tensor.where(try c.tensor("condition", 1), try c.x, try c.tensor("other", 2))
    }
    one("masked_fill") { c in
      let (x, mask) = (try c.x, try c.tensor("mask", 1))
      switch c.argument("value", 2) {
      case .tensor(let value)?: return x.maskedFill(mask, value)
      case .int(let value)?: return x.maskedFill(mask, value)
      case .float(let value)?: return x.maskedFill(mask, value)
      default: throw Unmapped(reason: "value is no number")
      }
    }
  }

  private mutating func addActivations() {
    unary("nn.functional.silu") { $0.silu() }
    unary("nn.functional.mish") { $0.mish() }
    unary("nn.functional.relu6") { $0.relu6() }
    unary("nn.functional.selu") { $0.selu() }
    unary("nn.functional.hardswish") { $0.hardswish() }
    unary("nn.functional.hardsigmoid") { $0.hardsigmoid() }
    unary("nn.functional.logsigmoid") { $0.logSigmoid() }
    unary("nn.functional.softsign") { $0.softsign() }
    unary("nn.functional.tanhshrink") { $0.tanhshrink() }
    one("nn.functional.relu") { c in
      guard try !c.bool("inplace") else { throw Unmapped(reason: "inplace") }
      return try c.x.relu()
    }
    one("nn.functional.gelu") { c in
      switch try c.text("approximate", 1) {
      case "tanh": try c.x.gelu(approximate: .tanh)
      default: try c.x.gelu()
      }
    }
    one("nn.functional.softplus") { c in
      try c.x.softplus(beta: try c.double("beta", 1, default: 1), threshold: try c.double("threshold", 2, default: 20))
    }
    one("nn.functional.hardtanh") { c in
      try c.x.hardtanh(min: try c.double("min_val", 1, default: -1), max: try c.double("max_val", 2, default: 1))
    }
    one("nn.functional.leaky_relu") { c in
      try c.x.leakyReLU(negativeSlope: try c.double("negative_slope", 1, default: 0.01))
    }
    one("nn.functional.elu") { c in try c.x.elu(alpha: try c.double("alpha", 1, default: 1)) }
    one("nn.functional.celu") { c in try c.x.celu(alpha: try c.double("alpha", 1, default: 1)) }
    one("nn.functional.hardshrink") { c in try c.x.hardshrink(lambda: try c.double("lambd", 1, default: 0.5)) }
    one("nn.functional.softshrink") { c in try c.x.softshrink(lambda: try c.double("lambd", 1, default: 0.5)) }
    one("nn.functional.threshold") { c in
      try c.x.threshold(try c.double("threshold", 1), value: try c.double("value", 2))
    }
    one("nn.functional.glu") { c in try c.x.glu(dim: try c.int("dim", 1, default: -1)) }
    one("nn.functional.rrelu") { c in
      try c.x.rrelu(
        lower: try c.double("lower", default: 1 / 8), upper: try c.double("upper", default: 1 / 3),
        training: try c.bool("training"))
    }
    one("nn.functional.prelu") { c in try c.x.prelu(try c.tensor("weight", 1)) }
  }
}
