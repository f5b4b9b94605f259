import CKernels
import Testing

@testable import Flambeau

@Suite struct ReductionPassTests {
  static func subsets(_ rank: Int) -> [[Int]] {
    (0..<1 << rank).map { mask in (0..<rank).filter { mask >> $0 & 1 == 1 } }
  }

  /// Row-major indices of `shape`.
  static func indices(_ shape: [Int]) -> [[Int]] {
    shape.reduce([[]]) { all, size in all.flatMap { start in (0..<size).map { start + [$0] } } }
  }

  /// The values of each result, in the order of the kept indices; results are row-major.
  static func groups(_ shape: [Int], _ dims: [Int], _ values: [Double]) -> [[Double]] {
    var strides = Array(repeating: 0, count: shape.count)
    var step = 1
    for dim in shape.indices.reversed() where !dims.contains(dim) {
      strides[dim] = step
      step *= shape[dim]
    }
    var groups = Array(repeating: [Double](), count: step)
    for (index, value) in zip(indices(shape), values) { groups[zip(index, strides).reduce(0) { $0 + $1.0 * $1.1 }].append(value) }
    return groups
  }

  static let folds: [(Reduction.Kind, @Sendable ([Double]) -> Double)] = [
    (.sum, { $0.reduce(0, +) }), (.prod, { $0.reduce(1, *) }), (.min, { $0.min() ?? .infinity }),
    (.max, { $0.max() ?? -.infinity }), (.any, { $0.contains { $0 != 0 } ? 1 : 0 }),
    (.all, { $0.allSatisfy { $0 != 0 } ? 1 : 0 }),
  ]

  @Test(
    arguments: [
      [5, 3, 4, 7], [2, 70, 3, 20], [1, 9, 130, 2], [40, 1, 36, 2], [3, 2, 1, 600], [100, 5, 1, 1], [2, 0, 3, 4],
    ], [0, 1])
  func everySubsetOfDimensions(shape: [Int], trial: Int) {
    var random = Repeatable(UInt64(shape[1] * 10 + trial))
    for dims in Self.subsets(4) {
      for (kind, fold) in Self.folds {
        let isLogical = kind == .any || kind == .all
        let dtype: DType = [.float32, .float64, .float16, .bfloat16][Int.random(in: 0..<4, using: &random)]
        let computeClass = dtype == .float64 ? fb_f64 : fb_f32
        let input = ProgramSample(shape, dtype, stretches: trial > 0, using: &random)
        input.fill(using: &random) {
          kind == .prod
            ? Double.random(in: 0.995...1.005, using: &$0)
            : isLogical ? Double(Int.random(in: 0...1, using: &$0)) : Double(Float.random(in: -1...1, using: &$0))
        }
        let kept = shape.indices.map { dims.contains($0) ? 1 : shape[$0] }
        let output = ProgramSample(kept, isLogical ? .bool : .float64, stretches: false, using: &random)
        Reduction.run(kind, in: computeClass, [input.elements], dims: dims, into: output.elements)
        let groups = Self.groups(shape, dims, input.values)
        let tolerance = computeClass == fb_f64 ? 1e-13 : 1e-6
        for (found, group) in zip(output.values, groups) {
          let expected = fold(group)
          // Rounding grows with what is added, and with how often products are rounded.
          let size =
            kind == .sum
            ? group.reduce(1) { $0 + Swift.abs($1) } : 30 + Swift.abs(expected) * (30 + 10 * Double(group.count).squareRoot())
          #expect(
            found == expected || Swift.abs(found - expected) <= tolerance * size,
            "\(kind) \(shape) \(dims) \(input.elements.layout.strides): \(found), \(expected)")
        }
        #expect(output.values.count == groups.count)
      }
    }
  }

  @Test func integersSumWide() {
    var random = Repeatable(3)
    for dims in Self.subsets(3) {
      let input = ProgramSample([40, 9, 70], .uint8, stretches: true, using: &random)
      input.fill(using: &random) { Double(Int.random(in: 0...255, using: &$0)) }
      let output = ProgramSample(
        [40, 9, 70].enumerated().map { dims.contains($0.offset) ? 1 : $0.element }, .int64,
        stretches: false, using: &random)
      Reduction.run(.sum, in: fb_i64, [input.elements], dims: dims, into: output.elements)
      #expect(output.values == Self.groups([40, 9, 70], dims, input.values).map { $0.reduce(0, +) })
    }
  }

  @Test func mapsBeforeAndFinishesAfter() {
    var random = Repeatable(4)
    let shape = [30, 50, 20]
    // The mean of squared distances to a second, broadcast operand.
    let map = Program { x, mean in square(x - mean) }
    let finish = Program(inputs: 1, scalars: 1) { x, s in sqrt(x[0] * s[0]) }
    for dims in Self.subsets(3) {
      let x = ProgramSample(shape, .float32, stretches: true, using: &random)
      let mean = ProgramSample(shape, .float32, stretches: true, using: &random)
      for sample in [x, mean] { sample.fill(using: &random) { Double(Float.random(in: -2...2, using: &$0)) } }
      let output = ProgramSample(
        shape.indices.map { dims.contains($0) ? 1 : shape[$0] }, .float32, stretches: false, using: &random)
      Reduction.run(
        .sum, in: fb_f32, [x.elements, mean.elements], map: map, dims: dims, scalars: Scalars(0.25), finish: finish,
        into: output.elements)
      let mapped = zip(x.values, mean.values).map { ($0 - $1) * ($0 - $1) }
      let expected = Self.groups(shape, dims, mapped).map { ($0.reduce(0, +) * 0.25).squareRoot() }
      for (found, expected) in zip(output.values, expected) {
        #expect(Swift.abs(found - expected) <= 1e-5 * Swift.max(1, expected))
      }
    }
  }

  @Test func longSumsKeepTheirDigits() {
    // 0.1 added ten million times one by one is off by 9 % in float.
    let n = 10_000_000
    let input = ProgramSample(Layout([n]), .float32, byteCount: 4 * n)
    let p = input.elements.start.assumingMemoryBound(to: Float.self)
    p.update(repeating: 0.1, count: n)
    let exact = Double(Float(0.1)) * Double(n)
    for (shape, dims, kept) in [([n], [0], [1]), ([n / 10, 10], [0], [1, 10]), ([n / 1000, 1000], [0], [1, 1000])] {
      let output = ProgramSample(Layout(Shape(kept)), .float32, byteCount: 4096)
      Reduction.run(
        .sum, in: fb_f32, [Elements(input.elements.pointer, Layout(Shape(shape)), .float32)], dims: dims,
        into: output.elements)
      let share = exact / Double(kept.last!)
      #expect(Swift.abs(output.values[0] - share) / share < 1e-6)
    }
  }

  @Test func nothingGivesTheIdentity() {
    for (kind, expected) in [(Reduction.Kind.sum, 0.0), (.prod, 1), (.any, 0), (.all, 1), (.max, -.infinity)] {
      let input = ProgramSample(Layout([3, 0]), .float32, byteCount: 64)
      let output = ProgramSample(Layout([3, 1]), .float32, byteCount: 64)
      Reduction.run(kind, in: fb_f32, [input.elements], dims: [1], into: output.elements)
      #expect(output.values == [expected, expected, expected])
    }
  }

  @Test func nanPropagates() {
    let input = ProgramSample(Layout([2, 100]), .float32, byteCount: 800)
    input[37] = .nan
    for kind in [Reduction.Kind.max, .min] {
      for dims in [[1], [0], [0, 1]] {
        let output = ProgramSample(
          Layout(Shape([2, 100].enumerated().map { dims.contains($0.offset) ? 1 : $0.element })), .float32, byteCount: 400)
        Reduction.run(kind, in: fb_f32, [input.elements], dims: dims, into: output.elements)
        #expect(output.values.filter(\.isNaN).count == 1)
      }
    }
  }

  @Test(arguments: [[7, 40, 9], [1, 5, 1], [300, 3, 2], [2, 2, 700]])
  func positions(shape: [Int]) {
    var random = Repeatable(UInt64(shape[0]))
    for trial in 0..<12 {
      let dtype: DType = [.float32, .bfloat16, .int32, .float64][trial % 4]
      let computeClass = dtype == .int32 ? fb_i64 : dtype == .float64 ? fb_f64 : fb_f32
      let input = ProgramSample(shape, dtype, stretches: true, using: &random)
      input.fill(using: &random) { Double(Int.random(in: -20...20, using: &$0)) }  // with ties
      if trial == 4 { input[input.positions[3]] = .nan }
      for dim in [0, 1, 2, nil] as [Int?] {
        let dims = dim.map { [$0] } ?? [0, 1, 2]
        let output = ProgramSample(
          shape.indices.map { dims.contains($0) ? 1 : shape[$0] }, .int64, stretches: false, using: &random)
        for (kind, better) in [(Reduction.Kind.min, { $0 < $1 }), (.max, { $0 > $1 })] as [(_, (Double, Double) -> Bool)] {
          Reduction.arg(kind, in: computeClass, input.elements, dim: dim, into: output.elements)
          let expected = Self.groups(shape, dims, input.values).map { group in
            if let nan = group.firstIndex(where: \.isNaN) { return Double(nan) }
            return Double(group.indices.reduce(0) { better(group[$1], group[$0]) ? $1 : $0 })
          }
          #expect(output.values == expected)
        }
      }
    }
  }

  @Test func positionInALongRow() {
    let n = 200_000
    let input = ProgramSample(Layout([n]), .float32, byteCount: 4 * n)
    let output = ProgramSample(Layout([1]), .int64, byteCount: 8)
    for position in [0, 32767, 32768, 150_001, n - 1] {
      input[position] = 5
      if position + 10 < n { input[position + 10] = 5 }
      Reduction.arg(.max, in: fb_f32, input.elements, dim: nil, into: output.elements)
      #expect(output.values == [Double(position)])
      input[position] = 0
      if position + 10 < n { input[position + 10] = 0 }
    }
  }

  @Test(arguments: [[7, 40, 9], [1, 5, 1], [300, 3, 2], [2, 2, 700]])
  func scans(shape: [Int]) {
    var random = Repeatable(UInt64(shape[1]))
    for dim in 0..<3 {
      for (kind, join) in [(Reduction.Kind.sum, { $0 + $1 }), (.prod, { $0 * $1 })] as [(_, (Double, Double) -> Double)] {
        for dtype in [DType.float32, .float64, .float16, .int32] {
          let computeClass = dtype == .int32 ? fb_i64 : dtype == .float64 ? fb_f64 : fb_f32
          let input = ProgramSample(shape, dtype, stretches: true, using: &random)
          input.fill(using: &random) {
            dtype == .int32 ? Double(Int.random(in: 1...1, using: &$0)) : Double.random(in: 0.95...1.04, using: &$0)
          }
          let output = ProgramSample(shape, computeClass.dtype, stretches: false, using: &random)
          Scan.run(kind, in: computeClass, input.elements, dim: dim, into: output.elements)
          let groups = Self.groups(shape, [dim], input.values)
          let found = Self.groups(shape, [dim], output.values)
          for (group, row) in zip(groups, found) {
            var total: Double?
            for (value, result) in zip(group, row) {
              total = total.map { join($0, value) } ?? value
              #expect(Swift.abs(result - total!) <= (computeClass == fb_f32 ? 1e-6 : 1e-12) * Swift.abs(total!))
            }
          }
        }
      }
    }
  }
}
