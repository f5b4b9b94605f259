import Flambeau
import FlambeauTraining

/// What a batch came to, on its way from where it was computed: to read it waits for that batch, not for what is queued after it.
struct BatchReport {
  struct Numbers {
    let loss: Double
    let correct: Int
    /// The targets that count.
    let counted: Int
    let gradientNorm: Double?
  }

  private let numbers: Tensor
  /// Nil on the processor, where nothing is on its way.
  private let arrival: CUDA.Event?

  /// - Parameters:
  ///   - loss: Of one element, as is `gradientNorm`.
  ///   - logits: `[…, classes]`, for targets `[…]`.
  init(loss: Tensor, logits: Tensor, targets: Tensor, gradientNorm: Tensor? = nil) {
    numbers = noGrad {
      let parts = [loss.reshape([1]), Accuracy().tally(logits, targets)] + (gradientNorm.map { [$0.reshape([1])] } ?? [])
      return Tensor.cat(parts.map { $0.to(.float64) }).to(.cpu, nonBlocking: true)
    }
    arrival = loss.device == .cpu ? nil : CUDA.Event(loss.device)
    arrival?.record()
  }

  func read() -> Numbers {
    arrival?.synchronize()
    let values = numbers.array(of: Double.self)
    if Context.current.isFailed { return Numbers(loss: .nan, correct: 0, counted: 0, gradientNorm: nil) }
    return Numbers(
      loss: values[0], correct: Int(values[1]), counted: Int(values[2]), gradientNorm: values.count > 3 ? values[3] : nil)
  }
}
