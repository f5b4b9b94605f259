@testable import Flambeau

/// What became of one case.
enum OpVerdict {
  /// The worst error, in units of the tolerance.
  case agrees(worst: Double)
  case differs(String)
  /// Torch refuses and so do we.
  case refused
  case unmapped(String)

  /// Runs a case here and holds it beside torch.
  static func of(_ sample: OpCases.Case, _ entry: OpEntry) -> OpVerdict {
    let (call, tensors) = sample.make()
    do {
      return try withTensorErrors {
        manualSeed(sample.seed)
        let outputs = try entry.call(call)
        guard call.ignored.isEmpty else { throw Unmapped(reason: "ignores \(call.ignored.joined(separator: ", "))") }
        if let sentence = sample.refusal {
          return Context.current.isFailed ? .refused : .differs("torch refuses: \(sentence)")
        }
        return Context.current.isFailed ? .refused : verdict(sample, entry, outputs, tensors)
      }
    } catch let error as Unmapped {
      return .unmapped(error.reason)
    } catch let error as Disagreement {
      return .differs(error.what)
    } catch {
      return sample.refusal == nil ? .differs("refused here: \(error)") : .refused
    }
  }

  private static func verdict(
    _ sample: OpCases.Case, _ entry: OpEntry, _ outputs: [Tensor], _ tensors: [Tensor]
  ) -> OpVerdict {
    guard outputs.count == sample.outputs.count else {
      return .differs("\(outputs.count) results, torch has \(sample.outputs.count)")
    }
    var worst = 0.0
    for (i, (output, answer)) in zip(outputs, sample.outputs).enumerated() {
      let isFree = entry.isShapeOnly || entry.hasFreeIndices && i == outputs.count - 1
      if let difference = answer.difference(output, shapeOnly: isFree, worst: &worst) {
        return .differs("result \(i): \(difference)")
      }
    }
    guard !sample.gradients.isEmpty, !entry.isShapeOnly, entry.hasGradient else { return .agrees(worst: worst) }
    let roots = outputs.filter(\.requiresGrad)
    let leaves = sample.gradients.map { tensors[$0.of] }
    let ours: [Tensor?] =
      roots.isEmpty
      ? leaves.map { _ in nil }
      : Tensor.grad(
        of: roots, withRespectTo: leaves, gradients: roots.map { Cotangent.first($0.shape, $0.dtype) }, allowUnused: true)
    for (gradient, answer) in zip(ours, sample.gradients) where !Context.current.isFailed {
      let mine = gradient ?? tensors[answer.of].detach().zerosLike()
      if let difference = answer.value.difference(mine, shapeOnly: false, worst: &worst) {
        return .differs("gradient of tensor \(answer.of): \(difference)")
      }
    }
    return .agrees(worst: worst)
  }
}

extension OpCases.Answer {
  /// How `ours` differs: from torch's by value where that is exact, else from the value computed in float64 by more than four
  /// roundings (one, of a half type), one rounding of the largest element, for what cancels, and twice the worst error of torch's own.
  fileprivate func difference(_ ours: Tensor, shapeOnly: Bool, worst: inout Double) -> String? {
    if Context.current.isFailed { return nil }
    if Array(ours.shape) != shape { return "shape \(ours.shape), torch \(Shape(shape))" }
    if ours.dtype != dtype { return "dtype \(ours.dtype), torch \(dtype)" }
    if shapeOnly { return nil }
    let (mine, theirs) = (ours.detach().array(of: Double.self), given.array(of: Double.self))
    let (epsilon, tiny) = dtype.rounding
    let reference = exact ?? theirs
    var torchError = 0.0
    for i in theirs.indices where theirs[i].isFinite && reference[i].isFinite {
      torchError = max(torchError, abs(theirs[i] - reference[i]))
    }
    // Torch's float64 is its own reference and knows nothing of its error.
    let isOwnReference = exact == nil || dtype == .float64
    let roundings = isOwnReference ? 16.0 : (dtype.isHalf ? 1 : 4)
    let largest = reference.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 }
    let cancelled = (isOwnReference ? 16 : 1) * epsilon * largest
    for i in mine.indices where !(mine[i] == theirs[i] || mine[i].isNaN && theirs[i].isNaN) {
      guard dtype.isFloatingPoint, theirs[i].isFinite, reference[i].isFinite else {
        return "element \(i) is \(mine[i]), torch \(theirs[i])"
      }
      let allowed = roundings * epsilon * abs(reference[i]) + cancelled + 2 * torchError + tiny
      let error = abs(mine[i] - reference[i]) / allowed
      worst = max(worst, error)
      if !(error <= 1) { return "element \(i) is \(mine[i]), torch \(theirs[i]), in float64 \(reference[i])" }
    }
    return nil
  }
}

extension DType {
  /// The distance from 1 to the next number, and what counts as nothing.
  fileprivate var rounding: (epsilon: Double, tiny: Double) {
    switch self {
    case .float64: (0x1p-52, 1e-15)
    case .float16: (0x1p-10, 1e-7)
    case .bfloat16: (0x1p-7, 1e-30)
    default: (0x1p-23, 1e-30)
    }
  }
}
