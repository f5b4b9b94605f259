import Flambeau

/// How a GGUF file stores elements: as they are, or in blocks that share scales (ggml's `ggml-quants.c`).
struct GGUFPacking: Sendable {
  typealias Unpack = @Sendable (UnsafeRawBufferPointer, UnsafeMutableBufferPointer<Float>) -> Void

  let code: UInt32
  let name: String
  /// The elements of a block, and the bytes it takes.
  let elements: Int
  let byteCount: Int
  var dtype = DType.float32
  /// Nil where the elements are stored as they are, and for blocks that are not read.
  var unpack: Unpack?

  private init(_ code: UInt32, _ dtype: DType) {
    self.code = code
    name = dtype.description
    elements = 1
    byteCount = dtype.byteCount
    self.dtype = dtype
  }

  private init(_ code: UInt32, _ name: String, elements: Int, byteCount: Int, _ unpack: Block? = nil) {
    self.code = code
    self.name = name
    self.elements = elements
    self.byteCount = byteCount
    guard let block = unpack else { return }
    self.unpack = { bytes, target in
      guard let from = bytes.baseAddress, let to = target.baseAddress else { return }
      for index in 0..<bytes.count / byteCount { block(from + index * byteCount, to + index * elements) }
    }
  }

  private typealias Block = @Sendable (UnsafeRawPointer, UnsafeMutablePointer<Float>) -> Void

  static let all: [GGUFPacking] = [
    GGUFPacking(0, .float32), GGUFPacking(1, .float16), GGUFPacking(30, .bfloat16), GGUFPacking(28, .float64),
    GGUFPacking(24, .int8), GGUFPacking(25, .int16), GGUFPacking(26, .int32), GGUFPacking(27, .int64),
    GGUFPacking(2, "Q4_0", elements: 32, byteCount: 18, fourBits), GGUFPacking(8, "Q8_0", elements: 32, byteCount: 34, eightBits),
    GGUFPacking(12, "Q4_K", elements: 256, byteCount: 144, fourBitsOf256),
    GGUFPacking(14, "Q6_K", elements: 256, byteCount: 210, sixBitsOf256),
    GGUFPacking(3, "Q4_1", elements: 32, byteCount: 20), GGUFPacking(6, "Q5_0", elements: 32, byteCount: 22),
    GGUFPacking(7, "Q5_1", elements: 32, byteCount: 24), GGUFPacking(10, "Q2_K", elements: 256, byteCount: 84),
    GGUFPacking(11, "Q3_K", elements: 256, byteCount: 110), GGUFPacking(13, "Q5_K", elements: 256, byteCount: 176),
  ]

  private static func half(_ address: UnsafeRawPointer) -> Float {
    let bits = UInt16(littleEndian: address.loadUnaligned(as: UInt16.self))
    let magnitude = UInt32(bits & 0x7FFF) << 13
    // As the bits of a float the half is too small by 2^112, whether it is subnormal or not.
    let size = magnitude < 0x7C00 << 13 ? Float(bitPattern: magnitude) * 0x1p112 : Float(bitPattern: magnitude | 0x7F80_0000)
    return bits & 0x8000 == 0 ? size : -size
  }

  private static func byte(_ address: UnsafeRawPointer, _ index: Int) -> UInt8 {
    address.load(fromByteOffset: index, as: UInt8.self)
  }

  /// A scale, then 32 signed bytes.
  private static let eightBits: Block = { block, target in
    let scale = half(block)
    for i in 0..<32 { target[i] = scale * Float(Int8(bitPattern: byte(block, 2 + i))) }
  }

  /// A scale, then 16 bytes whose lower halves are the first 16 elements.
  private static let fourBits: Block = { block, target in
    let scale = half(block)
    for i in 0..<16 {
      let pair = byte(block, 2 + i)
      target[i] = scale * Float(Int(pair & 15) - 8)
      target[i + 16] = scale * Float(Int(pair >> 4) - 8)
    }
  }

  /// Two scales, eight pairs of six bits (a scale and a minimum for 32 elements each) in 12 bytes, 128 bytes of halves.
  private static let fourBitsOf256: Block = { block, target in
    let (scale, minimum) = (half(block), half(block + 2))
    func factors(_ j: Int) -> (scale: Float, minimum: Float) {
      func packed(_ i: Int) -> UInt8 { byte(block, 4 + i) }
      let pair: (UInt8, UInt8) =
        j < 4
        ? (packed(j) & 63, packed(j + 4) & 63)
        : (packed(j + 4) & 15 | (packed(j - 4) >> 6) << 4, packed(j + 4) >> 4 | (packed(j) >> 6) << 4)
      return (scale * Float(pair.0), minimum * Float(pair.1))
    }
    for group in 0..<4 {
      let (low, high) = (factors(2 * group), factors(2 * group + 1))
      for i in 0..<32 {
        let pair = byte(block, 16 + group * 32 + i)
        target[group * 64 + i] = low.scale * Float(pair & 15) - low.minimum
        target[group * 64 + 32 + i] = high.scale * Float(pair >> 4) - high.minimum
      }
    }
  }

  /// 128 bytes of lower halves, 64 bytes of upper pairs of bits, 16 signed scales for 16 elements each, one scale for all.
  private static let sixBitsOf256: Block = { block, target in
    let scale = half(block + 208)
    for part in 0..<2 {
      for i in 0..<32 {
        let high = byte(block, 128 + part * 32 + i)
        for quarter in 0..<4 {
          let low = (byte(block, part * 64 + (quarter & 1) * 32 + i) >> UInt8(quarter / 2 * 4)) & 15
          let top = (high >> UInt8(quarter * 2)) & 3
          let value = Int(low | top << 4) - 32
          let factor = Int8(bitPattern: byte(block, 192 + part * 8 + quarter * 2 + i / 16))
          target[part * 128 + quarter * 32 + i] = scale * Float(factor) * Float(value)
        }
      }
    }
  }
}
