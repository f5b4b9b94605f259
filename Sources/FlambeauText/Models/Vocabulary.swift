/// The tokens of a model and their numbers.
struct Vocabulary: Sendable {
  private(set) var table: ByteTable
  /// By number, the entry of the table; −1 for numbers that no token has.
  private let entryOf: [Int32]

  /// How far a number may lie beyond the count of tokens: a table of all numbers is kept.
  private static func largest(_ count: Int) -> Int { 64 * count + (1 << 16) }

  /// nil, with what is wrong, if a number is out of all proportion.
  init(_ table: ByteTable) throws(TokenizerError) {
    self.table = table
    let largest = table.entries.reduce(-1) { max($0, Int($1.value)) }
    guard largest <= Self.largest(table.entries.count) else {
      throw TokenizerError("a token has the number \(largest), far beyond the \(table.entries.count) tokens")
    }
    var entryOf = [Int32](repeating: -1, count: largest + 1)
    for (index, entry) in table.entries.enumerated() { entryOf[Int(entry.value)] = Int32(index) }
    self.entryOf = entryOf
  }

  /// How many tokens there are.
  var count: Int { table.entries.count }

  @inline(__always)
  func id(_ text: Bytes) -> Int? { table[text] }
  func id(_ text: String) -> Int? { table[text] }
  func id(_ text: [UInt8]) -> Int? { table[text] }

  /// The bytes of a token; nil for a number that none has.
  func bytes(of id: Int) -> ArraySlice<UInt8>? {
    guard entryOf.indices.contains(id), entryOf[id] >= 0 else { return nil }
    return table.text(of: table.entries[Int(entryOf[id])])
  }

  /// The token's text.
  func token(of id: Int) -> String? { bytes(of: id).map { String(decoding: $0, as: UTF8.self) } }

  /// Every number that a token has, in order.
  var ids: some Sequence<Int> { entryOf.indices.lazy.filter { entryOf[$0] >= 0 } }

  /// The largest number that a token has; −1 for none.
  var largest: Int { entryOf.count - 1 }

  /// The numbers of the tokens `<0x00>` to `<0xFF>`, which stand for bytes; −1 for those that are missing.
  func byteTokens() -> [Int32] {
    (0..<256).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return Int32(id("<0x\(digits.count == 1 ? "0" : "")\(digits)>") ?? -1)
    }
  }
}
