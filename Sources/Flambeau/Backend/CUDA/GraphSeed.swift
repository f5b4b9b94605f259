/// What a CUDA graph's random numbers from one generator begin with: a seed in memory that is none of the graph's own, which the generator
/// gives before each replay. Draws of the graph differ by their offsets.
final class GraphSeed: Sendable {
  let generator: Generator
  private let memory: GPUMemory
  private let device: Device
  private let lock = Lock()
  /// Guarded by the lock; the seed does not count.
  private nonisolated(unsafe) var state = PhiloxState(seed: 0)

  init(of generator: Generator, for capture: GPUGraph.Capture) throws(TensorError) {
    let work = "a graph's random numbers"
    device = .cuda(capture.stream.gpu.index)
    let backend = try GPUBackend.of(device)
    let memory = try backend.memory.allocate(MemoryLayout<Int64>.size, on: backend.streams.standard, for: work)
    (self.generator, self.memory) = (generator, memory)
    capture.beforeReplays { (stream) throws(TensorError) in
      var seed = generator.nextInt64()
      memory.record(on: stream)
      try stream.copy(&seed, to: memory.address, MemoryLayout<Int64>.size, for: work)
    }
  }

  /// How many blocks are drawn.
  var offset: UInt64 {
    get { lock.withLock { state.offset } }
    set { lock.withLock { state.offset = newValue } }
  }

  func task(_ distribution: RandomTask.Distribution, into output: Elements) -> RandomTask {
    let address = UnsafeMutableRawPointer(bitPattern: UInt(memory.address))!
    let place = Elements(address, Layout([1]), .int64, on: device)
    return lock.withLock { RandomTask(distribution, from: &state, seedPlace: place, into: output) }
  }
}

extension RandomTask {
  /// Fills `output`, which lives on a GPU, from the current generator: that gives a seed for each draw, so that its state says what comes
  /// next and numbers are the same on every GPU.
  static func draw(_ distribution: Distribution, into output: Elements) throws(TensorError) {
    if output.layout.elementCount == 0 { return }
    let generator = Generator.current
    let task: RandomTask
    if let capture = GPUGraph.capture, capture.stream.gpu.index == output.device.index {
      task = try capture.seed(of: generator).task(distribution, into: output)
    } else {
      var state = PhiloxState(seed: UInt64(bitPattern: generator.nextInt64()))
      task = RandomTask(distribution, from: &state, into: output)
    }
    try GPUBackend.run(.task(task), on: output.device)
  }
}

/// Where a generator stands, for what is to be drawn again: its state, or how much of a graph's numbers are drawn.
struct DrawPosition: Sendable {
  private let generator: Generator
  private let state: [UInt8]
  private let graphOffset: UInt64?

  /// That of the current generator.
  static var current: DrawPosition {
    let generator = Generator.current
    return DrawPosition(
      generator: generator, state: generator.state, graphOffset: GPUGraph.capture?.drawnSeed(of: generator)?.offset)
  }

  /// Runs `body`, which draws from here on; afterwards the generator stands where it does now.
  func drawingAgain(_ body: () -> Void) {
    let seed = GPUGraph.capture?.drawnSeed(of: generator)
    let offset = seed?.offset
    seed?.offset = graphOffset ?? 0
    generator.standing(at: state, body)
    if let offset { seed?.offset = offset }
  }
}
