import FlambeauFormats

/// A part of a tokenizer's file.
indirect enum JSONValue: Sendable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  private static let deepest = 60

  init(_ reader: inout JSONReader, depth: Int = 0) throws(JSONReader.Failure) {
    reader.skipSpace()
    guard depth < Self.deepest else { throw reader.failure("the nesting is too deep") }
    switch reader.next {
    case UInt8(ascii: "\""): self = .string(try reader.string())
    case UInt8(ascii: "["):
      var items: [JSONValue] = []
      try reader.array { (reader) throws(JSONReader.Failure) in items.append(try JSONValue(&reader, depth: depth + 1)) }
      self = .array(items)
    case UInt8(ascii: "{"):
      var items: [String: JSONValue] = [:]
      try reader.object { (reader, key) throws(JSONReader.Failure) in items[key] = try JSONValue(&reader, depth: depth + 1) }
      self = .object(items)
    default:
      if reader.take(word: "true") {
        self = .bool(true)
      } else if reader.take(word: "false") {
        self = .bool(false)
      } else if reader.take(word: "null") {
        self = .null
      } else {
        let text = try reader.valueText()
        guard let number = Double(text) else { throw reader.failure("a number was expected") }
        self = .number(number)
      }
    }
  }
}

/// An object of the file under the name that messages call it by.
struct JSONPart {
  let name: String
  private let fields: [String: JSONValue]

  /// What is wrong with a part.
  struct Failure: Error {
    let part: String
    let what: String
  }

  init(_ value: JSONValue, _ name: String) throws(Failure) {
    guard case .object(let fields) = value else { throw Failure(part: name, what: "an object was expected") }
    self.fields = fields
    self.name = name
  }

  func failure(_ what: String) -> Failure { Failure(part: name, what: what) }

  subscript(_ key: String) -> JSONValue? {
    if case .null? = fields[key] { return nil }
    return fields[key]
  }

  var keys: [String] { fields.keys.sorted() }

  func string(_ key: String) throws(Failure) -> String? {
    guard let value = self[key] else { return nil }
    guard case .string(let text) = value else { throw failure("'\(key)' must be a string") }
    return text
  }

  func bool(_ key: String, default standard: Bool) throws(Failure) -> Bool {
    guard let value = self[key] else { return standard }
    guard case .bool(let flag) = value else { throw failure("'\(key)' must be true or false") }
    return flag
  }

  func count(_ key: String) throws(Failure) -> Int? {
    guard let value = self[key] else { return nil }
    guard case .number(let number) = value, number >= 0, number < 4_294_967_296, number == number.rounded() else {
      throw failure("'\(key)' must be a whole number from 0")
    }
    return Int(number)
  }

  func array(_ key: String) throws(Failure) -> [JSONValue]? {
    guard let value = self[key] else { return nil }
    guard case .array(let items) = value else { throw failure("'\(key)' must be an array") }
    return items
  }

  func part(_ key: String) throws(Failure) -> JSONPart? {
    guard let value = self[key] else { return nil }
    return try JSONPart(value, "\(name).\(key)")
  }

  func required<T>(_ value: T?, _ key: String) throws(Failure) -> T {
    guard let value else { throw failure("'\(key)' is missing") }
    return value
  }
}
