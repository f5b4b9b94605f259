import Flambeau
import FlambeauFormats

/// Makes tokens of text and text of tokens, as Hugging Face's `tokenizers` does with the same `tokenizer.json`.
///
/// ```swift
/// let tokenizer = try Tokenizer(contentsOf: "tokenizer.json")
/// let encoding = try tokenizer.encode("Hello, world!")
/// encoding.ids                        // [101, 7592, 1010, 2088, 999, 102]
/// try tokenizer.decode(encoding.ids)  // "hello, world!"
/// ```
///
/// A tokenizer is a value that threads can share; copies share the vocabulary.
public struct Tokenizer: Sendable {
  /// How texts are cut that are too long; nil leaves them. Python: `enable_truncation`.
  public var truncation: Truncation?
  /// How short texts are filled up; nil leaves them. Python: `enable_padding`.
  public var padding: Padding?

  let pipeline: Pipeline

  init(_ pipeline: Pipeline, truncation: Truncation? = nil, padding: Padding? = nil) {
    self.pipeline = pipeline
    self.truncation = truncation
    self.padding = padding
  }

  /// A text as tokens, or two texts in a pair.
  ///
  /// - Parameter addSpecialTokens: whether the tokens of the model's frame, such as `[CLS]` and `[SEP]`, are put in.
  /// - Throws: `TokenizerError`, where the model has no token for a text and none for unknown ones, where a pattern of the file
  ///   is too slow on a text, or where truncation does not fit the text.
  public func encode(_ text: String, pair: String? = nil, addSpecialTokens: Bool = true) throws(TokenizerError) -> Encoding {
    var result = [try encodeUnpadded(text, pair, addSpecialTokens)]
    padding?.apply(to: &result)
    return result[0]
  }

  private func encodeUnpadded(_ text: String, _ pair: String?, _ addSpecialTokens: Bool) throws(TokenizerError) -> Encoding {
    var parts = [try pipeline.tokens(of: text, typeId: 0)]
    if let pair { parts.append(try pipeline.tokens(of: pair, typeId: 1)) }
    let processor = pipeline.postProcessor
    if let truncation {
      try truncation.apply(to: &parts, added: addSpecialTokens ? processor?.added(isPair: pair != nil) ?? 0 : 0)
    }
    if let processor { parts = processor.process(parts, addSpecialTokens: addSpecialTokens) }
    guard parts.count > 1 else { return parts.first ?? Encoding(names: pipeline.names) }
    var joined = parts[0]
    for part in parts.dropFirst() { joined.append(part) }
    return joined
  }

  /// Texts as tokens, on all of the machine's threads that `threadCount` allows. Padding is to the longest.
  public func encodeBatch(_ texts: [String], addSpecialTokens: Bool = true) throws(TokenizerError) -> [Encoding] {
    try batch(texts.count) { (index) throws(TokenizerError) in try encodeUnpadded(texts[index], nil, addSpecialTokens) }
  }

  /// Pairs of texts as tokens.
  public func encodeBatch(pairs: [(String, String)], addSpecialTokens: Bool = true) throws(TokenizerError) -> [Encoding] {
    try batch(pairs.count) { (index) throws(TokenizerError) in
      try encodeUnpadded(pairs[index].0, pairs[index].1, addSpecialTokens)
    }
  }

  private func batch(_ count: Int, _ encode: (Int) throws(TokenizerError) -> Encoding) throws(TokenizerError) -> [Encoding] {
    // Pieces of some texts: they differ in length, and a piece costs a wake-up.
    let pieceSize = 64
    let pieces = (count + pieceSize - 1) / pieceSize
    var results = [Result<[Encoding], TokenizerError>](repeating: .success([]), count: pieces)
    results.withUnsafeMutableBufferPointer { results in
      // Each piece writes its own element.
      nonisolated(unsafe) let results = results
      ThreadPool.run(pieces) { piece in
        var made: [Encoding] = []
        made.reserveCapacity(pieceSize)
        do throws(TokenizerError) {
          for index in piece * pieceSize..<min((piece + 1) * pieceSize, count) { made.append(try encode(index)) }
          results[piece] = .success(made)
        } catch {
          results[piece] = .failure(error)
        }
      }
    }
    var encodings: [Encoding] = []
    encodings.reserveCapacity(count)
    for result in results { encodings += try result.get() }
    padding?.apply(to: &encodings)
    return encodings
  }

  /// Tokens as text. Numbers that no token has are left out.
  ///
  /// - Parameter skipSpecialTokens: whether special tokens are left out.
  /// - Throws: `TokenizerError`, where a pattern of the file is too slow on a text.
  public func decode(_ ids: [Int], skipSpecialTokens: Bool = true) throws(TokenizerError) -> String {
    try pipeline.text(of: ids, skipSpecialTokens: skipSpecialTokens)
  }

  /// Decodes the tokens of a text as they come.
  public func decodeStream(skipSpecialTokens: Bool = true) -> DecodeStream {
    DecodeStream(pipeline, skipSpecialTokens: skipSpecialTokens)
  }

  /// The number of a token, an added one's too; nil for what is none.
  public func idOf(_ token: String) -> Int? { pipeline.names.added.ids[token] ?? pipeline.names.vocabulary.id(token) }

  /// The token of a number; nil for one that none has.
  public func tokenOf(_ id: Int) -> String? { pipeline.names.token(of: id) }

  /// One more than the largest number of a token: how many rows an embedding needs.
  public var vocabularySize: Int { max(pipeline.names.vocabulary.largest, pipeline.names.added.largest) + 1 }

  /// The tokens beside the model's, by number.
  public var addedTokens: [Int: AddedToken] { pipeline.names.added.tokens }
}
