import Testing

@testable import Flambeau

/// A product, its operands' layouts, and the naive answer.
struct GemmCase: CustomStringConvertible {
  var m: Int
  var n: Int
  var k: Int
  var dtype = DType.float32
  var transposeA = false
  var transposeB = false
  var gap = 0
  var step = 1
  var alpha = 1.0
  var beta = 0.0
  var bias = false
  var hook = false

  var description: String {
    "\(dtype) \(m)x\(n)x\(k)\(transposeA ? " Aᵀ" : "")\(transposeB ? " Bᵀ" : "") gap \(gap) step \(step) α \(alpha) β \(beta)"
      + (bias ? " bias" : "") + (hook ? " hook" : "")
  }

  private func strides(_ rows: Int, _ columns: Int, _ transposed: Bool) -> (Int, Int, count: Int) {
    let (outer, inner) = transposed ? (columns, rows) : (rows, columns)
    let row = inner * step + gap
    return (transposed ? step : row, transposed ? row : step, Swift.max(1, outer) * row + 1)
  }

  /// What is wrong with the product on any instruction set; nil if nothing.
  func failure() -> String? {
    let (ar, ac, aCount) = strides(m, k, transposeA)
    let (br, bc, bCount) = strides(k, n, transposeB)
    let a = Values(dtype, count: aCount, seed: m + 3 * k)
    let b = Values(dtype, count: bCount, seed: n + 5 * k + 1)
    let rowBias = Values(dtype, count: m, seed: 11)
    let columnBias = Values(dtype, count: n, seed: 12)
    let rowStride = n + gap
    var initial = Values(dtype, count: m * rowStride, filledWith: outside)
    if beta != 0 {
      let old = Values(dtype, count: m * n, seed: 7)
      for i in 0..<m { for j in 0..<n { initial[i * rowStride + j] = old[i * n + j] } }
    }
    let (sums, sizes) = naive(a.values, (ar, ac), b.values, (br, bc))
    for table in GemmTable.all {
      var c = initial
      var seen = [Int](repeating: 0, count: m * n)
      run(table, a, (ar, ac), b, (br, bc), &c, rowStride, rowBias, columnBias, &seen)
      let name = "instruction set \(table.pointer.pointee.isa.rawValue)"
      for i in 0..<m {
        for j in 0..<n {
          var expected = alpha * sums[i * n + j] + (beta == 0 ? 0 : beta * initial[i * rowStride + j])
          if bias { expected += rowBias[i] + columnBias[j] }
          if hook { expected = Swift.max(expected, 0) * 2 }
          let allowed = tolerance(dtype) * (Swift.abs(expected) + 1) + (dtype == .float64 ? 3e-15 : 3e-7) * sizes[i * n + j]
          let got = c[i * rowStride + j]
          if !(Swift.abs(got - expected) <= allowed) { return "\(name) at (\(i), \(j)): \(got), expected \(expected)" }
        }
        for j in n..<rowStride {
          let value = c[i * rowStride + j]
          if !(value == outside || value.isNaN) { return "\(name) wrote outside C at row \(i), column \(j)" }
        }
      }
      if hook && seen.contains(where: { $0 != 1 }) { return "\(name): the row program missed or repeated elements" }
    }
    return nil
  }

  private var outside: Double { dtype.isFloatingPoint ? .nan : 99 }

  /// A B and |A| |B|, row by row.
  private func naive(_ a: [Double], _ aStrides: (Int, Int), _ b: [Double], _ bStrides: (Int, Int)) -> ([Double], [Double]) {
    var sums = [Double](repeating: 0, count: m * n)
    var sizes = sums
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        for i in 0..<m {
          for j in 0..<n {
            var (sum, size) = (0.0, 0.0)
            var (at, bt) = (i * aStrides.0, j * bStrides.1)
            for _ in 0..<k {
              let term = a[at] * b[bt]
              sum += term
              size += term.magnitude
              at += aStrides.1
              bt += bStrides.0
            }
            (sums[i * n + j], sizes[i * n + j]) = (sum, size)
          }
        }
      }
    }
    return (sums, sizes)
  }

  private func run(
    _ table: GemmTable, _ a: Values, _ aStrides: (Int, Int), _ b: Values, _ bStrides: (Int, Int), _ c: inout Values,
    _ rowStride: Int, _ rowBias: Values, _ columnBias: Values, _ seen: inout [Int]
  ) {
    let n = n
    a.bytes.withUnsafeBytes { ap in
      b.bytes.withUnsafeBytes { bp in
        c.bytes.withUnsafeMutableBytes { cp in
          rowBias.bytes.withUnsafeBytes { rp in
            columnBias.bytes.withUnsafeBytes { kp in
              seen.withUnsafeMutableBufferPointer { sp in
                nonisolated(unsafe) let counts = sp
                var g = Gemm(
                  m: m, n: n, k: k,
                  a: MatrixOperand(
                    data: ap.baseAddress!, dtype: dtype, rowStride: aStrides.0, columnStride: aStrides.1),
                  b: MatrixOperand(
                    data: bp.baseAddress!, dtype: dtype, rowStride: bStrides.0, columnStride: bStrides.1),
                  c: cp.baseAddress!, cType: dtype, cRowStride: rowStride)
                (g.alpha, g.beta, g.table) = (alpha, beta, table)
                if bias { (g.epilogue.rowBias, g.epilogue.columnBias) = (rp.baseAddress!, kp.baseAddress!) }
                if hook {
                  let isDouble = dtype == .float64
                  g.epilogue.rows = { row, i, start, count in
                    for j in 0..<count {
                      counts[i * n + start + j] += 1
                      if isDouble {
                        let x = row.assumingMemoryBound(to: Double.self)
                        x[j] = Swift.max(x[j], 0) * 2
                      } else {
                        let x = row.assumingMemoryBound(to: Float.self)
                        x[j] = Swift.max(x[j], 0) * 2
                      }
                    }
                  }
                }
                g.run()
              }
            }
          }
        }
      }
    }
  }
}

@Suite struct GemmTests {
  static let sizes = [0, 1, 2, 3, 7, 8, 9, 13, 14, 15, 16, 31, 32, 33, 64, 100]

  private func expectAll(_ cases: [GemmCase]) {
    for one in cases {
      if let failure = one.failure() { Issue.record("\(one): \(failure)") }
    }
  }

  @Test(arguments: sizes) func everyShape(m: Int) {
    var cases: [GemmCase] = []
    for n in Self.sizes {
      for k in [0, 1, 5, 33] {
        cases.append(GemmCase(m: m, n: n, k: k, transposeA: (m + k) % 2 == 1, transposeB: (n + k / 2) % 2 == 1, gap: k % 3))
      }
    }
    expectAll(cases)
  }

  @Test(arguments: [DType.float32, .float64, .float16, .bfloat16]) func layouts(dtype: DType) {
    var cases: [GemmCase] = []
    for (m, n, k) in [(1, 50, 40), (50, 1, 40), (4, 70, 33), (37, 3, 65), (33, 47, 29), (20, 64, 300)] {
      for layout in 0..<8 {
        var one = GemmCase(m: m, n: n, k: k, dtype: dtype)
        (one.transposeA, one.transposeB, one.step) = (layout & 1 != 0, layout & 2 != 0, layout & 4 != 0 ? 2 : 1)
        cases.append(one)
        (one.alpha, one.beta, one.gap) = (0.5, 2, 3)
        cases.append(one)
        (one.bias, one.hook) = (true, true)
        cases.append(one)
        one.beta = 0
        cases.append(one)
      }
    }
    expectAll(cases)
  }

  @Test(arguments: [DType.float32, .float64, .bfloat16]) func manySlabsAndBlocks(dtype: DType) {
    expectAll([
      GemmCase(m: 205, n: 40, k: 530, dtype: dtype, gap: 1, beta: 1, bias: true, hook: true),
      GemmCase(m: 5, n: 530, k: 300, dtype: dtype, transposeA: true, alpha: 2, hook: true),
      GemmCase(m: 9, n: 530, k: 300, dtype: dtype, transposeB: true),
      GemmCase(m: 31, n: 70, k: 2801, dtype: dtype, transposeA: true, beta: 1, bias: true),
      GemmCase(m: 6, n: 5, k: 33000, dtype: dtype, beta: 0.5, bias: true),
      GemmCase(m: 1, n: 1, k: 70001, dtype: dtype),
      GemmCase(m: 1, n: 300, k: 2000, dtype: dtype),
      GemmCase(m: 300, n: 1, k: 2000, dtype: dtype, gap: 1),
    ])
  }

  @Test(arguments: [DType.uint8, .int8, .int16, .int32, .int64]) func integers(dtype: DType) {
    var cases: [GemmCase] = []
    for (m, n, k) in [(0, 3, 2), (3, 4, 0), (1, 1, 1), (5, 70, 3), (64, 65, 2)] {
      for layout in 0..<4 {
        var one = GemmCase(m: m, n: n, k: k, dtype: dtype, gap: layout)
        (one.transposeA, one.transposeB) = (layout & 1 != 0, layout & 2 != 0)
        cases.append(one)
      }
    }
    // uint8 has no room for negative numbers: its patterns wrap on the way in, and the naive answer does not.
    if dtype == .uint8 || dtype == .int8 { return expectWrapping(dtype) }
    expectAll(cases)
  }

  private func expectWrapping(_ dtype: DType) {
    for table in GemmTable.all {
      let (m, n, k) = (5, 70, 9)
      let a = Values(dtype, count: m * k, seed: 1)
      let b = Values(dtype, count: k * n, seed: 2)
      var c = Values(dtype, count: m * n)
      a.bytes.withUnsafeBytes { ap in
        b.bytes.withUnsafeBytes { bp in
          c.bytes.withUnsafeMutableBytes { cp in
            var g = Gemm(
              m: m, n: n, k: k,
              a: MatrixOperand(data: ap.baseAddress!, dtype: dtype, rowStride: k, columnStride: 1),
              b: MatrixOperand(data: bp.baseAddress!, dtype: dtype, rowStride: n, columnStride: 1),
              c: cp.baseAddress!, cType: dtype, cRowStride: n)
            g.table = table
            g.run()
          }
        }
      }
      for i in 0..<m {
        for j in 0..<n {
          let sum = (0..<k).reduce(0) { $0 + Int(a[i * k + $1]) * Int(b[$1 * n + j]) }
          #expect(UInt8(truncatingIfNeeded: Int(c[i * n + j])) == UInt8(truncatingIfNeeded: sum))
        }
      }
    }
  }

  /// (items, m, n, k, A's stride, B's stride): shared operands, joined ones, and gaps between items.
  @Test(arguments: [
    (3, 4, 5, 6, 24, 30), (3, 4, 5, 6, 24, 0), (5, 33, 20, 17, 0, 340), (2, 64, 80, 70, 4500, 0), (300, 2, 3, 2, 4, 6),
  ])
  func batches(count: Int, m: Int, n: Int, k: Int, aStride: Int, bStride: Int) {
    let a = Values(.float32, count: aStride * (count - 1) + m * k, seed: 1)
    let b = Values(.float32, count: bStride * (count - 1) + k * n, seed: 2)
    let bias = Values(.float32, count: n, seed: 3)
    for table in GemmTable.all {
      var strided = Values(.float32, count: count * m * n, filledWith: .nan)
      var offset = strided
      a.bytes.withUnsafeBytes { ap in
        b.bytes.withUnsafeBytes { bp in
          bias.bytes.withUnsafeBytes { kp in
            func product(_ c: UnsafeMutableRawBufferPointer) -> Gemm {
              var g = Gemm(
                m: m, n: n, k: k,
                a: MatrixOperand(data: ap.baseAddress!, dtype: .float32, rowStride: k, columnStride: 1),
                b: MatrixOperand(data: bp.baseAddress!, dtype: .float32, rowStride: n, columnStride: 1),
                c: c.baseAddress!, cType: .float32, cRowStride: n)
              (g.table, g.epilogue.columnBias) = (table, kp.baseAddress!)
              return g
            }
            strided.bytes.withUnsafeMutableBytes {
              product($0).runBatch(count, aStride: aStride, bStride: bStride, cStride: m * n)
            }
            offset.bytes.withUnsafeMutableBytes {
              product($0).runBatch(
                count,
                rows: { item, row, _, _, width in
                  let values = row.assumingMemoryBound(to: Float.self)
                  for j in 0..<width { values[j] += Float(item) }
                }, offsets: { ($0 * aStride, $0 * bStride, (count - 1 - $0) * m * n) })
            }
          }
        }
      }
      let (x, y, z) = (a.values, b.values, bias.values)
      for item in 0..<count {
        for i in 0..<m {
          for j in 0..<n {
            var sum = z[j]
            for p in 0..<k { sum += x[item * aStride + i * k + p] * y[item * bStride + p * n + j] }
            // Sums of small multiples of 1/64 are exact.
            #expect(strided[(item * m + i) * n + j] == sum)
            #expect(offset[((count - 1 - item) * m + i) * n + j] == sum + Double(item))
          }
        }
      }
    }
  }

  @Test func nanAndInfinityPropagate() {
    for table in GemmTable.all {
      for (m, n, k) in [(4, 4, 4), (1, 100, 64), (40, 40, 40), (64, 1, 100)] {
        var a = [Float](repeating: 1, count: m * k)
        var b = [Float](repeating: 1, count: k * n)
        a[(m - 1) * k] = .nan
        b[n - 1] = .infinity
        var c = [Float](repeating: .nan, count: m * n)
        var g = Gemm(
          m: m, n: n, k: k,
          a: MatrixOperand(data: UnsafeRawPointer(bitPattern: 64)!, dtype: .float32, rowStride: k, columnStride: 1),
          b: MatrixOperand(data: UnsafeRawPointer(bitPattern: 64)!, dtype: .float32, rowStride: n, columnStride: 1),
          c: UnsafeMutableRawPointer(bitPattern: 64)!, cType: .float32, cRowStride: n)
        g.table = table
        a.withUnsafeBytes { ap in
          b.withUnsafeBytes { bp in
            c.withUnsafeMutableBytes { cp in
              (g.a.data, g.b.data, g.c) = (ap.baseAddress!, bp.baseAddress!, cp.baseAddress!)
              g.run()
            }
          }
        }
        for i in 0..<m {
          for j in 0..<n {
            let value = c[i * n + j]
            if i == m - 1 {
              #expect(value.isNaN)
            } else if j == n - 1 {
              #expect(value == .infinity)
            } else {
              #expect(value == Float(k))
            }
          }
        }
      }
    }
  }
}
