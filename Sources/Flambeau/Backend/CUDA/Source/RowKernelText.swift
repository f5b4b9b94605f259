import CKernels

/// Writes the body of a row kernel, segment by segment: a loop over the thread's part of the row, then the reductions it feeds.
struct RowKernelText {
  private let kernel: RowKernel
  private let graph: RowGraph
  private let code: RowProgram.Code
  private let form: RowKernel.Form
  private(set) var sharedByteCount = 0

  /// The segments that read an input's elements, in order.
  private var readers: [[Int]]
  /// The segment in which an output is written.
  private let outputSegment: [Int]
  /// The last segment that reads an instruction's elements.
  private var lastSegment: [Int]
  /// Where a staged input begins in shared memory.
  private var staged: [Int: Int] = [:]

  /// The one being written.
  private var loop: RowLoop

  init(_ kernel: RowKernel) {
    self.kernel = kernel
    (graph, code, form) = (kernel.graph, kernel.code, kernel.form)
    let (graph, code) = (graph, code)
    loop = RowLoop(form: form, width: kernel.width, segment: 0)
    readers = code.inputs.map { _ in [] }
    outputSegment = code.outputs.map { output in
      switch output {
      case .row(let value), .columnSum(let value): graph.segment(of: value)
      case .patched(let value, let plus, _): Swift.max(graph.segment(of: value), graph.segment(of: plus))
      case .number: graph.segmentCount - 1
      }
    }
    lastSegment = graph.lastSegment
    for (k, output) in code.outputs.enumerated() {
      if case .result(let i)? = output.element { lastSegment[i] = Swift.max(lastSegment[i], outputSegment[k]) }
    }
  }

  private var isHeld: Bool { form.held != nil }
  private var isBlock: Bool { form.threads > 32 }
  private var folds: [Int] { code.instructions.indices.filter { isFold($0) } }
  private var sums: [Int] {
    code.outputs.indices.filter { if case .columnSum = code.outputs[$0] { true } else { false } }
  }

  private func isFold(_ index: Int) -> Bool {
    if graph.isAbsorbed[index] { return false }
    switch graph.form[index] {
    case .fold, .dot, .expSum, .maxExpSum: return true
    case .plain, .pick: return false
    }
  }

  // MARK: The whole

  mutating func body() -> String {
    // Once to learn which segments read what, once for good.
    _ = segments()
    stage()
    let held = form.held.map { $0 * form.pack } ?? 0
    var text = (0...code.scalarCount).map { "  const V s\($0) = V(a.s\($0));\n" }.joined()
    if sharedByteCount > 0 { text += "  FB_SHARED(shared);\n" }
    if isBlock && !folds.isEmpty { text += "  int turn = 0;\n" }
    text += "  const int lane = threadIdx.x;\n"
    if isHeld {
      for k in sums {
        text += "  V c\(k)[\(held)];\n  for (int k = 0; k < \(held); k++) c\(k)[k] = V(0);\n"
      }
    } else if !sums.isEmpty {
      text += "  bool isFirst = true;\n"
    }
    text +=
      "  for (int64_t row = (int64_t)blockIdx.x * \(form.rows) + threadIdx.y; row < a.rows; row += (int64_t)gridDim.x * \(form.rows)) {\n"
    let names = code.inputs.indices.map { "at\($0)" } + code.outputs.indices.map { "to\($0)" }
    text += names.map { "    int64_t \($0) = 0;\n" }.joined() + kernel.axes.text("(uint64_t)row", names) + skew() + numbers()
    if isHeld {
      for i in code.inputs.indices where readers[i].count > 1 { text += "    V x\(i)[\(held)];\n" }
      for i in code.instructions.indices where isKept(i) { text += "    V h\(i)[\(held)];\n" }
    }
    text += segments() + results()
    if isBlock && !folds.isEmpty { text += "    turn ^= 1;\n" }
    if !isHeld && !sums.isEmpty { text += "    isFirst = false;\n" }
    text += "  }\n"
    if isHeld && !sums.isEmpty { text += sumStores() }
    return text
  }

  /// How far the row begins behind a multiple of packs.
  private func skew() -> String {
    if !form.isPeeled { return "" }
    let rows =
      code.inputs.indices.filter { code.inputs[$0] == .row }.map { (kernel.inputs[$0], "a.p\($0)", "at\($0)") }
      + code.outputs.indices.filter { code.outputs[$0].isRow }.map { (kernel.outputs[$0], "a.o\($0)", "to\($0)") }
    let (operand, base, at) = rows.filter { $0.0.innerStride == 1 }.min { $0.0.dtype.byteCount < $1.0.dtype.byteCount }!
    return "    const int skew = (int)(((uint64_t)\(base) / \(operand.dtype.byteCount) + (uint64_t)\(at)) % \(form.pack));\n"
  }

  /// Numbers of the row.
  private func numbers() -> String {
    code.inputs.indices.map { i in
      let type = kernel.inputs[i].dtype.deviceName
      switch code.inputs[i] {
      case .row: return ""
      case .number: return "    const V x\(i) = element<C, \(type)>(a.p\(i), at\(i));\n"
      case .index:
        return "    const int64_t x\(i) = element<int64_t, \(type)>(a.p\(i), at\(i)).v;\n"
          + "    const int place\(i) = x\(i) >= 0 && x\(i) < a.width ? (int)x\(i) : -1;\n"
      }
    }.joined()
  }

  /// An instruction's elements wait for a later segment.
  private func isKept(_ i: Int) -> Bool {
    isHeld && !graph.isNumber[i] && lastSegment[i] > graph.segment[i] && (!graph.isAbsorbed[i] || isExponential(i))
  }

  private func isExponential(_ i: Int) -> Bool { exponentials[i] != nil }

  /// Exponentials that a sum computes, with what they are the exponential of.
  private var exponentials: [Int: (x: Program.Operand, shift: Program.Operand)] {
    var found: [Int: (x: Program.Operand, shift: Program.Operand)] = [:]
    for (index, form) in graph.form.enumerated() where !graph.isAbsorbed[index] {
      if case .expSum(let x, let shift, let exponential) = form { found[exponential] = (x, shift) }
    }
    return found
  }

  private mutating func stage() {
    if isHeld && !isBlock {
      // Where the warps' sums meet.
      if !sums.isEmpty { sharedByteCount = form.rows * kernel.width * kernel.computeClass.byteCount }
      return
    }
    var at = isBlock ? 2 * folds.count * 512 : 0
    if form.isStaged {
      for i in code.inputs.indices where code.inputs[i] == .row && readers[i].count > 1 {
        staged[i] = at
        at += ((kernel.width + 2 * form.pack) * kernel.inputs[i].dtype.byteCount + 15) & ~15
      }
    }
    sharedByteCount = at
  }

  // MARK: Segments

  private mutating func segments() -> String {
    (0..<graph.segmentCount).map { segment($0) }.joined()
  }

  private mutating func segment(_ s: Int) -> String {
    loop = RowLoop(form: form, width: kernel.width, segment: s)
    var text = ""
    for i in code.instructions.indices where graph.segment[i] == s && graph.isNumber[i] && !graph.isAbsorbed[i] {
      switch graph.form[i] {
      case .plain(let primitive, let operands):
        text += "    const V n\(i) = \(primitive.deviceText(operands.map { number($0) }));\n"
      case .pick(let input, let position):
        let type = kernel.inputs[input].dtype.deviceName
        text += "    const V n\(i) = x\(position) >= 0 && x\(position) < a.width\n"
        text += "      ? element<C, \(type)>(a.p\(input), at\(input) + x\(position) * a.step\(input)) : V(0);\n"
      default: break
      }
    }
    var (declarations, joins) = ("", "")
    for i in folds where graph.segment[i] == s {
      let (declaration, join) = fold(i)
      declarations += declaration
      joins += join
    }
    for i in code.instructions.indices where isKept(i) && graph.segment[i] == s { _ = element(.result(i)) }
    for k in code.outputs.indices where outputSegment[k] == s { write(k) }
    return text + declarations + loop.text() + joins
  }

  private func number(_ operand: Program.Operand) -> String {
    switch operand {
    case .input(let i): "x\(i)"
    case .scalar(let i): "s\(i)"
    case .constant(let number): kernel.computeClass.deviceText(number)
    case .result(let i): "n\(i)"
    }
  }

  private func isNumber(_ operand: Program.Operand) -> Bool {
    switch operand {
    case .input(let i): code.inputs[i] != .row
    case .scalar, .constant: true
    case .result(let i): graph.isNumber[i]
    }
  }

  /// The accumulator of a reduction and its step; returns its declaration, and what follows the loop.
  private mutating func fold(_ i: Int) -> (String, String) {
    let place = folds.firstIndex(of: i)!
    let cells = isBlock ? "shared + (turn * \(folds.count) + \(place)) * 512" : "nullptr"
    func plain(_ fold: String) -> (String, String) {
      (
        "    V n\(i) = \(fold)::identity<V>();\n",
        "    n\(i) = joined<\(fold), \(form.threads)>(n\(i), \(cells));\n"
      )
    }
    switch graph.form[i] {
    case .fold(let reduction, let operand):
      let value = element(operand)
      let fold = reduction.deviceFold
      let read = reduction == fb_reduce_sum_squares ? "op_square::of(\(value))" : "\(fold)::read(\(value))"
      loop.steps += "n\(i) = \(fold)::join<V>(n\(i), \(read));\n"
      return plain(fold)
    case .dot(let a, let b):
      loop.steps += "n\(i) = op_fma::of(\(element(a)), \(element(b)), n\(i));\n"
      return plain("FoldSum")
    case .expSum(_, _, let exponential):
      loop.steps += "n\(i) = op_add::of(n\(i), \(element(.result(exponential))));\n"
      return plain("FoldSum")
    case .maxExpSum(let input, let largest):
      if kernel.inputs[input].innerStride == 1 && form.pack > 1 {
        let value = "element_of<C>(\(read(input)), j)"
        loop.whole += "m\(i) = FoldExpSum::with_all<C>(m\(i), in\(input));\n"
        loop.ends += "m\(i) = FoldExpSum::with(m\(i), \(value));\n"
        // Later segments find it in registers.
        if isHeld && readers[input].count > 1 { _ = element(.input(input)) }
      } else {
        loop.steps += "m\(i) = FoldExpSum::with(m\(i), \(element(.input(input))));\n"
      }
      return (
        "    ExpSum<V> m\(i) = FoldExpSum::identity<ExpSum<V>>();\n",
        "    m\(i) = joined<FoldExpSum, \(form.threads)>(m\(i), \(cells));\n"
          + "    const V n\(largest) = m\(i).largest, n\(i) = m\(i).sum;\n"
      )
    case .plain, .pick: preconditionFailure("not a reduction")
    }
  }

  // MARK: Elements

  /// The name of an operand's value in the loop being written.
  private mutating func element(_ operand: Program.Operand) -> String {
    if isNumber(operand) { return number(operand) }
    if let known = loop.known[operand] { return known }
    let name: String
    switch operand {
    case .input(let i): name = load(i)
    case .result(let i):
      if isKept(i) && graph.segment[i] < loop.segment {
        name = "h\(i)[k]"
      } else {
        let text: String
        if let (x, shift) = exponentials[i] {
          text = "op_exp::of(op_sub::of(\(element(x)), \(element(shift))))"
        } else if case .plain(let primitive, let operands) = graph.form[i] {
          text = primitive.deviceText(operands.map { element($0) })
        } else {
          preconditionFailure("a reduction is a number")
        }
        loop.steps += "const V e\(i) = \(text);\n"
        if isKept(i) { loop.steps += "h\(i)[k] = e\(i);\n" }
        name = "e\(i)"
      }
    case .scalar, .constant: name = number(operand)
    }
    loop.known[operand] = name
    return name
  }

  private mutating func load(_ i: Int) -> String {
    if !readers[i].contains(loop.segment) { readers[i].append(loop.segment) }
    let input = kernel.inputs[i]
    let type = input.dtype.deviceName
    let isLater = readers[i][0] < loop.segment
    if isHeld && isLater { return "x\(i)[k]" }
    let value =
      input.innerStride == 1
      ? "element_of<C>(\(read(i)), j)" : "element<C, \(type)>(a.p\(i), at\(i) + (int64_t)(c + j) * a.step\(i))"
    if isHeld && readers[i].count > 1 {
      loop.steps += "x\(i)[k] = \(value);\n"
      return "x\(i)[k]"
    }
    loop.steps += "const V x\(i) = \(value);\n"
    return "x\(i)"
  }

  /// The name of an input's pack in the loop being written.
  private mutating func read(_ i: Int) -> String {
    let name = "in\(i)"
    if !readers[i].contains(loop.segment) { readers[i].append(loop.segment) }
    if loop.packs.contains(where: { $0.name == name }) { return name }
    let type = kernel.inputs[i].dtype.deviceName
    let stage = staged[i].map { ("shared + \($0)", form.isPeeled ? "skew" : "0") }
    if let stage, readers[i][0] < loop.segment {
      loop.packs.append(RowLoop.Pack(name: name, type: type, from: stage.0, at: stage.1, isPadded: true))
    } else {
      loop.packs.append(RowLoop.Pack(name: name, type: type, from: "a.p\(i)", at: "at\(i)", isPadded: false))
      if let stage { loop.declarations += "put_pack<\(type), \(form.pack)>(\(stage.0), \(stage.1) + c, in\(i));\n" }
    }
    return name
  }

  private mutating func write(_ k: Int) {
    switch code.outputs[k] {
    case .number: return
    case .columnSum(let operand):
      let value = element(operand)
      if isHeld {
        loop.steps += "c\(k)[k] = op_add::of(c\(k)[k], \(value));\n"
      } else {
        loop.steps += "{\nconst int64_t to = (int64_t)blockIdx.x * a.width + c + j;\n"
        loop.steps += "put<C, C>(a.o\(k), to, isFirst ? \(value) : op_add::of(element<C, C>(a.o\(k), to), \(value)));\n}\n"
      }
    case .row(let operand): store(k, element(operand))
    case .patched(let operand, let plus, let at):
      let value = element(operand)
      loop.steps += "const V y\(k) = place\(at) - c == j ? op_add::of(\(value), \(number(plus))) : \(value);\n"
      store(k, "y\(k)")
    }
  }

  private mutating func store(_ k: Int, _ value: String) {
    let output = kernel.outputs[k]
    let type = output.dtype.deviceName
    if output.innerStride == 1 {
      loop.declarations += "Pack<\(type), \(form.pack)> out\(k);\n"
      loop.steps += "set_element<C>(out\(k), j, \(value));\n"
      let whole = "put_last_pack<\(type), \(form.pack)>(a.o\(k), to\(k) + c, out\(k));\n"
      let part = "put_part_of_pack<\(type), \(form.pack)>(a.o\(k), to\(k) + c, c, a.width, out\(k));\n"
      loop.stores += form.isPeeled ? "if constexpr (decltype(kind)::isWhole) \(whole)else \(part)" : whole
    } else {
      loop.steps += "put<C, \(type)>(a.o\(k), to\(k) + (int64_t)(c + j) * a.ostep\(k), \(value));\n"
    }
  }

  // MARK: Results

  private func results() -> String {
    let stores = code.outputs.enumerated().map { k, output in
      guard case .number(let operand) = output else { return "" }
      return "      put<C, \(kernel.outputs[k].dtype.deviceName)>(a.o\(k), to\(k), \(number(operand)));\n"
    }.joined()
    return stores.isEmpty ? "" : "    if (lane == 0) {\n\(stores)    }\n"
  }

  /// The held sums over the thread's rows, those of a block's warps joined.
  private func sumStores() -> String {
    sums.map { k in
      let at = isBlock ? "(int64_t)blockIdx.x * a.width + c + j" : "threadIdx.y * a.width + c + j"
      let to =
        isBlock ? "put<C, C>(a.o\(k), \(at), c\(k)[g * \(form.pack) + j])" : "((V *)shared)[\(at)] = c\(k)[g * \(form.pack) + j]"
      let kept = """
          #pragma unroll
          for (int g = 0; g < \(form.held!); g++) {
            const int c = (g * \(form.threads) + lane) * \(form.pack);
            if (c < a.width) {
              #pragma unroll
              for (int j = 0; j < \(form.pack); j++) \(to);
            }
          }

        """
      if isBlock { return kept }
      return kept + """
          __syncthreads();
          for (int c = threadIdx.y * \(form.threads) + lane; c < a.width; c += \(form.threads * form.rows)) {
            V total = ((V *)shared)[c];
            for (int w = 1; w < \(form.rows); w++) total = op_add::of(total, ((V *)shared)[w * a.width + c]);
            put<C, C>(a.o\(k), (int64_t)blockIdx.x * a.width + c, total);
          }
          __syncthreads();

        """
    }.joined()
  }
}
