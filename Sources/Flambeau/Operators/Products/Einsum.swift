/// Sums of products by subscripts; made of other rows.
struct Einsums: Sendable {
  let composites: [Sample] = [
    Sample("torch.einsum('ij,jk->ik', a, b)", [.real([2, 3]), .real([3, 4])]) { .einsum("ij,jk->ik", $0[0], $0[1]) },
    Sample("torch.einsum('ij,kj', a, b)", [.real([2, 3]), .real([4, 3])]) { .einsum("ij,kj", $0[0], $0[1]) },
    Sample("torch.einsum('ii->i', a)", [.real([3, 3])]) { .einsum("ii->i", $0[0]) },
    Sample("torch.einsum('ii', a)", [.real([3, 3])]) { .einsum("ii", $0[0]) },
    Sample("torch.einsum('ba', a)", [.real([2, 3])]) { .einsum("ba", $0[0]) },
    Sample("torch.einsum('ij->', a)", [.real([2, 3])]) { .einsum("ij->", $0[0]) },
    Sample("torch.einsum('i,j->ji', a, b)", [.real([2]), .real([3])]) { .einsum("i,j->ji", $0[0], $0[1]) },
    Sample("torch.einsum('i,i', a, b)", [.real([4]), .real([4])]) { .einsum("i,i", $0[0], $0[1]) },
    Sample("torch.einsum('...ij,...jk->...ik', a, b)", [.real([2, 1, 2, 3]), .real([4, 3, 2])]) {
      .einsum("...ij,...jk->...ik", $0[0], $0[1])
    },
    Sample("torch.einsum('i...,...j', a, b)", [.real([2, 3]), .real([3, 4])]) { .einsum("i...,...j", $0[0], $0[1]) },
    Sample("torch.einsum('bn,anm,bm->ba', a, b, c)", [.real([2, 3]), .real([4, 3, 2]), .real([2, 2])]) {
      .einsum("bn,anm,bm->ba", $0[0], $0[1], $0[2])
    },
    Sample("torch.einsum('bhqd, bhkd -> bhqk', a, b)", [.real([1, 2, 3, 2]), .real([1, 2, 4, 2])]) {
      .einsum("bhqd, bhkd -> bhqk", $0[0], $0[1])
    },
    Sample("torch.einsum('ij,ij->i', a, b)", [.real([2, 3]), .real([2, 1])]) { .einsum("ij,ij->i", $0[0], $0[1]) },
    Sample("torch.einsum('i,jk->', a, b)", [.real([2]), .real([2, 3])]) { .einsum("i,jk->", $0[0], $0[1]) },
  ]
}

/// An equation read: each label is a letter, or a dimension that an ellipsis stands for, counted from its last.
private struct Equation {
  enum Label: Hashable {
    case letter(Character)
    case ellipsis(Int)

    var name: String {
      switch self {
      case .letter(let letter): "\(letter)"
      case .ellipsis: "..."
      }
    }
  }

  private(set) var operands: [[Label]] = []
  /// The result's labels in their order, then those that are summed over.
  private(set) var labels: [Label] = []
  private(set) var resultRank = 0

  init(_ text: String, ranks: [Int]) throws(TensorError) {
    let halves = Array(text)
    let arrow = halves.indices.first { halves[$0] == "-" }
    if let arrow {
      guard arrow + 1 < halves.count, halves[arrow + 1] == ">" else {
        throw .argument("einsum(): found '-' at index \(arrow) in the equation string that is not part of an arrow '->'")
      }
    }
    let terms = halves[..<(arrow ?? halves.count)].split(separator: ",", omittingEmptySubsequences: false)
    guard terms.count >= ranks.count else {
      throw .argument("einsum(): more operands were provided than specified in the equation")
    }
    guard terms.count <= ranks.count else {
      throw .argument("einsum(): fewer operands were provided than specified in the equation")
    }
    var counts: [Label: Int] = [:]
    var widest = 0
    for (i, term) in terms.enumerated() {
      let (before, after, hasEllipsis) = try Equation.read(term, "operand \(i)")
      let named = before.count + after.count
      guard hasEllipsis ? named <= ranks[i] : named == ranks[i] else {
        throw .shape(
          "einsum(): the number of subscripts in the equation (\(named)) "
            + (hasEllipsis ? "is more than" : "does not match")
            + " the number of dimensions (\(ranks[i])) for operand \(i)" + (hasEllipsis ? "" : " and no ellipsis was given"))
      }
      let stretch = ranks[i] - named
      widest = Swift.max(widest, hasEllipsis ? stretch : 0)
      let whole = before + (0..<stretch).reversed().map(Label.ellipsis) + after
      for label in whole { counts[label, default: 0] += 1 }
      operands.append(whole)
    }
    let stretched = (0..<widest).reversed().map(Label.ellipsis)
    if let arrow {
      let (before, after, hasEllipsis) = try Equation.read(halves[(arrow + 2)...], "the output")
      labels = before + (hasEllipsis ? stretched : []) + after
      for (i, label) in labels.enumerated() {
        guard !labels[..<i].contains(label) else {
          throw .argument("einsum(): output subscript \(label.name) appears more than once in the output")
        }
        guard counts[label] != nil else {
          throw .argument(
            "einsum(): output subscript \(label.name) does not appear in the equation for any input operand")
        }
      }
    } else {
      let letters = counts.keys.filter { counts[$0] == 1 && !stretched.contains($0) }
      labels = stretched + letters.sorted { $0.name < $1.name }
    }
    resultRank = labels.count
    for label in operands.joined() where !labels.contains(label) { labels.append(label) }
  }

  /// The letters before and after an ellipsis.
  private static func read(
    _ term: ArraySlice<Character>, _ place: String
  ) throws(TensorError) -> (before: [Label], after: [Label], hasEllipsis: Bool) {
    var parts: [[Label]] = [[]]
    var i = term.startIndex
    while i < term.endIndex {
      switch term[i] {
      case " ": break
      case ".":
        guard parts.count == 1 else {
          throw .argument("einsum(): found '.' for \(place) for which an ellipsis was already found")
        }
        guard i + 2 < term.endIndex, term[i + 1] == ".", term[i + 2] == "." else {
          throw .argument("einsum(): found '.' for \(place) that is not part of any ellipsis")
        }
        i += 2
        parts.append([])
      case let letter where letter.isASCII && letter.isLetter: parts[parts.count - 1].append(.letter(letter))
      default:
        throw .argument(
          "einsum(): invalid subscript given at index \(i) in the equation string, subscripts must be in [a-zA-Z]")
      }
      i += 1
    }
    return (parts[0], parts.count > 1 ? parts[1] : [], parts.count > 1)
  }
}

extension Tensor {
  /// The sum of products that `equation` describes: every operand's dimensions have letters, separated by commas, those of the
  /// result follow `->`, and what is not among these is summed over. Without an arrow the result has the letters that appear
  /// once, in alphabetical order. An ellipsis stands for dimensions that broadcast; a letter twice in an operand is its
  /// diagonal. Torch's `einsum`.
  ///
  /// Operands are multiplied from left to right, two at a time.
  public static func einsum(
    _ equation: String, _ operands: Tensor..., file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { einsum(equation, operands, file: file, line: line) }

  /// ``einsum(_:_:file:line:)-(_,Tensor...,_,_)`` of a list.
  public static func einsum(
    _ equation: String, _ operands: [Tensor], file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    guard let first = operands.first else {
      return Door.refuse(.argument("einsum(): must provide at least one operand"), "einsum", Few(), at: site)
    }
    if let poison = operands.lazy.compactMap(\.body.poison).first { return Door.poisoned(by: poison, .current) }
    return first.checked("einsum", at: site) { _ throws(TensorError) in
      if let autocast = AutocastMethod("einsum", on: first) {
        return try autocast(operands) { einsum(equation, $0, file: file, line: line) }
      }
      let equation = try Equation(equation, ranks: operands.map(\.ndim))
      return try sum(equation, operands)
    }
  }

  private static func sum(_ equation: Equation, _ operands: [Tensor]) throws(TensorError) -> Tensor {
    let labels = equation.labels
    var sizes = Array(repeating: 1, count: labels.count)
    var aligned: [Tensor] = []
    for (i, operand) in operands.enumerated() {
      let term = try operand.withoutRepeats(equation.operands[i], i)
      for (j, label) in labels.enumerated() {
        guard let place = term.labels.firstIndex(of: label) else { continue }
        let size = term.tensor.shape.at(place)
        guard size == sizes[j] || size == 1 || sizes[j] == 1 else {
          throw .shape(
            "einsum(): subscript \(label.name) has size \(size) for operand \(i) which does not broadcast with previously "
              + "seen size \(sizes[j])")
        }
        if size != 1 { sizes[j] = size }
      }
      let order = labels.compactMap { term.labels.firstIndex(of: $0) }
      var tensor = term.tensor.permute(order)
      for (j, label) in labels.enumerated() where !term.labels.contains(label) { tensor = tensor.unsqueeze(j) }
      aligned.append(tensor)
    }
    var result = aligned[0]
    var isSummed = Array(repeating: false, count: labels.count)
    for i in aligned.indices {
      // What no later operand has can be summed now.
      let last = (equation.resultRank..<labels.count).filter { j in
        !isSummed[j] && !aligned[(i + 1)...].contains { $0.shape.at(j) != 1 }
      }
      for j in last { isSummed[j] = true }
      if i > 0 {
        result = result.product(aligned[i], summing: last)
      } else {
        let long = aligned.count == 1 ? last : last.filter { result.shape.at($0) != 1 }
        if !long.isEmpty { result = result.sum(dim: long, keepDim: true) }
      }
    }
    return result.reshape(Shape((0..<equation.resultRank).map { result.shape.at($0) }))
  }

  /// Each label once, its dimension being the diagonal of those it named.
  private func withoutRepeats(
    _ labels: [Equation.Label], _ operand: Int
  ) throws(TensorError) -> (tensor: Tensor, labels: [Equation.Label]) {
    var (tensor, labels) = (self, labels)
    var i = 0
    while i < labels.count {
      if let j = labels[..<i].firstIndex(of: labels[i]) {
        let (first, second) = (tensor.shape.at(j), tensor.shape.at(i))
        guard first == second else {
          throw .shape(
            "einsum(): subscript \(labels[i].name) is repeated for operand \(operand) but the sizes don't match, \(second) "
              + "!= \(first)")
        }
        tensor = tensor.diagonal(dim1: j, dim2: i).moveDim(-1, j)
        labels.remove(at: i)
      } else {
        i += 1
      }
    }
    return (tensor, labels)
  }

  /// Σ self · other over `dims`, which stay with size 1; the two have one rank and broadcast.
  private func product(_ other: Tensor, summing dims: [Int]) -> Tensor {
    var (a, b) = (self, other)
    func isStretched(_ x: Tensor, _ y: Tensor, _ dim: Int) -> Bool { x.shape.at(dim) != 1 && y.shape.at(dim) == 1 }
    let (inA, inB) = (dims.filter { isStretched(a, b, $0) }, dims.filter { isStretched(b, a, $0) })
    if !inA.isEmpty { a = a.sum(dim: inA, keepDim: true) }
    if !inB.isEmpty { b = b.sum(dim: inB, keepDim: true) }
    // Sums of short integers are int64.
    let dtype = a.dtype.promoted(with: b.dtype)
    (a, b) = (a.to(dtype), b.to(dtype))
    let summed = dims.filter { !inA.contains($0) && !inB.contains($0) }
    if summed.isEmpty { return a * b }
    let kept = (0..<ndim).filter { !dims.contains($0) } + inA + inB
    // Rows only a has, columns only b has, and batches both have.
    let columns = kept.filter { isStretched(b, a, $0) }
    let rows = kept.filter { isStretched(a, b, $0) }
    let batch = kept.filter { !columns.contains($0) && !rows.contains($0) }
    func size(_ x: Tensor, _ dims: [Int]) -> Int { dims.reduce(1) { $0 * x.shape.at($1) } }
    let left = a.permute(batch + rows + summed + columns).reshape([size(a, batch), size(a, rows), size(a, summed)])
    let right = b.permute(batch + summed + columns + rows).reshape([size(b, batch), size(b, summed), size(b, columns)])
    let order = batch + rows + columns + summed
    let sizes = batch.map(a.shape.at) + rows.map(a.shape.at) + columns.map(b.shape.at) + summed.map { _ in 1 }
    return left.bmm(right).reshape(Shape(sizes)).permute((0..<ndim).map { order.firstIndex(of: $0)! })
  }
}
