extension CUDA {
  /// Work that was queued once and is replayed as a whole, for the cost of one launch. Torch's `torch.cuda.CUDAGraph`.
  ///
  /// Replays read and write the memory that the work was queued with. Write new inputs into the tensors that the body used, by `copy_`;
  /// results lie in ``output``, which each replay writes anew.
  public final class Graph<Output> {
    /// What the body gave: tensors that hold something once the graph has been replayed.
    public let output: Output
    private let device: Device
    /// Nil where it could not be made.
    private let graph: GPUGraph?

    fileprivate init(_ output: Output, _ device: Device, _ graph: GPUGraph?) {
      (self.output, self.device, self.graph) = (output, device, graph)
    }

    /// Queues all of it on the current stream, and gives ``output``.
    @discardableResult
    public func replay() -> Output {
      CUDA.attempt("Graph.replay") { () throws(TensorError) in
        if let graph { try graph.replay(on: GPUBackend.of(device).stream) }
      }
      return output
    }
  }

  /// Makes a graph of the work that `body` queues on a GPU, none of which is done now: a forward pass, or a whole step of training.
  ///
  ///     optimizer.zeroGrad()                       // once as usual: kernels are compiled, the optimizer has its state
  ///     …
  ///     let step = CUDA.graph {
  ///       optimizer.zeroGrad()
  ///       let loss = model(x).crossEntropy(y)
  ///       loss.backward()
  ///       optimizer.step()
  ///       return loss
  ///     }
  ///     for (images, classes) in batches {
  ///       x.copy_(images); y.copy_(classes)
  ///       print(step.replay().item())
  ///     }
  ///
  /// Steps of optimizers go on from replay to replay, with the rates of their time. What waits for the GPU, such as `item()` or printing,
  /// and copies between it and the processor cannot be part of a graph and are errors. Shapes, branches and loops are those of this call.
  /// Tasks make their graphs of one GPU one after another.
  public static func graph<Output, Failure: Error>(
    _ device: Device = .cuda(), file: StaticString = #fileID, line: UInt = #line, _ body: () throws(Failure) -> Output
  ) throws(Failure) -> Graph<Output> {
    var outcome: Result<Output, Failure>?
    let graph = value(device, CallSite(file, line)) { (backend) throws(TensorError) -> GPUGraph? in
      // A graph within one is refused by the wait.
      let isOutermost = GPUGraph.capture == nil
      if isOutermost { backend.capturing.lock() }
      defer { if isOutermost { backend.capturing.unlock() } }
      // What was queued before is done before what the graph does, on whatever streams.
      try backend.gpu.synchronize()
      let stream = try backend.streams.next()
      do throws(TensorError) {
        return try GPUGraph.capture(on: stream, memory: backend.memory) { () throws(TensorError) in
          let result = GPUStreams.with(stream) { Result(catching: body) }
          outcome = result
          if case .failure = result { throw TensorError(.device, "the graph's body has thrown") }
          if let error = Context.current.failure { throw error }
        }
      } catch {
        if case .failure = outcome { return nil }
        throw error
      }
    }
    return Graph(try (outcome ?? Result(catching: body)).get(), device, graph ?? nil)
  }
}
