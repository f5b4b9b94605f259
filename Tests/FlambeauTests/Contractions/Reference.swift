@testable import Flambeau

/// Deterministic small numbers, exact in every floating-point type.
struct Pattern {
  private var state: UInt64
  init(_ seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next() -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(Int(state >> 59) - 16) / 8
  }
}

/// Values of any floating-point type (or int32, int64, uint8) as Doubles and as bytes.
struct Values {
  let dtype: DType
  var bytes: [UInt8]
  var count: Int { bytes.count / dtype.byteCount }

  init(_ dtype: DType, count: Int, filledWith value: Double = 0) {
    self.dtype = dtype
    bytes = [UInt8](repeating: 0, count: Swift.max(1, count) * dtype.byteCount)
    for i in 0..<count { self[i] = value }
  }

  init(_ dtype: DType, count: Int, seed: Int) {
    self.init(dtype, count: count)
    var pattern = Pattern(seed)
    for i in 0..<count { self[i] = dtype.isFloatingPoint ? pattern.next() : (pattern.next() * 8).rounded() }
  }

  var values: [Double] { (0..<count).map { self[$0] } }

  subscript(i: Int) -> Double {
    get {
      bytes.withUnsafeBytes { p in
        let at = i * dtype.byteCount
        switch dtype {
        case .float64: return p.loadUnaligned(fromByteOffset: at, as: Double.self)
        case .float32: return Double(p.loadUnaligned(fromByteOffset: at, as: Float.self))
        case .bfloat16:
          return Double(Float(bitPattern: UInt32(p.loadUnaligned(fromByteOffset: at, as: UInt16.self)) << 16))
        case .float16: return halfToDouble(p.loadUnaligned(fromByteOffset: at, as: UInt16.self))
        case .int64: return Double(p.loadUnaligned(fromByteOffset: at, as: Int64.self))
        case .int32: return Double(p.loadUnaligned(fromByteOffset: at, as: Int32.self))
        case .int16: return Double(p.loadUnaligned(fromByteOffset: at, as: Int16.self))
        case .int8: return Double(p.loadUnaligned(fromByteOffset: at, as: Int8.self))
        case .uint8, .bool: return Double(p[at])
        }
      }
    }
    set {
      bytes.withUnsafeMutableBytes { p in
        let at = i * dtype.byteCount
        switch dtype {
        case .float64: p.storeBytes(of: newValue, toByteOffset: at, as: Double.self)
        case .float32: p.storeBytes(of: Float(newValue), toByteOffset: at, as: Float.self)
        case .bfloat16: p.storeBytes(of: brain(newValue), toByteOffset: at, as: UInt16.self)
        case .float16: p.storeBytes(of: half(newValue), toByteOffset: at, as: UInt16.self)
        case .int64: p.storeBytes(of: Int64(newValue), toByteOffset: at, as: Int64.self)
        case .int32: p.storeBytes(of: Int32(newValue), toByteOffset: at, as: Int32.self)
        case .int16: p.storeBytes(of: Int16(truncatingIfNeeded: Int(newValue)), toByteOffset: at, as: Int16.self)
        case .int8: p.storeBytes(of: Int8(truncatingIfNeeded: Int(newValue)), toByteOffset: at, as: Int8.self)
        case .uint8, .bool: p[at] = UInt8(truncatingIfNeeded: Int(newValue))
        }
      }
    }
  }
}

/// How far a result of this type may be from the exact one, relative to its size.
func tolerance(_ dtype: DType) -> Double {
  switch dtype {
  case .float64: 1e-12
  case .float32: 2e-5
  case .float16: 1.5e-3
  case .bfloat16: 1e-2
  default: 0
  }
}

private func brain(_ x: Double) -> UInt16 {
  if x.isNaN { return 0x7fc0 }
  let bits = Float(x).bitPattern
  return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
}

private func halfToDouble(_ bits: UInt16) -> Double {
  let sign: Double = bits >> 15 == 1 ? -1 : 1
  let (exponent, fraction) = (Int(bits >> 10) & 31, Double(bits & 1023) / 1024)
  if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
  return sign * (exponent == 0 ? scalbn(fraction, -14) : scalbn(1 + fraction, exponent - 15))
}

private func scalbn(_ x: Double, _ e: Int) -> Double { x * Double(sign: .plus, exponent: e, significand: 1) }

private func half(_ x: Double) -> UInt16 {
  let sign: UInt16 = x.sign == .minus ? 0x8000 : 0
  let size = Swift.abs(x)
  if x.isNaN { return 0x7e00 }
  if size >= 65520 { return sign | 0x7c00 }
  let exponent = size == 0 ? -14 : Swift.max(-14, Int(size.exponent))
  let steps = Int((scalbn(size, 10 - exponent)).rounded(.toNearestOrEven))
  return sign | UInt16(steps + (exponent + 14) * 1024)
}
