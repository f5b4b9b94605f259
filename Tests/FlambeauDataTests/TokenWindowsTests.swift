import Flambeau
import FlambeauData
import Testing

@Suite struct TokenWindowsTests {
  @Test func targetsAreTheTokensThatFollow() throws {
    let windows = TokenWindows(.arange(11), length: 3, stride: 3)
    #expect(windows.count == 3)
    for i in 0..<3 {
      let sample = try windows.sample(at: i)
      #expect(sample.input.array(of: Int.self) == [3 * i, 3 * i + 1, 3 * i + 2])
      #expect(sample.target.array(of: Int.self) == [3 * i + 1, 3 * i + 2, 3 * i + 3])
    }
    let batch = try #require(try windows.batch(at: [2, 0]))
    #expect(batch.input.shape == [2, 3] && batch.input.array(of: Int.self) == [6, 7, 8, 0, 1, 2])
    #expect(batch.target.array(of: Int.self) == [7, 8, 9, 1, 2, 3])
    // The last window ends with the last token.
    #expect(
      TokenWindows(.arange(10), length: 3, stride: 3).count == 3 && TokenWindows(.arange(9), length: 3, stride: 3).count == 2)
    #expect(TokenWindows(.arange(11), length: 10).count == 1)
    #expect(throws: TensorError.self) { try windows.batch(at: [3]) }
  }

  @Test func textsThatAreTooShortAreRefused() {
    #expect(throws: TensorError.self) { try withTensorErrors { _ = TokenWindows(.arange(3), length: 3) } }
    #expect(throws: TensorError.self) { try withTensorErrors { _ = TokenWindows(.zeros([9]), length: 3) } }
  }
}
