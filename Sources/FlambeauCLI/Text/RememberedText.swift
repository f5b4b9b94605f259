#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A text file that a run needs again when it is resumed.
struct RememberedText: Codable {
  let path: String
  /// FNV-1a (Fowler, Noll and Vo, 1991) of its bytes, so that a run does not go on with another text.
  let fingerprint: UInt64

  struct Unusable: Error, CustomStringConvertible {
    let description: String
  }

  init(_ path: String) throws {
    self.path = path
    fingerprint = Self.fingerprint(try Self.bytes(path))
  }

  /// The text, if it is still the one that the run began with.
  func text() throws -> String {
    let bytes = try Self.bytes(path)
    guard Self.fingerprint(bytes) == fingerprint else {
      throw Unusable(description: "\(path) is not the text that the run began with")
    }
    guard let text = String(validating: bytes, as: UTF8.self), !text.isEmpty else {
      throw Unusable(description: "\(path) is not a text in UTF-8")
    }
    return text
  }

  private static func bytes(_ path: String) throws -> Data {
    do { return try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw Unusable(description: "\(path) cannot be read as a text: is it there?")
    }
  }

  private static func fingerprint(_ bytes: Data) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
