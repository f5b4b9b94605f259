import Testing

@testable import Flambeau

/// Samples that do not belong into the operator table, held beside torch the same way.
enum Direct {
  /// What differs, with the expressions; the operands are drawn in `dtype`.
  static func differences(_ samples: [Sample], _ dtype: DType = .float64, seed: UInt64 = 7) throws -> [String] {
    var draw = Draw(state: seed)
    let cases = samples.map { sample in
      let operands = sample.operands.map { draw.tensor($0, $0.shape, dtype, layout: 0) }
      let needs = zip(sample.operands, operands).map { spec, operand in
        if case .real = spec.values { operand.dtype.isFloatingPoint } else { false }
      }
      return SampleCase(
        entry: TableEntry(place: "direct", sample: sample), variant: "\(dtype)", operands: operands, requiresGrad: needs,
        isSecondOrder: needs.contains(true))
    }
    return try differences(cases)
  }

  static func differences(_ cases: [SampleCase]) throws -> [String] {
    let answers = try Torch.ask(cases.map(\.question))
    return zip(cases, answers.answers).compactMap { sampleCase, answer in
      Comparison(sampleCase, answer, answers).failure().map { "\(sampleCase.entry.sample.torch): \($0)" }
    }
  }

  /// The sentence of the error `body` ends in; empty if there is none.
  static func refusal(_ body: () -> Void) -> String {
    do {
      try withTensorErrors(body)
      return ""
    } catch {
      return "\(error)"
    }
  }
}

/// Reports `differences`, if there are any.
func expectNone(_ differences: [String], at location: SourceLocation = #_sourceLocation) {
  #expect(differences.isEmpty, "\n\(differences.joined(separator: "\n"))", sourceLocation: location)
}

/// A misuse as torch writes it and as Flambeau does: ours has torch's sentence.
struct Misuse {
  let torch: String
  let call: () -> Void

  init(_ torch: String, _ call: @escaping @autoclosure () -> Any) {
    self.torch = torch
    self.call = { _ = call() }
  }

  /// Where the first line of torch's message is not in ours. Operands a: float32 [3, 4], b: int64 [2], c: a scalar.
  static func differences(_ list: [Misuse], operands: [Tensor]) throws -> [String] {
    let answers = try Torch.ask(
      list.map {
        Torch.Question(
          expression: $0.torch, operands: operands, requiresGrad: operands.map { _ in false }, second: false)
      })
    return zip(list, answers.answers).compactMap { misuse, answer in
      let ours = Direct.refusal(misuse.call)
      guard let theirs = answer.error?.message.split(separator: "\n").first.map(String.init) else {
        return "\(misuse.torch): torch accepts it"
      }
      return ours.contains(theirs) ? nil : "\(misuse.torch)\n    torch: \(theirs)\n    ours:  \(ours)"
    }
  }
}
