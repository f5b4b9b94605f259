/// Dimensions that a number runs over, the innermost fastest: how a kernel turns the number into positions of its operands.
struct KernelAxes: Sendable {
  /// What the arguments' names begin with.
  let name: String
  let sizes: [Int]
  /// `strides[operand][axis]`, in elements.
  let strides: [[Int]]
  /// Positions need 64 bits.
  let isWide: Bool

  var count: Int { sizes.reduce(1, *) }

  /// The type of the number, and of positions.
  var counter: String { isWide ? "uint64_t" : "uint32_t" }
  var position: String { isWide ? "int64_t" : "int32_t" }

  func declare(in arguments: inout KernelArguments) {
    for d in sizes.indices.dropFirst() { arguments.divisor("\(name)size\(d)", Swift.max(sizes[d], 1), wide: isWide) }
    for i in strides.indices {
      for d in sizes.indices { arguments.integer("\(name)stride\(i)_\(d)", strides[i][d]) }
    }
  }

  /// Statements that add where the number `counter` is to the variables `at`, one for each operand or nil.
  func text(_ number: String, _ at: [String?]) -> String {
    if sizes.isEmpty { return "" }
    var text = sizes.count == 1 ? "" : "    \(counter) \(name)rest = \(number);\n"
    for d in sizes.indices.reversed() {
      let rest = sizes.count == 1 ? number : "\(name)rest"
      text += "    {\n"
      if d > 0 { text += "      const \(counter) q = quotient_by(\(rest), a.\(name)size\(d));\n" }
      text += "      const \(position) j = \(d > 0 ? "\(rest) - q * a.\(name)size\(d).size" : rest);\n"
      for (i, at) in at.enumerated() {
        if let at { text += "      \(at) += j * (\(position))a.\(name)stride\(i)_\(d);\n" }
      }
      text += d > 0 ? "      \(rest) = q;\n    }\n" : "    }\n"
    }
    return text
  }

  /// The same, with the variables' declaration.
  func text(_ number: String, declaring at: [String]) -> String {
    "    \(position) \(at.map { "\($0) = 0" }.joined(separator: ", "));\n" + text(number, at)
  }

  /// A grid's loop over the numbers below `a.count`: in its statements, `i` is one, which operands have at `at0`, `at1` and so on.
  func loop(_ statements: String) -> String {
    let positions = strides.indices.map { "at\($0)" }
    return """
        const \(counter) step = (\(counter))gridDim.x * blockDim.x;
        for (\(counter) i = (\(counter))blockIdx.x * blockDim.x + threadIdx.x; i < a.count; i += step) {
      \(text("i", declaring: positions))\(statements)  }

      """
  }

  /// Whether so many numbers, or positions of these operands, need 64 bits.
  static func needsWide(_ count: Int, _ operands: [Elements]) -> Bool {
    count >= 1 << 31
      || operands.contains { operand in
        operand.layout.bounds.map { Swift.max(abs($0.lowerBound), abs($0.upperBound)) >= 1 << 31 } ?? false
      }
  }
}

extension KernelAxes {
  /// The elements of operands of one shape in row-major order, along one axis where all are contiguous.
  init(elementwise operands: [Elements], wide: Bool) {
    let (shape, count) = (operands[0].layout.shape, operands[0].layout.elementCount)
    let isFlat = operands.allSatisfy(\.layout.isContiguous)
    let kept = shape.indices.filter { shape.at($0) != 1 }
    self.init(
      name: "", sizes: isFlat ? [count] : kept.map(shape.at),
      strides: operands.map { operand in isFlat ? [1] : kept.map(operand.layout.strides.at) },
      isWide: wide || KernelAxes.needsWide(count, operands))
  }
}
