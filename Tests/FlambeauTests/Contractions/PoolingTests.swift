import Testing

@testable import Flambeau

/// One dimension of a pooling and, for every output, the input positions it sees and the divisor it brings.
struct PoolingAxis: CustomStringConvertible {
  var description: String
  var spans: PoolingSpans
  var windows: [(positions: [Int], size: Double)]

  static func window(
    _ input: Int, kernel: Int, stride: Int, padding: Int = 0, dilation: Int = 1, ceilMode: Bool = false,
    countsPadding: Bool = true
  ) -> PoolingAxis {
    var windows: [([Int], Double)] = []
    var start = -padding
    while true {
      let last = start + dilation * (kernel - 1)
      let fits = last < input + padding
      let hangs = ceilMode && start < input + padding && last < input + padding + stride && start < input
      if !fits && !hangs { break }
      let positions = (0..<kernel).map { start + $0 * dilation }
      let inside = positions.filter { $0 >= 0 && $0 < input }
      let counted = countsPadding ? positions.filter { $0 < input + padding }.count : inside.count
      windows.append((inside, Double(counted)))
      start += stride
    }
    return PoolingAxis(
      description: "\(input) k\(kernel) s\(stride) p\(padding) d\(dilation) ceil \(ceilMode) \(countsPadding)",
      spans: PoolingSpans(
        input: input, kernel: kernel, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode,
        countsPadding: countsPadding), windows: windows)
  }

  static func adaptive(_ input: Int, _ output: Int) -> PoolingAxis {
    let windows = (0..<output).map { o in
      let positions = (0..<input).filter { ($0 + 1) * output > o * input && $0 * output < (o + 1) * input }
      return (positions, Double(positions.count))
    }
    return PoolingAxis(
      description: "\(input) to \(output)", spans: PoolingSpans(input: input, adaptiveOutput: output), windows: windows)
  }
}

struct PoolingCase: CustomStringConvertible {
  var rows: PoolingAxis
  var columns: PoolingAxis
  var dtype = DType.float32
  var divisor: Int?
  var isDilated = false
  var special: [Double] = []
  let planes = 3
  var description: String { "\(dtype) (\(rows)) × (\(columns)) \(special)" }

  func failure() -> String? {
    let (height, width) = (rows.spans.inputSize, columns.spans.inputSize)
    var input = Values(dtype, count: planes * height * width, seed: 1)
    for (i, value) in special.enumerated() { input[i * 5 % (height * width)] = value }
    let outputCount = planes * rows.windows.count * columns.windows.count
    if rows.spans.count != rows.windows.count || columns.spans.count != columns.windows.count {
      return "output is \(rows.spans.count)×\(columns.spans.count)"
    }
    let gradient = Values(dtype, count: outputCount, seed: 2)
    var largest: [Double] = []
    var positions: [Int64] = []
    var means: [Double] = []
    var maxGradient = [Double](repeating: 0, count: planes * height * width)
    var meanGradient = maxGradient
    for plane in 0..<planes {
      for row in rows.windows {
        for column in columns.windows {
          let seen = row.positions.flatMap { y in column.positions.map { y * width + $0 } }
          var (top, at, sum) = (-Double.infinity, seen.first ?? -1, 0.0)
          let by = divisor.map(Double.init) ?? row.size * column.size
          for p in seen {
            let value = input[plane * height * width + p]
            sum += value
            if value > top || value.isNaN { (top, at) = (value, p) }
            meanGradient[plane * height * width + p] += gradient[largest.count] / by
          }
          if at >= 0 { maxGradient[plane * height * width + at] += gradient[largest.count] }
          largest.append(top)
          positions.append(Int64(at))
          means.append(seen.isEmpty ? 0 : sum / by)
        }
      }
    }
    for table in GemmTable.all {
      let pooling = Pooling(
        planes: planes, rows: rows.spans, columns: columns.spans, dtype: dtype, divisor: divisor, table: table)
      var y = Values(dtype, count: outputCount, filledWith: 77)
      var mean = y
      var gx = Values(dtype, count: planes * height * width, filledWith: 77)
      var gm = gx
      var found = [Int64](repeating: -7, count: outputCount)
      input.bytes.withUnsafeBytes { x in
        y.bytes.withUnsafeMutableBytes { out in
          found.withUnsafeMutableBufferPointer { pooling.max(x.baseAddress!, out.baseAddress!, positions: $0.baseAddress!) }
        }
        mean.bytes.withUnsafeMutableBytes { pooling.average(x.baseAddress!, $0.baseAddress!) }
      }
      gradient.bytes.withUnsafeBytes { dy in
        gx.bytes.withUnsafeMutableBytes { dx in
          found.withUnsafeBufferPointer {
            pooling.maxGradient(dy.baseAddress!, positions: $0.baseAddress!, dx.baseAddress!)
          }
        }
        gm.bytes.withUnsafeMutableBytes { pooling.averageGradient(dy.baseAddress!, $0.baseAddress!) }
      }
      if found != positions { return "positions \(found), expected \(positions)" }
      for (what, got, expected) in [
        ("max", y, largest), ("max gradient", gx, maxGradient), ("average", mean, isDilated ? [] : means),
        ("average gradient", gm, isDilated ? [] : meanGradient),
      ] {
        for (i, e) in expected.enumerated() {
          let g = got[i]
          let same = g == e || (g.isNaN && e.isNaN) || Swift.abs(g - e) <= tolerance(dtype) * (Swift.abs(e) + 1)
          if !same { return "isa \(table.pointer.pointee.isa.rawValue), \(what) at \(i): \(g), expected \(e)" }
        }
      }
    }
    return nil
  }
}

@Suite struct PoolingTests {
  static let axes: [PoolingAxis] = [
    .window(7, kernel: 2, stride: 2),
    .window(8, kernel: 3, stride: 2, padding: 1),
    .window(9, kernel: 3, stride: 1, padding: 1, countsPadding: false),
    .window(7, kernel: 2, stride: 2, ceilMode: true),
    .window(11, kernel: 3, stride: 3, padding: 1, ceilMode: true),
    .window(10, kernel: 4, stride: 3, padding: 2, ceilMode: true, countsPadding: false),
    .window(40, kernel: 5, stride: 4, padding: 2),
    .adaptive(7, 3), .adaptive(12, 1), .adaptive(5, 8), .adaptive(33, 7),
  ]

  @Test(arguments: axes) func matchesLoops(rows: PoolingAxis) {
    for columns in Self.axes {
      for dtype in [DType.float32, .float64] {
        let one = PoolingCase(rows: rows, columns: columns, dtype: dtype)
        if let failure = one.failure() { Issue.record("\(one): \(failure)") }
      }
    }
  }

  @Test(arguments: [DType.float16, .bfloat16]) func halves(dtype: DType) {
    for (rows, columns) in [(1, 6), (5, 2), (7, 10)] {
      let one = PoolingCase(rows: Self.axes[rows], columns: Self.axes[columns], dtype: dtype)
      if let failure = one.failure() { Issue.record("\(one): \(failure)") }
    }
  }

  @Test func dilationSpecialValuesAndDivisor() {
    let dilated = PoolingAxis.window(12, kernel: 3, stride: 2, padding: 1, dilation: 3)
    let wide = PoolingAxis.window(20, kernel: 2, stride: 1, padding: 1, dilation: 4)
    let plain = Self.axes[1]
    for one in [
      PoolingCase(rows: dilated, columns: wide, isDilated: true),
      PoolingCase(rows: wide, columns: plain, isDilated: true),
      PoolingCase(rows: plain, columns: plain, special: [.nan, .infinity, -.infinity, .nan, .nan]),
      PoolingCase(rows: plain, columns: Self.axes[8], special: [Double](repeating: -.infinity, count: 60)),
      PoolingCase(rows: plain, columns: Self.axes[5], divisor: 5),
    ] {
      if let failure = one.failure() { Issue.record("\(one): \(failure)") }
    }
  }
}
