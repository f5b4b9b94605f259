import CKernels

/// A source of random numbers: MT19937 with torch's bits on the CPU (Matsumoto and Nishimura, 1998), which gives each draw on a GPU a seed
/// of Philox's numbers.
///
/// Safe to share: one draw, however many elements it fills, is never interleaved with another. Inside an error scope
/// that has failed nothing is drawn and nothing is seeded.
public final class Generator: Sendable {
  /// The size of ``state``.
  public static let stateByteCount = Int(fb_random_state_size)
  /// The seed of a generator nobody seeded: torch's.
  public static let defaultSeed: UInt64 = 67_280_421_310_721

  /// The generator random operations use outside ``withGenerator(_:_:)``, `torch.default_generator`.
  public static let `default` = Generator()

  /// What it points at is guarded by the lock.
  nonisolated(unsafe) private let random: OpaquePointer
  private let lock = Lock()

  /// A generator that starts from `seed`; of negative seeds the two's complement counts.
  public init(seed: some BinaryInteger) {
    random = OpaquePointer(UnsafeMutableRawPointer.allocate(byteCount: fb_random_size(), alignment: 64))
    fb_random_seed(random, UInt64(truncatingIfNeeded: seed))
  }

  /// A generator at torch's default seed, 67280421310721 (torch: Generator()).
  public convenience init() { self.init(seed: Generator.defaultSeed) }

  deinit { UnsafeMutableRawPointer(random).deallocate() }

  /// The generator of the current scope.
  package static var current: Generator { Context.current.generator ?? .default }

  /// Starts the stream of `seed` from its beginning.
  @discardableResult
  public func manualSeed(_ seed: some BinaryInteger) -> Generator {
    draw { fb_random_seed($0, UInt64(truncatingIfNeeded: seed)) }
    return self
  }

  /// The seed the stream began with.
  public var seed: UInt64 { lock.withLock { fb_random_initial_seed(random) } }

  /// Where the stream stands: 5056 bytes, laid out as torch's `Generator.get_state()`, with the normal number that is
  /// kept for the next call. Setting anything else is an error.
  public var state: [UInt8] {
    get {
      [UInt8](unsafeUninitializedCapacity: Generator.stateByteCount) { bytes, count in
        let generator = standIn
        generator.lock.withLock { fb_random_get_state(generator.random, bytes.baseAddress) }
        count = Generator.stateByteCount
      }
    }
    set {
      guard newValue.count == Generator.stateByteCount else {
        Door.fail(
          .argument("a generator's state has \(Generator.stateByteCount) bytes, but got \(newValue.count)"))
        return
      }
      var valid = true
      draw { valid = fb_random_set_state($0, newValue) }
      if !valid { Door.fail(.argument("the bytes are not the state of a generator")) }
    }
  }

  /// A non-negative integer, as `torch.empty((), dtype=torch.int64).random_()`; 0 in a failed error scope.
  public func nextInt64() -> Int64 {
    var value: Int64 = 0
    draw { fb_random_whole_range($0, Int32(DType.int64.rawValue), &value, 1) }
    return value
  }

  /// `0..<count` in random order, as `torch.randperm`.
  public func permutation(_ count: Int) -> [Int] {
    guard count > 0 else { return [] }
    return [Int](unsafeUninitializedCapacity: count) { order, initialized in
      for i in 0..<count { order[i] = i }
      order.withMemoryRebound(to: Int64.self) { order in
        draw { fb_random_permutation($0, order.baseAddress, count) }
      }
      initialized = count
    }
  }

  /// Runs `body` with the stream to itself, unless the error scope has failed.
  @inline(__always)
  func draw(_ body: (OpaquePointer) -> Void) {
    if Context.current.isFailed { return }
    let generator = standIn
    generator.lock.lock()
    body(generator.random)
    generator.lock.unlock()
  }

  // MARK: Drawing again

  private struct Substitution: Sendable {
    let generator: Generator
    let standIn: Generator
  }

  /// The innermost last.
  @TaskLocal private static var substitutions: [Substitution] = []

  /// What the current task draws from in place of this one.
  private var standIn: Generator { Generator.substitutions.last { $0.generator === self }?.standIn ?? self }

  /// Runs `body`, for which the stream stands at `state`. For others it goes on meanwhile, and afterwards it stands where it does now.
  func standing(at state: [UInt8], _ body: () -> Void) {
    let standIn = Generator()
    _ = fb_random_set_state(standIn.random, state)
    let substitutions = Generator.substitutions + [Substitution(generator: self, standIn: standIn)]
    Generator.$substitutions.withValue(substitutions, operation: body)
  }
}

/// Seeds the default generator, as `torch.manual_seed`, and returns it.
@discardableResult
public func manualSeed(_ seed: some BinaryInteger) -> Generator { Generator.default.manualSeed(seed) }

/// Runs `body` with `generator` as the source of every random operation that names none.
public func withGenerator<R>(_ generator: Generator, _ body: () throws -> R) rethrows -> R {
  try Context.run(Context.current.with(generator: generator), body)
}

/// The asynchronous form of ``withGenerator(_:_:)``.
public func withGenerator<R>(
  _ generator: Generator, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
) async rethrows -> R {
  try await Context.run(Context.current.with(generator: generator), isolation: isolation, body)
}
