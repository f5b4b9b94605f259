import Testing

@testable import Flambeau

@Suite struct TensorMemoryTests {
  @Test(arguments: DType.allCases)
  func elementsAreWhatTheClosureWrites(dtype: DType) {
    let tensor = Tensor(shape: [2, 3], dtype: dtype) { bytes in
      #expect(bytes.count == 6 * dtype.byteCount)
      for i in 0..<bytes.count { bytes[i] = UInt8(i % 2) }
    }
    #expect(tensor.shape == [2, 3] && tensor.dtype == dtype && tensor.isContiguous && tensor.isLeaf)
    #expect(tensor.withUnsafeBytes { Array($0) } == (0..<6 * dtype.byteCount).map { UInt8($0 % 2) })
  }

  @Test func scalarsAndNothing() {
    let scalar = Tensor(shape: [], dtype: .int32) { $0.storeBytes(of: 7, as: Int32.self) }
    #expect(scalar.item() == 7)
    let nothing = Tensor(shape: [0, 3], dtype: .float32) { #expect($0.isEmpty) }
    #expect(nothing.count == 0)
  }

  @Test func viewsAreReadRowMajor() {
    let x = Tensor([1, 2, 3, 4, 5, 6] as [UInt8], shape: [2, 3])
    #expect(x.T.withUnsafeBytes { Array($0) } == [1, 4, 2, 5, 3, 6])
    #expect(x.narrow(0, start: 1, length: 1).withUnsafeBytes { Array($0) } == [4, 5, 6])
  }

  @Test func theClosuresErrorIsThrown() {
    struct Unreadable: Error {}
    #expect(throws: Unreadable.self) { try Tensor(shape: [4], dtype: .uint8) { _ in throw Unreadable() } }
  }

  @Test func refusesNegativeSizesAndWritesNothingAfterAnError() {
    var calls = 0
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors {
        _ = Tensor(shape: [2, -1], dtype: .uint8) { _ in calls += 1 }
        let later = Tensor(shape: [2], dtype: .uint8) { _ in calls += 1 }
        #expect(later.withUnsafeBytes { $0.isEmpty })
      }
    }
    #expect(calls == 0)
    #expect(error?.message == "Trying to create tensor with negative dimension -1: [2, -1]")
  }
}
