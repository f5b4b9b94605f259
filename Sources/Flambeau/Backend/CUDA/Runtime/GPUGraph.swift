/// Work that was queued once and is replayed as a whole, for the cost of one launch.
///
/// Replays read and write the memory that the work was queued with: what lies in it is changed between them, and what was allocated
/// meanwhile keeps its addresses as long as the graph is there.
final class GPUGraph {
  private let gpu: GPU
  private let memory: GPUAllocator
  private let pool: Int
  private let executable: Driver.Handle
  private let preparations: [Preparation]

  /// What is to be done before a replay, on its stream.
  typealias Preparation = (GPUStream) throws(TensorError) -> Void

  /// A graph that the current task is making.
  final class Capture: Sendable {
    let stream: GPUStream
    private let lock = Lock()
    /// Guarded by the lock.
    private nonisolated(unsafe) var noted: [Preparation] = []

    fileprivate init(_ stream: GPUStream) { self.stream = stream }

    /// `body` runs before each replay. It is the replaying task's: who holds the graph holds what `body` does.
    func beforeReplays(_ body: @escaping Preparation) { lock.withLock { noted.append(body) } }

    /// Guarded by the lock.
    private nonisolated(unsafe) var seeds: [GraphSeed] = []

    /// The seed of what the graph has drawn from `generator`, if it has.
    func drawnSeed(of generator: Generator) -> GraphSeed? { lock.withLock { seeds.first { $0.generator === generator } } }

    /// The seed of what the graph draws from `generator`.
    func seed(of generator: Generator) throws(TensorError) -> GraphSeed {
      if let seed = drawnSeed(of: generator) { return seed }
      let seed = try GraphSeed(of: generator, for: self)
      lock.withLock { seeds.append(seed) }
      return seed
    }

    fileprivate var preparations: [Preparation] { lock.withLock { noted } }
  }

  /// The graph that is being made here.
  @TaskLocal static var capture: Capture?

  /// Makes a graph of what `body` queues on `stream`, which is not the default one, and nothing of which is run. Waiting, and copies
  /// between the CPU and the GPU, cannot be part of it.
  static func capture(
    on stream: GPUStream, memory: GPUAllocator, _ body: () throws(TensorError) -> Void
  ) throws(TensorError) -> GPUGraph {
    try stream.refuseCapture("making a graph")
    let gpu = stream.gpu
    // Others may go on with what does not concern this stream.
    let relaxed: Int32 = 2
    try gpu.run(gpu.driver.beginCapture) { $0(stream.handle, relaxed) }
    stream.isCapturing.store(true, ordering: .relaxed)
    let pool = memory.beginCapture(on: stream)
    let capture = Capture(stream)
    var failure: TensorError?
    do throws(TensorError) {
      try $capture.withValue(capture) { Result(catching: body) }.get()
    } catch { failure = error }
    var graph: Driver.Handle = 0
    do throws(TensorError) { try gpu.run(gpu.driver.endCapture) { $0(stream.handle, &graph) } } catch {
      failure = failure ?? error
    }
    stream.isCapturing.store(false, ordering: .relaxed)
    memory.endCapture(on: stream)
    defer { if graph != 0 { try? gpu.run(gpu.driver.destroyGraph) { $0(graph) } } }
    do throws(TensorError) {
      if let failure { throw failure }
      var executable: Driver.Handle = 0
      try gpu.run(gpu.driver.instantiateGraph) { $0(&executable, graph, 0) }
      return GPUGraph(gpu, memory, pool, executable, capture.preparations)
    } catch {
      memory.endReplays(of: pool)
      throw error
    }
  }

  private init(
    _ gpu: GPU, _ memory: GPUAllocator, _ pool: Int, _ executable: Driver.Handle, _ preparations: [Preparation]
  ) {
    (self.gpu, self.memory, self.pool, self.executable) = (gpu, memory, pool, executable)
    self.preparations = preparations
  }

  deinit {
    try? gpu.run(gpu.driver.destroyExecutable) { $0(executable) }
    memory.endReplays(of: pool)
  }

  /// Queues all of it on a stream.
  func replay(on stream: GPUStream) throws(TensorError) {
    for prepare in preparations { try prepare(stream) }
    try gpu.enqueue(gpu.driver.launchGraph, on: stream, WorkLabel(work: "a graph", operation: "")) {
      $0(executable, stream.handle)
    }
  }
}
