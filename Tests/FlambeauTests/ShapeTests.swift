import Testing

@testable import Flambeau

@Suite struct ShapeTests {
  @Test func subscriptCountsFromEitherEnd() {
    let shape: Shape = [2, 3, 4]
    #expect(shape[0] == 2 && shape[-1] == 4)
    #expect(shape.elementCount == 24)
  }

  @Test func spillsBeyondSixDimensions() {
    let shape = Shape([1, 2, 3, 4, 5, 6, 7])
    #expect(Array(shape) == [1, 2, 3, 4, 5, 6, 7])
    #expect(shape.removing(at: 0) == [2, 3, 4, 5, 6, 7])
  }
}
