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

  /// Mean and variance (biased) of every channel.
  func moments() -> (means: [Double], variances: [Double]) {
    observed(.moments) {
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

  /// The sums of g, and of g times the distance from the mean, for every channel.
  func slopes(_ gradient: TensorBody, means: [Double]) throws(TensorError) -> (sums: [Double], along: [Double]) {
    let g = try gradient.reshapedBody(shape)
    return try withNumbers([means]) { numbers in
      observed(.slopes(gradient: g.elements, means: numbers[0])) {
        let (sums, along) = rowNumbers(.slopeMoments, [x, g], numbers[0])
        return (perChannel(sums), perChannel(along))
      }
    }
  }

  /// Two numbers for every channel, computed by `body` before an observer's eyes if there is one.
  private func observed(_ kind: ChannelSumsTask.Kind, _ body: () -> ([Double], [Double])) -> ([Double], [Double]) {
    guard KernelCall.isObserved, channels > 0 else { return body() }
    var numbers = Array(repeating: 0.0, count: 2 * channels)
    numbers.withUnsafeMutableBytes { memory in
      let each = { (i: Int) in Elements(memory.baseAddress! + i * 8 * channels, Layout([channels]), .float64) }
      KernelCall.observed(.task(ChannelSumsTask(kind, of: x.elements, into: each(0), each(1)))) {
        let (first, second) = body()
        memory.copyBytes(from: (first + second).withUnsafeBytes { Array($0) })
      }
    }
    return (Array(numbers[..<channels]), Array(numbers[channels...]))
  }

  /// (x − mean) · scale + shift, by channel.
  func normalize(
    _ means: [Double], _ scale: [Double], _ shift: [Double], into result: Value
  ) throws(TensorError) {
    try withNumbers([means, scale, shift]) { numbers in
      Interpreter.run(
        ChannelNorm.normalize, in: computeClass, inputs: [x.elements] + numbers,
        into: [result.elements(Layout(shape))])
    }
  }

  /// g · a + x · b + c, by channel.
  func combine(_ gradient: TensorBody, _ a: [Double], _ b: [Double], _ c: [Double], into result: Value) throws(TensorError) {
    let g = try gradient.reshapedBody(shape)
    try withNumbers([a, b, c]) { numbers in
      Interpreter.run(
        ChannelNorm.combine, in: computeClass, inputs: [g.elements, x.elements] + numbers,
        into: [result.elements(Layout(shape))])
    }
  }

  private static let normalize = Program { x, mean, scale, shift in fma(x - mean, scale, shift) }
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

  /// Numbers by channel, as operands of the shape [n, c, inner].
  private func withNumbers<R>(_ numbers: [[Double]], _ body: ([Elements]) throws(TensorError) -> R) throws(TensorError) -> R {
    let each = Swift.max(channels, 1) * computeClass.byteCount
    let values = try Value(Layout([numbers.count * each]), .uint8)
    var operands: [Elements] = []
    for (i, list) in numbers.enumerated() {
      let memory = values.storage.pointer + i * each
      if computeClass == fb_f64 {
        let to = memory.assumingMemoryBound(to: Double.self)
        for c in 0..<channels { to[c] = list[c] }
      } else {
        let to = memory.assumingMemoryBound(to: Float.self)
        for c in 0..<channels { to[c] = Float(list[c]) }
      }
      operands.append(Elements(memory, Layout([channels, 1]).broadcast(to: shape)!, computeClass.dtype))
    }
    defer { withExtendedLifetime(values) {} }
    return try body(operands)
  }
}
