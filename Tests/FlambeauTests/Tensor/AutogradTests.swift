import Testing

@testable import Flambeau

@Suite struct AutogradTests {
  /// Gradients of views add up in place; where the gradient is recorded, out of place.
  @Test func gradientsOfViewsAddUp() {
    func gradients(createGraph: Bool, of dtype: DType) -> [Tensor] {
      let x = withGenerator(Generator(seed: 5)) { Tensor.zeros([4, 6]).normal_() }.to(dtype).requiresGrad_()
      let base = x * 2
      let parts = base.split(2, dim: 1)
      let crossed = (parts[0] * parts[2]).sum() + parts[1].exp().sum()
      let overlapping = base.diagonal(offset: 1).square().sum() + base[1].sum() * 3 + base[0..., .slice(from: 1, step: 2)].sum()
      // The gradient of a sum is shared by all elements, which nothing may write to.
      let y = crossed + overlapping + base.sum() + x.narrow(0, start: 1, length: 2).square().sum()
      return Tensor.grad(of: [y], withRespectTo: [x, base], createGraph: createGraph).map { $0!.detach() }
    }
    for dtype in [DType.float64, .bfloat16] {
      let (inPlace, recorded) = (gradients(createGraph: false, of: dtype), gradients(createGraph: true, of: dtype))
      for (a, b) in zip(inPlace, recorded) { #expect(a.isEqual(to: b)) }
    }
  }

  @Test func gradientsOfArithmeticAddUpOverBroadcasting() {
    let x = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3]).requiresGrad_()
    let w = Tensor([10, 20, 30] as [Float]).requiresGrad_()
    ((x * w + w) / 2.0 - x).sum().backward()
    #expect(x.grad!.array(of: Float.self) == [4, 9, 14, 4, 9, 14])
    #expect(w.grad!.array(of: Float.self) == [3.5, 4.5, 5.5])
    (x * 1.0).sum().backward()
    #expect(x.grad!.array(of: Float.self) == [5, 10, 15, 5, 10, 15])
  }

  @Test func secondDerivative() {
    let x = Tensor([2, -3] as [Double]).requiresGrad_()
    let cube = (x * x * x).sum()
    let first = Tensor.grad(of: [cube], withRespectTo: [x], createGraph: true)[0]!
    #expect(first.array(of: Double.self) == [12, 27])
    let second = Tensor.grad(of: [first.sum()], withRespectTo: [x])[0]!
    #expect(second.array(of: Double.self) == [12, -18])
    #expect(x.grad == nil)
  }

  @Test func matrixProductAndViews() {
    let a = Tensor([1, 2, 3, 4, 5, 6] as [Double], shape: [2, 3]).requiresGrad_()
    let b = Tensor([1, -1, 2, 0, 3, 1] as [Double], shape: [3, 2]).requiresGrad_()
    let y = a.mm(b).T.narrow(0, start: 1, length: 1)
    #expect(y.array(of: Double.self) == [2, 2])
    y.sum().backward()
    #expect(a.grad!.array(of: Double.self) == [-1, 0, 1, -1, 0, 1])
    #expect(b.grad!.array(of: Double.self) == [0, 5, 0, 7, 0, 9])
  }

  @Test func promotionFollowsTorch() {
    let ints = Tensor([1, 2] as [Int64])
    #expect((ints * 2.5).dtype == .float32)
    #expect((ints / 2).dtype == .float32)
    #expect((ints + Tensor([1, 2] as [UInt8])).dtype == .int64)
    #expect((Tensor([1] as [Float]) + Tensor(2.0)).dtype == .float32)
    #expect((Tensor([true]) + 1).dtype == .int64)
    #expect((Tensor([250] as [UInt8]) + 300).array(of: Int.self) == [38])
  }

  @Test func noGradRecordsNothing() {
    let x = Tensor.ones([3]).requiresGrad_()
    let y = noGrad { x * 2.0 }
    #expect(!y.requiresGrad && y.isLeaf)
    #expect(!x.detach().requiresGrad)
    #expect((x * 2.0).requiresGrad)
  }

  @Test func anErrorScopeThrowsItsFirstErrorAndComputesNothingMore() {
    let x = Tensor.ones([2, 3]).requiresGrad_()
    #expect {
      try withTensorErrors {
        let y = x.mm(x)
        #expect(y.shape == [])
        (y * x).sum().backward()
        #expect(y.item().isNaN)
      }
    } throws: { error in
      let error = error as! TensorError
      return error.operation == "mm" && error.message.contains("(2x3 and 2x3)") && "\(error)".contains("AutogradTests.swift:")
    }
    #expect(x.grad == nil)
  }

  @Test func misuseEndsTheProgramWithTheCallersLine() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor.ones([2, 3]).view([4])
    }
    let text = String(decoding: result!.standardErrorContent, as: UTF8.self)
    #expect(text.contains("view: shape '[4]' is invalid for input of size 6"))
    #expect(text.contains("AutogradTests.swift:"))
  }

  @Test func operatorsNameTheCallersLineToo() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { addMismatched() }
    let text = String(decoding: result!.standardErrorContent, as: UTF8.self)
    #expect(text.contains("The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1"))
    #expect(text.contains("AutogradTests.swift:\(mismatchedLine)"))
  }

  @Test func aSecondBackwardIsRefused() throws {
    let x = Tensor([3] as [Float]).requiresGrad_()
    let y = (x * x).sum()
    y.backward(retainGraph: true)
    y.backward()
    #expect(x.grad!.item() == 12)
    #expect(throws: TensorError.self) { try withTensorErrors { y.backward() } }
    #expect(x.grad!.item() == 12)
  }
}

private let mismatchedLine = #line + 2
@inline(never) private func addMismatched() {
  _ = Tensor.ones([2, 3]) + Tensor.ones([2, 4])
}
