/// Why a text could not be made tokens.
public struct TokenizerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// One sentence.
  public let description: String

  init(_ description: String) { self.description = description }

  /// The most bytes that a text may grow to: the parts of a file can double it again and again.
  private static let longestText = 1 << 26

  static func checkGrowth(_ count: Int) throws(TokenizerError) {
    if count > longestText { throw TokenizerError("normalizing or cutting makes the text longer than 64 MiB") }
  }
}
