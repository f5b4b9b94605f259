import Flambeau
import Testing

@Test func theReadmesExampleFindsTheWeights() {
  let x = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])
  let y = Tensor([5, 11] as [Float], shape: [2, 1])
  var w = Tensor([0.5, -1] as [Float], shape: [2, 1]).requiresGrad_()
  for _ in 0..<200 {
    let error = x.mm(w) - y
    let loss = (error * error).mean()
    loss.backward()
    w = noGrad { w - w.grad! * 0.05 }.requiresGrad_()
  }
  let found = w.array(of: Float.self)
  #expect(abs(found[0] - 1) < 0.3 && abs(found[1] - 2) < 0.3)
}
