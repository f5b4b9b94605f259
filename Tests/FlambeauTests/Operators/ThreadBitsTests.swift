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

  /// Few threads share the sequences of these runs, many the units.
  @Test func recurrencesHaveTheSameBitsOnAnyNumberOfThreads() async {
    await #expect(processExitsWith: .success) {
      for cell in [RecurrentCell.tanh, .relu, .lstm, .gru] {
        for isReversed in [false, true] {
          for dtype in [DType.float32, .float64] {
            let run = GrownRecurrence(cell, isReversed: isReversed, dtype)
            threadCount = 1
            let (alone, composed) = (run.values(), run.valuesInTensorOperations())
            for (i, value) in alone.enumerated() {
              #expect(
                value.allClose(composed[i], rtol: 1e-4, atol: 1e-4), "\(cell), \(dtype), reversed \(isReversed), value \(i)")
            }
            for threads in [2, 3, 16] {
              threadCount = threads
              let same = zip(run.values(), alone).allSatisfy { $0.bits == $1.bits }
              #expect(same, "\(cell), \(dtype), reversed \(isReversed): other bits with \(threads) threads than with one")
            }
          }
        }
      }
    }
  }
}

/// Sequences of several lengths, and units that fill no whole number of blocks.
private struct GrownRecurrence {
  private let cell: RecurrentCell
  private let run: RecurrentRun
  private let operands: [Tensor?]
  private let cotangent: Tensor

  init(_ cell: RecurrentCell, isReversed: Bool, _ dtype: DType) {
    self.cell = cell
    run = RecurrentRun(batchSizes: [58, 58, 41, 29, 8, 3], isReversed: isReversed)
    let (n, size) = (58, 104)
    let generator = Generator(seed: 7)
    func numbers(_ shape: Shape, _ scale: Double) -> Tensor {
      (Tensor.randn(shape, dtype: dtype, generator: generator) * scale).detach().requiresGrad_()
    }
    operands = [
      numbers([run.rows, cell.gates * size], 1), numbers([n, size], 1), cell.hasCell ? numbers([n, size], 1) : nil,
      numbers([cell.gates * size, size], 0.1), numbers([cell.gates * size], 1),
    ]
    cotangent = Tensor.randn([run.rows + n * (cell.hasCell ? 2 : 1), size], dtype: dtype, generator: generator)
  }

  /// Results, and the gradients of all operands.
  func values() -> [Tensor] {
    results {
      $0.recurrence(cell, run, hidden: operands[1]!, cellState: operands[2], operands[3]!, operands[4])
    }
  }

  func valuesInTensorOperations() -> [Tensor] {
    results { run.through(cell, $0, hidden: operands[1]!, cell: operands[2], operands[3]!, operands[4]) }
  }

  private func results(_ body: (Tensor) -> (output: Tensor, hidden: Tensor, cell: Tensor?)) -> [Tensor] {
    let (output, hidden, cell) = body(operands[0]!)
    let all = Tensor.cat([output, hidden] + (cell.map { [$0] } ?? []))
    let gradients = Tensor.grad(of: [all], withRespectTo: operands.compactMap { $0 }, gradients: [cotangent])
    return [all.detach()] + gradients.compactMap { $0 }
  }
}

extension Tensor {
  /// The elements' bytes.
  fileprivate var bits: [UInt8] {
    let dense = contiguous()
    return withExtendedLifetime(dense) {
      [UInt8](UnsafeRawBufferPointer(start: dense.body.elements.start, count: dense.count * dense.dtype.byteCount))
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
