import Foundation
import Testing

@testable import Flambeau

/// Every sample of the operator table has the same bits at any number of threads, results and gradients.
@Suite struct ThreadBitsTests {
  /// In a process of its own: a pool that other tests keep busy would run everything on one thread.
  @Test func everyRowHasTheSameBitsOnAnyNumberOfThreads() async {
    await #expect(processExitsWith: .success) {
      var large = 0
      for (index, entry) in Table.entries.enumerated() {
        // Grids of long vectors are larger than any memory.
        if entry.place.hasPrefix("grids.") { continue }
        for dtype in index % 4 == 0 ? [DType.float32, .bfloat16, .int64] : [.float32] {
          guard let run = GrownSample(entry, dtype, seed: UInt64(index)) else { continue }
          if run.isLarge { large += 1 }
          for threads in [2, 8] where !run.hasSameBits(threads: threads) {
            Issue.record("\(entry), \(dtype): other bits with \(threads) threads than with one")
          }
        }
      }
      // Most samples stay valid calls when their operands grow.
      #expect(large > Table.entries.count / 2)
    }
  }
}

/// A sample with operands as large as it stands, so that threads have something to share.
private struct GrownSample {
  private let entry: TableEntry
  private let operands: [Tensor]
  let isLarge: Bool
  /// All results and gradients, of one thread.
  private let expected: [Tensor]

  /// Nil if the sample refuses the dtype.
  init?(_ entry: TableEntry, _ dtype: DType, seed: UInt64) {
    for elements in [60_000, 2_000, 0] {
      let generator = Generator(seed: seed)
      let operands = entry.sample.operands.map { operand in
        operand.drawn(Self.grown(operand.shape, entry.sample, elements), dtype, generator)
      }
      guard let expected = Self.run(entry, operands, threads: 1) else { continue }
      (self.entry, self.operands, self.expected, isLarge) = (entry, operands, expected, elements > 2_000)
      return
    }
    return nil
  }

  /// Every dimension of the sample's operands times the same factor, chosen for its largest operand.
  private static func grown(_ shape: Shape, _ sample: Sample, _ elements: Int) -> Shape {
    let largest = sample.operands.map(\.shape).max { $0.elementCount < $1.elementCount } ?? shape
    let rank = largest.filter { $0 > 1 }.count
    var factor = 1
    func count(_ factor: Int) -> Int { (0..<rank).reduce(largest.elementCount) { size, _ in size * factor } }
    while rank > 0 && largest.elementCount > 0 && count(factor + 1) <= elements { factor += 1 }
    return Shape(shape.map { $0 > 1 ? $0 * factor : $0 })
  }

  func hasSameBits(threads: Int) -> Bool {
    guard let results = Self.run(entry, operands, threads: threads) else { return false }
    return zip(results, expected).allSatisfy { a, b in
      a.withUnsafeBytes { x in
        b.withUnsafeBytes { y in x.count == y.count && (x.isEmpty || memcmp(x.baseAddress!, y.baseAddress!, x.count) == 0) }
      }
    }
  }

  private static func run(_ entry: TableEntry, _ operands: [Tensor], threads: Int) -> [Tensor]? {
    threadCount = threads
    // What needs more is refused, and tried smaller; later runs have the first one's results beside them.
    Memory.limit = threads == 1 ? 200 << 20 : 800 << 20
    let results = try? withTensorErrors {
      let leaves = zip(entry.sample.operands, operands).map { $1.detach().requiresGrad_($0.needsGradient(in: $1.dtype)) }
      let outputs = entry.sample.call(leaves)
      let (tracked, roots) = (leaves.filter(\.requiresGrad), outputs.filter(\.requiresGrad))
      var results = outputs
      if !tracked.isEmpty && !roots.isEmpty {
        let weights = roots.map { Tensor.rand($0.shape, dtype: $0.dtype, generator: Generator(seed: 1)) }
        results += Tensor.grad(of: roots, withRespectTo: tracked, gradients: weights, allowUnused: true).compactMap { $0 }
      }
      return results.map { $0.detach() }
    }
    // Views may stand for more elements than there is memory.
    return results.flatMap { $0.allSatisfy { $0.count < 10_000_000 } ? $0 : nil }
  }
}

extension SampleOperand {
  /// Elements from its range, as ``Draw`` makes them, without a loop over them here.
  fileprivate func drawn(_ shape: Shape, _ dtype: DType, _ generator: Generator) -> Tensor {
    switch values {
    case .integers(let range): .randint(range.lowerBound, range.upperBound + 1, shape, generator: generator)
    case .mask: .randint(0, 2, shape, generator: generator).to(.bool)
    case .real(let range) where dtype.isFloatingPoint:
      (Tensor.rand(shape, generator: generator) * (range.upperBound - range.lowerBound) + range.lowerBound).to(dtype)
    case .real(let range):
      .randint(
        range.lowerBound < 0 ? -5 : Int(range.lowerBound.rounded(.up)),
        range.lowerBound < 0 ? 6 : Swift.max(Int(range.lowerBound.rounded(.up)), Int(range.upperBound)) + 1, shape, dtype: dtype,
        generator: generator)
    }
  }
}
