import Flambeau
import FlambeauData
import Foundation
import Testing

@Suite struct DigitsTests {
  /// The file that is embedded, read anew.
  @Test func splitAsDocumented() throws {
    let file = repository.appendingPathComponent("Sources/CKernels/data/digits.bin")
    let records = Array(try Data(contentsOf: file))
    for (part, isTest, count) in [(Digits.train, false, 1438), (Digits.test, true, 359)] {
      let members = (0..<1797).filter { ($0 % 5 == 4) == isTest }
      #expect(part.count == count && members.count == count)
      #expect(part.inputs.shape == [count, 1, 8, 8] && part.inputs.dtype == .uint8)
      #expect(part.targets.shape == [count] && part.targets.dtype == .int64)
      #expect(part.inputs.array(of: UInt8.self) == members.flatMap { records[$0 * 65..<$0 * 65 + 64] })
      #expect(part.targets.array(of: UInt8.self) == members.map { records[$0 * 65 + 64] })
      #expect(part.inputs.array(of: Int.self).max() == Digits.whitest)
      #expect(Set(part.targets.array(of: Int.self)) == Set(0..<10))
    }
  }

  @Test func areNotTouchedByTheScopeOfTheirFirstUse() async {
    await #expect(processExitsWith: .success) {
      do {
        try withTensorErrors {
          _ = Tensor.ones([2]).reshape([3])
          _ = Digits.test.count
        }
        exit(1)
      } catch {
        exit(Digits.test.inputs.shape == [359, 1, 8, 8] ? 0 : 2)
      }
    }
  }
}
