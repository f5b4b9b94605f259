import Foundation
import Testing

@testable import Flambeau

/// Random calls of every row beside torch: sizes, dtypes and layouts the samples do not have. The same few in every run;
/// FLAMBEAU_FUZZ_SECONDS for more, FLAMBEAU_FUZZ_SEED for others. What differs is shrunk before it is shown.
@Suite struct DifferentialFuzzTests {
  private static let batch = 300

  @Test(.enabled(if: Torch.isThere, "no Python with torch")) func randomCallsAgree() {
    let environment = ProcessInfo.processInfo.environment
    let seconds = Double(environment["FLAMBEAU_FUZZ_SECONDS"] ?? "") ?? 0
    let seed = UInt64(environment["FLAMBEAU_FUZZ_SEED"] ?? "") ?? 1
    var draw = Draw(state: seed)
    let end = ContinuousClock.now + .seconds(seconds)
    var (tried, findings): (Int, [String: String]) = (0, [:])
    var excused: [String: Int] = [:]
    repeat {
      let calls = (0..<Self.batch).map { _ in RandomCall(&draw) }
      for (call, failure) in zip(calls, RandomCall.failures(calls)) where failure != nil {
        let key = call.entry.sample.torch
        if let reason = RandomCall.excuse(key) {
          excused[reason, default: 0] += 1
          continue
        }
        if findings[key] == nil { findings[key] = call.shrunk().report }
      }
      tried += calls.count
    } while ContinuousClock.now < end
    print("\(tried) random calls beside torch, \(findings.count) expressions differ, seed \(seed)")
    for (reason, count) in excused.sorted(by: { $0.key < $1.key }) { print("  \(count) calls aside: \(reason)") }
    #expect(findings.isEmpty, "seed \(seed)\n\(findings.values.sorted().joined(separator: "\n"))")
  }
}

/// A row's sample with everything about its operands drawn anew.
private struct RandomCall {
  /// Families whose samples say sizes or positions outside of their operands, in torch's way and in ours.
  private static let fixed = [
    "views.", "indexing.", "stridedViews.", "splits.", "marginLosses.", "samplings.", "recurrences.", "temporalClassification.",
  ]
  private static let entries = Table.entries.filter { entry in
    // Positions out of range, which torch's take_along_dim counts from the other end, are refused here.
    !entry.sample.torch.hasPrefix("torch.take_along_dim") && !fixed.contains { entry.place.hasPrefix($0) }
  }

  /// Expressions that may differ, and why. The samples themselves are compared elsewhere.
  private static let excuses = [
    "F.batch_norm(a, torch.tensor":
      "torch reads a weight with steps as if it had none in the gradient of batch norm's running form",
    "F.max_pool": "a window without a pixel: torch names one outside of its plane",
    "F.interpolate(a": "torch misreads bytes in images of one channel whose steps fit two orders",
    "scatter_reduce(1, c, b, 'prod'": "torch gives values that no index names a gradient",
    "torch.kron": "torch cannot view a matrix of one column whose steps fit two orders",
    "torch.inner": "torch has products of bools for vectors with steps only",
    "rounding_mode='trunc'": "of short floats torch rounds the quotient first, in vectors and not one by one",
    "torch.logit": "torch holds bfloat16 within bounds of bfloat16",
    "nanquantile": "equal elements share a gradient in no certain order",
  ]

  static func excuse(_ expression: String) -> String? { excuses.first { expression.contains($0.key) }?.value }

  private static let sizes = [0, 1, 1, 2, 2, 3, 4, 5, 7, 8, 16, 17, 33]

  let entry: TableEntry
  /// What each size of the sample's shapes becomes; equal sizes stay equal.
  private var renamed: [Int: Int]
  private var dtypes: [DType]
  private var layouts: [Int]
  private let seed: UInt64
  private var isSecondOrder: Bool

  init(_ draw: inout Draw) {
    entry = Self.entries[draw.integer(0...Self.entries.count - 1)]
    let operands = entry.sample.operands
    renamed = [:]
    for size in Set(operands.flatMap { Array($0.shape) }).sorted() {
      renamed[size] = draw.integer(0...2) == 0 ? size : Self.sizes[draw.integer(0...Self.sizes.count - 1)]
    }
    // A dozen large sizes are more than a machine holds.
    let drawn = renamed
    if operands.contains(where: { $0.shape.reduce(1) { $0 * drawn[$1]! } > 1 << 18 }) {
      renamed = Dictionary(uniqueKeysWithValues: drawn.keys.map { ($0, $0) })
    }
    // Long sums of short floats differ by more than samples' tolerances know of.
    let tried = entry.sample.isPointwise ? DType.allCases : DType.allCases.filter { !$0.isFloatingPoint || $0 == .float64 }
    let first = tried[draw.integer(0...tried.count - 1)]
    let isMixed = entry.sample.isPointwise && draw.integer(0...3) == 0
    dtypes = operands.map { _ in isMixed ? DType.allCases[draw.integer(0...DType.allCases.count - 1)] : first }
    layouts = operands.map { _ in draw.integer(0...3) }
    seed = UInt64(draw.integer(0...1 << 30))
    isSecondOrder = draw.integer(0...2) == 0
  }

  private var sampleCase: SampleCase {
    var draw = Draw(state: seed)
    let operands = entry.sample.operands
    let tensors = operands.indices.map { i in
      draw.tensor(operands[i], Shape(operands[i].shape.map { renamed[$0]! }), dtypes[i], layout: layouts[i])
    }
    let needs = zip(operands, tensors).map { operand, tensor in
      if case .real = operand.values { operand.isDifferentiable && tensor.dtype.isFloatingPoint } else { false }
    }
    return SampleCase(
      entry: entry, variant: "fuzzed", operands: tensors, requiresGrad: needs,
      isSecondOrder: isSecondOrder && needs.contains(true) && !dtypes.contains { $0.isHalf })
  }

  /// What differs, call by call.
  static func failures(_ calls: [RandomCall]) -> [String?] {
    let cases = calls.map(\.sampleCase)
    let answers = try! Torch.ask(cases.map(\.question))
    return zip(cases, answers.answers).map { sampleCase, answer in
      let failure = Comparison(sampleCase, answer, answers).failure()
      // Torch looks at no index, and at few dtypes, where there is nothing to do; what nothing gives is another table's.
      return sampleCase.operands.contains { $0.count == 0 } ? nil : failure
    }
  }

  /// The simplest call reached by single steps that differs still.
  func shrunk() -> RandomCall {
    var call = self
    while true {
      let simpler = call.simplifications
      guard let index = Self.failures(simpler).firstIndex(where: { $0 != nil }) else { return call }
      call = simpler[index]
    }
  }

  private var simplifications: [RandomCall] {
    var found: [RandomCall] = []
    func add(_ change: (inout RandomCall) -> Void) {
      var changed = self
      change(&changed)
      found.append(changed)
    }
    if isSecondOrder { add { $0.isSecondOrder = false } }
    for i in layouts.indices where layouts[i] != 0 { add { $0.layouts[i] = 0 } }
    for i in dtypes.indices where dtypes[i] != .float32 && dtypes[i] != dtypes[0] { add { $0.dtypes[i] = dtypes[0] } }
    if dtypes.contains(where: { $0 != .float64 }) { add { $0.dtypes = $0.dtypes.map { _ in .float64 } } }
    for (size, now) in renamed.sorted(by: { $0.key < $1.key }) {
      for smaller in [1, now / 2, now - 1] where smaller > 0 && smaller < now { add { $0.renamed[size] = smaller } }
      if now == 0 { add { $0.renamed[size] = size } }
    }
    return found
  }

  var report: String {
    let failure = Self.failures([self])[0] ?? "gone"
    let operands = sampleCase.operands.map { "\($0.summary) strides \($0.strides)" }
    return "\(entry.sample.torch) of \(operands.joined(separator: ", "))\(isSecondOrder ? ", second order" : ""): \(failure)"
  }
}
