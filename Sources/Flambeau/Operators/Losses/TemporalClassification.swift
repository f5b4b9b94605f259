/// Connectionist temporal classification (Graves et al., 2006).
struct TemporalClassification: Sendable {
  private static let one = "F.ctc_loss(a.log_softmax(-1)"

  let composites: [Sample] = [
    Sample(
      "\(TemporalClassification.one), torch.tensor([[1, 2], [2, 2]]), torch.tensor([6, 5]), torch.tensor([2, 1]))",
      [.real([6, 2, 3])]
    ) {
      $0[0].logSoftmax(dim: -1).ctcLoss(Tensor([[1, 2], [2, 2]] as [[Int64]]), inputLengths: [6, 5], targetLengths: [2, 1])
    },
    Sample(
      "\(TemporalClassification.one), torch.tensor([0, 0, 1, 3, 3]), torch.tensor([7, 4]), torch.tensor([3, 2]), 2, 'none')",
      [.real([7, 2, 4])]
    ) {
      $0[0].logSoftmax(dim: -1).ctcLoss(
        Tensor([0, 0, 1, 3, 3] as [Int64]), inputLengths: [7, 4], targetLengths: [3, 2], blank: 2, reduction: .none)
    },
    Sample(
      "\(TemporalClassification.one), torch.tensor([1, 2, 1]), torch.tensor(6), torch.tensor(3), reduction='sum')",
      [.real([6, 3])]
    ) {
      $0[0].logSoftmax(dim: -1).ctcLoss(
        Tensor([1, 2, 1] as [Int64]), inputLengths: [6], targetLengths: [3], reduction: .sum)
    },
    Sample(
      "\(TemporalClassification.one), torch.tensor([[1, 1], [2, 0]]), torch.tensor([2, 3]), torch.tensor([2, 1]), zero_infinity=True)",
      [.real([3, 2, 3])]
    ) {
      $0[0].logSoftmax(dim: -1).ctcLoss(
        Tensor([[1, 1], [2, 0]] as [[Int64]]), inputLengths: [2, 3], targetLengths: [2, 1], zeroInfinity: true)
    },
  ]
}

/// The states that an alignment of each target passes through: a blank, a label, a blank, … a blank.
private struct AlignmentStates {
  let count: Int
  /// [n · count]: the class of each.
  var classes: [Int64] = []
  /// [n · count]: 0 where the state two before may be the last one, else far below every logarithm.
  var skips: [Double] = []

  init(targets: [[Int64]], blank: Int) {
    count = 2 * (targets.map(\.count).max() ?? 0) + 1
    for target in targets {
      for i in 0..<count {
        let label = i / 2
        let isLabel = i % 2 == 1 && label < target.count
        classes.append(isLabel ? target[label] : Int64(blank))
        let maySkip = isLabel && (label == 0 || target[label] != target[label - 1])
        skips.append(maySkip ? 0 : AlignmentStates.never)
      }
    }
  }

  /// The logarithm of a probability that is none, finite so that differences are.
  static let never = -1e30
}

extension Tensor {
  /// The negative log probability of label sequences, however they are spread over time. Torch's `ctc_loss`.
  ///
  /// - Parameters:
  ///   - targets: Labels other than `blank`, [n, s] or one after the other; [s] where this is one sequence.
  ///   - inputLengths, targetLengths: How much of each sequence counts.
  ///   - blank: The class that stands for no label.
  ///   - reduction: The mean is that of the losses over their target's length.
  ///   - zeroInfinity: Targets that are too long for their input count 0, with no gradient.
  ///
  /// This tensor is [t, n, classes] or [t, classes]: logarithms of probabilities.
  public func ctcLoss(
    _ targets: Tensor, inputLengths: [Int], targetLengths: [Int], blank: Int = 0, reduction: LossReduction = .mean,
    zeroInfinity: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checkedOperands("ctc_loss", [targets], CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("ctc_loss", on: self) {
        return try autocast(self, targets) {
          $0[0]!.ctcLoss(
            $0[1]!, inputLengths: inputLengths, targetLengths: targetLengths, blank: blank, reduction: reduction,
            zeroInfinity: zeroInfinity, file: file, line: line)
        }
      }
      guard layout.rank == 2 || layout.rank == 3 else {
        throw .shape("log_probs has to be [time, batch, classes] or [time, classes], but got \(layout.shape)")
      }
      guard dtype == .float32 || dtype == .float64 else {
        throw .dtype("\"ctc_loss_cpu\" not implemented for '\(dtype.torchScalarName)'")
      }
      let x = layout.rank == 3 ? self : unsqueeze(1)
      let labels = try x.labels(targets, inputLengths, targetLengths, blank)
      let losses = x.alignmentLosses(labels, inputLengths, blank, zeroInfinity)
      switch reduction {
      case .none: return layout.rank == 3 ? losses : losses.squeeze(0)
      case .sum: return losses.sum()
      case .mean:
        let lengths = Tensor(targetLengths.map { Double(Swift.max($0, 1)) }, device: device)
        return (losses / lengths.to(dtype)).mean()
      }
    }
  }

  /// The labels of each sequence.
  private func labels(
    _ targets: Tensor, _ inputLengths: [Int], _ targetLengths: [Int], _ blank: Int
  ) throws(TensorError) -> [[Int64]] {
    let (time, n, classes) = (shape.at(0), shape.at(1), shape.at(2))
    guard targets.dtype == .int64 || targets.dtype == .int32 else {
      throw .dtype("Expected tensor for targets to have one of the following scalar types: Long, Int; but got \(targets.dtype)")
    }
    guard blank >= 0 && blank < classes else { throw .argument("blank must be in label range") }
    guard inputLengths.count == n else { throw .argument("input_lengths must be of size batch_size") }
    guard targetLengths.count == n else { throw .argument("target_lengths must be of size batch_size") }
    for (name, lengths) in [("input_lengths", inputLengths), ("target_lengths", targetLengths)] {
      if let wrong = lengths.first(where: { $0 < 0 }) { throw .argument("\(name) must be non-negative, but got \(wrong)") }
    }
    if let wrong = inputLengths.firstIndex(where: { $0 > time }) {
      throw .shape(
        "Expected input_lengths to have value at most \(time), but got value \(inputLengths[wrong]) (while checking arguments "
          + "for ctc_loss_cpu)")
    }
    guard targets.ndim == 1 || targets.ndim == 2 else {
      throw .shape("targets has to be [labels] or [batch, labels], but got \(targets.shape)")
    }
    let isFlat = targets.ndim == 1
    let width = isFlat ? 0 : targets.shape[-1]
    let total = targetLengths.reduce(0, +)
    guard isFlat ? targets.count == total : targets.shape.at(0) == n else {
      throw .shape("Expected tensor to have size \(isFlat ? total : n) at dimension 0, but got size \(targets.shape[0])")
    }
    if !isFlat, let longest = targetLengths.max(), longest > width {
      throw .shape("Expected tensor to have size at least \(longest) at dimension 1, but got size \(width)")
    }
    let all = try targets.to(.int64).soundArray(of: Int64.self)
    var start = 0
    var result: [[Int64]] = []
    for (i, length) in targetLengths.enumerated() {
      let first = isFlat ? start : i * width
      result.append(Array(all[first..<first + length]))
      start += length
    }
    if let wrong = result.joined().first(where: { $0 < 0 || $0 >= classes }) {
      throw .index("Expected targets to be between 0 and \(classes - 1), but got \(wrong)")
    }
    return result
  }

  /// The losses [n] of these [t, n, classes]: the sum over all alignments, step by step.
  private func alignmentLosses(
    _ labels: [[Int64]], _ inputLengths: [Int], _ blank: Int, _ zeroInfinity: Bool
  ) -> Tensor {
    let (time, n) = (shape.at(0), shape.at(1))
    let states = AlignmentStates(targets: labels, blank: blank)
    let never = AlignmentStates.never
    let classes = Tensor(states.classes, shape: [1, n, states.count], device: device).expand([time, n, states.count])
    let skips = Tensor(states.skips, shape: [n, states.count], device: device).to(dtype)
    let scores = gather(dim: 2, index: classes)
    // Before the first step an alignment is one state before the first blank.
    var start = Array(repeating: never, count: n * (states.count + 2))
    for i in 0..<n { start[i * (states.count + 2) + 1] = 0 }
    var padded = Tensor(start, shape: [n, states.count + 2], device: device).to(dtype)
    var last = padded
    let longest = inputLengths.max() ?? 0
    for step in 0..<longest {
      func shifted(_ by: Int) -> Tensor { padded.narrow(1, start: 2 - by, length: states.count) }
      let ways = Tensor.stack([shifted(0), shifted(1), shifted(2) + skips], dim: 0)
      let next = (ways.logSumExp(dim: 0) + scores.select(dim: 0, index: step)).pad([2, 0], value: never)
      let isOver = inputLengths.map { step >= $0 }
      last = isOver.contains(true) ? .where(Tensor(isOver, shape: [n, 1], device: device), last, next) : next
      padded = next
    }
    let ends = labels.flatMap { [Int64(2 * $0.count + 2), $0.isEmpty ? Int64(0) : Int64(2 * $0.count + 1)] }
    let zero = inputLengths.enumerated().map { $1 == 0 && labels[$0].isEmpty }
    let final = last.gather(dim: 1, index: Tensor(ends, shape: [n, 2], device: device)).logSumExp(dim: 1)
    let losses = Tensor.where(Tensor(zero, shape: [n], device: device), 0, -final)
    let isImpossible = losses .> -never / 2
    return .where(isImpossible, zeroInfinity ? 0 : Double.infinity, losses)
  }
}
