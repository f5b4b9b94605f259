import CKernels

/// One of the operations programs are made of; `primitives.h` lists them.
typealias Primitive = fb_primitive

/// The type a program computes in.
typealias ComputeClass = fb_class

extension fb_primitive {
  private static let infos: [(name: String, arity: Int)] = (0..<fb_primitive_count.rawValue).map {
    let info = fb_primitive_describe(fb_primitive(rawValue: $0))
    return (String(cString: info.name), Int(info.arity))
  }
  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  static let all: [fb_primitive] = (0..<fb_primitive_count.rawValue).map { fb_primitive(rawValue: $0) }

  init?(name: some StringProtocol) {
    guard let found = fb_primitive.byName[String(name)] else { return nil }
    self = found
  }

  var name: String { fb_primitive.infos[Int(rawValue)].name }
  var arity: Int { fb_primitive.infos[Int(rawValue)].arity }
}

/// A number known when a program is written (a constant) or run (a scalar), as floating point and as an integer.
///
/// Programs over integers read `integer`, all others `double`.
struct Number: Sendable, Hashable {
  let double: Double
  let integer: Int64

  init(_ value: Double) {
    double = value
    integer = Int64(exactly: value.rounded(.towardZero)) ?? (value.isNaN ? 0 : value < 0 ? .min : .max)
  }

  init(_ value: Int64) {
    double = Double(value)
    integer = value
  }

  init(_ value: Int) { self.init(Int64(value)) }
  init(_ value: Bool) { self.init(Int64(value ? 1 : 0)) }

  /// The two forms name one number, which float holds too.
  var isSmallInteger: Bool { abs(double) <= 0x1p24 && Double(integer) == double }

  // By bits, so that NaN equals itself and 0 differs from -0.
  static func == (a: Number, b: Number) -> Bool {
    a.double.bitPattern == b.double.bitPattern && a.integer == b.integer
  }
  func hash(into hasher: inout Hasher) {
    hasher.combine(double.bitPattern)
    hasher.combine(integer)
  }
}

extension Number: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  init(floatLiteral value: Double) { self.init(value) }
  init(integerLiteral value: Int64) { self.init(value) }
}

/// The run-time scalars of a program, at most ``capacity``, held inline.
struct Scalars: Sendable, ExpressibleByArrayLiteral {
  static let capacity = 4

  private var values: (Number, Number, Number, Number) = (0, 0, 0, 0)
  private(set) var count = 0

  init() {}

  init(_ numbers: some Sequence<Number>) {
    for number in numbers { append(number) }
  }

  init(arrayLiteral elements: Number...) { self.init(elements) }

  /// The scalars of a program with one.
  @inline(__always)
  init(_ number: Number) {
    values.0 = number
    count = 1
  }

  @inline(__always)
  init(_ first: Number, _ second: Number) {
    values.0 = first
    values.1 = second
    count = 2
  }

  mutating func append(_ number: Number) {
    precondition(count < Scalars.capacity, "a program takes at most \(Scalars.capacity) scalars")
    withUnsafeMutableBytes(of: &values) {
      $0.storeBytes(of: number, toByteOffset: count * MemoryLayout<Number>.stride, as: Number.self)
    }
    count += 1
  }

  @inline(__always)
  subscript(i: Int) -> Number {
    withUnsafeBytes(of: values) { $0.load(fromByteOffset: i * MemoryLayout<Number>.stride, as: Number.self) }
  }
}
