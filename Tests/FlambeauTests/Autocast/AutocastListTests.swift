import Testing

@testable import Flambeau

/// Every sample of the operator table under `autocast`, with operands of float32 and of the scope's half type: what torch computes
/// in, results and gradients.
@Suite struct AutocastListTests {
  struct Variant: CustomTestStringConvertible {
    let dtype: DType
    let operands: DType
    var testDescription: String { "\(dtype) of \(operands)" }
  }

  private struct Answered {
    let variant: Variant
    let cases: [[Tensor]]
    let answers: Torch.Answers
  }

  private static let variants = [DType.bfloat16, .float16].flatMap {
    [Variant(dtype: $0, operands: .float32), Variant(dtype: $0, operands: $0)]
  }

  private static let answered: [Answered] = variants.enumerated().map { number, variant in
    let cases = Table.entries.map { entry in
      // A sample's operands are the same whatever other samples there are.
      let seed = entry.sample.plainTorch.utf8.reduce(UInt64(77 + number)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
      var draw = Draw(state: seed)
      return entry.sample.operands.map { draw.tensor($0, $0.shape, variant.operands, layout: 0) }
    }
    let questions = zip(Table.entries, cases).map { entry, operands in
      Torch.Question(
        expression: "torch.autocast('cpu', torch.\(variant.dtype))(lambda: \(entry.sample.plainTorch))()", operands: operands,
        requiresGrad: zip(entry.sample.operands, operands).map { $0.needsGradient(in: $1.dtype) }, second: false)
    }
    return Answered(variant: variant, cases: cases, answers: try! Torch.ask(questions))
  }

  @Test(.enabled(if: Torch.isThere, "no Python with torch"), arguments: variants.indices)
  func everySampleHasTorchsDTypes(_ index: Int) {
    let answered = Self.answered[index]
    var failures: [String] = []
    for (i, entry) in Table.entries.enumerated() {
      if let failure = Self.failure(entry, answered.cases[i], answered.answers, answered.answers.answers[i], answered.variant) {
        failures.append("\(entry): \(failure)")
      }
    }
    #expect(failures.isEmpty, "\(failures.count) of \(Table.entries.count)\n  \(failures.joined(separator: "\n  "))")
  }

  /// What differs from torch; nil where it is what torch gives, or torch has nothing to say.
  private static func failure(
    _ entry: TableEntry, _ operands: [Tensor], _ answers: Torch.Answers, _ answer: Torch.Answer, _ variant: Variant
  ) -> String? {
    let leaves = zip(entry.sample.operands, operands).map {
      $1.detach().requiresGrad_($0.needsGradient(in: $1.dtype))
    }
    do {
      return try withTensorErrors {
        let outputs = autocast(variant.dtype) { entry.sample.call(leaves) }
        if Context.current.isFailed { return nil }
        guard answer.error?.stage != "forward", let expected = answer.outputs else { return nil }
        let types = (outputs.map { "\($0.dtype)" }, expected.map(\.dtype))
        if types.0 != types.1 { return "\(types.0), torch \(types.1)" }
        if let text = difference(outputs, expected.map(answers.tensor), variant.dtype) { return text }
        guard let grads = answer.grads else { return nil }
        let roots = outputs.filter(\.requiresGrad)
        let tracked = leaves.filter(\.requiresGrad)
        let ours = Tensor.grad(
          of: roots, withRespectTo: tracked, gradients: roots.map { Cotangent.first($0.shape, $0.dtype) }, allowUnused: true)
        for (i, gradient) in ours.enumerated() {
          guard let gradient, let theirs = grads[i] else { continue }
          if "\(gradient.dtype)" != theirs.dtype { return "gradient \(i) is \(gradient.dtype), torch \(theirs.dtype)" }
          if AutocastExceptions.reason(entry.sample.plainTorch) != nil { continue }
          if let text = difference([gradient], [answers.tensor(theirs)], variant.dtype) { return "gradient \(i): \(text)" }
        }
        return nil
      }
    } catch {
      return answer.error?.stage == "forward" ? nil : "refused here, not by torch: \(error)"
    }
  }

  /// Values within some digits of the half type: torch may round in other places.
  private static func difference(_ ours: [Tensor], _ theirs: [Tensor], _ dtype: DType) -> String? {
    let tolerance = dtype == .bfloat16 ? 0.06 : 0.01
    for (i, (a, b)) in zip(ours, theirs).enumerated() {
      if a.shape != b.shape { return "result \(i) has shape \(a.shape), torch \(b.shape)" }
      guard a.dtype.isFloatingPoint else { continue }
      let (a, b) = (a.detach().array(of: Double.self), b.array(of: Double.self))
      let size = b.lazy.filter(\.isFinite).map(Swift.abs).max() ?? 0
      for j in a.indices where !(a[j].isNaN && b[j].isNaN) && a[j] != b[j] {
        if !(Swift.abs(a[j] - b[j]) <= tolerance * Swift.max(size, Swift.abs(b[j]), 0.1)) {
          return "element \(j) of result \(i) is \(a[j]), torch \(b[j])"
        }
      }
    }
    return nil
  }
}

/// Samples whose gradients may differ from torch's under `autocast`, and why.
enum AutocastExceptions {
  private static let reasons = [
    "igamma": "torch's gradient is a product of half numbers, each rounded",
    "logit_(0.2)": "a bfloat16 drawn is 0.2 itself, where the gradient jumps",
    "index_reduce(1, c, b, 'amax', include_self=False)":
      "an element that does not count, but is as large as the result, takes half of torch's gradient with it",
  ]

  static func reason(_ expression: String) -> String? { reasons.first { expression.contains($0.key) }?.value }
}
