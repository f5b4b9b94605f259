import Synchronization

/// Whether a module trains or is evaluated. Only modules that behave differently keep one; torch's `training`.
public final class Mode: Sendable {
  private let training = Atomic<Bool>(true)
  private let cumulative = Atomic<Bool>(false)

  /// Training, until told otherwise.
  public init() {}

  /// True at first; ``Module/train(_:)`` and ``Module/eval()`` set it.
  public var isTraining: Bool {
    get { training.load(ordering: .relaxed) }
    set { training.store(newValue, ordering: .relaxed) }
  }

  /// Running statistics are means of all batches, whatever the momentum: ``updateBN(_:_:)``.
  var isCumulative: Bool {
    get { cumulative.load(ordering: .relaxed) }
    set { cumulative.store(newValue, ordering: .relaxed) }
  }
}
