import CKernels
import Testing

/// Every primitive on every length, with scalar operands, unaligned operands and results over operands.
@Suite struct MapShapeTests {
  static let lengths = Array(0...67) + [127, 128, 129]

  /// Operands without the functions' singular points, so that values tell lanes apart.
  static func operands<T: ComputeType>(_ primitive: fb_primitive, _ n: Int, _ value: (Int) -> T) -> [[T]] {
    (0..<primitive.arity).map { k in (0..<n).map { value($0 * 3 + k + 1) } }
  }

  static func check<T: ComputeType>(_ set: InstructionSet, _ type: T.Type, _ value: (Int) -> T) {
    for primitive in allPrimitives {
      guard let kernel = set.map(primitive, T.kernelClass) else { continue }
      let (b, c) = (min(1, primitive.arity - 1), primitive.arity - 1)
      let most = lengths.max()!, longest = operands(primitive, most, value), flat = longest.flatMap { $0 }
      for scalars in 0..<UInt32(1 << primitive.arity) {
        // One element at a time is the reference: the loop must give every element what it gives alone.
        let expected = flat.withUnsafeBufferPointer { flat in
          (0..<most).map { i in
            func operand(_ k: Int) -> UnsafePointer<T> { flat.baseAddress! + k * most + (scalars >> k & 1 == 1 ? 0 : i) }
            var one = T.guardValue
            kernel(&one, operand(0), operand(b), operand(c), 1, 0)
            return one
          }
        }
        for n in lengths {
          // A guard before (which also spoils the alignment) and one behind.
          let size = n + 2
          let blocks = longest.flatMap { [T.guardValue] + $0.prefix(n) + [T.guardValue] }
          let empty = [T](repeating: T.guardValue, count: size)
          let whole = [T.guardValue] + expected.prefix(n) + [T.guardValue]
          // Into a block of its own, then over each operand in turn.
          for target in n == 0 ? [primitive.arity] : Array(0...primitive.arity) {
            var memory = blocks + empty
            memory.withUnsafeMutableBufferPointer {
              let start = $0.baseAddress! + 1
              kernel(start + target * size, start, start + b * size, start + c * size, n, scalars)
            }
            if !identical(memory[target * size..<(target + 1) * size], whole) {
              Issue.record("\(primitive.name) of \(n) \(T.self)s into block \(target), scalars \(scalars)")
            }
          }
        }
      }
    }
  }

  @Test(arguments: InstructionSet.available)
  func float32(_ set: InstructionSet) { Self.check(set, Float.self) { Float($0 % 19) / 16 - 0.4 } }

  @Test(arguments: InstructionSet.available)
  func float64(_ set: InstructionSet) { Self.check(set, Double.self) { Double($0 % 19) / 16 - 0.4 } }

  @Test(arguments: InstructionSet.available)
  func int64(_ set: InstructionSet) { Self.check(set, Int64.self) { Int64($0 % 19 - 6) } }

  /// A huge neighbour must not change how an angle is reduced.
  @Test(arguments: InstructionSet.available, [fb_sin, fb_cos, fb_tan].map(\.rawValue))
  func elementsDoNotSeeTheirNeighbours(_ set: InstructionSet, _ rawPrimitive: UInt32) throws {
    let primitive = fb_primitive(rawValue: rawPrimitive)
    let x = (0..<64).map { $0 % 9 == 4 ? Float(1e20) : Float($0) }
    let together = try #require(set.apply(primitive, x))
    for i in x.indices { #expect(try #require(set.apply(primitive, [x[i]]))[0] == together[i]) }
  }
}
