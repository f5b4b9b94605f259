/// Dense arrays, or several that belong together, that the blocks of one launch share: a table in the kernel's arguments.
struct ArrayTable {
  /// Elements a block does at a time.
  private static let pieceLength = 1 << 13
  /// Bytes of a kernel's arguments that a table may take, of the 4 KiB there are.
  private static let mostBytes = 3800

  private let names: [String]
  private let rows: [[Elements?]]
  /// The table's size is a power of two, so that few kernels do.
  private let capacity: Int
  /// How many pieces there are up to the end of each row.
  private let ends: [Int]

  var pieceCount: Int { ends.last! }

  /// Tables of all rows, of which each begins with an array that is there; all arrays of a row have as many elements. `names` are
  /// what kernels call the columns. Rows without elements are left out.
  static func tables(_ names: [String], _ rows: [[Elements?]]) -> [ArrayTable] {
    let rows = rows.filter { $0[0]!.layout.elementCount > 0 }
    // A row also has its size and its end. A power of two, as the table's capacity is.
    let mostRows = 1 << (Int.bitWidth - 1 - (mostBytes / (8 * (names.count + 2))).leadingZeroBitCount)
    return stride(from: 0, to: rows.count, by: mostRows).map {
      ArrayTable(names, Array(rows[$0..<Swift.min($0 + mostRows, rows.count)]))
    }
  }

  private init(_ names: [String], _ rows: [[Elements?]]) {
    (self.names, self.rows) = (names, rows)
    capacity = 1 << (Int.bitWidth - (rows.count - 1).leadingZeroBitCount)
    var end = 0
    ends = rows.map { row in
      end += (row[0]!.layout.elementCount + ArrayTable.pieceLength - 1) / ArrayTable.pieceLength
      return end
    }
  }

  func declare(in arguments: inout KernelArguments) {
    arguments.integer("rows", rows.count)
    arguments.integers("ends", ends, capacity: capacity)
    arguments.integers("sizes", rows.map { $0[0]!.layout.elementCount }, capacity: capacity)
    for (column, name) in names.enumerated() {
      arguments.addresses(name, rows.map { $0[column].map { UnsafeRawPointer($0.address) } }, capacity: capacity)
    }
  }

  func grid(_ device: DeviceShape) -> (Int, Int) { (device.blocks(pieceCount), 1) }

  /// Statements that run `body` for each piece with its `row`, and `begin` and `end` in it.
  static func text(_ body: String) -> String {
    """
      for (int64_t piece = blockIdx.x; piece < a.ends[a.rows - 1]; piece += gridDim.x) {
        int row = 0;
        for (int high = (int)a.rows - 1; row < high;) {
          const int middle = (row + high) / 2;
          if (piece < a.ends[middle]) high = middle;
          else row = middle + 1;
        }
        const int64_t begin = (piece - (row > 0 ? a.ends[row - 1] : 0)) * \(pieceLength);
        const int64_t end = begin + \(pieceLength) < a.sizes[row] ? begin + \(pieceLength) : a.sizes[row];
    \(body)  }

    """
  }
}
