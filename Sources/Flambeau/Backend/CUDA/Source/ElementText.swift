import CKernels

// Names of the prelude.
extension DType {
  /// The storage type.
  var deviceName: String {
    switch self {
    case .bool: "Bool"
    case .uint8: "uint8_t"
    case .int8: "int8_t"
    case .int16: "int16_t"
    case .int32: "int32_t"
    case .int64: "int64_t"
    case .float16: "Half"
    case .bfloat16: "BFloat"
    case .float32: "float"
    case .float64: "double"
    }
  }
}

extension fb_class {
  /// The type of the class's values in memory; in registers they are `V`.
  var deviceName: String { dtype.deviceName }

  /// What kernels of the class call their types.
  var deviceTypes: String { "typedef \(deviceName) C;\ntypedef Lanes<C> V;\n" }

  /// A number, exactly.
  func deviceText(_ number: Number) -> String {
    if self == fb_i64 {
      return number.integer == .min ? "V(-9223372036854775807LL - 1)" : "V(\(number.integer)LL)"
    }
    let value = self == fb_f32 ? Double(Float(number.double)) : number.double
    let suffix = self == fb_f32 ? "f" : ""
    if value.isNaN { return "V(__builtin_nan\(suffix)(\"\"))" }
    if value.isInfinite { return value < 0 ? "V(-__builtin_inf\(suffix)())" : "V(__builtin_inf\(suffix)())" }
    return self == fb_f32 ? "V(\(Float(value))f)" : "V(\(value))"
  }
}

extension fb_primitive {
  /// The call that computes it.
  func deviceText(_ operands: [String]) -> String { "op_\(name)::of(\(operands.joined(separator: ", ")))" }
}

extension fb_reduction {
  /// What a reduction of this kind starts from and joins by.
  var deviceFold: String {
    switch self {
    case fb_reduce_prod: "FoldProd"
    case fb_reduce_min: "FoldMin"
    case fb_reduce_max: "FoldMax"
    case fb_reduce_any: "FoldAny"
    case fb_reduce_all: "FoldAll"
    default: "FoldSum"
    }
  }
}

extension Program.Code {
  /// A function `name(x0, x1, …, s0, …, y0, …)` of the class's values, which computes what the CPU's plan does.
  func deviceFunction(_ name: String, in computeClass: ComputeClass) -> String {
    let code = computeClass == fb_i64 ? self : fused()
    func text(_ operand: Program.Operand) -> String {
      switch operand {
      case .input(let i): "x\(i)"
      case .scalar(let i): "s\(i)"
      case .result(let i): "r\(i)"
      case .constant(let number): computeClass.deviceText(number)
      }
    }
    let reads = code.readsInput
    let parameters =
      (0..<inputCount).filter { reads[$0] }.map { "V x\($0)" } + (0..<scalarCount).map { "V s\($0)" }
      + outputs.indices.map { "V &y\($0)" }
    var lines = "FB_INLINE void \(name)(\(parameters.joined(separator: ", "))) {\n"
    for (i, step) in code.instructions.enumerated() {
      lines += "  V r\(i) = \(step.primitive.deviceText(step.operands.map(text)));\n"
    }
    for (k, output) in code.outputs.enumerated() { lines += "  y\(k) = \(text(output));\n" }
    return lines + "}\n\n"
  }
}
