import CKernels
import Testing

@testable import Flambeau

extension InstructionSet {
  func load<Stored: BitwiseCopyable, T: ComputeType>(
    _ dtype: DType, _ elements: [Stored], stride: Int = 1, count: Int? = nil, as: T.Type
  ) -> [T] {
    let n = count ?? elements.count
    var block = [T](repeating: T.guardValue, count: n + 1)
    fb_table_load(table, T.kernelClass, dtype.kernelType)!(&block, elements, stride, n)
    #expect(block[n] == T.guardValue, "\(dtype) loaded past the end")
    return Array(block.prefix(n))
  }

  func store<Stored: BitwiseCopyable & Equatable, T: ComputeType>(_ dtype: DType, _ block: [T], guarded: Stored) -> [Stored] {
    var elements = [Stored](repeating: guarded, count: block.count + 1)
    fb_table_store(table, T.kernelClass, dtype.kernelType)!(&elements, 1, block, block.count)
    #expect(elements[block.count] == guarded, "\(dtype) stored past the end")
    return Array(elements.prefix(block.count))
  }
}

/// The value of a half's bits, from the format's definition.
private func valueOfHalf(_ bits: UInt16) -> Float {
  let exponent = Int(bits >> 10 & 31), fraction = Float(bits & 0x3ff), sign: Float = bits >> 15 == 1 ? -1 : 1
  if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
  if exponent == 0 { return sign * fraction * Float(sign: .plus, exponent: -24, significand: 1) }
  return sign * Float(sign: .plus, exponent: exponent - 25, significand: 1024 + fraction)
}

@Suite struct ConversionTests {
  static let everyPattern = (0...UInt16.max).map { $0 }

  @Test(arguments: InstructionSet.available)
  func everyHalfAndBack(_ set: InstructionSet) {
    let values = set.load(.float16, Self.everyPattern, as: Float.self)
    let doubles = set.load(.float16, Self.everyPattern, as: Double.self)
    for (bits, value) in zip(Self.everyPattern, values) where !identical(value, valueOfHalf(bits)) {
      Issue.record("half \(bits) is \(value)")
    }
    #expect(zip(values, doubles).allSatisfy { identical(Double($0), $1) })
    for back in [set.store(.float16, values, guarded: UInt16(7)), set.store(.float16, doubles, guarded: UInt16(7))] {
      for (bits, stored) in zip(Self.everyPattern, back) {
        if valueOfHalf(bits).isNaN {
          #expect(valueOfHalf(stored).isNaN)
        } else if stored != bits {
          Issue.record("half \(bits) came back as \(stored)")
        }
      }
    }
  }

  /// Halfway between every two neighbours and a little to each side.
  @Test(arguments: InstructionSet.available)
  func halvesRoundToNearestEven(_ set: InstructionSet) {
    let lower = (0..<UInt16(0x7bff)).map { $0 }
    let middle = lower.map { (valueOfHalf($0) + valueOfHalf($0 + 1)) / 2 }
    func stored(_ values: [Float]) -> [UInt16] { set.store(.float16, values, guarded: 7) }
    #expect(stored(middle) == lower.map { $0 & 1 == 0 ? $0 : $0 + 1 })
    #expect(stored(middle.map(\.nextDown)) == lower)
    #expect(stored(middle.map(\.nextUp)) == lower.map { $0 + 1 })
    #expect(stored(middle.map { -$0 }) == lower.map { ($0 & 1 == 0 ? $0 : $0 + 1) | 0x8000 })
    #expect(
      stored([65519, 65520, 1e9, .infinity, -65520, 1e-10, -1e-10]) == [0x7bff, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0, 0x8000])
  }

  @Test(arguments: InstructionSet.available)
  func everyBFloatAndBack(_ set: InstructionSet) {
    let values = set.load(.bfloat16, Self.everyPattern, as: Float.self)
    let back = set.store(.bfloat16, values, guarded: UInt16(7))
    for (i, bits) in Self.everyPattern.enumerated() {
      let exact = Float(bitPattern: UInt32(bits) << 16)
      #expect(identical(values[i], exact))
      if exact.isNaN { #expect(back[i] & 0x7f80 == 0x7f80 && back[i] & 0x7f != 0) } else { #expect(back[i] == bits) }
    }
  }

  @Test(arguments: InstructionSet.available)
  func bfloatsRoundToNearestEven(_ set: InstructionSet) {
    let lower = (0..<UInt16(0x7f7f)).map { $0 }
    let middle = lower.map { Float(bitPattern: UInt32($0) << 16 | 0x8000) }
    func stored(_ values: [Float]) -> [UInt16] { set.store(.bfloat16, values, guarded: 7) }
    #expect(stored(middle) == lower.map { $0 & 1 == 0 ? $0 : $0 + 1 })
    #expect(stored(middle.map(\.nextDown)) == lower)
    #expect(stored(middle.map(\.nextUp)) == lower.map { $0 + 1 })
    #expect(stored([.greatestFiniteMagnitude, -.infinity]) == [0x7f80, 0xff80])
  }

  static let awkward: [Double] = [
    300.7, -1.5, -300, 1e10, -1e10, 3e9, 1e20, -1e20, .nan, .infinity, -.infinity, 0.5, -0.5, 65535, 2_147_483_648, -0.0, 127,
    -128,
  ]

  /// What a 32-bit conversion of x86 gives, cut to the type: as torch there.
  @Test(arguments: InstructionSet.available)
  func floatsTruncateToIntegers(_ set: InstructionSet) {
    func indefinite<I: FixedWidthInteger>(_ x: Double, _ type: I.Type) -> I { I(exactly: x.rounded(.towardZero)) ?? I.min }
    let single = Self.awkward.map { Float($0) }
    func check<I: FixedWidthInteger & BitwiseCopyable>(_ dtype: DType, _ type: I.Type, through: (Double) -> Int64) {
      #expect(
        set.store(dtype, Self.awkward, guarded: I(9)) == Self.awkward.map { I(truncatingIfNeeded: through($0)) }, "\(dtype)")
      #expect(set.store(dtype, single, guarded: I(9)) == single.map { I(truncatingIfNeeded: through(Double($0))) }, "\(dtype)")
    }
    check(.uint8, UInt8.self) { Int64(indefinite($0, Int32.self)) }
    check(.int8, Int8.self) { Int64(indefinite($0, Int32.self)) }
    check(.int16, Int16.self) { Int64(indefinite($0, Int32.self)) }
    check(.int32, Int32.self) { Int64(indefinite($0, Int32.self)) }
    check(.int64, Int64.self) { indefinite($0, Int64.self) }
    #expect(set.store(.bool, Self.awkward, guarded: UInt8(9)) == Self.awkward.map { $0 == 0 ? 0 : 1 })
    #expect(set.load(.float64, Self.awkward, as: Int64.self) == Self.awkward.map { indefinite($0, Int64.self) })
    #expect(set.load(.float32, single, as: Int64.self) == single.map { indefinite(Double($0), Int64.self) })
  }

  @Test(arguments: InstructionSet.available)
  func integersWrapAndWiden(_ set: InstructionSet) {
    let wide: [Int64] = [0, 1, -1, 127, 128, 255, 256, 300, -300, 40000, 1 << 31, -(1 << 31) - 1, 1 << 40, .max, .min, 77, 78]
    func check<I: FixedWidthInteger & BitwiseCopyable>(_ dtype: DType, _ type: I.Type) {
      let narrow = set.store(dtype, wide, guarded: I(9))
      #expect(narrow == wide.map { I(truncatingIfNeeded: $0) }, "\(dtype)")
      #expect(set.load(dtype, narrow, as: Int64.self) == narrow.map { Int64($0) }, "\(dtype)")
      #expect(set.load(dtype, narrow, as: Float.self) == narrow.map { Float($0) }, "\(dtype)")
      #expect(set.load(dtype, narrow, as: Double.self) == narrow.map { Double($0) }, "\(dtype)")
    }
    check(.uint8, UInt8.self)
    check(.int8, Int8.self)
    check(.int16, Int16.self)
    check(.int32, Int32.self)
    check(.int64, Int64.self)
    #expect(set.store(.bool, wide, guarded: UInt8(9)) == wide.map { $0 == 0 ? 0 : 1 })
    #expect(set.load(.bool, [0, 1, 0, 1, 255] as [UInt8], as: Int64.self) == [0, 1, 0, 1, 1])
    #expect(set.store(.float32, wide, guarded: Float(9)) == wide.map { Float($0) })
    #expect(set.store(.float64, wide, guarded: 9.0) == wide.map { Double($0) })
    let halves = set.store(.float16, wide, guarded: UInt16(7))
    #expect(valueOfHalf(halves[7]) == 300 && valueOfHalf(halves[12]) == .infinity)
  }

  /// Every dtype and class at every length and several strides.
  @Test(arguments: InstructionSet.available)
  func strides(_ set: InstructionSet) {
    for dtype in DType.allCases {
      check(set, dtype, Float.self)
      check(set, dtype, Double.self)
      check(set, dtype, Int64.self)
    }
  }

  private func check<T: ComputeType>(_ set: InstructionSet, _ dtype: DType, _ type: T.Type) {
    let size = dtype.byteCount, most = 67, reach = most * 3
    let load = fb_table_load(set.table, T.kernelClass, dtype.kernelType)!
    let store = fb_table_store(set.table, T.kernelClass, dtype.kernelType)!
    // Small whole numbers are the same in every type.
    let numbers: [Int64] = (0..<reach).map { dtype == .bool ? Int64($0 % 2) : Int64($0 * 7 % 101) }
    var memory = [UInt8](repeating: 0, count: reach * size)
    fb_table_store(set.table, fb_i64, dtype.kernelType)!(&memory, 1, numbers, reach)
    var wide = [T](repeating: T.guardValue, count: reach)
    load(&wide, memory, 1, reach)
    for stride in [1, 2, 3, 0, -1, -2] {
      for n in [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, most] {
        let start = stride < 0 ? (n - 1) * -stride : 0
        var block = [T](repeating: T.guardValue, count: n + 1)
        memory.withUnsafeBytes { load(&block, $0.baseAddress! + max(start, 0) * size, stride, n) }
        let expected = (0..<n).map { wide[start + $0 * stride] }
        #expect(block == expected + [T.guardValue], "load \(dtype), stride \(stride), \(n) of \(T.self)")
        if stride == 0 { continue }
        var back = [UInt8](repeating: 0x5a, count: reach * size)
        back.withUnsafeMutableBytes { store($0.baseAddress! + max(start, 0) * size, stride, block, n) }
        let touched = Set((0..<n).map { start + $0 * stride })
        for i in 0..<reach {
          let bytes = back[i * size..<(i + 1) * size]
          let right = touched.contains(i) ? bytes == memory[i * size..<(i + 1) * size] : bytes.allSatisfy { $0 == 0x5a }
          if !right { Issue.record("store \(dtype), stride \(stride), \(n) of \(T.self): element \(i)") }
        }
      }
    }
  }
}
