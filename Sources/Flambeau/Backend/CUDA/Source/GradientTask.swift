import CKernels

/// What clipping and scaling do to many dense arrays of floating-point dtypes.
struct GradientTask: KernelTask {
  enum Action {
    /// Multiplies, in place. `found`, a float32, becomes 1 if an element was not finite before, and otherwise stays.
    case scale(by: Double, found: Elements?)
    /// Multiplies by bound / (norm + 10⁻⁶), in place, where that is less than 1 or NaN. The norm is a float64.
    case clip(to: Double, norm: Elements)
    /// Brings between −bound and bound, in place; NaN stays.
    case clamp(to: Double)
    /// The norm of all elements together becomes `result`, a float64; the order is > 0 and may be infinite.
    case norm(order: Double, result: Elements)
  }

  private(set) var action: Action
  private(set) var arrays: [Elements]

  init(_ action: Action, _ arrays: [Elements]) { (self.action, self.arrays) = (action, arrays) }

  var operands: [Elements] {
    switch action {
    case .scale(_, let found): arrays + [found].compactMap { $0 }
    case .clip(_, let norm): arrays + [norm]
    case .clamp: arrays
    case .norm(_, let result): arrays + [result]
    }
  }

  var results: [Elements] {
    switch action {
    case .norm(_, let result): [result]
    case .clip: arrays
    case .scale, .clamp: operands
    }
  }

  func mapOperands(_ f: (Elements) -> Elements) -> GradientTask {
    let action: Action =
      switch self.action {
      case .scale(let factor, let found): .scale(by: factor, found: found.map(f))
      case .clip(let bound, let norm): .clip(to: bound, norm: f(norm))
      case .clamp: self.action
      case .norm(let order, let result): .norm(order: order, result: f(result))
      }
    return GradientTask(action, arrays.map(f))
  }

  enum Attributes: Hashable {
    case scale(findsOverflow: Bool)
    case clip, clamp
    case norm(order: Number)
  }

  var attributes: Attributes {
    switch action {
    case .scale(_, let found): .scale(findsOverflow: found != nil)
    case .clip: .clip
    case .clamp: .clamp
    case .norm(let order, _): .norm(order: Number(order))
    }
  }

  var numbers: [Number] {
    switch action {
    case .scale(let factor, _): [Number(factor)]
    case .clip(let bound, _), .clamp(let bound): [Number(bound)]
    case .norm: []
    }
  }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let groups = DType.allCases.map { dtype in arrays.filter { $0.dtype == dtype } }.filter { !$0.isEmpty }
    let tables = groups.flatMap { group in ArrayTable.tables(["array"], group.map { [$0] }).map { (group[0].dtype, $0) } }
    let parts = tables.reduce(0) { $0 + $1.1.pieceCount }
    var isNorm = false
    if case .norm = action { isNorm = true }
    // What the pieces contribute, whoever computes it, joins in their order.
    let place = isNorm ? work.reserve(Swift.max(parts, 1) * 8) : 0
    var before = 0
    for (dtype, table) in tables {
      var arguments = KernelArguments()
      table.declare(in: &arguments)
      if isNorm {
        arguments.workspace("parts", at: place)
        arguments.integer("before", before)
        before += table.pieceCount
      }
      declare(in: &arguments)
      let source = KernelSource(
        "gradient", arguments: arguments.declaration, parts: dtype.computeClass.deviceTypes, body: ArrayTable.text(piece(dtype)))
      work.launches.append(KernelLaunch(source, grid: table.grid(device), sharedByteCount: isNorm ? 256 : 0, arguments))
    }
    if case .norm(let order, let result) = action { work.launches.append(join(parts, place, order, result)) }
  }

  private func declare(in arguments: inout KernelArguments) {
    switch action {
    case .scale(_, let found):
      arguments.number("number", 0, of: numbers, in: fb_f64)
      if let found { arguments.address("found", found.address) }
    case .clip(_, let norm):
      arguments.number("number", 0, of: numbers, in: fb_f64)
      arguments.address("norm", norm.address)
    case .clamp: arguments.number("number", 0, of: numbers, in: fb_f64)
    case .norm(let order, _): arguments.double("number", order)
    }
  }

  // MARK: Text

  private func piece(_ dtype: DType) -> String {
    let read = "const V x = element<C, \(dtype.deviceName)>(a.array[row], i);"
    let each = "    for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) {\n      \(read)\n"
    func put(_ value: String) -> String { "      put<C, \(dtype.deviceName)>(a.array[row], i, \(value));\n    }\n" }
    switch action {
    case .scale(_, let found):
      // Many threads may find one.
      let check = "      if (!(absolute(x).v < INFINITY)) atomicCAS((unsigned *)a.found, 0u, \(Float(1).bitPattern)u);\n"
      return each + (found == nil ? "" : check) + put("x * V((C)a.number)")
    case .clip:
      let factor = "    const double factor = a.number / (plain<double>(a.norm, 0) + 1e-6);\n    if (factor >= 1) continue;\n"
      return factor + each + put("x * V((C)factor)")
    case .clamp: return each + put("op_min::of(op_max::of(x, V((C)-a.number)), V((C)a.number))")
    case .norm(let order, _):
      let term =
        order == 2
        ? "x * x" : order == 1 || order == .infinity ? "absolute(x)" : "op_pow::of(absolute(x), V((C)a.number))"
      // Squares are exact in float64, and sums nearly so.
      let wide = order == 2 ? "Sum((double)x.v) * Sum((double)x.v)" : "Sum((double)(\(term)).v)"
      return """
            typedef Lanes<double> Sum;
            Sum total = Sum(0.0);
        \(each)      total = \(fold)::join<Sum>(total, \(wide));
            }
            FB_SHARED(shared);
            total = joined<\(fold), 256>(total, shared);
            if (threadIdx.x == 0) put_plain<double>(a.parts, a.before + piece, total.v);
            __syncthreads();

        """
    }
  }

  private var fold: String {
    if case .norm(.infinity, _) = action { "FoldMax" } else { "FoldSum" }
  }

  private func join(_ parts: Int, _ place: Int, _ order: Double, _ result: Elements) -> KernelLaunch {
    var arguments = KernelArguments()
    arguments.workspace("parts", at: place)
    arguments.address("result", result.address)
    arguments.integer("count", parts)
    arguments.double("order", order)
    let finished =
      order == 2 ? "root_of(total)" : order == 1 || order == .infinity ? "total" : "op_pow::of(total, Sum(1 / a.order))"
    let body = """
        typedef Lanes<double> Sum;
        FB_SHARED(shared);
        Sum total = Sum(0.0);
        for (int64_t i = threadIdx.x; i < a.count; i += 256) total = \(fold)::join<Sum>(total, Sum(plain<double>(a.parts, i)));
        total = joined<\(fold), 256>(total, shared);
        if (threadIdx.x == 0) put_plain<double>(a.result, 0, \(finished).v);

      """
    let source = KernelSource("gradient_norm", arguments: arguments.declaration, body: body)
    return KernelLaunch(source, grid: (1, 1), sharedByteCount: 256, arguments)
  }
}
