/// More layers than any network has: a file that claims more is damaged.
let mostLayers = 1 << 12

extension KeyedDecodingContainer {
  /// Changes `value` if the key is there and not null.
  func read<Value: Decodable>(_ key: Key, into value: inout Value) throws {
    if let found = try decodeIfPresent(Value.self, forKey: key) { value = found }
  }

  func read<Value: Decodable>(_ key: Key, into value: inout Value?) throws {
    if let found = try decodeIfPresent(Value.self, forKey: key) { value = found }
  }

  /// The same for a size or a number of parts; products of two of them are within `Int`.
  func read(_ key: Key, into value: inout Int, atMost most: Int = 1 << 28) throws {
    guard let found = try decodeIfPresent(Int.self, forKey: key) else { return }
    try refuse((0...most).contains(found) ? nil : "\(found) is not within 0...\(most)", key)
    value = found
  }

  /// An error at `key` if there is a problem.
  func refuse(_ problem: String?, _ key: Key) throws {
    if let problem { throw DecodingError.dataCorruptedError(forKey: key, in: self, debugDescription: problem) }
  }
}
