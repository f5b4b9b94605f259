import ArgumentParser
import Flambeau
import FlambeauFormats

/// `flambeau inspect`: what is in a checkpoint.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the tensors of a checkpoint: names, shapes, dtypes, sizes.",
    discussion: """
      Reads safetensors, an index of shards, PyTorch's .pt, .pth and .bin, .npz, .npy and GGUF, whatever the file is called. \
      Nothing in the file is run, and without --stats no element is read.

      Example: flambeau inspect model.safetensors --stats
      """)

  @Argument(help: ArgumentHelp("The checkpoint.", valueName: "FILE"))
  var path: String
  @Flag(help: "Read the elements and say their smallest, largest, mean, standard deviation, and how many are not finite.")
  var stats = false
  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let checkpoint = try Checkpoint.open(path)
    var tensors: [TensorReport] = []
    for entry in checkpoint.entries {
      tensors.append(TensorReport(entry, statistics: stats ? try Statistics(of: entry.tensor()) : nil))
    }
    let report = CheckpointReport(
      file: path, format: checkpoint.format.rawValue, tensors: tensors, metadata: checkpoint.metadata,
      parameters: tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }, bytes: tensors.reduce(0) { $0 + $1.bytes })
    print(json ? try JSONLines.line(report) : report.text)
  }
}

struct CheckpointReport: Encodable {
  let file: String
  let format: String
  let tensors: [TensorReport]
  let metadata: [String: String]
  let parameters: Int
  let bytes: Int

  var text: String {
    var lines = ["\(file): \(format), \(tensors.count) tensors, \(parameters) elements, \(ByteSize.text(bytes))"]
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      lines.append("  \(Self.oneLine(key)) = \(Self.oneLine(value))")
    }
    lines += Columns.text(tensors.map(\.columns), numbers: [3, 4, 5, 6, 7])
    return lines.joined(separator: "\n")
  }

  /// A value on one line, cut where it is long; `--json` has all of it.
  static func oneLine(_ text: String) -> String {
    let flat = String(text.prefix(101).map { $0.isNewline ? " " : $0 })
    return flat.count > 100 ? "\(flat.prefix(100))…" : flat
  }
}

struct TensorReport: Encodable {
  let name: String
  let shape: [Int]
  let dtype: String
  /// How the file packs the elements, if not as `dtype`.
  let packing: String?
  /// In the file.
  let bytes: Int
  let statistics: Statistics?

  init(_ entry: Checkpoint.Entry, statistics: Statistics?) {
    name = entry.name
    shape = entry.shape
    dtype = entry.dtype.description
    packing = entry.packing
    bytes = entry.storedByteCount
    self.statistics = statistics
  }

  var columns: [String] {
    let shape = "[\(shape.map(String.init).joined(separator: ", "))]"
    return [CheckpointReport.oneLine(name), packing ?? dtype, shape, ByteSize.text(bytes)] + (statistics?.columns ?? [])
  }
}

/// What a tensor's elements are like; of those that are finite if some are not.
struct Statistics: Encodable {
  let min, max, mean, std: Double?
  /// How many are NaN or infinite.
  let notFinite: Int

  init(of tensor: Tensor) {
    let values = tensor.detach().to(.float64).flatten()
    let finite = values.isFinite()
    notFinite = values.count - Int(finite.sum().item())
    let kept = notFinite == 0 ? values : values.maskedSelect(finite)
    guard kept.count > 0 else {
      (min, max, mean, std) = (nil, nil, nil, nil)
      return
    }
    min = kept.min().item()
    max = kept.max().item()
    mean = kept.mean().item()
    std = kept.count > 1 ? kept.std().item() : nil
  }

  var columns: [String] {
    guard let min, let max, let mean else { return ["", "", "", "\(notFinite) not finite"] }
    let parts = [("min", min), ("max", max), ("mean", mean)].map { "\($0.0) \(Self.short($0.1))" }
    return parts + [std.map { "std \(Self.short($0))" } ?? ""] + (notFinite > 0 ? ["\(notFinite) not finite"] : [])
  }

  private static func short(_ value: Double) -> String { "\(Float(value))" }
}

enum ByteSize {
  private static let units = ["B", "kB", "MB", "GB", "TB"]

  /// `90.9 MB`.
  static func text(_ bytes: Int) -> String {
    var value = Double(bytes)
    var unit = 0
    while value >= 1000, unit < units.count - 1 {
      value /= 1000
      unit += 1
    }
    return unit == 0 ? "\(bytes) B" : "\((value * 10).rounded() / 10) \(units[unit])"
  }

  /// The bytes that `500MB`, `2GB` or `1000` says; nil for what is no size.
  static func bytes(_ text: String) -> Int? {
    let digits = text.prefix { $0.isNumber }
    let unit = text.dropFirst(digits.count).uppercased()
    guard let number = Int(digits), number > 0,
      let power = unit.isEmpty ? 0 : units.firstIndex(where: { $0.uppercased() == unit })
    else { return nil }
    var bytes = number
    for _ in 0..<power {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: 1000)
      if overflow { return nil }
      bytes = product
    }
    return bytes
  }
}

enum Columns {
  /// Rows whose columns stand under each other; those of `numbers` end under each other.
  static func text(_ rows: [[String]], numbers: Set<Int>) -> [String] {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return numbers.contains(column) ? space + cell : cell + space
      }
      var line = cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
  }
}
