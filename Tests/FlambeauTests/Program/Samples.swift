@testable import Flambeau

/// A generator that repeats itself, so that a failure can be met again.
struct Repeatable: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// A buffer of any dtype under any layout, with its elements at hand as numbers.
final class ProgramSample {
  let elements: Elements
  private let buffer: UnsafeMutableRawBufferPointer

  init(_ layout: Layout, _ dtype: DType, byteCount: Int) {
    buffer = .allocate(byteCount: byteCount, alignment: 64)
    buffer.initializeMemory(as: UInt8.self, repeating: 0)
    elements = Elements(buffer.baseAddress!, layout, dtype)
  }

  /// A layout of `shape` chosen at random: permuted, sliced, reversed or (for inputs) stretched.
  convenience init(
    _ shape: [Int], _ dtype: DType, stretches: Bool, using random: inout some RandomNumberGenerator
  ) {
    let kind = Int.random(in: 0..<8, using: &random)
    var order = Array(shape.indices)
    if kind >= 4 { order.shuffle(using: &random) }
    var strides = Array(repeating: 0, count: shape.count)
    var step = kind >= 3 && Bool.random(using: &random) ? 2 : 1
    var offset = 0
    for dim in order.reversed() {
      if stretches && kind != 0 && Int.random(in: 0..<4, using: &random) == 0 { continue }
      strides[dim] = step
      step *= shape[dim]
      if kind == 6 && Bool.random(using: &random) { step += 3 }
      if kind == 7 && Bool.random(using: &random) && shape[dim] > 0 {
        offset += strides[dim] * (shape[dim] - 1)
        strides[dim] = -strides[dim]
      }
    }
    self.init(
      Layout(shape: Shape(shape), strides: Shape(strides), offset: offset), dtype,
      byteCount: Swift.max(step + 8, 8) * dtype.byteCount)
  }

  deinit { buffer.deallocate() }

  /// The positions of the elements, row-major.
  var positions: [Int] {
    let layout = elements.layout
    var positions = [layout.offset]
    for dim in 0..<layout.rank {
      positions = positions.flatMap { base in (0..<layout.shape.at(dim)).map { base + $0 * layout.strides.at(dim) } }
    }
    return positions
  }

  subscript(position: Int) -> Double {
    get {
      let base = buffer.baseAddress!
      switch elements.dtype {
      case .bool, .uint8: return Double(base.load(fromByteOffset: position, as: UInt8.self))
      case .int8: return Double(base.load(fromByteOffset: position, as: Int8.self))
      case .int16: return Double(base.load(fromByteOffset: position * 2, as: Int16.self))
      case .int32: return Double(base.load(fromByteOffset: position * 4, as: Int32.self))
      case .int64: return Double(base.load(fromByteOffset: position * 8, as: Int64.self))
      case .float16: return ProgramSample.half(base.load(fromByteOffset: position * 2, as: UInt16.self))
      case .bfloat16:
        return Double(Float(bitPattern: UInt32(base.load(fromByteOffset: position * 2, as: UInt16.self)) << 16))
      case .float32: return Double(base.load(fromByteOffset: position * 4, as: Float.self))
      case .float64: return base.load(fromByteOffset: position * 8, as: Double.self)
      }
    }
    set {
      let base = buffer.baseAddress!
      switch elements.dtype {
      case .bool: base.storeBytes(of: newValue != 0 ? 1 : 0, toByteOffset: position, as: UInt8.self)
      case .uint8: base.storeBytes(of: UInt8(truncatingIfNeeded: Int(newValue)), toByteOffset: position, as: UInt8.self)
      case .int8: base.storeBytes(of: Int8(truncatingIfNeeded: Int(newValue)), toByteOffset: position, as: Int8.self)
      case .int16: base.storeBytes(of: Int16(truncatingIfNeeded: Int(newValue)), toByteOffset: position * 2, as: Int16.self)
      case .int32: base.storeBytes(of: Int32(truncatingIfNeeded: Int(newValue)), toByteOffset: position * 4, as: Int32.self)
      case .int64: base.storeBytes(of: Int64(newValue), toByteOffset: position * 8, as: Int64.self)
      case .float16:
        var bits = UInt16(0)
        fb_f32Store(Float(newValue), &bits)
        base.storeBytes(of: bits, toByteOffset: position * 2, as: UInt16.self)
      case .bfloat16:
        let bits = Float(newValue).bitPattern
        base.storeBytes(of: UInt16(truncatingIfNeeded: bits >> 16), toByteOffset: position * 2, as: UInt16.self)
      case .float32: base.storeBytes(of: Float(newValue), toByteOffset: position * 4, as: Float.self)
      case .float64: base.storeBytes(of: newValue, toByteOffset: position * 8, as: Double.self)
      }
    }
  }

  /// Values the dtype holds, read back as stored.
  func fill(using random: inout some RandomNumberGenerator, _ draw: (inout any RandomNumberGenerator) -> Double) {
    var generator: any RandomNumberGenerator = random
    for position in positions { self[position] = draw(&generator) }
    for _ in 0..<positions.count { _ = random.next() }
  }

  var values: [Double] { positions.map { self[$0] } }

  private static func half(_ bits: UInt16) -> Double {
    let sign = bits >> 15 == 0 ? 1.0 : -1
    let exponent = Int(bits >> 10 & 31)
    let fraction = Double(bits & 1023)
    if exponent == 0 { return sign * fraction * 0x1p-24 }
    if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
    return sign * (1 + fraction / 1024) * (exponent >= 15 ? Double(1 << (exponent - 15)) : 1 / Double(1 << (15 - exponent)))
  }
}

/// Float to half by a value's own search, independent of the library: halves are ordered as their bits.
private func fb_f32Store(_ value: Float, _ bits: inout UInt16) {
  let magnitude = Double(Swift.abs(value))
  func decode(_ b: UInt16) -> Double {
    let exponent = Int(b >> 10)
    let fraction = Double(b & 1023)
    return exponent == 0
      ? fraction * 0x1p-24
      : (1 + fraction / 1024) * (exponent >= 15 ? Double(1 << (exponent - 15)) : 1 / Double(1 << (15 - exponent)))
  }
  var (low, high) = (UInt16(0), UInt16(0x7bff))
  while low < high {
    let middle = (low + high + 1) / 2
    if decode(middle) <= magnitude { low = middle } else { high = middle - 1 }
  }
  bits = low | (value.sign == .minus ? 0x8000 : 0)
}
