/// How tensors print. Torch's `set_printoptions`.
public struct PrintOptions: Sendable, Hashable {
  /// Digits after the point, 0 to 1074 (which shows any number exactly).
  public var precision: Int
  /// Tensors of more elements are summarised; `Int.max` for never.
  public var threshold: Int
  /// The elements shown at each end of a dimension that is summarised.
  public var edgeItems: Int
  /// The characters a line may take.
  public var lineWidth: Int
  /// Whether floating-point elements print as `1.0000e-05`; nil to decide by their sizes.
  public var sciMode: Bool?

  /// Options with torch's defaults where nothing is said.
  public init(precision: Int = 4, threshold: Int = 1000, edgeItems: Int = 3, lineWidth: Int = 80, sciMode: Bool? = nil) {
    self.precision = precision
    self.threshold = threshold
    self.edgeItems = edgeItems
    self.lineWidth = lineWidth
    self.sciMode = sciMode
  }

  /// Two digits, two elements at each end.
  public static let short = PrintOptions(precision: 2, edgeItems: 2)
  /// Every element.
  public static let full = PrintOptions(threshold: .max)

  /// What ``Tensor/description`` follows. Setting it holds for the enclosing ``withPrintOptions(_:_:)-(_,()->R)``, and
  /// outside one for the whole program.
  public static var current: PrintOptions {
    get { Setting.innermost.value }
    set { Setting.innermost.value = newValue }
  }

  /// The options with what lies outside its range brought to its nearest bound.
  var clamped: PrintOptions {
    var result = self
    result.precision = Swift.min(Swift.max(precision, 0), 1074)
    result.threshold = Swift.max(threshold, 0)
    result.edgeItems = Swift.max(edgeItems, 0)
    result.lineWidth = Swift.max(lineWidth, 0)
    return result
  }

  fileprivate final class Setting: Sendable {
    @TaskLocal static var innermost = Setting(PrintOptions())
    private let lock = Lock()
    /// Guarded by the lock.
    nonisolated(unsafe) private var options: PrintOptions

    init(_ options: PrintOptions) { self.options = options }

    var value: PrintOptions {
      get { lock.withLock { options } }
      set { lock.withLock { options = newValue } }
    }
  }
}

/// Runs `body` with `options` for what it and its child tasks print. Torch's `printoptions`.
public func withPrintOptions<R>(_ options: PrintOptions, _ body: () throws -> R) rethrows -> R {
  try PrintOptions.Setting.$innermost.withValue(PrintOptions.Setting(options), operation: body)
}

/// The asynchronous form of ``withPrintOptions(_:_:)-(_,()->R)``.
public func withPrintOptions<R>(
  _ options: PrintOptions, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
) async rethrows -> R {
  try await PrintOptions.Setting.$innermost.withValue(
    PrintOptions.Setting(options), operation: body, isolation: isolation)
}
