import ArgumentParser
import FlambeauText

/// `flambeau tokenize`: text as tokens, or tokens as text.
struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make tokens of text, or text of tokens.",
    discussion: """
      The tokenizer is a tokenizer.json, as Hugging Face's models have it, or BERT's vocab.txt. Without TEXT, every line of the \
      standard input is a text.

      Examples:
        flambeau tokenize --tokenizer tokenizer.json "Hello, world!"
        flambeau tokenize --tokenizer tokenizer.json --json < lines.txt > tokens.jsonl
        flambeau tokenize --tokenizer tokenizer.json --decode "101 7592 102"
      """)

  @Option(help: ArgumentHelp("A tokenizer.json or a vocab.txt.", valueName: "FILE"))
  var tokenizer: String
  @Flag(help: "Print one JSON object a text: ids, tokens, and the characters of the text that each token stands for.")
  var json = false
  @Flag(help: "Read the numbers of tokens, separated by spaces or commas, and print their text.")
  var decode = false
  @Flag(help: "Leave out the special tokens, such as [CLS].")
  var plain = false
  @Argument(help: ArgumentHelp("The texts; a pair of them is not made.", valueName: "TEXT"))
  var texts: [String] = []

  func run() throws {
    let tokenizer = try Tokenizer(contentsOf: tokenizer)
    if texts.isEmpty {
      while let line = readLine() { try write(line, tokenizer) }
    } else {
      for text in texts { try write(text, tokenizer) }
    }
  }

  private func write(_ text: String, _ tokenizer: Tokenizer) throws {
    if decode {
      let decoded = try tokenizer.decode(try Self.ids(text), skipSpecialTokens: plain)
      print(json ? try JSONLines.line(["text": decoded]) : decoded)
      return
    }
    let encoding = try tokenizer.encode(text, addSpecialTokens: !plain)
    if json {
      print(try JSONLines.line(EncodingReport(encoding)))
    } else {
      print(encoding.ids.map(String.init).joined(separator: " "))
    }
  }

  static func ids(_ text: String) throws -> [Int] {
    try text.split { $0 == " " || $0 == "," || $0 == "\t" || $0 == "[" || $0 == "]" }.map { part in
      guard let id = Int(part), id >= 0 else { throw ValidationError("'\(part)' is not the number of a token.") }
      return id
    }
  }
}

private struct EncodingReport: Encodable {
  let ids: [Int]
  let tokens: [String]
  let offsets: [[Int]]
  let typeIds: [Int]

  init(_ encoding: Encoding) {
    ids = encoding.ids
    tokens = encoding.tokens
    offsets = encoding.offsets.map { [$0.lowerBound, $0.upperBound] }
    typeIds = encoding.typeIds
  }
}
