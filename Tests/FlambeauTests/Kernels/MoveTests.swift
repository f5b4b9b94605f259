import CKernels
import Testing

@testable import Flambeau

@Suite struct MoveTests {
  static let sides = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 50]

  private func transposes<T: FixedWidthInteger & BitwiseCopyable>(_ set: InstructionSet, _ type: T.Type) {
    let kernel = fb_table_transpose(set.table, Int32(MemoryLayout<T>.size.trailingZeroBitCount))!
    for rows in Self.sides {
      for columns in Self.sides {
        let fromStride = columns + 3, toStride = rows + 2
        let from = (0..<rows * fromStride).map { T(truncatingIfNeeded: $0 &* 2_654_435_761 >> 3) }
        var to = [T](repeating: 90, count: columns * toStride)
        kernel(&to, toStride, from, fromStride, rows, columns)
        for j in 0..<columns {
          for i in 0..<toStride where to[j * toStride + i] != (i < rows ? from[i * fromStride + j] : 90) {
            Issue.record("\(rows) × \(columns) of \(T.self) at \(i), \(j)")
          }
        }
      }
    }
  }

  @Test(arguments: InstructionSet.available)
  func transposition(_ set: InstructionSet) {
    transposes(set, UInt8.self)
    transposes(set, UInt16.self)
    transposes(set, UInt32.self)
    transposes(set, UInt64.self)
  }

  private func fills<T: FixedWidthInteger & BitwiseCopyable>(_ set: InstructionSet, _ value: T) {
    let kernel = fb_table_fill(set.table, Int32(MemoryLayout<T>.size.trailingZeroBitCount))!
    for n in 0...130 {
      var to = [T](repeating: 90, count: n + 2)
      to.withUnsafeMutableBufferPointer { memory in
        withUnsafePointer(to: value) { kernel(memory.baseAddress! + 1, $0, n) }
      }
      #expect(to == [90] + [T](repeating: value, count: n) + [90])
    }
  }

  @Test(arguments: InstructionSet.available)
  func fill(_ set: InstructionSet) {
    fills(set, UInt8(0xab))
    fills(set, UInt16(0xabcd))
    fills(set, UInt32(0xabcd_ef01))
    fills(set, UInt64(0x0123_4567_89ab_cdef))
  }

  @Test(arguments: InstructionSet.available)
  func streamingCopy(_ set: InstructionSet) {
    let from = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 31) }
    for offset in [0, 1, 17, 63] {
      for n in [0, 1, 15, 64, 65, 127, 128, 500, 900] {
        var to = [UInt8](repeating: 0x5a, count: 1000)
        to.withUnsafeMutableBytes { set.table.pointee.stream_copy($0.baseAddress! + offset, from, n) }
        let rest = [UInt8](repeating: 0x5a, count: 1000 - offset - n)
        #expect(to == [UInt8](repeating: 0x5a, count: offset) + from.prefix(n) + rest)
      }
    }
  }

  @Test func theTableInUseIsThisMachines() throws {
    #expect(InstructionSet.available.map(\.name).contains(Kernels.instructionSet))
    #expect(fb_kernels(fb_best_isa()) != nil)
    for dtype in DType.allCases {
      #expect(dtype.kernelType.rawValue == UInt32(dtype.rawValue))
      var value: Int64 = 1, stored: UInt64 = 0
      Kernels.store(dtype, fb_i64)(&stored, 1, &value, 1)
      value = 0
      Kernels.load(dtype, fb_i64)(&value, &stored, 1, 1)
      #expect(value == 1)
    }
  }
}
