import Testing

@testable import Flambeau

@Suite struct CustomFunctionTests {
  private let cube = CustomFunction("Cube") { call, inputs in
    call.save(inputs[0])
    return [inputs[0] * inputs[0] * inputs[0]]
  } backward: { call, gradients in
    [3 * call.saved[0] * call.saved[0] * gradients[0]]
  }

  /// Saves its own result, has a second result and an input without gradient.
  private let scaledExp = CustomFunction("ScaledExp") { call, inputs in
    let result = inputs[0].exp() * inputs[1]
    let largest = inputs[0].argmax()
    call.save(result)
    call.markNonDifferentiable(largest)
    return [result, largest]
  } backward: { call, gradients in
    [gradients[0] * call.saved[0], nil]
  }

  @Test func derivativesOfBothOrdersAreThoseOfTheFormula() throws {
    let x = Tensor([0.5, -1.25, 2] as [Double]).requiresGrad_()
    try gradcheck([x]) { [cube($0[0])] }
    try gradgradcheck([x]) { [cube($0[0])] }
    let scale = Tensor([2] as [Double])
    try gradcheck([x]) { scaledExp.results([$0[0], scale]) }
    try gradgradcheck([x]) { scaledExp.results([$0[0], scale]) }
  }

  @Test func severalResultsMeetInOneDerivative() throws {
    let split = CustomFunction("Split") { _, inputs in
      [inputs[0] * 2.0, inputs[0] * 3.0]
    } backward: { _, gradients in
      [gradients[0] * 2.0 + gradients[1] * 3.0]
    }
    let x = Tensor([1, 2] as [Double]).requiresGrad_()
    let parts = split.results([x])
    parts[1].sum().backward()
    #expect(x.grad!.array(of: Double.self) == [3, 3])
  }

  @Test func recordsOnlyWhatNeedsIt() {
    let x = Tensor([1, 2] as [Double])
    #expect(!cube(x).requiresGrad)
    #expect(!noGrad { cube(x.clone().requiresGrad_()) }.requiresGrad)
    let results = scaledExp.results([x.clone().requiresGrad_(), x])
    #expect(results[0].requiresGrad && !results[1].requiresGrad && results[1].dtype == .int64)
  }

  @Test func misuseIsTorchsSentence() {
    let x = Tensor([1, 2] as [Double]).requiresGrad_()
    #expect(
      Direct.refusal {
        let inner = x * 1.0
        let y = cube(inner)
        inner.add_(1)
        y.sum().backward()
      }.contains("modified by an inplace operation"))
    #expect(
      Direct.refusal {
        let y = cube(x).sum()
        y.backward()
        y.backward()
      }.contains("backward through the graph a second time"))
    let wrong = CustomFunction("Wrong") { _, inputs in
      [inputs[0] * 1.0]
    } backward: { _, gradients in
      [gradients[0].sum()]
    }
    #expect(
      Direct.refusal { wrong(x).sum().backward() }.contains("Function WrongBackward returned an invalid gradient at index 0"))
    let few = CustomFunction("Few") { _, inputs in
      [inputs[0] * 1.0]
    } backward: { _, _ in
      []
    }
    #expect(
      Direct.refusal { few(x).sum().backward() }.contains(
        "function FewBackward returned an incorrect number of gradients (expected 1, got 0)"))
    let empty = CustomFunction("Empty") { _, _ in
      []
    } backward: { _, gradients in
      gradients
    }
    #expect(Direct.refusal { _ = empty(x) }.contains("Empty: forward returned no results"))
  }
}
