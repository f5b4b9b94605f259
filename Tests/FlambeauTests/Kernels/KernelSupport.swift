import CKernels
import Testing

@testable import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// An instruction set this machine has, by name so that test cases can be told apart.
struct InstructionSet: CustomTestStringConvertible, Sendable {
  let name: String
  let isa: fb_isa

  var table: UnsafePointer<fb_table> { Kernels.table(for: isa)! }
  var testDescription: String { name }

  static let available = Kernels.instructionSets.filter { Kernels.table(for: $0.isa) != nil }.map(InstructionSet.init)
}

/// The types programs compute in.
protocol ComputeType: Comparable, BitwiseCopyable, Sendable {
  static var kernelClass: fb_class { get }
  /// A value kernels must not write over.
  static var guardValue: Self { get }
}

extension Float: ComputeType {
  static var kernelClass: fb_class { fb_f32 }
  static var guardValue: Float { 12345.678 }
}

extension Double: ComputeType {
  static var kernelClass: fb_class { fb_f64 }
  static var guardValue: Double { 12345.678 }
}

extension Int64: ComputeType {
  static var kernelClass: fb_class { fb_i64 }
  static var guardValue: Int64 { 0x5a5a_5a5a_5a5a }
}

let allPrimitives = (0..<fb_primitive_count.rawValue).map { fb_primitive(rawValue: $0) }

extension fb_primitive {
  var name: String { String(cString: fb_primitive_describe(self).name) }
  var arity: Int { Int(fb_primitive_describe(self).arity) }
}

extension InstructionSet {
  func map(_ primitive: fb_primitive, _ computeClass: fb_class) -> fb_map? { fb_table_map(table, computeClass, primitive) }

  /// The primitive of dense operands; nil where the class has none.
  func apply<T: ComputeType>(_ primitive: fb_primitive, _ a: [T], _ b: [T]? = nil, _ c: [T]? = nil) -> [T]? {
    guard let kernel = map(primitive, T.kernelClass) else { return nil }
    return [T](unsafeUninitializedCapacity: a.count) { out, count in
      kernel(out.baseAddress, a, b ?? a, c ?? a, a.count, 0)
      count = a.count
    }
  }
}

/// The distance between a value and the exact result in units of the last place of the type.
func ulps(_ value: Float, from exact: Double) -> Double {
  let nearest = Float(exact)
  if nearest.isNaN || value.isNaN { return nearest.isNaN && value.isNaN ? 0 : .infinity }
  if nearest.isInfinite || value.isInfinite { return nearest == value ? 0 : .infinity }
  return abs(Double(value) - exact) / Double(nearest.ulp)
}

func ulps(_ value: Double, from exact: Double) -> Double {
  if exact.isNaN || value.isNaN { return exact.isNaN && value.isNaN ? 0 : .infinity }
  if exact.isInfinite || value.isInfinite { return exact == value ? 0 : .infinity }
  return abs(value - exact) / exact.ulp
}

/// Equal bits, any NaN for any NaN.
func identical<T: ComputeType>(_ a: T, _ b: T) -> Bool {
  if a != a || b != b { return a != a && b != b }
  if let a = a as? Double, let b = b as? Double { return a == b && a.sign == b.sign }
  if let a = a as? Float, let b = b as? Float { return a == b && a.sign == b.sign }
  return a == b
}

func identical<T: ComputeType>(_ a: ArraySlice<T>, _ b: [T]) -> Bool {
  let sameBytes = a.withUnsafeBytes { a in
    b.withUnsafeBytes { a.count == $0.count && memcmp(a.baseAddress!, $0.baseAddress!, $0.count) == 0 }
  }
  return sameBytes || a.count == b.count && zip(a, b).allSatisfy { identical($0, $1) }
}

/// The same sequence on every machine.
struct Sequence64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
