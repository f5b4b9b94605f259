/// A linear map along one dimension in which every output is a sum of few weighted inputs.
final class DimensionMap: Sendable {
  let inputSize: Int
  /// The terms of output i are those from `starts[i]` up to `starts[i + 1]`.
  let starts: [Int]
  let inputs: [Int]
  let weights: [Double]
  private let weights32: [Float]

  var outputSize: Int { starts.count - 1 }

  /// `terms[i]` are the inputs that output i is made of.
  init(inputSize: Int, _ terms: [[(input: Int, weight: Double)]]) {
    self.inputSize = inputSize
    var starts = [0]
    for list in terms { starts.append(starts.last! + list.count) }
    self.starts = starts
    inputs = terms.flatMap { $0.map(\.input) }
    weights = terms.flatMap { $0.map(\.weight) }
    weights32 = weights.map { Float($0) }
  }

  /// From outputs to inputs: what takes the gradient back.
  var transposed: DimensionMap {
    var terms = Array(repeating: [(input: Int, weight: Double)](), count: inputSize)
    for i in 0..<outputSize {
      for k in starts[i]..<starts[i + 1] { terms[inputs[k]].append((i, weights[k])) }
    }
    return DimensionMap(inputSize: outputSize, terms)
  }

  /// From [outer, inputSize, inner] to [outer, outputSize, inner], both dense, of float32 or float64.
  func run(_ x: UnsafeRawPointer, into y: UnsafeMutableRawPointer, _ dtype: DType, outer: Int, inner: Int) {
    if dtype == .float64 {
      let (x, y) = (x.assumingMemoryBound(to: Double.self), y.assumingMemoryBound(to: Double.self))
      weights.withUnsafeBufferPointer { run(x, y, $0.baseAddress, outer, inner) }
    } else {
      let (x, y) = (x.assumingMemoryBound(to: Float.self), y.assumingMemoryBound(to: Float.self))
      weights32.withUnsafeBufferPointer { run(x, y, $0.baseAddress, outer, inner) }
    }
  }

  /// From [outer, inputSize, inner] to [outer, outputSize, inner], both dense, of bytes. The weights are whole numbers.
  func runBytes(
    _ x: UnsafeRawPointer, into y: UnsafeMutableRawPointer, bits: Int, outer: Int, inner: Int
  ) {
    let (from, to) = (x.assumingMemoryBound(to: UInt8.self), y.assumingMemoryBound(to: UInt8.self))
    let (size, count) = (inputSize, outputSize)
    if outer * count * inner == 0 { return }
    let wholes = weights.map { Int32($0) }
    let (rows, columns) = (Kernels.table.pointee.weigh_rows!, Kernels.table.pointee.weigh_columns!)
    let isLast = inner == 1
    let outerAPiece = Swift.max(1, (1 << 16) / (count * inner))
    let pieces = (outer + outerAPiece - 1) / outerAPiece
    starts.withUnsafeBufferPointer { starts in
      inputs.withUnsafeBufferPointer { inputs in
        wholes.withUnsafeBufferPointer { wholes in
          forEach(pieces, parallel: outer * count * inner > 1 << 16) { piece in
            let first = piece * outerAPiece
            let last = Swift.min(first + outerAPiece, outer)
            if isLast {
              columns(
                to + first &* count, count, from + first &* size, size, last &- first, starts.baseAddress, inputs.baseAddress,
                wholes.baseAddress, Int32(bits))
              return
            }
            for o in first..<last {
              for i in 0..<count {
                rows(
                  to + (o &* count &+ i) &* inner, from + o &* size &* inner, inputs.baseAddress! + starts[i],
                  wholes.baseAddress! + starts[i], starts[i &+ 1] &- starts[i], inner, Int32(bits))
              }
            }
          }
        }
      }
    }
  }

  @inline(__always)
  private func run<T: BinaryFloatingPoint>(
    _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ weights: UnsafePointer<T>?, _ outer: Int, _ inner: Int
  ) {
    let (size, count) = (inputSize, outputSize)
    if outer * count * inner == 0 { return }
    let outerAPiece = Swift.max(1, (1 << 14) / (count * inner))
    let pieces = (outer + outerAPiece - 1) / outerAPiece
    starts.withUnsafeBufferPointer { starts in
      inputs.withUnsafeBufferPointer { inputs in
        forEach(pieces, parallel: outer * count * inner > 1 << 14) { piece in
          for o in piece * outerAPiece..<Swift.min((piece + 1) * outerAPiece, outer) {
            let (from, to) = (x + o &* size &* inner, y + o &* count &* inner)
            if inner == 1 {
              for i in 0..<count {
                var sum: T = 0
                var k = starts[i]
                while k < starts[i &+ 1] {
                  sum += weights.unsafelyUnwrapped[k] * from[inputs[k]]
                  k &+= 1
                }
                to[i] = sum
              }
              continue
            }
            for i in 0..<count {
              let line = to + i &* inner
              var k = starts[i]
              if k == starts[i &+ 1] { line.update(repeating: 0, count: inner) }
              while k < starts[i &+ 1] {
                let (term, weight) = (from + inputs[k] &* inner, weights.unsafelyUnwrapped[k])
                if k == starts[i] {
                  for j in 0..<inner { line[j] = weight * term[j] }
                } else {
                  for j in 0..<inner { line[j] += weight * term[j] }
                }
                k &+= 1
              }
            }
          }
        }
      }
    }
  }
}
