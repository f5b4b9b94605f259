import ArgumentParser
import Flambeau
import FlambeauFormats
import FlambeauModels
import FlambeauNN
import FlambeauText

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// `flambeau embed`: lines in, vectors out.
struct Embed: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a vector of each line of a text.",
    discussion: """
      Vectors have length 1; the closer two lines are in meaning, the larger the product of theirs. DIR holds a sentence encoder of \
      BERT's kind with mean pooling, such as all-MiniLM-L6-v2: config.json, tokenizer.json and the weights.

      Example: flambeau embed all-MiniLM-L6-v2 --input lines.txt --output vectors.npy
      """)

  @Argument(help: ArgumentHelp("The model's folder.", valueName: "DIR"))
  var folder: String
  @Option(
    help: ArgumentHelp("The text, one line a vector; standard input by default.", valueName: "FILE")
  )
  var input: String?
  @Option(
    help: ArgumentHelp(
      "The file for the vectors: .npy [lines, width], or .jsonl; JSON lines on standard output by default.",
      valueName: "FILE"))
  var output: String?
  @Option(help: "Lines that the model reads at once.")
  var batchSize = 32
  @Option(
    help: "The tokens of a line that count; the tokenizer's limit, or the model's, by default.")
  var maxLength: Int?
  @OptionGroup var place: DeviceOption

  private struct Line: Encodable {
    let text: String
    let embedding: [Float]
  }

  func validate() throws {
    if batchSize < 1 {
      throw ValidationError("--batch-size is \(batchSize), but it must be at least 1")
    }
    if let maxLength, maxLength < 3 {
      throw ValidationError("--max-length is \(maxLength), but it must be at least 3")
    }
    if let output, !output.hasSuffix(".npy"), !output.hasSuffix(".jsonl") {
      throw ValidationError("--output is \(output), but its ending must be .npy or .jsonl")
    }
  }

  func run() throws { try withTensorErrors(embed) }

  private func embed() throws {
    let encoder = try SentenceEncoderFolder(folder, maxLength: maxLength, on: place.chosen)
    let lines = try readLines()
    guard !lines.isEmpty else {
      throw ValidationError(
        "\(input ?? "standard input") has no lines, so there is nothing to embed")
    }
    let vectors = try encoder.vectors(of: lines, batchSize: batchSize)
    if let output, output.hasSuffix(".npy") { return try Npy.save(vectors, to: output) }
    let text = try zip(lines, vectors.unbind()).map { line, vector in
      try JSONLines.line(Line(text: line, embedding: vector.array(of: Float.self))) + "\n"
    }.joined()
    if let output { try RunFolder.write(text, to: output) } else { print(text, terminator: "") }
  }

  private func readLines() throws -> [String] {
    guard let input else {
      var lines: [String] = []
      while let line = readLine() { lines.append(line) }
      return lines
    }
    var lines = try RememberedText(input).text().split(
      separator: "\n", omittingEmptySubsequences: false
    ).map(String.init)
    if lines.last == "" { lines.removeLast() }
    return lines
  }
}

/// A sentence encoder and its tokenizer, as a folder of Hugging Face's files holds them.
struct SentenceEncoderFolder {
  private let model: SentenceEncoder
  private let tokenizer: Tokenizer
  private let device: Device

  init(_ folder: String, maxLength: Int?, on device: Device) throws {
    let file = "\(folder)/\(LanguageModel.config)"
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: file)) else {
      throw LanguageModel.Unusable(
        description:
          "\(file) cannot be read: an encoder's folder holds config.json, tokenizer.json and model.safetensors"
      )
    }
    let config: BERT.Config
    do { config = try JSONDecoder().decode(BERT.Config.self, from: data) } catch let error
      as DecodingError
    {
      throw LanguageModel.Unusable(description: "\(file): \(error.sentence)")
    }
    model = SentenceEncoder(config)
    try model.loadStateDict(try Checkpoint.load(LanguageModel.weights(in: folder)).forBERT(model))
    model.to(device).eval()
    self.device = device
    var tokenizer = try Tokenizer(contentsOf: "\(folder)/\(LanguageModel.tokenizer)")
    let limit = min(
      maxLength ?? tokenizer.truncation?.maxLength ?? config.maxPositionEmbeddings,
      config.maxPositionEmbeddings)
    tokenizer.truncation = Truncation(maxLength: limit)
    tokenizer.padding = nil
    self.tokenizer = tokenizer
  }

  /// `[lines, width]`, float32. Lines of like length are read together.
  func vectors(of lines: [String], batchSize: Int) throws -> Tensor {
    let encodings = try tokenizer.encodeBatch(lines)
    let order = encodings.indices.sorted { encodings[$0].count > encodings[$1].count }
    var rows = [Tensor?](repeating: nil, count: lines.count)
    for start in stride(from: 0, to: order.count, by: batchSize) {
      let batch = order[start..<min(start + batchSize, order.count)]
      let longest = batch.map { encodings[$0].count }.max() ?? 0
      func table(_ value: (Encoding) -> [Int]) -> Tensor {
        Tensor(
          batch.flatMap {
            value(encodings[$0]) + Array(repeating: 0, count: longest - encodings[$0].count)
          },
          shape: [batch.count, longest], device: device)
      }
      let vectors = noGrad {
        model(table(\.ids), mask: table(\.attentionMask), types: table(\.typeIds))
      }
      for (row, index) in batch.enumerated() { rows[index] = vectors[row] }
    }
    return .stack(rows.map { $0! })
  }
}
