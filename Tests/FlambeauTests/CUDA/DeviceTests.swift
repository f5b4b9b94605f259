import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Flambeau

/// Tensors on an emulated GPU.
@Suite(.enabled(if: EmulatedDevice.isThere, "no clang++")) struct DeviceTests {
  @Test func devicesHaveTorchsNames() throws {
    #expect(Device(name: "cpu") == .cpu && Device(name: "cuda") == .cuda(0) && Device(name: "cuda:3") == .cuda(3))
    for bad in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "cuda:1:2", "cuda:300"] { #expect(Device(name: bad) == nil) }
    #expect("\(Device.cuda(1))" == "cuda:1" && "\(Device.cpu)" == "cpu")
    let error = #expect(throws: TensorError.self) { try withTensorErrors { _ = Tensor([1.0]).to("tpu") } }
    #expect(error?.message.contains("\"tpu\" names no device") == true)
  }

  @Test(arguments: DType.allCases) func elementsComeBackAsTheyWere(_ dtype: DType) {
    let x = Tensor((0..<24).map { Double($0 % 7) }, shape: [2, 3, 4]).to(dtype)
    for y in [x, x.permute([2, 0, 1]), x[0..., .slice(from: 0, step: 2)], x.select(dim: 0, index: 1), x.expand([2, 2, 3, 4])] {
      let there = y.to("cuda")
      #expect(there.device == .cuda(0) && there.dtype == dtype && there.shape == y.shape)
      #expect(there.cpu().isEqual(to: y) && there.cpu().device == .cpu)
      // Views on the GPU come back, too.
      #expect(there.transpose(0, -1).cpu().isEqual(to: y.transpose(0, -1)))
      #expect(there.array(of: Double.self) == y.array(of: Double.self))
      #expect(there.to(.cuda(1)).cpu().isEqual(to: y))
      #expect(there.to("cpu", dtype: .float64).isEqual(to: y.to(.float64)))
      #expect(y.to("cuda", dtype: .float64).cpu().isEqual(to: y.to(.float64)))
    }
    #expect(x.to("cuda").isSame(as: x.to("cuda")) == false)
    let there = x.to("cuda")
    #expect(there.to("cuda").isSame(as: there) && x.cpu().isSame(as: x))
  }

  @Test func tensorsAreMadeWhereTheyAreAsked() {
    let x = Tensor.zeros([2, 3], device: "cuda")
    #expect(x.device == .cuda(0) && x.cpu().isEqual(to: Tensor.zeros([2, 3])))
    #expect(Tensor.full([3], 2.5, device: "cuda").array(of: Double.self) == [2.5, 2.5, 2.5])
    #expect(Tensor.full([2], 7, device: "cuda").array(of: Int64.self) == [7, 7])
    #expect(Tensor.full([2], true, device: "cuda").array(of: Bool.self) == [true, true])
    #expect(Tensor.eye(2, device: "cuda").array(of: Float.self) == [1, 0, 0, 1])
    #expect(Tensor.arange(4, device: "cuda").array(of: Int64.self) == [0, 1, 2, 3])
    #expect(Tensor.linspace(0, 1, steps: 3, device: "cuda").array(of: Double.self) == [0, 0.5, 1])
    #expect(Tensor([1, 2, 3], device: "cuda").device == .cuda(0))
    #expect(x.onesLike().device == .cuda(0) && x.newFull([2], 1.5).device == .cuda(0) && x.onesLike(device: .cpu).device == .cpu)
    Device.with("cuda:1") {
      #expect(Device.current == .cuda(1))
      #expect(Tensor.ones([2]).device == .cuda(1) && Tensor([1.0]).device == .cuda(1))
      #expect(Tensor.ones([2], device: .cpu).device == .cpu)
      // Numbers follow their tensor.
      #expect((Tensor.ones([2], device: .cpu) + 1).device == .cpu)
    }
    #expect(Device.current == .cpu && Tensor.ones([2]).device == .cpu)
  }

  /// Pointwise calls of flat operands, by plans that few words find, beside others.
  @Test(arguments: [DType.float32, .float64, .bfloat16, .float16]) func flatCallsComputeWhatOthersDo(_ dtype: DType) throws {
    let a = (Tensor.arange(48).to(.float32) / 7 - 3).to(dtype).reshape([6, 8])
    let b = (Tensor.arange(48).to(.float32) / 5 + 0.5).to(dtype).reshape([6, 8])
    func results(_ device: Device) -> [Tensor] {
      let (a, b) = (a.to(device), b.to(device))
      let (leaf, one) = (a.clone().requiresGrad_(), b.select(dim: 0, index: 0).select(dim: 0, index: 3))
      // Other scalars, places and counts, an operand that stands for all, and one that is written.
      var all = [a + 1, a + 2, a * b, a.exp(), a[1...] * b[1...], a[1..., 1] * b[1..., 1], a * one, one * a, one * one]
      all += [(a.view([48])[1...] + 1), (a.view([48])[2...] - b.view([48])[2...]), a.addcmul(b, a)]
      let y = leaf.tanh() * b
      y.sum().backward()
      all += [y, leaf.grad!, a.clone().mul_(b), Tensor.zeros([0], dtype: dtype, device: device) + 1]
      return all
    }
    for scoped in [false, true] {
      let there = scoped ? try withTensorErrors { results("cuda") } : results("cuda")
      for (i, (x, y)) in zip(there, results(.cpu)).enumerated() {
        #expect(x.device == .cuda(0) && x.dtype == y.dtype && x.shape == y.shape)
        #expect(x.cpu().detach().to(.float64).allClose(y.detach().to(.float64), rtol: 2e-3, atol: 1e-3), "result \(i)")
      }
    }
    let failed = #expect(throws: TensorError.self) {
      try withTensorErrors {
        _ = a.to("cuda").matmul(a.to("cuda"))
        #expect((a.to("cuda") + 1).shape == [])
      }
    }
    #expect(failed?.kind == .shape)
  }

  @Test func gradientsFlowOnTheDeviceAndAcross() {
    let x = Tensor((1...6).map(Double.init), shape: [2, 3]).to(.float32)
    func run(_ device: Device) -> [Tensor] {
      let leaf = x.clone().to(device).requiresGrad_()
      let scale = Tensor(2.0).to(.float32).requiresGrad_()
      let loss = ((leaf * scale).tanh() + leaf.softmax(dim: 1) * leaf.exp().sum(dim: 0)).mean()
      loss.backward()
      #expect(leaf.grad!.device == device && scale.grad!.device == .cpu)
      return [loss.cpu(), leaf.grad!.cpu(), scale.grad!]
    }
    for (a, b) in zip(run("cuda"), run(.cpu)) { #expect(a.allClose(b, rtol: 1e-6, atol: 1e-7)) }
    // Through the move itself.
    let leaf = x.clone().requiresGrad_()
    (leaf.to("cuda") * 3).sum().backward()
    #expect(leaf.grad!.device == .cpu && leaf.grad!.isEqual(to: Tensor.full([2, 3], 3.0)))
  }

  @Test func gradientsFromOtherDevicesAreRefused() {
    let x = Tensor.ones([2], device: "cuda").requiresGrad_()
    func refusal(_ body: () -> Void) -> String {
      let error = #expect(throws: TensorError.self) { try withTensorErrors(body) }
      #expect(x.grad == nil)
      return error?.message ?? ""
    }
    #expect(refusal { x.grad = .ones([2]) }.contains("assigned grad has data located on a different device"))
    #expect(
      refusal { (x * 2).backward(gradient: .ones([2])) } == "invalid gradient at index 0 - expected device cuda:0 but got cpu")
    let hooked = x * 2
    hooked.registerHook { $0.cpu() }
    #expect(
      refusal { hooked.sum().backward() }
        == "a hook has changed the type of value (was float32 on cuda:0, got float32 on cpu)")
    let function = CustomFunction("Home") { _, inputs in
      [inputs[0] * 2.0]
    } backward: { _, gradients in
      [gradients[0].cpu()]
    }
    #expect(
      refusal { function(x).sum().backward() }
        == "Function HomeBackward returned an invalid gradient at index 0 - expected device cuda:0 but got cpu")
  }

  /// A graph that was recorded before its leaf was moved.
  @Test func gradientsFollowALeafThatHasMoved() {
    let x = Tensor.ones([2]).requiresGrad_()
    let (y, z) = (x * 2, x * 3)
    let moved = x.replaced(by: noGrad { x.cuda() })
    moved.grad = .ones([2], device: "cuda")
    y.sum().backward()
    z.sum().backward()
    #expect(moved.grad!.device == .cuda(0) && moved.grad!.array(of: Float.self) == [6, 6])
  }

  @Test func writesInPlaceStayOnTheDevice() {
    let x = Tensor.zeros([3, 2], device: "cuda")
    x.add_(1.5)
    x.select(dim: 0, index: 1).mul_(2)
    x.narrow(0, start: 2, length: 1).copy_(Tensor([[7.0, 8]]).to(.float32))
    #expect(x.array(of: Double.self) == [1.5, 1.5, 3, 3, 7, 8])
    let y = Tensor.zeros([3, 2])
    y.copy_(x)
    #expect(y.isEqual(to: x.cpu()))
    let leaf = Tensor.ones([2], device: "cuda").requiresGrad_()
    let square = leaf * leaf
    noGrad { _ = leaf.add_(1) }
    let error = #expect(throws: TensorError.self) { try withTensorErrors { square.sum().backward() } }
    #expect(error?.message.contains("modified by an inplace operation") == true)
  }

  @Test func mixedDevicesAreRefused() {
    let (here, there, other) = (Tensor.ones([2]), Tensor.ones([2], device: "cuda"), Tensor.ones([2], device: "cuda:1"))
    func refusal(_ body: () -> Void) -> String {
      let error = #expect(throws: TensorError.self) { try withTensorErrors(body) }
      #expect(error?.kind == .device)
      return error?.message ?? ""
    }
    #expect(
      refusal { _ = here + there }
        == "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!")
    #expect(refusal { _ = there * other }.contains("cuda:0 and cuda:1"))
    #expect(refusal { here.add_(there) }.contains("cpu and cuda:0"))
    #expect(refusal { there.add_(here) }.contains("cuda:0 and cpu"))
    #expect((there + Tensor(2.0)).array(of: Double.self) == [3, 3])
    #expect(refusal { _ = Tensor.zeros([2], device: "cuda:7") }.contains("there is no cuda:7"))
  }

  /// Writing to a view is a copy, which takes elements from everywhere; positions take numbers from everywhere.
  @Test func valuesAreWrittenFromOtherDevices() throws {
    let (x, y) = (Tensor.zeros([3, 2]), Tensor.zeros([3, 2], device: "cuda"))
    let row = Tensor([1, 2] as [Float])
    y[0] = row
    y[1..<3] = Tensor([7, 8] as [Float], device: "cuda:1")
    x[0] = y[0]
    #expect(y.array(of: Float.self) == [1, 2, 7, 8, 7, 8] && x.array(of: Float.self) == [1, 2, 0, 0, 0, 0])
    x[[1, 2]] = Tensor(5 as Float, device: "cuda")
    #expect(x.array(of: Float.self) == [1, 2, 5, 5, 5, 5])
    let error = #expect(throws: TensorError.self) { try withTensorErrors { y[[0, 1]] = row } }
    #expect(error?.message.contains("at least two devices, cuda:0 and cpu") == true)
  }

  /// Inside of `Device.with` too, what an operator makes for itself is where its operands are.
  @Test(arguments: [Device.cpu, .cuda(0)]) func callsRunWhereTheirOperandsLive(_ device: Device) {
    let x = Tensor((1...6).map(Float.init), shape: [2, 3], device: device)
    Device.with("cuda:1") {
      let results = [
        x[[1]], Tensor.where(x .> 2, x, 0.5), Tensor.where(x .> 2, 0, x), Tensor.where(x .> 2, 1, 0),
        Tensor.where(x .> 2, 1.5, 0), x.histc(bins: 3), x.cov(),
        x.quantile(0.25, dim: 1),
        x.flatten().searchSorted(2.5), x[Tensor(true, device: .cpu)], Tensor.repeatInterleave(x.to(.int64).flatten()),
      ]
      for (i, result) in results.enumerated() { #expect(result.device == device, "result \(i)") }
      x[[0]] = Tensor(9 as Float)
      x[1] = 3.5
    }
    #expect(x.array(of: Float.self) == [9, 9, 9, 3.5, 3.5, 3.5])
  }

  /// Torch takes positions and masks of the processor's for a GPU's tensor.
  @Test func positionsMayComeFromTheProcessor() {
    let x = Tensor.arange(6.0, device: "cuda")
    #expect(x[[1, 3]].array(of: Double.self) == [1, 3])
    #expect(x[Tensor([4, 0])].array(of: Double.self) == [4, 0])
    #expect(x[Tensor([true, false, false, true, false, false])].array(of: Double.self) == [0, 3])
    x[[0, 5]] = Tensor(9 as Float)
    #expect(x.array(of: Double.self) == [9, 1, 2, 3, 4, 9])
    x[Tensor([false, true, false, false, false, false])] = Tensor(-1 as Float)
    #expect(x.array(of: Double.self) == [9, -1, 2, 3, 4, 9])
  }

  @Test func whatHasNoKernelSaysSo() {
    let x = Tensor.ones([2, 2, 2], device: "cuda").requiresGrad_()
    let row = Operator<None>("identity", forward: { (operands, _) throws(TensorError) in operands[0]!.body.value })
    let error = #expect(throws: TensorError.self) { try withTensorErrors { _ = row(x, None()) } }
    #expect(error?.message.hasPrefix("there is no kernel for cuda:0 yet: move the operands with .cpu()") == true)
    #expect(error?.operation == "identity")
  }

  @Test func textNamesTheDevice() {
    let x = Tensor([1.5, 2], device: "cuda").to(.float32)
    #expect("\(x)" == "tensor([1.5000, 2.0000], device='cuda:0')")
    #expect(x.sum().item() == 3.5 && Int(Tensor(3, device: "cuda")) == 3)
  }

  @Test func memoryIsCountedAndNamed() throws {
    let memory = EmulatedDevice.backends[1].memory
    let x = Tensor.zeros([250_111], device: "cuda:1")
    let y = x.exp()
    let live = memory.pieces.filter { $0.state == .live && $0.byteCount == 1_000_448 }
    #expect(live.map(\.operation).sorted() == ["exp", "zeros"])
    #expect(CUDA.memoryAllocated("cuda:1") >= 2 * 1_000_448 && CUDA.maxMemoryAllocated("cuda:1") >= 2 * 1_000_448)
    #expect(CUDA.memoryReserved("cuda:1") >= CUDA.memoryAllocated("cuda:1"))
    #expect(CUDA.memorySummary("cuda:1").contains("exp"))
    withExtendedLifetime((x, y)) {}
    CUDA.synchronize("cuda:1")
    CUDA.emptyCache("cuda:1")
    #expect(CUDA.maxMemoryReserved("cuda:1") >= CUDA.memoryReserved("cuda:1"))
    for call in [{ CUDA.emptyCache(.cpu) }, { CUDA.setMemoryFraction(1.5, "cuda:1") }, { CUDA.synchronize("cuda:9") }] {
      #expect(throws: TensorError.self) { try withTensorErrors(call) }
    }
  }

  /// Of threads that use a map for the first time at once, all read the numbers that it holds: nobody holds another's.
  @Test func aMapThatThreadsUseAtOnceForTheFirstTime() {
    for _ in 0..<2000 {
      let map = DimensionMap(inputSize: 4, (0..<64).map { [(input: $0 % 4, weight: 0.5)] })
      let lock = Lock()
      nonisolated(unsafe) var found: Set<Int> = []
      let arrived = Atomic(0)
      onThreads(2) { _ in
        arrived.add(1, ordering: .relaxed)
        // Both at once, if there are two threads.
        for _ in 0..<100_000 where arrived.load(ordering: .relaxed) < 2 {}
        let tables = try? map.deviceTables(.float32, on: .cuda(0))
        lock.withLock { _ = found.insert(tables.map { Int(bitPattern: $0.weights.address) } ?? 0) }
      }
      #expect(lock.withLock { found.count == 1 && !found.contains(0) })
    }
  }
}
