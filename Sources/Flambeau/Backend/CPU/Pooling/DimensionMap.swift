import CKernels

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
    func run(_ weights: UnsafeRawBufferPointer) {
      starts.withUnsafeBytes { starts in
        inputs.withUnsafeBytes { inputs in
          func elements(_ pointer: UnsafeRawPointer?, _ shape: Shape, _ dtype: DType) -> Elements {
            Elements(UnsafeMutableRawPointer(mutating: pointer ?? x), Layout(shape), dtype)
          }
          KernelCall.task(
            DimensionMapTask(
              elements(x, [outer, inputSize, inner], dtype), into: elements(y, [outer, outputSize, inner], dtype),
              starts: elements(starts.baseAddress, [outputSize + 1], .int64),
              inputs: elements(inputs.baseAddress, [self.inputs.count], .int64),
              weights: elements(weights.baseAddress, [self.inputs.count], dtype))
          ) { self.run(x, y, weights.baseAddress, dtype, outer, inner) }
        }
      }
    }
    if dtype == .float64 { weights.withUnsafeBytes(run) } else { weights32.withUnsafeBytes(run) }
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

  private func run(
    _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, _ weights: UnsafeRawPointer?, _ dtype: DType, _ outer: Int, _ inner: Int
  ) {
    let (from, to) = (inputSize * inner * dtype.byteCount, outputSize * inner * dtype.byteCount)
    if outer * to == 0 { return }
    let outerAPiece = Swift.max(1, (1 << 14) / (outputSize * inner))
    let pieces = (outer + outerAPiece - 1) / outerAPiece
    let kernel = KernelAccess.mapDimension[Int(dtype.computeClass.rawValue)]!
    starts.withUnsafeBufferPointer { starts in
      inputs.withUnsafeBufferPointer { inputs in
        var map = fb_dimension_map(
          size: inputSize, count: outputSize, inner: inner, starts: starts.baseAddress, inputs: inputs.baseAddress,
          weights: weights)
        withUnsafePointer(to: &map) { map in
          forEach(pieces, parallel: outer * outputSize * inner > 1 << 14) { piece in
            let first = piece * outerAPiece
            kernel(map, y + first * to, x + first * from, Swift.min(outerAPiece, outer - first))
          }
        }
      }
    }
  }
}
