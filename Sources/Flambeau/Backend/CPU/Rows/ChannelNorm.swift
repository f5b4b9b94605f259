import CKernels

/// Normalisation of the channels of [n, c, …]: one read for the statistics, one for the result.
struct ChannelNorm {
  private let x: TensorBody
  /// [n, c, inner]
  private let shape: Shape
  private let dtype: DType

  init(_ x: TensorBody) throws(TensorError) {
    let all = x.layout.shape
    var inner = 1
    for i in 2..<Swift.max(all.count, 2) { inner *= all.at(i) }
    shape = [all.at(0), all.at(1), inner]
    self.x = try x.reshapedBody(shape)
    dtype = x.dtype
  }

  var channels: Int { shape.at(1) }
  /// Elements of a channel.
  var count: Int { shape.at(0) * shape.at(2) }
  private var computeClass: ComputeClass { dtype.computeClass }

  /// Fresh numbers, one for each channel.
  func numbers(_ dtype: DType) throws(TensorError) -> Value { try Value(Layout([channels]), dtype, on: x.device) }

  /// Mean and variance (biased) of every channel, float64.
  func moments() throws(TensorError) -> (means: Value, variances: Value) {
    try sums(.moments) {
      let (rowMeans, squares) = rowNumbers(.moments, [x])
      let width = Double(rowWidth)
      var means = Array(repeating: 0.0, count: channels)
      var variances = means
      let rows = rowMeans.count / Swift.max(channels, 1)
      for c in 0..<channels {
        var mean = 0.0
        for r in 0..<rows { mean += rowMeans[r * channels + c] }
        mean /= Double(rows)
        // Squares about a row's mean, and of the distance between means.
        var sum = 0.0
        for r in 0..<rows {
          let distance = rowMeans[r * channels + c] - mean
          sum += squares[r * channels + c] + width * distance * distance
        }
        means[c] = mean
        variances[c] = sum / Double(count)
      }
      return (means, variances)
    }
  }

  /// What a rectified norm multiplied distances from the mean with, and added: where that is not above 0, no gradient flows.
  struct Rectifier {
    let scale: TensorBody
    let shift: TensorBody?
  }

  /// The largest number that is 0 once it is rounded to the dtype, but for what float32 has no normal numbers for.
  private var nothing: Double { dtype == .float16 ? 0x1p-25 : 0 }

  /// The sums of g, and of g times the distance from the mean, for every channel, float64.
  ///
  /// - Parameter rectifier: On a GPU only.
  func slopes(
    _ gradient: TensorBody, means: TensorBody, _ rectifier: Rectifier? = nil
  ) throws(TensorError) -> (sums: Value, along: Value) {
    let g = try gradient.reshapedBody(shape)
    defer { withExtendedLifetime((g, rectifier)) {} }
    let number = each(means)
    let passing = rectifier.map {
      ChannelSumsTask.Rectifier(scale: each($0.scale), shift: $0.shift.map(each), nothing: nothing)
    }
    return try sums(.slopes(gradient: g.elements, means: number, passing)) {
      let (sums, along) = rowNumbers(.slopeMoments, [x, g], number)
      return (perChannel(sums), perChannel(along))
    }
  }

  /// Two numbers for every channel; `body` computes them on the processor.
  private func sums(
    _ kind: ChannelSumsTask.Kind, _ body: () -> ([Double], [Double])
  ) throws(TensorError) -> (Value, Value) {
    let results = (try numbers(.float64), try numbers(.float64))
    try KernelCall.task(on: x.device, ChannelSumsTask(kind, of: x.elements, into: results.0.elements, results.1.elements)) {
      let (first, second) = body()
      for (list, result) in [(first, results.0), (second, results.1)] {
        result.storage.pointer.assumingMemoryBound(to: Double.self).update(from: list, count: channels)
      }
    }
    return results
  }

  /// (x − mean) · scale + shift, by channel, rectified if asked for; without a shift 0 is added.
  func normalize(
    _ means: TensorBody, _ scale: TensorBody, _ shift: TensorBody?, rectified: Bool = false, into result: Value
  ) throws(TensorError) {
    let numbers = [means, scale] + [shift].compactMap { $0 }
    let (centre, normalize) = rectified ? ChannelNorm.rectified : (ChannelNorm.centre, ChannelNorm.normalize)
    try Backend.map(
      shift == nil ? centre : normalize, in: computeClass, inputs: [x.elements] + numbers.map(each),
      into: [result.elements(result.layout.viewed(as: shape)!)])
  }

  /// g · a + x · b + c, by channel; 0 in the place of g where the rectifier lets nothing pass.
  func combine(
    _ gradient: TensorBody, _ numbers: [TensorBody], means: TensorBody, _ rectifier: Rectifier? = nil, into result: Value
  ) throws(TensorError) {
    let g = try gradient.reshapedBody(shape)
    defer { withExtendedLifetime((g, rectifier)) {} }
    let more = rectifier.map { [means, $0.scale] + [$0.shift].compactMap { $0 } } ?? []
    let programs = rectifier == nil ? [ChannelNorm.combine] : ChannelNorm.combinePassing
    try Backend.map(
      rectifier?.shift == nil ? programs[0] : programs[1], in: computeClass,
      inputs: [g.elements, x.elements] + (numbers + more).map(each),
      scalars: rectifier == nil ? Scalars() : Scalars([Number(nothing)]),
      into: [result.elements(result.layout.viewed(as: shape)!)])
  }

  /// A vector of channels as an operand of the shape [n, c, inner].
  private func each(_ numbers: TensorBody) -> Elements {
    numbers.elements(numbers.layout.inserted(1).broadcast(to: shape)!)
  }

  private static let normalize = Program { x, mean, scale, shift in fma(x - mean, scale, shift) }
  private static let centre = Program { x, mean, scale in fma(x - mean, scale, 0) }
  private static let rectified = (
    Program { x, mean, scale in relu(fma(x - mean, scale, 0)) },
    Program { x, mean, scale, shift in relu(fma(x - mean, scale, shift)) }
  )
  private static let combinePassing = [false, true].map { hasShift in
    Program(inputs: hasShift ? 8 : 7, scalars: 1) { x, s in
      let g = select(le(fma(x[1] - x[5], x[6], hasShift ? x[7] : 0), s[0]), 0, x[0])
      return fma(g, x[2], fma(x[1], x[3], x[4]))
    }
  }
  private static let combine = Program(inputs: 5) { x, _ in fma(x[0], x[2], fma(x[1], x[3], x[4])) }

  /// Channels whose elements lie apart are read across.
  private var isAcross: Bool { shape.at(2) == 1 }
  private var rowWidth: Int { isAcross ? shape.at(0) : shape.at(2) }

  /// [rows, c, width]
  private func rows(_ elements: Elements) -> Elements {
    isAcross ? elements.laid(elements.layout.swapped(0, 2)) : elements
  }

  private func perChannel(_ numbers: [Double]) -> [Double] {
    var sums = Array(repeating: 0.0, count: channels)
    for (i, number) in numbers.enumerated() { sums[i % channels] += number }
    return sums
  }

  /// A program's two numbers for every row, channels innermost.
  private func rowNumbers(
    _ program: RowProgram, _ operands: [TensorBody], _ number: Elements? = nil
  ) -> ([Double], [Double]) {
    var inputs = operands.map { rows($0.elements) }
    let count = inputs[0].layout.elementCount / Swift.max(rowWidth, 1)
    if count == 0 || rowWidth == 0 { return (Array(repeating: 0, count: count), Array(repeating: 0, count: count)) }
    if let number { inputs.append(rows(number)) }
    let byteCount = computeClass.byteCount
    return Scratch.withBytes(2 * count * byteCount) { memory in
      let layout = Layout(inputs[0].layout.shape.replacing(2, with: 1))
      RowInterpreter.run(
        program, in: computeClass, inputs: inputs,
        into: [
          Elements(memory, layout, computeClass.dtype), Elements(memory + count * byteCount, layout, computeClass.dtype),
        ])
      return (read(memory, count), read(memory + count * byteCount, count))
    }
  }

  private func read(_ memory: UnsafeMutableRawPointer, _ count: Int) -> [Double] {
    if computeClass == fb_f64 {
      return Array(UnsafeBufferPointer(start: memory.assumingMemoryBound(to: Double.self), count: count))
    }
    let from = memory.assumingMemoryBound(to: Float.self)
    return (0..<count).map { Double(from[$0]) }
  }
}
