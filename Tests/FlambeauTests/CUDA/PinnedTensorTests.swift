import Testing

@testable import Flambeau

/// Copies of pinned tensors, on a GPU whose work runs when it is waited for.
extension StreamTests {
  private static let there = Device.cuda(2)

  private func pinned(_ number: Double) -> Tensor {
    Device.with(Self.there) { Tensor.full([2000], number, device: .cpu).pinMemory() }
  }

  @Test func tensorsArePinned() throws {
    defer { CUDA.synchronize(Self.there) }
    let x = Tensor.arange(6, device: .cpu).reshape([2, 3])
    for y in [x, x.T, x[0..., 1]] {
      let pinned = y.pinMemory()
      #expect(pinned.isPinned && !y.isPinned && pinned.device == .cpu && pinned.isEqual(to: y))
      #expect(pinned.pinMemory().isSame(as: pinned) && pinned.select(dim: 0, index: 1).isPinned && !pinned.clone().isPinned)
      #expect((pinned * 2).isEqual(to: y * 2) && !(pinned * 2).isPinned)
    }
    #expect(Tensor.zeros([0]).pinMemory().shape == [0])
    let error = #expect(throws: TensorError.self) { try withTensorErrors { _ = x.to(Self.there).pinMemory() } }
    #expect(error?.message.contains("only dense CPU tensors can be pinned") == true)
  }

  /// What the copy out of pinned memory reads is what lies there when it runs; other memory has been read.
  @Test func uploadsOfPinnedMemoryAreQueued() {
    defer { CUDA.synchronize(Self.there) }
    let stream = CUDA.Stream.current(Self.there)
    let x = pinned(1)
    let event = CUDA.Event(Self.there)
    event.record(on: stream)
    let queued = x.to(Self.there, nonBlocking: true)
    #expect(!event.isDone)
    x.fill_(2)
    let waited = x.to(Self.there)
    #expect(event.isDone && stream.isIdle)
    x.fill_(3)
    #expect(queued.cpu().isEqual(to: .full([2000], 2.0)) && waited.cpu().isEqual(to: .full([2000], 2.0)))
    let y = Tensor.full([2000], 1.0)
    let staged = y.to(Self.there, nonBlocking: true)
    y.fill_(2)
    #expect(staged.cpu().isEqual(to: .full([2000], 1.0)))
    // Other dtypes and layouts are packed first.
    let z = x.view([40, 50])
    let (half, turned) = (z.to(Self.there, dtype: .float16, nonBlocking: true), z.T.to(Self.there, nonBlocking: true))
    x.fill_(4)
    #expect(half.cpu().isEqual(to: Tensor.full([40, 50], 3.0).to(.float16)) && turned.cpu().shape == [50, 40])
    let target = Tensor.zeros([2000], device: Self.there)
    target.copy_(x, nonBlocking: true)
    #expect(!stream.isIdle && target.cpu().isEqual(to: .full([2000], 4.0)))
  }

  @Test func pinnedMemoryIsKeptUntilItsCopyHasRun() {
    defer { CUDA.synchronize(Self.there) }
    let stream = CUDA.Stream.current(Self.there)
    var x: Tensor? = pinned(1)
    let address = x!.body.storage.address
    let first = x!.to(Self.there, nonBlocking: true)
    x = nil
    let y = pinned(2)
    #expect(y.body.storage.address != address)
    #expect(first.cpu().isEqual(to: .full([2000], 1.0)))
    stream.synchronize()
    // Now it is the next one's.
    #expect(pinned(3).body.storage.address == address)
  }

  @Test func downloadsToPinnedMemoryAreQueued() {
    defer { CUDA.synchronize(Self.there) }
    let stream = CUDA.Stream.current(Self.there)
    let x = Tensor.full([40, 50], 5.0, device: Self.there)
    let event = CUDA.Event(Self.there)
    event.record(on: stream)
    let back = x.to(.cpu, nonBlocking: true)
    #expect(back.isPinned && !event.isDone)
    stream.synchronize()
    #expect(back.isEqual(to: .full([40, 50], 5.0)))
    let (half, turned) = (x.to(.cpu, dtype: .float16, nonBlocking: true), x.T.to(.cpu, nonBlocking: true))
    stream.synchronize()
    #expect(half.isEqual(to: Tensor.full([40, 50], 5.0).to(.float16)) && turned.isEqual(to: .full([50, 40], 5.0)))
  }

  /// Over a tensor that is there already, too; what the processor has to spread is waited for.
  @Test func downloadsOverPinnedTensorsAreQueued() {
    defer { CUDA.synchronize(Self.there) }
    let stream = CUDA.Stream.current(Self.there)
    let x = Tensor.arange(2000.0, device: Self.there)
    let numbers = Tensor.arange(2000.0, device: .cpu)
    let (back, half) = (pinned(0), pinned(0).to(.float16).pinMemory())
    let spread = pinned(0).view([40, 50]).T
    stream.synchronize()
    let version = back.body.storage.version.load(ordering: .relaxed)
    back.copy_(x, nonBlocking: true)
    half.copy_(x, nonBlocking: true)
    #expect(
      !stream.isIdle && back.array(of: Float.self)[7] == 0 && back.body.storage.version.load(ordering: .relaxed) == version + 1)
    stream.synchronize()
    #expect(back.isEqual(to: numbers) && half.isEqual(to: numbers.to(.float16)))
    spread.copy_(x.view([50, 40]), nonBlocking: true)
    #expect(spread.isEqual(to: numbers.view([50, 40])))
    back.copy_(x * 2)
    #expect(stream.isIdle && back.isEqual(to: numbers * 2))
  }
}
