import Synchronization
import TestSupport
import Testing

@testable import Flambeau

/// Backward passes on several threads, which may share leaves and parts of a graph, as torch's may.
@Suite struct SharedGraphTests {
  private static let threads = 4

  private final class Calls: Sendable {
    let count = Atomic(0)
  }

  private final class Result: Sendable {
    let tensor = Mutex<Tensor?>(nil)
  }

  private func onThreads(_ body: @escaping @Sendable (_ thread: Int) -> Void) { TestSupport.onThreads(Self.threads, body) }

  @Test func nothingThatArrivesAtALeafIsLost() {
    let rounds = 200
    for createGraph in [false, true] {
      let leaf = Tensor.ones([16]).requiresGrad_()
      onThreads { thread in
        for _ in 0..<rounds { (leaf * Double(thread + 1)).sum().backward(createGraph: createGraph) }
      }
      #expect(leaf.grad!.detach().array(of: Float.self) == Array(repeating: Float(10 * rounds), count: 16))
    }
  }

  /// What one pass asks of a shared node is not what another does.
  @Test func passesForDifferentLeavesShareAGraph() {
    let leaves = (0..<Self.threads).map { Tensor.full([8], Double($0 + 2)).requiresGrad_() }
    let shared = (leaves[0] * leaves[1]) * (leaves[2] * leaves[3])
    let product: Float = 2 * 3 * 4 * 5
    let wrong = Atomic(0)
    onThreads { thread in
      for _ in 0..<300 {
        let found = Tensor.grad(of: [shared.sum()], withRespectTo: [leaves[thread]], retainGraph: true)
        if found[0]?.array(of: Float.self) != Array(repeating: product / Float(thread + 2), count: 8) {
          wrong.add(1, ordering: .relaxed)
        }
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
  }

  /// Of passes that do not keep the graph one gets through, and the others are told.
  @Test func theLastPassIsOnePass() {
    for _ in 0..<300 {
      let leaf = Tensor.full([8], 0.5).requiresGrad_()
      let shared = (leaf * leaf).exp().sin().sum()
      let done = Atomic(0)
      let told = Atomic(0)
      onThreads { _ in
        do {
          try withTensorErrors { shared.backward() }
          done.add(1, ordering: .relaxed)
        } catch {
          if (error as! TensorError).message.contains("a second time") { told.add(1, ordering: .relaxed) }
        }
      }
      #expect(done.load(ordering: .relaxed) == 1 && told.load(ordering: .relaxed) == Self.threads - 1)
    }
  }

  @Test func aCheckpointIsRunAgainByEachPassOrOne() {
    let leaf = Tensor.full([8], 2.0).requiresGrad_()
    let wrong = Atomic(0)
    for _ in 0..<50 {
      let y = checkpoint { [leaf] in (leaf * leaf * leaf).tanh() * leaf }
      let alone = Tensor.grad(of: [y.sum()], withRespectTo: [leaf], retainGraph: true)[0]!.array(of: Float.self)
      onThreads { _ in
        for _ in 0..<5 {
          let found = Tensor.grad(of: [y.sum()], withRespectTo: [leaf], retainGraph: true)
          if found[0]!.array(of: Float.self) != alone { wrong.add(1, ordering: .relaxed) }
        }
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
  }

  /// A large result of a cheap row is asked of its node again by whoever reads it, while others walk the graph.
  @Test func aGraphGrowsWhileItIsWalked() {
    let leaf = Tensor.full([1 << 18], 0.25).requiresGrad_()
    let shared = leaf.gelu()
    let expected = Tensor.grad(of: [(shared * shared).sum()], withRespectTo: [leaf], retainGraph: true)[0]!
    let wrong = Atomic(0)
    onThreads { _ in
      for _ in 0..<10 {
        let found = Tensor.grad(of: [(shared * shared).sum()], withRespectTo: [leaf], retainGraph: true)[0]!
        if !found.isEqual(to: expected) { wrong.add(1, ordering: .relaxed) }
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
  }

  @Test func hooksComeAndGoWhileAGraphIsWalked() {
    let leaf = Tensor.ones([8]).requiresGrad_()
    let shared = leaf * 2
    let calls = Calls()
    onThreads { thread in
      for _ in 0..<200 {
        if thread % 2 == 0 {
          let handle = shared.registerHook { _ in
            calls.count.add(1, ordering: .relaxed)
            return nil
          }
          _ = Tensor.grad(of: [shared.sum()], withRespectTo: [leaf], retainGraph: true)
          handle!.remove()
        } else {
          _ = Tensor.grad(of: [shared.sum()], withRespectTo: [leaf], retainGraph: true)
        }
      }
    }
    #expect(calls.count.load(ordering: .relaxed) >= 2 * 200)
    let before = calls.count.load(ordering: .relaxed)
    _ = Tensor.grad(of: [shared.sum()], withRespectTo: [leaf], retainGraph: true)
    #expect(calls.count.load(ordering: .relaxed) == before)
  }

  /// A visit that leads to the same node again, by the same thread, does not wait for itself.
  @Test(.timeLimit(.minutes(1))) func aPassInsideAPassMayVisitTheSameNode() {
    let leaf = Tensor.ones([3]).requiresGrad_()
    let own = Result()
    let double = CustomFunction("Double") { _, inputs in
      [inputs[0] * 2]
    } backward: { _, gradients in
      guard let result = own.tensor.withLock({ $0.take() }) else { return [gradients[0] * 2] }
      let again = Tensor.grad(of: [result], withRespectTo: [leaf], gradients: [gradients[0]], retainGraph: true)
      return [again[0]! * 10]
    }
    let doubled = double(leaf)
    own.tensor.withLock { $0 = doubled }
    doubled.sum().backward()
    #expect(leaf.grad!.array(of: Float.self) == [20, 20, 20])
  }

  /// A derivative that walks a graph of its own and one that others walk, on each thread, down to leaves of both.
  @Test(.timeLimit(.minutes(1))) func derivativesMayHavePassesOfTheirOwn() {
    let (leaf, shared) = (Tensor.full([4], 2.0).requiresGrad_(), Tensor.full([4], 3.0).requiresGrad_())
    let inner = shared.square() * shared
    let cube = CustomFunction("Cube") { call, inputs in
      call.save(inputs[0])
      return [inputs[0] * inputs[0] * inputs[0]]
    } backward: { call, gradients in
      let own = call.saved[0].detach().requiresGrad_()
      enableGrad { own * own * own }.backward(gradient: gradients[0])
      // 27 of each.
      let other = Tensor.grad(of: [inner], withRespectTo: [shared], gradients: [.ones([4])], retainGraph: true)[0]!
      return [own.grad! + other]
    }
    let y = cube(cube(leaf)).sum()
    let wrong = Atomic(0)
    let whole: Float = (3 * 64 + 27) * 12 + 27
    onThreads { _ in
      for _ in 0..<50 {
        let found = Tensor.grad(of: [y], withRespectTo: [leaf], retainGraph: true)[0]!
        if found.array(of: Float.self) != [Float](repeating: whole, count: 4) { wrong.add(1, ordering: .relaxed) }
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
  }

  /// Bodies that are run again draw what they drew, whatever is drawn from their generator elsewhere, which draws nothing twice.
  @Test func whatIsDrawnAgainIsNobodyElses() {
    let generator = Generator(seed: 3)
    let leaves = (0..<Self.threads).map { _ in Tensor.ones([256]).requiresGrad_() }
    withGenerator(generator) {
      for _ in 0..<20 {
        let results = leaves.map { leaf in checkpoint { (leaf * leaf).dropout(0.5) * leaf } }
        let wrong = Atomic(0)
        let context = Context.current
        onThreads { thread in
          Context.run(context) {
            let found = Tensor.grad(of: [results[thread].sum()], withRespectTo: [leaves[thread]])[0]!
            // Elements that were dropped have no gradient, others three times their factor.
            if !found.allClose(results[thread].detach() * 3) { wrong.add(1, ordering: .relaxed) }
          }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
      }
    }
    let expected = Generator(seed: 3)
    withGenerator(expected) { for _ in 0..<20 { for leaf in leaves { _ = leaf.detach().dropout(0.5) } } }
    #expect(generator.state == expected.state)
  }

  /// Also where the body names the generator.
  @Test func aNamedGeneratorDrawsAgain() {
    let generator = Generator(seed: 5)
    withGenerator(generator) {
      let leaf = Tensor.ones([64]).requiresGrad_()
      let y = checkpoint { leaf * leaf * Tensor.randn([64], generator: generator) }
      let found = Tensor.grad(of: [y.sum()], withRespectTo: [leaf])[0]!
      #expect(found.allClose(y.detach() * 2))
    }
    let expected = Generator(seed: 5)
    _ = Tensor.randn([64], generator: expected)
    #expect(generator.state == expected.state)
  }
}
