import CKernels
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension InstructionSet {
  func reduce<T: ComputeType>(_ reduction: fb_reduction, _ values: [T]) -> T {
    var out = T.guardValue
    fb_table_reduce(table, T.kernelClass, reduction)!(&out, values, values.count)
    return out
  }

  func argmax<T: ComputeType>(_ values: [T]) -> Int { fb_table_argmax(table, T.kernelClass)!(values, values.count) }
  func argmin<T: ComputeType>(_ values: [T]) -> Int { fb_table_argmin(table, T.kernelClass)!(values, values.count) }
}

@Suite struct ReductionTests {
  static let lengths = Array(0...67) + [127, 128, 129, 2047, 2048, 2049, 5000, 100_003]

  static func values(_ n: Int) -> [Double] {
    var random = Sequence64(state: UInt64(n))
    return (0..<n).map { _ in Double(Float.random(in: -1...1.5, using: &random)) }
  }

  @Test(arguments: InstructionSet.available)
  func againstFloat64(_ set: InstructionSet) {
    for n in Self.lengths {
      let x = Self.values(n), single = x.map { Float($0) }
      let sum = x.reduce(0, +), magnitude = x.reduce(0) { $0 + abs($1) }, squares = x.reduce(0) { $0 + $1 * $1 }
      #expect(abs(Double(set.reduce(fb_reduce_sum, single)) - sum) <= 2e-6 * magnitude)
      #expect(abs(set.reduce(fb_reduce_sum, x) - sum) <= 1e-12 * magnitude)
      #expect(abs(Double(set.reduce(fb_reduce_sum_squares, single)) - squares) <= 2e-6 * squares)
      #expect(abs(set.reduce(fb_reduce_sum_squares, x) - squares) <= 1e-12 * squares)
      #expect(set.reduce(fb_reduce_min, single) == single.min() ?? .infinity)
      #expect(set.reduce(fb_reduce_max, x) == x.max() ?? -.infinity)
      let factors = x.map { 1 + $0 * 1e-3 }, product = factors.reduce(1, *)
      #expect(abs(set.reduce(fb_reduce_prod, factors) / product - 1) < 1e-11)
      let other = x.reversed().map { $0 }, dot = zip(x, other).reduce(0) { $0 + $1.0 * $1.1 }
      var out32: Float = 0, out = 0.0
      fb_table_dot(set.table, fb_f32)!(&out32, single, other.map { Float($0) }, n)
      fb_table_dot(set.table, fb_f64)!(&out, x, other, n)
      #expect(abs(Double(out32) - dot) <= 2e-6 * squares && abs(out - dot) <= 1e-12 * squares)
      if n > 0 {
        #expect(set.argmax(single) == single.firstIndex(of: single.max()!))
        #expect(set.argmin(x) == x.firstIndex(of: x.min()!))
      }
    }
  }

  @Test(arguments: InstructionSet.available)
  func integers(_ set: InstructionSet) {
    for n in Self.lengths {
      let x = (0..<n).map { Int64($0 * 7919 % 1009 - 400) &* (1 << 50) }
      let odd = x.map { $0 | 1 }, small = x.map { $0 >> 40 }
      let squares: Int64 = small.reduce(0) { $0 &+ $1 &* $1 }
      #expect(set.reduce(fb_reduce_sum, x) == x.reduce(0, &+))
      #expect(set.reduce(fb_reduce_prod, odd) == odd.reduce(1, &*))
      #expect(set.reduce(fb_reduce_sum_squares, small) == squares)
      #expect(set.reduce(fb_reduce_min, x) == x.min() ?? .max)
      #expect(set.reduce(fb_reduce_max, x) == x.max() ?? .min)
      if n > 0 { #expect(set.argmin(x) == x.firstIndex(of: x.min()!) && set.argmax(x) == x.firstIndex(of: x.max()!)) }
    }
  }

  @Test(arguments: InstructionSet.available)
  func oneOddElementIsFoundAnywhere(_ set: InstructionSet) {
    for n in [1, 2, 15, 16, 17, 33, 67, 300, 2049] {
      for place in Set([0, n / 2, n - 1, n / 3]) {
        var x = [Float](repeating: 1, count: n)
        x[place] = .nan
        #expect(set.reduce(fb_reduce_max, x).isNaN && set.reduce(fb_reduce_min, x).isNaN && set.reduce(fb_reduce_sum, x).isNaN)
        #expect(set.argmax(x) == place && set.argmin(x) == place)
        #expect(set.reduce(fb_reduce_all, x) == 1)
        x[place] = 0
        #expect(set.reduce(fb_reduce_all, x) == 0)
        #expect(set.argmin(x) == place)
        var zeros = [Double](repeating: 0, count: n)
        #expect(set.reduce(fb_reduce_any, zeros) == 0)
        zeros[place] = -.nan
        #expect(set.reduce(fb_reduce_any, zeros) == 1)
        var whole = [Int64](repeating: 0, count: n)
        whole[place] = -4
        #expect(set.reduce(fb_reduce_any, whole) == 1)
        #expect(set.reduce(fb_reduce_all, whole) == (n == 1 ? 1 : 0))
      }
    }
    let low = [Float](repeating: -.infinity, count: 40)
    #expect(set.argmax(low) == 0 && set.reduce(fb_reduce_max, low) == -.infinity)
    #expect(set.argmax([3.0, 7, 7, 1]) == 1 && set.argmin([3.0, 1, 1, 5]) == 1 && set.argmax([1, .nan, .nan]) == 1)
    #expect(set.argmax([.nan, 5.0, 9]) == 0)
  }

  @Test(arguments: InstructionSet.available)
  func sumsOfExponentials(_ set: InstructionSet) {
    for n in Self.lengths.dropFirst() {
      let x = Self.values(n).map { $0 * 20 }, single = x.map { Float($0) }
      let top = x.max()!, sum = x.reduce(0) { $0 + exp($1 - top) }
      var out = [Float](repeating: 0, count: n + 1), shift = Float(top), sum32: Float = 0, max32: Float = 0
      out[n] = 77
      fb_table_exp_sum(set.table, fb_f32)!(&out, &sum32, single, &shift, n)
      #expect(abs(Double(sum32) / sum - 1) < 4e-6 && out[n] == 77)
      #expect((0..<n).allSatisfy { abs(Double(out[$0]) - exp(Double(single[$0]) - top)) <= 2e-6 })
      fb_table_max_exp_sum(set.table, fb_f32)!(&max32, &sum32, single, n)
      #expect(max32 == Float(top) && abs(Double(sum32) / sum - 1) < 4e-6)
      var out64 = x, max64 = 0.0, sum64 = 0.0, shift64 = top
      fb_table_exp_sum(set.table, fb_f64)!(&out64, &sum64, out64, &shift64, n)
      #expect(abs(sum64 / sum - 1) < 1e-13 && (0..<n).allSatisfy { abs(out64[$0] - exp(x[$0] - top)) <= 1e-14 })
      fb_table_max_exp_sum(set.table, fb_f64)!(&max64, &sum64, x, n)
      #expect(max64 == top && abs(sum64 / sum - 1) < 1e-13)
    }
  }

  @Test(arguments: InstructionSet.available)
  func logsumexpOfInfinities(_ set: InstructionSet) {
    func logsumexp(_ x: [Float]) -> Float {
      var top: Float = 0, sum: Float = 0
      fb_table_max_exp_sum(set.table, fb_f32)!(&top, &sum, x, x.count)
      return top + log(sum)
    }
    #expect(logsumexp([Float](repeating: -.infinity, count: 20)) == -.infinity)
    #expect(logsumexp([-.infinity, 3, -.infinity]) == 3)
    #expect(logsumexp([1, .infinity, 2]) == .infinity)
    #expect(logsumexp([Float](repeating: -.infinity, count: 5000) + [2]) == 2)
    #expect(logsumexp([1, .nan, .infinity]).isNaN)
    #expect(logsumexp([]) == -.infinity)
  }
}
