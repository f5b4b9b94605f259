import CKernels

/// Normalisation of the channels of [n, c, *] in groups, as programs: a GPU's way.
struct GroupPrograms {
  private let dtype: DType
  /// [n, groups, channels of a group, elements of a channel]
  private let shape: Shape
  private let full: Shape
  private let eps: Double
  private let device: Device

  init(_ x: TensorBody, _ at: GroupNormArguments) {
    (dtype, full, eps, device) = (x.dtype, x.layout.shape, at.eps, x.device)
    shape = [full.at(0), at.groups, full.at(1) / at.groups, full.dropFirst(2).reduce(1, *)]
  }

  private var computeClass: ComputeClass { dtype.computeClass }
  private var isEmpty: Bool { shape.elementCount == 0 }

  private func fresh(_ shape: Shape) throws(TensorError) -> Value {
    try Value(Layout(shape), computeClass.dtype, on: device)
  }

  /// A number for each group, or for each channel of a group, as an operand of the whole shape.
  private func broadcast(_ elements: Elements, _ shape: Shape) -> Elements {
    elements.laid(elements.layout.viewed(as: shape)!.broadcast(to: self.shape)!)
  }
  private func eachGroup(_ numbers: Elements) -> Elements { broadcast(numbers, [shape.at(0), shape.at(1), 1, 1]) }
  private func eachChannel(_ parameter: TensorBody) -> Elements {
    broadcast(parameter.elements, [1, shape.at(1), shape.at(2), 1])
  }

  /// The result, and of every group the mean and 1/√(variance + ε).
  func forward(_ x: TensorBody, _ weight: TensorBody?, _ bias: TensorBody?) throws(TensorError) -> Value {
    let x = try x.contiguousBody()
    defer { withExtendedLifetime(x) {} }
    var result = try Value(Layout(full), dtype, on: device)
    let numbers = [try fresh([shape.at(0), shape.at(1)]), try fresh([shape.at(0), shape.at(1)])]
    result.auxiliaries = numbers
    if isEmpty { return result }
    let rows: Shape = [shape.at(0) * shape.at(1), shape.at(2) * shape.at(3)]
    try Backend.rows(
      GroupPrograms.moments, in: computeClass, inputs: [x.elements(x.layout.viewed(as: rows)!)], scalars: [Number(eps)],
      into: numbers.map { $0.elements(Layout([rows.at(0), 1])) })
    let parameters = [weight, bias].compactMap { $0.map(eachChannel) }
    try Backend.map(
      GroupPrograms.normalize[weight == nil ? 0 : 1][bias == nil ? 0 : 1], in: computeClass,
      inputs: [x.elements(x.layout.viewed(as: shape)!)] + numbers.map { eachGroup($0.elements) } + parameters,
      into: [result.elements(Layout(shape))])
    return result
  }

  func backward(
    _ call: Call<GroupNormArguments>, _ x: TensorBody, _ gradient: TensorBody, _ weight: TensorBody?, _ mean: TensorBody,
    _ scale: TensorBody
  ) throws(TensorError) -> Few<Tensor> {
    let (x, g) = (try x.contiguousBody(), try gradient.contiguousBody())
    defer { withExtendedLifetime((x, g)) {} }
    let (whole, sample) = (Layout(shape), [shape.at(0), full.at(1)] as Shape)
    let result = try Value(Layout(full), call.dtype(0), on: device)
    // Sums for every channel of every sample.
    let (sums, along) = (try fresh(sample), try fresh(sample))
    if isEmpty {
      for value in [sums, along] { try value.fillZero() }
    } else {
      let (means, scales) = (eachGroup(mean.elements), eachGroup(scale.elements))
      let perChannel = Layout(shape.replacing(3, with: 1))
      let operands = [x, g].map { $0.elements($0.layout.viewed(as: shape)!) }
      try Backend.rows(
        GroupPrograms.slopes, in: computeClass, inputs: operands + [means, scales],
        into: [sums.elements(perChannel), along.elements(perChannel)])
      let factors = weight.map { [eachChannel($0)] } ?? []
      let totals = [try fresh([shape.at(0), shape.at(1), 1, 1]), try fresh([shape.at(0), shape.at(1), 1, 1])]
      defer { withExtendedLifetime(totals) {} }
      for (total, terms) in zip(totals, [sums, along]) {
        let weights = factors.map { $0.laid($0.layout.sliced(3, start: 0, count: 1)) }
        try Backend.reduce(
          .sum, in: computeClass, [terms.elements(perChannel)] + weights, map: factors.isEmpty ? nil : GroupPrograms.product,
          dims: [2], into: total.elements)
      }
      try Backend.map(
        GroupPrograms.combine[factors.count], in: computeClass,
        inputs: operands + [means, scales] + totals.map { eachGroup($0.elements) } + factors,
        scalars: [Number(shape.at(2) * shape.at(3))], into: [result.elements(whole)])
    }
    var gradients = Few<Tensor>(count: 3)
    if call.needs(0) { gradients[0] = Tensor(TensorBody(result)) }
    if call.needs(1) { gradients[1] = Tensor(TensorBody(along)).sum(dim: 0).to(call.dtype(1)) }
    if call.needs(2) { gradients[2] = Tensor(TensorBody(sums)).sum(dim: 0).to(call.dtype(2)) }
    return gradients
  }

  // MARK: Programs

  /// x and ε → a row's mean and 1/√(variance + ε)
  private static let moments = RowProgram([.row], scalars: 1) { x, s, width in
    let mean = rowSum(x[0]) / width
    return [.number(mean), .number(1 / sqrt(rowSum(square(x[0] - mean)) / width + s[0]))]
  }

  /// x, g, mean, scale → the sums of g and of g times the normalised x
  private static let slopes = RowProgram([.row, .row, .number, .number]) { x, _, _ in
    [.number(rowSum(x[1])), .number(rowSum(x[1] * (x[0] - x[2])) * x[3])]
  }

  /// x, mean, scale, weight?, bias?
  private static let normalize = [false, true].map { hasWeight in
    [false, true].map { hasBias in
      Program(inputs: 3 + (hasWeight ? 1 : 0) + (hasBias ? 1 : 0)) { x, _ in
        fma(x[0] - x[1], hasWeight ? x[2] * x[3] : x[2], hasBias ? x[x.count - 1] : 0)
      }
    }
  }

  /// x, g, mean, scale, the group's sums of slopes and of slopes times the normalised x, weight?, and a group's elements → gx
  private static let combine = [false, true].map { hasWeight in
    Program(inputs: hasWeight ? 7 : 6, scalars: 1) { x, s in
      let (mean, scale, sum, along) = (x[2], x[3], x[4], x[5])
      let flat = fma(x[0] - mean, -scale * scale * along / s[0], -scale * sum / s[0])
      return fma(x[1], hasWeight ? scale * x[6] : scale, flat)
    }
  }

  private static let product = Program { a, b in a * b }
}
