/// Decodes the tokens of one text as they come, and gives out text as soon as later tokens cannot change it.
///
/// ```swift
/// var stream = tokenizer.decodeStream()
/// for await token in tokens { print(try stream.append(token), terminator: "") }
/// print(try stream.finish())
/// ```
public struct DecodeStream: Sendable {
  private let pipeline: Pipeline
  private let skipSpecialTokens: Bool
  /// The tokens whose text is still needed: those already given out that the next ones are decoded behind, then the others.
  private var ids: [Int] = []
  private var given = 0
  private var givenText = ""

  init(_ pipeline: Pipeline, skipSpecialTokens: Bool) {
    self.pipeline = pipeline
    self.skipSpecialTokens = skipSpecialTokens
  }

  /// The text that this token completes; empty while a character is incomplete.
  public mutating func append(_ id: Int) throws(TokenizerError) -> String {
    guard !pipeline.isSkipped(id, skipSpecialTokens) else { return "" }
    ids.append(id)
    let text = try pipeline.text(of: ids, skipSpecialTokens: skipSpecialTokens)
    // Bytes that begin a character, but do not complete it, decode as a replacement at the end.
    guard !text.unicodeScalars.reversed().starts(with: ["\u{FFFD}"]) else { return "" }
    return try giveOut(text)
  }

  /// What is left at the end, an incomplete character as U+FFFD.
  public mutating func finish() throws(TokenizerError) -> String {
    let text = try pipeline.text(of: ids, skipSpecialTokens: skipSpecialTokens)
    defer { (ids, given, givenText) = ([], 0, "") }
    return Self.rest(of: text, after: givenText)
  }

  private mutating func giveOut(_ text: String) throws(TokenizerError) -> String {
    let new = Self.rest(of: text, after: givenText)
    guard !new.isEmpty else { return "" }
    // The last tokens stay as what the next are decoded behind: a decoder may treat the first of a text differently.
    ids.removeFirst(given)
    given = ids.count
    givenText = try pipeline.text(of: ids, skipSpecialTokens: skipSpecialTokens)
    return new
  }

  private static func rest(of text: String, after beginning: String) -> String {
    guard text.utf8.starts(with: beginning.utf8) else { return "" }
    return String(decoding: text.utf8.dropFirst(beginning.utf8.count), as: UTF8.self)
  }
}
