import Flambeau
import FlambeauFormats
import SwiftCSV

/// A file of comma-separated values with a line of names on top, as columns that are tensors where they hold numbers.
///
///     let table = try CSVTable.load("houses.csv")
///     let data = TensorDataset(try table.tensor(["rooms", "area"]), try table.tensor("price"))
///
/// A column is bool where all its fields are `true` or `false`, int64 where they are whole numbers, float32 where they are
/// numbers or empty (which is NaN), and text otherwise.
public struct CSVTable: Sendable {
  /// A column: numbers, or text.
  public enum Column: Sendable {
    /// `[rows]`.
    case numbers(Tensor)
    /// A column of words, as they stand in the file.
    case text([String])
  }

  /// The columns' names, from left to right.
  public let names: [String]
  /// The number of rows, without that of the names.
  public let count: Int
  private let columns: [String: Column]
  private let file: String

  /// The table in the file at `path`, in UTF-8.
  ///
  /// - Parameter delimiter: What stands between two fields; a tab in TSV files.
  /// - Throws: `FormatError` where the file cannot be read, quotes do not match, two columns have one name or a row has another
  ///   number of fields than the first.
  public static func load(_ path: String, delimiter: Character = ",") throws(FormatError) -> CSVTable {
    guard let text = String(validating: try WholeFile.read(path), as: UTF8.self) else {
      throw FormatError(file: path, what: "is not UTF-8")
    }
    return try CSVTable(text, delimiter: delimiter, file: path)
  }

  /// The table that `text` is; see ``load(_:delimiter:)``.
  ///
  /// - Parameter file: What errors call it.
  public init(_ text: String, delimiter: Character = ",", file: String = "table") throws(FormatError) {
    self.file = file
    let (names, rows) = try Self.fields(text, delimiter, file)
    guard !names.isEmpty else { throw FormatError(file: file, what: "is empty: a table has a line of names") }
    guard Set(names).count == names.count else { throw FormatError(file: file, what: "has two columns of one name") }
    for (i, row) in rows.enumerated() where row.count != names.count {
      throw FormatError(
        file: file, what: "has \(row.count) fields, but there are \(names.count) columns", where: "row \(i + 1)")
    }
    self.names = names
    count = rows.count
    columns = Dictionary(
      uniqueKeysWithValues: names.enumerated().map { at, name in (name, Column(rows.map { $0[at] })) })
  }

  private static func fields(
    _ text: String, _ delimiter: Character, _ file: String
  ) throws(FormatError) -> (names: [String], rows: [[String]]) {
    do {
      // Without an end of the last line its last field is lost when it is empty.
      let text = text.last?.isNewline ?? true ? text : text + "\n"
      let table = try EnumeratedCSV(string: text, delimiter: .character(delimiter), loadColumns: false, rowLimit: 0)
      var rows: [[String]] = []
      try table.enumerateAsArray(startAt: 1, rowLimit: nil) { row in
        // A blank line, unless there is one column.
        if row != [""] || table.header.count == 1 { rows.append(row) }
      }
      return (table.header, rows)
    } catch CSVParseError.quotation(let message) {
      throw FormatError(file: file, what: "has quotes that do not match: \(message)")
    } catch {
      throw FormatError(file: file, what: "cannot be read: \(error)")
    }
  }

  /// The column of this name; nil if there is none.
  public subscript(name: String) -> Column? { columns[name] }

  /// A column of numbers, `[rows]`.
  public func tensor(_ name: String) throws(FormatError) -> Tensor {
    guard case .numbers(let tensor) = try column(name) else {
      throw FormatError(file: file, what: "holds text: classes(of:) numbers it", where: "column '\(name)'")
    }
    return tensor
  }

  /// Columns of numbers beside one another, `[rows, columns]`.
  public func tensor(_ names: [String], dtype: DType = .float32) throws(FormatError) -> Tensor {
    var tensors: [Tensor] = []
    for name in names { tensors.append(try tensor(name).to(dtype)) }
    guard !tensors.isEmpty else { throw FormatError(file: file, what: "was asked for no columns") }
    return Tensor.stack(tensors, dim: 1)
  }

  /// The number of each row's text in the sorted list of those there are: int64 `[rows]`, and the list.
  public func classes(of name: String) throws(FormatError) -> (labels: Tensor, classes: [String]) {
    let fields: [String]
    switch try column(name) {
    case .text(let text): fields = text
    case .numbers(let tensor):
      guard !tensor.dtype.isFloatingPoint else {
        throw FormatError(file: file, what: "holds \(tensor.dtype), which is no class", where: "column '\(name)'")
      }
      let numbers = tensor.array(of: Int.self)
      let present = Set(numbers).sorted()
      let places = Dictionary(uniqueKeysWithValues: present.enumerated().map { ($1, $0) })
      return (Tensor(numbers.map { places[$0]! }, device: .cpu), present.map { "\($0)" })
    }
    let present = Set(fields).sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
    let places = Dictionary(uniqueKeysWithValues: present.enumerated().map { ($1, $0) })
    return (Tensor(fields.map { places[$0]! }, device: .cpu), present)
  }

  private func column(_ name: String) throws(FormatError) -> Column {
    guard let column = columns[name] else {
      throw FormatError(file: file, what: "has no column '\(name)', but \(names.joined(separator: ", "))")
    }
    return column
  }
}

extension CSVTable.Column {
  fileprivate init(_ fields: [String]) {
    let values = fields.map { $0.trimmingSpaces() }
    if let truths = values.allMapped({ ["true": true, "false": false][$0.lowercased()] }), !truths.isEmpty {
      self = .numbers(Tensor(truths, device: .cpu))
    } else if let wholes = values.allMapped({ Int64($0) }) {
      self = .numbers(Tensor(wholes, device: .cpu))
    } else if let reals = values.allMapped({ $0.isEmpty ? Float.nan : Float($0) }) {
      self = .numbers(Tensor(reals, device: .cpu))
    } else {
      self = .text(fields)
    }
  }
}

extension [String] {
  /// nil as soon as one has no value.
  fileprivate func allMapped<Value>(_ value: (String) -> Value?) -> [Value]? {
    var values: [Value] = []
    values.reserveCapacity(count)
    for element in self {
      guard let value = value(element) else { return nil }
      values.append(value)
    }
    return values
  }
}

extension String {
  fileprivate func trimmingSpaces() -> String {
    guard first == " " || last == " " else { return self }
    return String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
