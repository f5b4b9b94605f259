import Testing

@testable import Flambeau

/// Memory that counts its end.
private final class Block: @unchecked Sendable {
  nonisolated(unsafe) static var live = 0
  let bytes: UnsafeMutableRawBufferPointer

  init(_ content: [some Any]) {
    bytes = .allocate(byteCount: content.count * 8, alignment: 64)
    content.withUnsafeBytes { bytes.copyMemory(from: $0) }
    Block.live += 1
  }

  deinit {
    bytes.deallocate()
    Block.live -= 1
  }
}

@Suite(.serialized) struct MemoryAccessTests {
  private static let numbers = (0..<12).map(Double.init)

  @Test func sharingIsSeenFromBothSidesAndKeepsTheOwner() {
    weak var kept: Block?
    do {
      let view: Tensor
      do {
        let block = Block(Self.numbers)
        kept = block
        let x = Tensor(sharing: block.bytes, dtype: .float64, shape: [3, 4], owner: block)
        block.bytes.storeBytes(of: 50, toByteOffset: 40, as: Double.self)
        #expect([[Double]](x)[1] == [4, 50, 6, 7])
        view = x.T.narrow(0, start: 1, length: 2)
      }
      #expect(kept != nil)
      #expect([[Double]](view) == [[1, 50, 9], [2, 6, 10]])
      let result = view * 1.0
      #expect([[Double]](result)[0] == [1, 50, 9])
      kept!.bytes.storeBytes(of: -1, toByteOffset: 8, as: Double.self)
      #expect([[Double]](view)[0][0] == -1 && [[Double]](result)[0][0] == 1)
    }
    #expect(kept == nil && Block.live == 0)
  }

  @Test func anyStridesNotNegative() {
    let block = Block(Self.numbers)
    func shared(_ shape: Shape, _ strides: [Int]) -> Tensor {
      Tensor(sharing: block.bytes, dtype: .float64, shape: shape, strides: strides, owner: block)
    }
    let fortran = shared([3, 4], [1, 3])
    #expect(!fortran.isContiguous && fortran.strides == [1, 3] && fortran.T.isContiguous)
    #expect([[Double]](fortran) == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]])
    #expect([[Double]](shared([2, 2], [0, 11])) == [[0, 11], [0, 11]])
    #expect([Double](shared([4], [2])) == [0, 2, 4, 6])
    #expect(shared([0, 100], [1000, 1000]).count == 0 && Double(shared([], [])) == 0)
    #expect(Tensor(sharing: UnsafeMutableRawBufferPointer(start: nil, count: 0), dtype: .bool, shape: [0], owner: 0).count == 0)
  }

  @Test func whatCannotBeSharedIsRefused() {
    let block = Block(Self.numbers)
    func refused(_ shape: Shape, _ strides: [Int]? = nil, _ dtype: DType = .float64, from start: Int = 0) -> String {
      let memory = UnsafeMutableRawBufferPointer(rebasing: block.bytes[start...])
      return refusal { _ = Tensor(sharing: memory, dtype: dtype, shape: shape, strides: strides, owner: block) }
    }
    #expect(refused([2], [-1]).contains("tensors with negative strides are not supported"))
    #expect(
      refused([4, 4]).contains(
        "sizes [4, 4], strides [4, 1], and itemsize 8 requiring a storage size of 128 are out of bounds for storage of size 96"))
    #expect(refused([12], [1], from: 8).contains("out of bounds for storage of size 88"))
    #expect(refused([3], [.max]).contains("requiring a storage size of more than"))
    #expect(refused([3], [1 << 60]).contains("requiring a storage size of more than"))
    #expect(refused([.max, .max]).contains("Storage size calculation overflowed"))
    #expect(refused([-1]).contains("negative dimension -1"))
    #expect(refused([2, 2], [1]).contains("mismatch in length of strides and shape"))
    #expect(refused([1], from: 4).contains("not aligned to the 8 bytes of a float64"))
    #expect(refused([1], from: 4).contains("MemoryAccessTests.swift:"))
    #expect(refused([1], nil, .float32, from: 4) == "nothing was refused")
  }

  @Test func noShapeIsTooAbsurdForASentence() {
    for shape in [[.max, 2], [1 << 40, 1 << 40], [0, 1 << 62, 8], [1 << 62, 8, 0]] as [Shape] {
      let said = "Storage size calculation overflowed with sizes=\(shape)"
      #expect(refusal { _ = Tensor.zeros(shape) }.contains(said))
      #expect(refusal { _ = Tensor([1, 2], shape: shape) }.contains(said))
      #expect(
        refusal { _ = Tensor(copying: UnsafeRawBufferPointer(start: nil, count: 0), dtype: .int8, shape: shape) }.contains(said))
    }
    #expect(refusal { _ = Tensor([1, 2], shape: [-1, -2]) }.contains("negative dimension -1"))
  }

  @Test func booleansAreZeroOrOne() {
    let block = Block([0x0101_0001_0000_0100] as [UInt64])
    let good = Tensor(sharing: block.bytes, dtype: .bool, shape: [8], owner: block)
    #expect([Bool](good) == [false, true, false, false, true, false, true, true])
    #expect(good.sum().item() == 4)
    let odd = Block([0x0102_00FF_0000_0100] as [UInt64])
    let said = refusal { _ = Tensor(sharing: odd.bytes, dtype: .bool, shape: [8], owner: odd) }
    #expect(said.contains("bytes that are neither 0 nor 1"))
    // Those that no element names do not count.
    let between = Tensor(sharing: odd.bytes, dtype: .bool, shape: [2, 2], strides: [2, 3], owner: odd)
    #expect([[Bool]](between) == [[false, false], [false, false]])
    let copy = Tensor(copying: UnsafeRawBufferPointer(odd.bytes), dtype: .bool, shape: [2, 4])
    #expect([[Bool]](copy) == [[false, true, false, false], [true, false, true, true]])
    #expect(copy.sum().item() == 4)
    copy.withUnsafeBytes { #expect(Array($0) == [0, 1, 0, 0, 1, 0, 1, 1]) }
  }

  @Test(arguments: DType.allCases) func copyingAndReadingBytes(_ dtype: DType) {
    let bytes = (0..<6 * dtype.byteCount).map { dtype == .bool ? UInt8($0 & 1) : UInt8(truncatingIfNeeded: $0 * 11 + 1) }
    let x = bytes.withUnsafeBytes { Tensor(copying: $0, dtype: dtype, shape: [2, 3]) }
    #expect(x.dtype == dtype && x.shape == [2, 3])
    #expect(x.withUnsafeBytes { Array($0) } == bytes)
    let columns = (0..<3).flatMap { column in
      (0..<2).flatMap { row in bytes[((row * 3 + column) * dtype.byteCount)...].prefix(dtype.byteCount) }
    }
    #expect(x.T.withUnsafeBytes { Array($0) } == columns)
    #expect(x.narrow(0, start: 1, length: 1).withUnsafeBytes { Array($0) } == Array(bytes.suffix(bytes.count / 2)))
  }

  @Test func elements() {
    let values = [1.5, -2, 3] as [Float]
    let x = values.withUnsafeBufferPointer { Tensor(copying: $0) }
    #expect(x.dtype == .float32 && x.withUnsafeElements(of: Float.self) { Array($0) } == values)
    #expect(x.withUnsafeElements(of: Int16.self) { Array($0) } == [1, -2, 3])
    let shaped = values.withUnsafeBufferPointer { Tensor(copying: $0, shape: [3, 1]) }
    #expect(shaped.shape == [3, 1])
    let again = x.withUnsafeBytes { first in x.withUnsafeBytes { $0.baseAddress == first.baseAddress } }
    #expect(again)
    struct Stop: Error {}
    #expect(throws: Stop.self) { try x.withUnsafeBytes { _ in throw Stop() } }
    #expect(
      refusal { values.withUnsafeBytes { _ = Tensor(copying: $0, dtype: .float32, shape: [4]) } }.contains(
        "12 bytes do not fill float32 [4], which takes 16"))
  }
}
