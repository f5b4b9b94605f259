import Testing

@testable import Flambeau

@Suite struct InPlaceTests {
  private func leaf(_ values: [Double]) -> Tensor { Tensor(values).requiresGrad_() }

  @Test func writesAreSeenThroughEveryAliasAndCounted() {
    let x = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])
    let row = x.narrow(0, start: 1, length: 1)
    let before = x.body.storage.version.load(ordering: .relaxed)
    row.add_(10)
    #expect(x.array(of: Float.self) == [1, 2, 13, 14])
    #expect(x.body.storage.version.load(ordering: .relaxed) == before + 1)
    x.copy_(Tensor([7, 8] as [Float]))
    #expect(row.array(of: Float.self) == [7, 8])
    x.T.fill_(3)
    #expect(x.array(of: Float.self) == [3, 3, 3, 3])
  }

  @Test func resultsAreWrittenOverATensor() throws {
    let (a, b) = (Tensor([1, 2, 3, 4] as [Float], shape: [2, 2]), Tensor([10, 20] as [Float]))
    let c = Tensor.zeros([2, 2], dtype: .float64)
    let (version, row) = (c.body.storage.version.load(ordering: .relaxed), c.narrow(0, start: 1, length: 1))
    #expect(a.add(b, out: c).array(of: Double.self) == [11, 22, 13, 24])
    #expect(row.array(of: Double.self) == [13, 24])
    #expect(c.body.storage.version.load(ordering: .relaxed) == version + 1)
    #expect(a.sub(b, out: c.T).array(of: Double.self) == [-9, -18, -7, -16])
    #expect(c.array(of: Double.self) == [-9, -7, -18, -16])
    #expect(b.div(a, out: a).array(of: Float.self) == [10, 10, 10.0 / 3, 5])
    #expect(b.mul(b, out: b).array(of: Float.self) == [100, 400])

    let sentences: [(String, () -> Tensor)] = [
      ("output with shape [2] doesn't match the broadcast shape [2, 2]", { a.add(a, out: b) }),
      ("result type Float can't be cast to the desired output type Long", { b.add(b, out: Tensor.zeros([2], dtype: .int64)) }),
      ("functions with out=... arguments don't support automatic differentiation", { a.add(self.leaf([1, 2]), out: c) }),
    ]
    for (sentence, call) in sentences {
      let error = #expect(throws: TensorError.self) { try withTensorErrors { _ = call() } }
      #expect(error?.message.contains(sentence) ?? false, "\(error?.message ?? "")")
    }
    noGrad { _ = a.add(leaf([1, 2]), out: c) }
    #expect(!c.requiresGrad)
  }

  @Test func historyFollowsAWrite() {
    let x = leaf([1, 2, 3])
    let w = leaf([4, 5, 6])
    let y = x * 2
    y.mul_(w)
    #expect(!y.isLeaf && y.requiresGrad)
    y.sum().backward()
    #expect(x.grad!.array(of: Double.self) == [8, 10, 12])
    #expect(w.grad!.array(of: Double.self) == [2, 4, 6])
  }

  @Test func aWriteThroughAViewChangesTheBasesHistory() {
    let x = leaf([1, 2, 3, 4])
    let w = leaf([10, 20])
    let y = x * 1
    let other = y.narrow(0, start: 1, length: 2)
    y.narrow(0, start: 2, length: 2).mul_(w)
    #expect(y.array(of: Double.self) == [1, 2, 30, 80])
    (y * y).sum().backward(retainGraph: true)
    #expect(x.grad!.array(of: Double.self) == [2, 4, 600, 3200])
    #expect(w.grad!.array(of: Double.self) == [180, 640])
    #expect(other.requiresGrad)
    let first = Tensor.grad(of: [other.sum()], withRespectTo: [x, w])
    #expect(first[0]!.array(of: Double.self) == [0, 1, 10, 0])
    #expect(first[1]!.array(of: Double.self) == [3, 0])
  }

  @Test func aBufferFilledSliceBySliceHasAGradientForEachSource() {
    let a = leaf([1, 2])
    let b = leaf([3, 4])
    let buffer = Tensor.zeros([2, 2], dtype: .float64)
    buffer.narrow(0, start: 0, length: 1).copy_(a)
    buffer.narrow(0, start: 1, length: 1).copy_(b * 2)
    #expect(buffer.requiresGrad)
    (buffer * buffer).sum().backward()
    #expect(a.grad!.array(of: Double.self) == [2, 4])
    #expect(b.grad!.array(of: Double.self) == [24, 32])
  }

  @Test func secondOrderThroughASliceWrite() {
    let x = leaf([2, 3])
    let y = x * x
    y.narrow(0, start: 0, length: 1).mul_(x.narrow(0, start: 1, length: 1))
    // y = [x0² x1, x1²]
    let first = Tensor.grad(of: [y.sum()], withRespectTo: [x], createGraph: true)[0]!
    #expect(first.array(of: Double.self) == [12, 10])
    let second = Tensor.grad(of: [first.sum()], withRespectTo: [x])[0]!
    #expect(second.array(of: Double.self) == [10, 6])
  }

  @Test func savedValuesNoticeWrites() {
    let x = leaf([1, 2])
    let y = x * 1
    let z = y * y
    y.add_(1)
    #expect {
      try withTensorErrors { z.sum().backward() }
    } throws: {
      "\($0)".contains("has been modified by an inplace operation") && "\($0)".contains("is at version 1; expected version 0")
    }
    #expect(x.grad == nil)
  }

  private static let misuses: [(String, @Sendable () -> Void)] = [
    ("is being used in an in-place operation. Write to it within noGrad", { _ = Tensor.ones([2]).requiresGrad_().add_(1) }),
    ("a leaf Variable that requires grad is being used", { _ = Tensor.ones([2]).requiresGrad_().add_(1) }),
    ("a view of a leaf Variable", { _ = Tensor.ones([2]).requiresGrad_().narrow(0, start: 0, length: 1).add_(1) }),
    ("more than one element of the written-to tensor", { _ = Tensor.ones([1]).expand([3]).add_(1) }),
    ("output with shape [3] doesn't match the broadcast shape [2, 3]", { _ = Tensor.ones([3]).add_(.ones([2, 3])) }),
    ("result type Float can't be cast to the desired output type Long", { _ = Tensor([1, 2] as [Int]).mul_(0.5) }),
    (
      "some elements of the input tensor and the written-to tensor",
      {
        let x = Tensor.ones([4])
        _ = x.narrow(0, start: 1, length: 3).add_(x.narrow(0, start: 0, length: 3))
      }
    ),
    ("Inplace update to inference tensor", { _ = inferenceMode { Tensor.ones([2]) }.add_(1) }),
    (
      "Inference tensors cannot be saved for backward",
      { _ = inferenceMode { Tensor.ones([2]) } * Tensor.ones([2]).requiresGrad_() }
    ),
    (
      "A view was created in no_grad mode",
      {
        let y = Tensor.ones([2]).requiresGrad_() * 1
        _ = noGrad { y.narrow(0, start: 0, length: 1) }.mul_(Tensor.ones([1]).requiresGrad_())
      }
    ),
  ]

  @Test(arguments: misuses.indices)
  func refusals(index: Int) {
    let (sentence, body) = Self.misuses[index]
    #expect {
      try withTensorErrors { body() }
    } throws: {
      "\($0)".contains(sentence)
    }
  }

  @Test func assignmentRebindsButWritesATrainedLeaf() {
    var x = Tensor.ones([2])
    let alias = x
    x += 1
    #expect(alias.array(of: Float.self) == [1, 1] && x.array(of: Float.self) == [2, 2])
    var w = leaf([1, 2])
    let same = w
    noGrad { w -= Tensor([0.5, 0.5] as [Double]) }
    #expect(same.array(of: Double.self) == [0.5, 1.5] && w.requiresGrad && w.isSame(as: same))
    #expect(throws: TensorError.self) { try withTensorErrors { w += 1 } }
    #expect(same.array(of: Double.self) == [0.5, 1.5])
  }

  @Test func temporariesAreReusedAndNothingElseIs() {
    let x = Tensor.ones([1000])
    let first = x * 3
    let place = first.body.storage.pointer
    let second = (consume first) + 2
    #expect(second.body.storage.pointer == place)
    let third = x - (consume second)
    #expect(third.body.storage.pointer == place)
    let held = third
    let fourth = (consume third) * 2
    #expect(fourth.body.storage.pointer != place)
    #expect(held.array(of: Float.self)[7] == -4 && fourth.array(of: Float.self)[7] == -8)
    // A view and a saved value hold their storage.
    let view = (x * 2).narrow(0, start: 0, length: 1000)
    #expect((view + 1).array(of: Float.self)[0] == 3 && view.array(of: Float.self)[0] == 2)
    let leaf = Tensor.ones([1000]).requiresGrad_()
    let z = ((leaf * 2) * (leaf * 3)) * 1
    z.sum().backward()
    #expect(leaf.grad!.array(of: Float.self)[0] == 12)
  }

  @Test func hooksSeeAndChangeGradients() {
    let x = leaf([1, 2])
    let y = x * 3
    y.retainGrad()
    let handle = y.registerHook { $0 * 10 }
    (y * 1).sum().backward()
    #expect(x.grad!.array(of: Double.self) == [30, 30])
    #expect(y.grad!.array(of: Double.self) == [1, 1])
    handle!.remove()
    x.grad = nil
    (x * 3).sum().backward()
    #expect(x.grad!.array(of: Double.self) == [3, 3])
  }

  @Test func gradientsShareMemoryWithNothing() {
    let x = leaf([1, 2])
    let g = Tensor([5, 6] as [Double])
    (x + 0).backward(gradient: g)
    x.grad!.mul_(2)
    #expect(g.array(of: Double.self) == [5, 6] && x.grad!.array(of: Double.self) == [10, 12])
    let y = leaf([1, 2, 3])
    y.sum().backward()
    y.grad!.add_(1)
    #expect(y.grad!.array(of: Double.self) == [2, 2, 2])
    let held = y.grad!
    y.sum().backward()
    #expect(held.array(of: Double.self) == [3, 3, 3])
  }

  #if DEBUG
    @Test func twoWritersAtATimeAreReported() {
      let x = Tensor.ones([8])
      #expect {
        try withTensorErrors {
          // What another task does in the middle of a write.
          try x.body.storage.whileWriting(ops.arithmetic.mul.tensors) { () throws(TensorError) in x.add_(1) }
        }
      } throws: {
        "\($0)".contains("this one with add and another with mul")
      }
      x.add_(1)
      #expect(x.array(of: Float.self)[0] == 2)
    }
  #endif

  #if DEBUG
    @Test func twoWritersOfOneStorageAreReported() throws {
      let x = Tensor.zeros([8])
      let half = x.narrow(0, start: 4, length: 4)
      // As if another task were in the middle of add_.
      try x.body.storage.whileWriting(ops.arithmetic.add.tensors) {
        let error = #expect(throws: TensorError.self) { try withTensorErrors { half.mul_(2.0) } }
        #expect(error?.kind == .concurrency && error?.operation == "mul_")
        #expect(
          error?.message == "two tasks write the same tensor at the same time, this one with mul and another with add. Give each "
            + "task a tensor of its own, or let one wait for the other.")
      }
      half.add_(1.0)
      #expect(x.array(of: Int.self) == [0, 0, 0, 0, 1, 1, 1, 1])
    }
  #endif
}
