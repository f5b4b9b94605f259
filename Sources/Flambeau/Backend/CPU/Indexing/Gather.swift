import CKernels

/// Moves small rectangles of elements between strided memory and a dense block, bits unchanged.
enum Gather {
  /// block[r · columns + c] = from[r · rowStride + c · columnStride].
  @inline(__always)
  static func read(
    _ sizeLog: Int, _ block: UnsafeMutableRawPointer, _ from: UnsafeRawPointer, rows: Int, columns: Int, rowStride: Int,
    columnStride: Int
  ) {
    if rowStride == 1 && columnStride > 1 && rows >= 8 {
      KernelAccess.transpose[sizeLog]!(block, columns, from, columnStride, columns, rows)
      return
    }
    switch sizeLog {
    case 0: read(UInt8.self, block, from, rows, columns, rowStride, columnStride)
    case 1: read(UInt16.self, block, from, rows, columns, rowStride, columnStride)
    case 2: read(UInt32.self, block, from, rows, columns, rowStride, columnStride)
    default: read(UInt64.self, block, from, rows, columns, rowStride, columnStride)
    }
  }

  /// to[r · rowStride + c · columnStride] = block[r · columns + c].
  @inline(__always)
  static func write(
    _ sizeLog: Int, _ to: UnsafeMutableRawPointer, _ block: UnsafeRawPointer, rows: Int, columns: Int, rowStride: Int,
    columnStride: Int
  ) {
    switch sizeLog {
    case 0: write(UInt8.self, to, block, rows, columns, rowStride, columnStride)
    case 1: write(UInt16.self, to, block, rows, columns, rowStride, columnStride)
    case 2: write(UInt32.self, to, block, rows, columns, rowStride, columnStride)
    default: write(UInt64.self, to, block, rows, columns, rowStride, columnStride)
    }
  }

  // Specialised here, in the file that uses it; `Element` never crosses it.
  @inline(__always)
  private static func read<Element: FixedWidthInteger>(
    _ type: Element.Type, _ block: UnsafeMutableRawPointer, _ from: UnsafeRawPointer, _ rows: Int, _ columns: Int,
    _ rowStride: Int, _ columnStride: Int
  ) {
    let to = block.assumingMemoryBound(to: Element.self)
    let from = from.assumingMemoryBound(to: Element.self)
    var at = 0
    for r in 0..<rows {
      let row = from + r &* rowStride
      for c in 0..<columns {
        to[at] = row[c &* columnStride]
        at &+= 1
      }
    }
  }

  @inline(__always)
  private static func write<Element: FixedWidthInteger>(
    _ type: Element.Type, _ to: UnsafeMutableRawPointer, _ block: UnsafeRawPointer, _ rows: Int, _ columns: Int,
    _ rowStride: Int, _ columnStride: Int
  ) {
    let to = to.assumingMemoryBound(to: Element.self)
    let block = block.assumingMemoryBound(to: Element.self)
    var at = 0
    for r in 0..<rows {
      let row = to + r &* rowStride
      for c in 0..<columns {
        row[c &* columnStride] = block[at]
        at &+= 1
      }
    }
  }
}
