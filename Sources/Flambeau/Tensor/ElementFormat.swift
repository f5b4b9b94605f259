#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Numbers that print together, as texts of one width; zeros, infinities and NaNs may be wider.
struct AlignedTexts {
  let width: Int
  private(set) var rest: ArraySlice<String>

  init(_ numbers: [Double], _ options: PrintOptions) {
    let format = RealFormat(numbers, options)
    self.init(numbers.map(format.text), width: format.width)
  }

  init(_ numbers: [Int64], isBoolean: Bool) {
    let texts = numbers.map { isBoolean ? ($0 == 0 ? "False" : "True") : String($0) }
    self.init(texts, width: texts.lazy.map(\.utf8.count).max() ?? 1)
  }

  private init(_ texts: [String], width: Int) {
    self.width = width
    rest = texts.map { String(repeating: " ", count: Swift.max(width - $0.utf8.count, 0)) + $0 }[...]
  }

  mutating func next() -> String { rest.removeFirst() }
}

/// How floating-point elements that print together are written: torch's `_Formatter`.
private struct RealFormat {
  private enum Style { case whole, fixed, scientific }

  private let style: Style
  private let precision: Int
  /// Of the widest that takes part in the choice.
  let width: Int

  /// Zeros, infinities and NaNs take no part in the choice.
  init(_ numbers: [Double], _ options: PrintOptions) {
    precision = options.precision
    let telling = numbers.filter { $0 != 0 && $0.isFinite }
    guard let first = telling.first?.magnitude else {
      style = .whole
      width = 1
      return
    }
    var (least, most) = (first, first)
    for number in telling {
      least = Swift.min(least, number.magnitude)
      most = Swift.max(most, number.magnitude)
    }
    let isScientific = options.sciMode ?? (most / least > 1000 || most > 1e8 || least < 1e-4)
    let style: Style =
      isScientific ? .scientific : telling.allSatisfy { $0 == $0.rounded(.up) } ? .whole : .fixed
    self.style = style
    let precision = precision
    width = telling.lazy.map { RealFormat.text($0, style, precision).utf8.count }.max()!
  }

  func text(_ number: Double) -> String { RealFormat.text(number, style, precision) }

  private static func text(_ number: Double, _ style: Style, _ precision: Int) -> String {
    if number.isNaN { return "nan" }
    if number.isInfinite { return number < 0 ? "-inf" : "inf" }
    switch style {
    case .whole: return printed(number, "%.*f", 0) + "."
    case .fixed: return printed(number, "%.*f", precision)
    case .scientific: return printed(number, "%.*e", precision)
    }
  }
}

extension Double {
  /// With so many digits after the point.
  func fixed(_ digits: Int) -> String { printed(self, "%.*f", digits) }
}

/// `number` as C's printf writes it, but with a point whatever the locale.
private func printed(_ number: Double, _ format: String, _ precision: Int) -> String {
  // A sign, 309 digits, the locale's point, 1074 digits, and the end.
  let capacity = 1400
  return withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
    let count = withVaList([Int32(precision), number]) { vsnprintf(buffer.baseAddress!, capacity, format, $0) }
    return String(pointing: UnsafeRawBufferPointer(buffer).prefix(Int(count)))
  }
}

extension String {
  /// A number's text, in which what is neither digit, sign nor exponent is a locale's decimal separator.
  init(pointing bytes: some Collection<UInt8>) {
    self = ""
    for byte in bytes {
      let isPlain = (0x30...0x39).contains(byte) || byte == 0x2B || byte == 0x2D || byte == 0x65
      if isPlain { unicodeScalars.append(Unicode.Scalar(byte)) } else if last != "." { append(".") }
    }
  }
}
