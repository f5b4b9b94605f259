import Testing

@testable import Flambeau

/// Walks the operator table: every sample beside torch, in every dtype and layout, and beside finite differences.
@Suite struct OperatorTests {
  /// One run of torch for all samples.
  private static let judged: (cases: [[SampleCase]], answers: Torch.Answers, first: [Int])? = {
    guard Torch.isThere else { return nil }
    let cases = Table.entries.map { SampleCase.all($0) + SampleCase.special($0) }
    var first: [Int] = []
    var count = 0
    for list in cases {
      first.append(count)
      count += list.count
    }
    print("\(Table.entries.count) samples of the operator table, \(count) cases beside torch")
    return (cases, try! Torch.ask(cases.flatMap { $0.map(\.question) }), first)
  }()

  @Test func everyRowHasSamples() { #expect(Table.untested == []) }

  @Test(.enabled(if: Torch.isThere, "no Python with torch"), arguments: Table.entries.indices)
  func besideTorch(index: Int) {
    let (cases, answers, first) = Self.judged!
    var failures: [String] = []
    for (i, sampleCase) in cases[index].enumerated() {
      if let failure = Comparison(sampleCase, answers.answers[first[index] + i], answers).failure() {
        failures.append("\(sampleCase.variant): \(failure)")
      }
    }
    #expect(failures.isEmpty, "\(Table.entries[index])\n  \(failures.joined(separator: "\n  "))")
  }

  @Test(arguments: Table.entries.indices)
  func besideFiniteDifferences(index: Int) throws {
    let entry = Table.entries[index]
    guard let sampleCase = SampleCase.all(entry, round: 1).first(where: { $0.variant == "float64" }) else {
      return
    }
    for (operand, needs) in zip(sampleCase.operands, sampleCase.requiresGrad) { operand.requiresGrad_(needs) }
    do {
      // What refuses float64 has no gradient.
      guard (try? withTensorErrors({ entry.sample.call(sampleCase.operands) })) != nil else { return }
      try gradcheck(sampleCase.operands, absolute: 1e-6, entry.sample.call)
      try gradgradcheck(sampleCase.operands, absolute: 1e-5, entry.sample.call)
    } catch {
      Issue.record("\(entry): \(error)")
    }
  }
}

/// One case, computed here and held beside torch's answer.
struct Comparison {
  private let sampleCase: SampleCase
  private let answer: Torch.Answer
  private let answers: Torch.Answers

  init(_ sampleCase: SampleCase, _ answer: Torch.Answer, _ answers: Torch.Answers) {
    self.sampleCase = sampleCase
    self.answer = answer
    self.answers = answers
  }

  /// What differs; nil if nothing does.
  func failure() -> String? {
    do {
      return try withTensorErrors { compare() }
    } catch {
      if answer.error?.stage == "forward" { return nil }
      return "refused here, not by torch: \(error)"
    }
  }

  private func compare() -> String? {
    let leaves = zip(sampleCase.operands, sampleCase.requiresGrad).map { $0.detach().requiresGrad_($1) }
    let outputs = sampleCase.entry.sample.call(leaves)
    if Context.current.isFailed { return nil }
    if let error = answer.error, error.stage == "forward" {
      // What torch has not written for a dtype may work here.
      let isMissing = error.message.contains("not implemented") || error.message.hasPrefix("torch crashes")
      return isMissing ? nil : "torch refuses: \(error.message)"
    }
    guard let expected = answer.outputs, expected.count == outputs.count else {
      return "\(outputs.count) results, torch has \(answer.outputs?.count ?? 0) \(answer.error?.message ?? "")"
    }
    for (i, (output, expected)) in zip(outputs, expected).enumerated() {
      if let difference = difference(output, expected, isGradient: false) { return "result \(i): \(difference)" }
      if output.requiresGrad != expected.requires_grad { return "result \(i): requiresGrad is \(output.requiresGrad)" }
    }
    guard let grads = answer.grads else { return nil }
    let tracked = leaves.filter(\.requiresGrad)
    let roots = outputs.filter(\.requiresGrad)
    let weights = roots.map { Cotangent.first($0.shape, $0.dtype).requiresGrad_(sampleCase.isSecondOrder) }
    let ours = Tensor.grad(
      of: roots, withRespectTo: tracked, gradients: weights, createGraph: sampleCase.isSecondOrder, allowUnused: true)
    if let text = difference(ours, grads, tracked, "gradient") { return text }
    guard let second = answer.second, let secondWeights = answer.second_grad_output else { return nil }
    let deeper = ours.compactMap { $0 }.filter(\.requiresGrad)
    let sums = deeper.map { ($0 * Cotangent.second($0.shape, $0.dtype)).sum() }
    let all = tracked + weights
    let again = sums.isEmpty ? all.map { _ in nil } : Tensor.grad(of: sums, withRespectTo: all, allowUnused: true)
    return difference(again, second + secondWeights, all, "second-order gradient")
  }

  /// A gradient that is missing is zero.
  private func difference(
    _ ours: [Tensor?], _ expected: [Torch.Answer.Array?], _ inputs: [Tensor], _ what: String
  ) -> String? {
    if Context.current.isFailed { return nil }
    for i in ours.indices {
      let mine = ours[i] ?? inputs[i].zerosLike().detach()
      let theirs = expected[i].map(answers.tensor) ?? inputs[i].zerosLike().detach()
      if let text = difference(mine, theirs, isGradient: true) { return "\(what) of operand \(i): \(text)" }
    }
    return nil
  }

  private func difference(_ ours: Tensor, _ expected: Torch.Answer.Array, isGradient: Bool) -> String? {
    difference(ours, answers.tensor(expected), isGradient: isGradient)
  }

  private func difference(_ ours: Tensor, _ theirs: Tensor, isGradient: Bool) -> String? {
    if SpecialPoints.isExcused(sampleCase, isGradient) { return nil }
    if ours.shape != theirs.shape { return "shape \(ours.shape), torch \(theirs.shape)" }
    if ours.dtype != theirs.dtype { return "dtype \(ours.dtype), torch \(theirs.dtype)" }
    // Operands narrower than the result are computed in their own precision by some of torch's kernels.
    let floats = (sampleCase.operands.map(\.dtype) + [ours.dtype]).filter(\.isFloatingPoint)
    let coarsest =
      floats.max { SampleTolerance.of($0, isGradient: false) < SampleTolerance.of($1, isGradient: false) } ?? ours.dtype
    let (absolute, base) = SampleTolerance.of(coarsest, isGradient: isGradient)
    let relative = max(base, sampleCase.entry.sample.relativeTolerance)
    let (a, b) = (ours.detach().array(of: Double.self), theirs.array(of: Double.self))
    let signsCount = sampleCase.isSpecial && sampleCase.entry.sample.isPointwise && !isGradient
    for i in a.indices where !(a[i].isNaN && b[i].isNaN) {
      let isClose =
        a[i] == b[i]
        ? !signsCount || a[i] != 0 || a[i].sign == b[i].sign
        : ours.dtype.isFloatingPoint && Swift.abs(a[i] - b[i]) <= absolute + relative * Swift.abs(b[i])
      if !isClose {
        return "element \(i)\(sampleCase.numbers(at: i)) is \(a[i]), torch \(b[i])"
      }
    }
    return nil
  }
}

extension SampleCase {
  var question: Torch.Question {
    Torch.Question(
      expression: entry.sample.torch, operands: operands, requiresGrad: requiresGrad, second: isSecondOrder)
  }
}
