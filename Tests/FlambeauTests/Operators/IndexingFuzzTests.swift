import Testing

@testable import Flambeau

/// Random subscripts of random tensors, read and written, beside torch: values, gradients, and what is refused.
@Suite struct IndexingFuzzTests {
  @Test(.enabled(if: Torch.isThere, "no Python with torch"), arguments: [DType.float64, .float32, .int64, .float16, .bool])
  func subscripts(dtype: DType) throws {
    var draw = Draw(state: UInt64(dtype.rawValue) + 1)
    let cases = (0..<150).flatMap { _ in RandomSubscript(&draw, dtype).cases(&draw, dtype) }
    expectNone(try Direct.differences(cases))
  }
}

/// A subscript as torch writes it and as Flambeau does; `operands` are the tensor and the index tensors.
private struct RandomSubscript {
  private let shape: Shape
  private var terms: [(text: String, term: Term)] = []
  private var tensors: [Tensor] = []

  private enum Term {
    case plain(IndexTerm)
    /// A position in the operands.
    case operand(Int)
  }

  init(_ draw: inout Draw, _ dtype: DType) {
    shape = Shape((0..<draw.integer(0...4)).map { _ in draw.integer(0...9) == 0 ? 0 : draw.integer(1...4) })
    let named = draw.integer(0...shape.count)
    var dim = 0
    var hasEllipsis = false
    while dim < named {
      if draw.integer(0...7) == 0 { append("None", .newAxis) }
      if !hasEllipsis && draw.integer(0...7) == 0 {
        hasEllipsis = true
        append("...", .ellipsis)
        dim = shape.count - (named - dim)  // the terms that are left name the last dimensions
        if dim >= shape.count { break }
      }
      let size = shape.at(Swift.min(dim, shape.count - 1))
      switch draw.integer(0...9) {
      case 0...1:
        let index = draw.integer(0...30) == 0 ? size : draw.integer(-Swift.max(size, 1)...Swift.max(size - 1, 0))
        append("\(index)", index.indexTerm)
        dim += 1
      case 2...4:
        appendSlice(&draw, size)
        dim += 1
      case 5...7:
        appendPositions(&draw, size)
        dim += 1
      default:
        let rank = Swift.min(draw.integer(1...2), shape.count - dim)
        let sizes = (0..<rank).map { shape.at(dim + $0) }
        append(draw.tensor(.mask(Shape(sizes)), Shape(sizes), .bool, layout: 0))
        dim += rank
      }
      if hasEllipsis && dim >= shape.count { break }
    }
  }

  private mutating func append(_ text: String, _ term: IndexTerm) { terms.append((text, .plain(term))) }

  private mutating func append(_ tensor: Tensor) {
    tensors.append(tensor)
    terms.append((String(UnicodeScalar(UInt8(97 + tensors.count))), .operand(tensors.count)))
  }

  private mutating func appendSlice(_ draw: inout Draw, _ size: Int) {
    let from = draw.integer(0...2) == 0 ? nil : draw.integer(-size - 1...size + 1)
    let to = draw.integer(0...2) == 0 ? nil : draw.integer(-size - 1...size + 1)
    let step = draw.integer(0...2) == 0 ? draw.integer(1...3) : 1
    append(
      "\(from.map(String.init) ?? ""):\(to.map(String.init) ?? ""):\(step)", .slice(from: from, to: to, step: step))
  }

  private mutating func appendPositions(_ draw: inout Draw, _ size: Int) {
    var shape = Shape([draw.integer(0...1) == 0 ? 1 : 3])
    if draw.integer(0...3) == 0 { shape = [2, shape.at(0)] }
    if draw.integer(0...9) == 0 { shape = [] }
    let range = -Swift.max(size, 1)...Swift.max(size - 1, 0)
    append(draw.tensor(.integers(shape, range), shape, .int64, layout: draw.integer(0...3)))
  }

  private var text: String { terms.isEmpty ? "..." : terms.map(\.text).joined(separator: ", ") }

  private func index(_ x: Tensor, _ operands: [Tensor]) -> Tensor {
    // What the variadic subscript does with its terms.
    x.read(bound(operands), CallSite(#fileID, #line))
  }

  private func bound(_ operands: [Tensor]) -> [any TensorIndex] {
    terms.map { term -> any TensorIndex in
      switch term.term {
      case .plain(let plain): plain
      case .operand(let i): operands[i]
      }
    }
  }

  func cases(_ draw: inout Draw, _ dtype: DType) -> [SampleCase] {
    let x = draw.tensor(.real(shape), shape, dtype, layout: draw.integer(0...2))
    let second = dtype == .float64
    let read = Sample("a[\(text)]", []) { index($0[0], $0) }
    let operands = [x] + tensors
    let needs = operands.map { $0.dtype.isFloatingPoint }
    var cases = [
      SampleCase(
        entry: TableEntry(place: "read \(shape)", sample: read), variant: "\(shape)", operands: operands,
        requiresGrad: needs, isSecondOrder: second && needs[0])
    ]
    guard !hasRepeatedPositions, let target = try? withTensorErrors({ index(x, operands).shape }) else { return cases }
    // A value of the whole shape, or one that broadcasts.
    var valueShape = target
    for dim in 0..<target.count where draw.integer(0...2) == 0 { valueShape.at(dim, put: 1) }
    let value = draw.tensor(.real(valueShape), valueShape, dtype, layout: 0)
    let name = String(UnicodeScalar(UInt8(97 + operands.count)))
    let write = Sample("(t := a.clone(), exec('t[\(text)] = \(name)', {'t': t, **{k: v for k, v in [\(pairs(name))]}}))[0]", []) {
      let t = $0[0].clone()
      t.write(bound($0), $0[operands.count], CallSite(#fileID, #line))
      return t
    }
    cases.append(
      SampleCase(
        entry: TableEntry(place: "write \(shape)", sample: write), variant: "\(shape)", operands: operands + [value],
        requiresGrad: needs + [value.dtype.isFloatingPoint], isSecondOrder: second))
    return cases
  }

  /// ('b', b), … for the expression that writes.
  private func pairs(_ value: String) -> String {
    ((1..<1 + tensors.count).map { String(UnicodeScalar(UInt8(97 + $0))) } + [value]).map { "('\($0)', \($0))" }
      .joined(separator: ", ")
  }

  /// Torch leaves open which value stays.
  private var hasRepeatedPositions: Bool {
    tensors.contains { tensor in
      if tensor.dtype == .bool { return false }
      let positions = tensor.array(of: Int.self)
      return Set(positions).count < positions.count || positions.contains { $0 < 0 }
    }
  }
}
