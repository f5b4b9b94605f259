import Testing

@testable import Flambeau

/// Reductions, scans and orders of special values, ties, scalars and nothing, beside torch: values, gradients, refusals.
@Suite struct ReductionSpecialTests {
  private typealias Case = (torch: String, call: @Sendable (Tensor) -> [Tensor])

  private static func one(_ torch: String, _ call: @escaping @Sendable (Tensor) -> Tensor) -> Case {
    (torch, { [call($0)] })
  }

  private static let calls: [Case] = [
    one("a.sum()") { $0.sum() }, one("a.sum(0)") { $0.sum(dim: 0) }, one("a.sum((0, -1))") { $0.sum(dim: [0, -1]) },
    one("a.sum(())") { $0.sum(dim: []) }, one("a.sum(None, keepdim=True)") { $0.sum(keepDim: true) },
    one("a.mean()") { $0.mean() }, one("a.mean(-1)") { $0.mean(dim: -1) }, one("a.mean(1)") { $0.mean(dim: 1) },
    one("a.mean(dtype=torch.int32)") { $0.mean(dtype: .int32) },
    one("a.nansum()") { $0.nanSum() }, one("a.nansum(0)") { $0.nanSum(dim: 0) },
    one("a.prod()") { $0.prod() }, one("a.prod(0)") { $0.prod(dim: 0) }, one("a.prod(2)") { $0.prod(dim: 2) },
    one("a.count_nonzero()") { $0.countNonzero() }, one("a.count_nonzero(0)") { $0.countNonzero(dim: 0) },
    one("a.any()") { $0.any() }, one("a.any(0)") { $0.any(dim: 0) }, one("a.any(())") { $0.any(dim: []) },
    one("a.all()") { $0.all() }, one("a.all(-1)") { $0.all(dim: -1) }, one("a.all((0, 0))") { $0.all(dim: [0, 0]) },
    one("a.var()") { $0.var() }, one("a.var(0, correction=0)") { $0.var(dim: 0, correction: 0) },
    one("a.std(0, correction=0)") { $0.std(dim: 0, correction: 0) }, one("a.std((0, -2))") { $0.std(dim: [0, -2]) },
    one("a.max()") { $0.max() }, one("a.min()") { $0.min() },
    one("a.amax()") { $0.amax() }, one("a.amax(0)") { $0.amax(dim: 0) }, one("a.amin((1, 0))") { $0.amin(dim: [1, 0]) },
    one("a.amin(())") { $0.amin(dim: []) },
    ("a.max(0)", { pair($0.max(dim: 0)) }), ("a.max(-1)", { pair($0.max(dim: -1)) }),
    ("a.min(0, keepdim=True)", { pair($0.min(dim: 0, keepDim: true)) }), ("a.min(1)", { pair($0.min(dim: 1)) }),
    one("a.argmax()") { $0.argmax() }, one("a.argmax(0)") { $0.argmax(dim: 0) },
    one("a.argmin(-1, keepdim=True)") { $0.argmin(dim: -1, keepDim: true) },
    one("a.argmin(keepdim=True)") { $0.argmin(keepDim: true) },
    one("a.norm()") { $0.norm() }, one("a.norm(2, 0)") { $0.norm(dim: 0) }, one("a.norm(1, 0)") { $0.norm(1, dim: 0) },
    one("a.norm(0)") { $0.norm(0) }, one("a.norm(inf)") { $0.norm(.infinity) },
    one("a.norm(-inf, 0)") { $0.norm(-.infinity, dim: 0) }, one("a.norm(inf, 1)") { $0.norm(.infinity, dim: 1) },
    one("a.norm(3)") { $0.norm(3) }, one("a.norm(1.5, 0)") { $0.norm(1.5, dim: 0) }, one("a.norm(0.5)") { $0.norm(0.5) },
    one("a.norm(-1)") { $0.norm(-1) }, one("a.norm(dtype=torch.float16)") { $0.norm(dtype: .float16) },
    one("a.logsumexp(0)") { $0.logSumExp(dim: 0) }, one("a.logsumexp(-1)") { $0.logSumExp(dim: -1) },
    one("a.logsumexp((0, -1), keepdim=True)") { $0.logSumExp(dim: [0, -1], keepDim: true) },
    one("a.cumsum(0)") { $0.cumsum(dim: 0) }, one("a.cumsum(1)") { $0.cumsum(dim: 1) },
    one("a.cumprod(0)") { $0.cumprod(dim: 0) }, one("a.cumprod(-1)") { $0.cumprod(dim: -1) },
    ("a.sort(stable=True)", { pair($0.sort()) }),
    ("a.sort(stable=True, dim=0, descending=True)", { pair($0.sort(dim: 0, descending: true)) }),
    ("a.sort(2)", { pair($0.sort(dim: 2)) }), one("a.argsort(stable=True)") { $0.argsort() },
    one("a.topk(1)[0].detach()") { $0.topK(1).values.detach() },
    one("a.topk(3, 0)[0].detach()") { $0.topK(3, dim: 0).values.detach() },
    one("a.topk(2, largest=False)[0].detach()") { $0.topK(2, largest: false).values.detach() },
    ("a.topk(-1)", { pair($0.topK(-1)) }),
    one("a.kthvalue(2)[0].detach()") { $0.kthValue(2).values.detach() },
    one("a.kthvalue(1, 0)[0].detach()") { $0.kthValue(1, dim: 0).values.detach() },
    one("a.median()") { $0.median() }, one("a.nanmedian()") { $0.nanMedian() },
    one("a.median(0)[0].detach()") { $0.median(dim: 0).values.detach() },
    one("a.nanmedian(-1)[0].detach()") { $0.nanMedian(dim: -1).values.detach() },
  ]

  private static func operands() -> [(name: String, tensor: Tensor)] {
    let (nan, inf) = (Double.nan, Double.infinity)
    let lines: [(String, [Double], Shape)] = [
      ("ties", [2, 1, 2, 2, -3, -3], [2, 3]), ("NaN", [nan, 1, nan, 2], [4]), ("NaN in a row", [1, 2, 0, nan, nan, 5], [2, 3]),
      ("infinities", [inf, 1, -inf, inf], [2, 2]), ("-∞", [-inf, -inf, -inf], [3]), ("one zero", [3, 0, 2, -1.5], [4]),
      ("zeros", [0, -0.0, 0, 0], [2, 2]), ("a zero column", [0, 2, 3, 0, -4, 5, 0, 6, 0.5], [3, 3]), ("scalar", [-2.5], []),
      ("one", [3], [1]), ("nothing", [], [0]), ("no rows", [], [0, 3]), ("empty rows", [], [2, 0]),
    ]
    return lines.flatMap { name, values, shape in
      let x = Tensor(values, shape: shape)
      let isWhole = values.allSatisfy(\.isFinite)
      return [("float64 \(name)", x), ("float32 \(name)", x.to(.float32)), ("bfloat16 \(name)", x.to(.bfloat16))]
        + (isWhole ? [("int64 \(name)", x.to(.int64)), ("bool \(name)", x.to(.bool))] : [])
    }
  }

  @Test(.enabled(if: Torch.isThere, "no Python with torch")) func besideTorch() throws {
    var cases: [SampleCase] = []
    for (torch, call) in Self.calls {
      let entry = TableEntry(place: "", sample: .several(torch, []) { call($0[0]) })
      for (name, tensor) in Self.operands() where !Self.differs(torch, tensor) {
        cases.append(
          SampleCase(
            entry: entry, variant: name, operands: [tensor], requiresGrad: [tensor.dtype.isFloatingPoint],
            isSecondOrder: false))
      }
    }
    let answers = try Torch.ask(cases.map(\.question))
    for (sampleCase, answer) in zip(cases, answers.answers) {
      let failure = Comparison(sampleCase, answer, answers).failure() ?? Self.sentence(sampleCase, answer)
      if let failure { Issue.record("\(sampleCase.entry.sample.torch), \(sampleCase.variant): \(failure)") }
    }
  }

  /// Where torch is not followed: its gradient of cumprod divides, which infinities do not stand; its median of no integers is
  /// any number, and its nanmedian of nothing speaks of median.
  private static func differs(_ torch: String, _ x: Tensor) -> Bool {
    if torch.contains("cumprod") { return !x.array(of: Double.self).allSatisfy(\.isFinite) }
    if torch.contains("nanmedian(-1)") { return x.count == 0 }
    return torch.hasSuffix("median()") && x.count == 0 && !x.dtype.isFloatingPoint
  }

  @Test func medianOfNoIntegersIsRefused() {
    #expect(throws: TensorError.self) { try withTensorErrors { Tensor([Int]()).median() } }
  }

  @Test func runningTotalsRefuseBool() throws {
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { Tensor([1, 2]).cumsum(dim: 0, dtype: .bool) }
    }
    #expect(error?.message == "\"cumsum_out_cpu\" not implemented for 'Bool'")
  }

  /// What differs between the sentences of two refusals. Only of float64: of several reasons we may name another first.
  private static func sentence(_ sampleCase: SampleCase, _ answer: Torch.Answer) -> String? {
    guard let theirs = answer.error, theirs.stage == "forward", sampleCase.operands[0].dtype == .float64 else { return nil }
    do {
      return try withTensorErrors {
        _ = sampleCase.entry.sample.call(sampleCase.operands)
        return nil
      }
    } catch {
      let ours = (error as! TensorError).message
      // Torch lacks a space in one.
      let plain = { (text: String) in text.filter { $0 != " " } }
      return plain(ours) == plain(theirs.message) ? nil : "refused with \(ours), torch: \(theirs.message)"
    }
  }
}
