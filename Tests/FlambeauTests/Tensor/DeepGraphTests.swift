import Testing

@testable import Flambeau

/// Graphs of 200,000 nodes in a row are built, differentiated and released without overflowing the stack, to the last byte.
/// In a process of its own, where nothing else allocates.
@Suite struct DeepGraphTests {
  @Test func everyKindOfChain() async {
    await #expect(processExitsWith: .success) {
      let steps = 200_000
      let x = Tensor([0.5]).requiresGrad_()
      func check(_ name: String, slope: Double, _ build: () -> Tensor) {
        var figures: [Int] = []
        for _ in 0..<2 {
          x.grad = nil
          let end = build()
          end.sum().backward()
          #expect(x.grad!.item() == slope, "\(name)")
          figures.append(Memory.allocated)
        }
        #expect(figures[0] == figures[1], "\(name): \(figures) bytes")
      }
      check("an accumulated loss", slope: Double(steps)) {
        var sum = Tensor([0.0])
        for _ in 0..<steps { sum = sum + x }
        return sum
      }
      check("factors, each saved", slope: 1) {
        let one = Tensor([1.0]).requiresGrad_()
        var y = x * one
        for _ in 0..<steps { y = y * one }
        return y
      }
      check("results, each saved", slope: 1) {
        var y = x.abs()
        for _ in 0..<steps { y = y.clamp(min: 0) }
        return y
      }
      check("views of results", slope: 1) {
        var y = x * 1
        for i in 0..<steps { y = i % 2 == 0 ? y.view([1, 1]) * 1 : y.view([1]) }
        return y
      }
      check("sums in place", slope: Double(steps)) {
        let sum = Tensor([0.0])
        for _ in 0..<steps { sum.add_(x) }
        return sum
      }
      check("writes through views", slope: 1) {
        let all = Tensor.zeros([4], dtype: .float64)
        for i in 0..<steps { all[i % 4] = x[0] }
        return all[(steps - 1) % 4]
      }
      check("a graph dropped without a pass", slope: 1) {
        var y = x * 1
        for _ in 0..<steps { y = y + 1 }
        return x
      }
    }
  }
}
