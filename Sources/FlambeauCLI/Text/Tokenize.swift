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
  @Option(
    help: ArgumentHelp("Only measure: make the tokens N times on one thread, and say how long the fastest took.", valueName: "N"))
  var time: Int?
  @Argument(help: ArgumentHelp("The texts; a pair of them is not made.", valueName: "TEXT"))
  var texts: [String] = []

  func run() throws {
    let tokenizer = try Tokenizer(contentsOf: tokenizer)
    if let time { return try measure(tokenizer, times: time) }
    if texts.isEmpty {
      while let line = readLine() { try write(line, tokenizer) }
    } else {
      for text in texts { try write(text, tokenizer) }
    }
  }

  private func measure(_ tokenizer: Tokenizer, times: Int) throws {
    guard times > 0 else { throw ValidationError("--time must be at least 1.") }
    var lines = texts
    while texts.isEmpty, let line = readLine() { lines.append(line) }
    let clock = ContinuousClock()
    var (fastest, count) = (Duration.seconds(1 << 40), 0)
    for _ in 0..<times {
      count = 0
      fastest = min(
        fastest, try clock.measure { for line in lines { count += try tokenizer.encode(line, addSpecialTokens: !plain).count } })
    }
    let report = TimeReport(texts: lines.count, tokens: count, milliseconds: fastest / .milliseconds(1))
    print(json ? try JSONLines.line(report) : report.text)
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

private struct TimeReport: Encodable {
  let texts: Int
  let tokens: Int
  let milliseconds: Double

  var text: String { "\(texts) texts, \(tokens) tokens: \((milliseconds * 100).rounded() / 100) ms" }
}
