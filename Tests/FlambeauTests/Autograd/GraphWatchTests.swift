import Testing

@testable import Flambeau

@Suite struct GraphWatchTests {
  private let x = Tensor([0.5, -1, 2, 0.25] as [Double], shape: [2, 2])
  private let w = Tensor([1, -0.5, 0.75, 2] as [Double], shape: [2, 2])

  private func model(_ x: Tensor, _ w: Tensor) -> Tensor {
    var y = x.matmul(w).tanh()
    y = y * y.exp()
    y.mul_(x)
    return (y.softmax(dim: 1) * w).sum()
  }

  private func gradients(_ run: (Tensor, Tensor) -> Tensor) -> [Tensor] {
    let leaves = [x, w].map { $0.clone().requiresGrad_() }
    run(leaves[0], leaves[1]).backward()
    return leaves.map { $0.grad ?? $0 }
  }

  @Test func hooksSeeEverythingThatIsSaved() {
    let log = Log()
    let hooked = gradients { x, w in
      savedTensorHooks(
        pack: { tensor in
          log.add("pack")
          return tensor.array(of: Double.self) + Array(tensor.shape).map(Double.init)
        },
        unpack: { numbers in
          log.add("unpack")
          return Tensor(Array(numbers.prefix(4)), shape: [2, 2])
        }
      ) { model(x, w) }
    }
    for (mine, plain) in zip(hooked, gradients(model)) { #expect(mine.isEqual(to: plain)) }
    #expect(log.count("pack") > 6)
    #expect(log.count("unpack") > 6)
  }

  @Test func savedValuesInAHalfTypeGiveNearlyTheGradient() {
    let hooked = gradients { x, w in
      savedTensorHooks(pack: { $0.to(.bfloat16) }, unpack: { $0.to(.float64) }) { model(x, w) }
    }
    for (mine, plain) in zip(hooked, gradients(model)) {
      #expect(mine.allClose(plain, rtol: 0.05, atol: 0.02))
      #expect(!mine.isEqual(to: plain))
    }
  }

  @Test func aWrongUnpackIsRefused() {
    let refusal = Direct.refusal {
      _ = gradients { x, w in savedTensorHooks(pack: { $0 }, unpack: { $0.sum() }) { model(x, w) } }
    }
    #expect(refusal.contains("the unpack hook of a saved tensor returned"))
  }

  @Test func secondDerivativesGoThroughHooks() throws {
    let leaf = x.clone().requiresGrad_()
    try gradgradcheck([leaf]) { inputs in
      savedTensorHooks(pack: { $0 }, unpack: { $0.clone() }) { [inputs[0].tanh() * inputs[0].exp()] }
    }
  }

  @Test func checkpointsGiveTheSameGradientsAndKeepLess() {
    for (mine, plain) in zip(gradients { x, w in checkpoint { self.model(x, w) } }, gradients(model)) {
      #expect(mine.isEqual(to: plain))
    }
    func deep(_ x: Tensor, checkpointed: Bool) -> (gradient: Tensor, kept: Int) {
      let leaf = x.clone().requiresGrad_()
      let before = Memory.allocated
      var y: Tensor = leaf
      for _ in 0..<8 {
        let input = y
        let block: @Sendable () -> Tensor = { (0..<6).reduce(input) { y, _ in y.tanh().sin().exp() * 0.5 } }
        y = checkpointed ? checkpoint(block) : block()
      }
      let kept = Memory.allocated - before
      y.sum().backward()
      return (leaf.grad!, kept)
    }
    let large = Tensor.rand([256, 256])
    let (plain, checkpointed) = (deep(large, checkpointed: false), deep(large, checkpointed: true))
    #expect(checkpointed.gradient.isEqual(to: plain.gradient))
    #expect(checkpointed.kept * 8 < plain.kept)
  }

  @Test func checkpointsDrawTheSameNumbersAgain() {
    func run(_ isCheckpointed: Bool) -> (gradient: Tensor, next: Double) {
      let leaf = Tensor.ones([64]).requiresGrad_()
      let generator = Generator(seed: 5)
      return withGenerator(generator) {
        let body: @Sendable () -> Tensor = { leaf.dropout(0.5, training: true).exp() }
        let y = isCheckpointed ? checkpoint(body) : body()
        y.sum().backward()
        return (leaf.grad!, Tensor.rand([1]).item())
      }
    }
    let (plain, again) = (run(false), run(true))
    #expect(plain.gradient.isEqual(to: again.gradient))
    #expect(plain.next == again.next)
  }

  @Test func checkpointsNestAndDifferentiateTwice() throws {
    let leaf = x.clone().requiresGrad_()
    let nested: @Sendable (Tensor) -> Tensor = { x in
      checkpoint { checkpoint { x.tanh() * x }.exp() * x }
    }
    try gradcheck([leaf]) { [nested($0[0])] }
    try gradgradcheck([leaf]) { [nested($0[0])] }
    let y = nested(leaf).sum()
    y.backward(retainGraph: true)
    let once = leaf.grad!.clone()
    y.backward()
    #expect(leaf.grad!.allClose(once * 2.0))
  }

  @Test func aBodyThatChangesItsMindIsRefused() {
    let leaf = Tensor([1, 2] as [Double]).requiresGrad_()
    let log = Log()
    let refusal = Direct.refusal {
      checkpoint { () -> Tensor in
        log.add("run")
        return log.count("run") == 1 ? leaf.exp() : leaf.exp().tanh()
      }.sum().backward()
    }
    #expect(refusal.contains("A different number of tensors was saved during the original forward and recomputation"))
  }

  @Test func anomalyModeNamesTheCallAndItsLine() {
    let leaf = Tensor([0, 1] as [Double]).requiresGrad_()
    let refusal = Direct.refusal {
      detectAnomaly {
        let root = (leaf * 0.0).sqrt()
        (root * 0.0).sum().backward()
      }
    }
    #expect(refusal.contains("Function 'SqrtBackward' returned nan values in its 0th output."))
    #if os(Linux)
      #expect(refusal.contains("GraphWatchTests.swift"))
    #endif
    leaf.grad = nil
    (leaf * 0.0).sqrt().sum().backward()
    #expect(leaf.grad!.array(of: Double.self)[0].isNaN)
  }

  @Test func anomalyModeSaysWhereACallWasMadeThatFails() {
    let leaf = Tensor([1, 2] as [Double]).requiresGrad_()
    let refusal = Direct.refusal {
      detectAnomaly {
        let inner = leaf * 1.0
        let y = inner.exp()
        y.add_(1)
        y.sum().backward()
      }
    }
    #expect(refusal.contains("modified by an inplace operation") && refusal.contains("The call was made at"))
  }
}

private final class Log: Sendable {
  private let lock = Lock()
  nonisolated(unsafe) private var words: [String] = []

  func add(_ word: String) { lock.withLock { words.append(word) } }
  func count(_ word: String) -> Int { lock.withLock { words.count { $0 == word } } }
}
