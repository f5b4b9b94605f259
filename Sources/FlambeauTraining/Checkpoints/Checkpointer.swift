import Flambeau
import FlambeauFormats

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Keeps a training run's checkpoints in a folder: all that a run needs to go on where another stopped, to the bit.
///
///     let checkpointer = try Checkpointer(
///       "runs/mine/checkpoints", ["model": .model(model), "optimizer": .optimizer(optimizer), "schedule": .schedule(schedule)])
///     var progress = try checkpointer.resume(as: Progress.self)?.metadata ?? Progress()
///     …
///     try checkpointer.save(step: progress.step, score: validationLoss, metadata: progress)
///
/// A checkpoint is one `.pt` file, because `torch.load` opens it, because it nests, and because every byte of elements is under a
/// checksum, by which damage is found. It appears under its name complete, or not at all. The current generator belongs to every checkpoint.
/// A folder belongs to one run at a time.
public final class Checkpointer {
  /// A checkpoint in the folder.
  public struct Saved: Sendable, Hashable {
    /// The step it was made at.
    public let step: Int
    /// Where the file is.
    public let path: String
    /// What the run thought of it, such as a validation loss; nil if nothing.
    public let score: Double?
  }

  /// A checkpoint that has been taken over.
  public struct Resumed<Metadata> {
    /// The step it was made at.
    public let step: Int
    /// Where the file is.
    public let path: String
    /// What the caller gave with it.
    public let metadata: Metadata
    /// What is wrong with newer checkpoints, whose names now end in `.damaged`.
    public let damaged: [FormatError]
  }

  /// The folder.
  public let folder: String
  /// How many of the newest stay.
  public let keepLast: Int
  /// How many of the best stay.
  public let keepBest: Int
  /// Whether low or high values are good.
  public let goal: Goal
  private var parts: [(name: String, part: CheckpointPart)] = []
  private var scores: [Int: Double?] = [:]

  private enum Key {
    static let version = "flambeau_checkpoint"
    static let step = "step"
    static let score = "score"
    static let metadata = "metadata"
    static let random = "random"
    static let all = [version, step, score, metadata, random]
  }
  private static let version = 1
  private static let (prefix, ending) = ("step-", ".pt")

  /// Makes the folder if need be, and removes what a killed save left in it.
  ///
  /// - Parameters:
  ///   - parts: What is kept, by name. The names are the file's, beside `step`, `score`, `metadata` and `random`.
  ///   - keepLast: How many of the newest checkpoints stay; at least 1. With 2, a damaged one leaves another.
  ///   - keepBest: How many of those with the best scores stay besides.
  ///   - goal: Which scores are better.
  public init(
    _ folder: String, _ parts: KeyValuePairs<String, CheckpointPart>, keepLast: Int = 2, keepBest: Int = 1,
    goal: Goal = .lowest
  ) throws {
    self.folder = folder
    self.keepLast = max(keepLast, 1)
    self.keepBest = max(keepBest, 0)
    self.goal = goal
    for (name, part) in parts { try add(part, as: name) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for name in try FileManager.default.contentsOfDirectory(atPath: folder)
    where name.hasPrefix(".") && name.hasSuffix(".partial") {
      try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    }
  }

  /// Keeps another part. An error if its name is taken.
  public func add(_ part: CheckpointPart, as name: String) throws {
    if Key.all.contains(name) || parts.contains(where: { $0.name == name }) {
      throw FormatError(file: folder, what: "'\(name)' cannot name a part of a checkpoint: it names another", where: nil)
    }
    parts.append((name, part))
  }

  /// Writes a checkpoint after `step` steps, then removes those that need not stay.
  ///
  /// - Parameters:
  ///   - score: How good the model is; without one it is not among the best.
  ///   - metadata: What else the run has to know, such as its epoch; becomes JSON.
  /// - Returns: The file.
  @discardableResult
  public func save(step: Int, score: Double? = nil, metadata: some Encodable) throws -> String {
    let path = path(step)
    var values: [(String, PyTorchValue)] = [
      (Key.version, .int(Self.version)), (Key.step, .int(step)), (Key.score, score.map { .double($0) } ?? .none),
      (Key.metadata, .string(try JSON.text(metadata))),
      (Key.random, try CheckpointPart.generator(.current).save()),
    ]
    for (name, part) in parts { values.append((name, try part.save())) }
    try PyTorch.save(PyTorchValue(values), to: path)
    scores[step] = .some(score)
    try prune()
    return path
  }

  private func path(_ step: Int) -> String {
    let digits = String(step)
    return "\(folder)/\(Self.prefix)\(String(repeating: "0", count: max(0, 8 - digits.count)))\(digits)\(Self.ending)"
  }

  /// The steps of which there are checkpoints, rising.
  private func steps() throws -> [Int] {
    try FileManager.default.contentsOfDirectory(atPath: folder).compactMap { name in
      guard name.hasPrefix(Self.prefix), name.hasSuffix(Self.ending) else { return nil }
      return Int(name.dropFirst(Self.prefix.count).dropLast(Self.ending.count))
    }.sorted()
  }

  /// The checkpoints in the folder, oldest first. Of one that cannot be read the score is nil.
  public func saved() throws -> [Saved] {
    try steps().map { step in
      if scores[step] == nil { scores[step] = .some((try? PyTorch.load(path(step)))?[Key.score]?.double) }
      return Saved(step: step, path: path(step), score: scores[step]!)
    }
  }

  /// The checkpoint with the best score, of equal ones the first; nil if none has one.
  public func best() throws -> Saved? { ranked(try saved()).first }

  private func ranked(_ saved: [Saved]) -> [Saved] {
    saved.filter { $0.score?.isNaN == false }.sorted { a, b in
      let gain = goal.gain(from: b.score!, to: a.score!)
      return gain > 0 || (gain == 0 && a.step < b.step)
    }
  }

  private func prune() throws {
    let all = try saved()
    let kept = Set((all.suffix(keepLast) + ranked(all).prefix(keepBest)).map(\.step))
    for old in all where !kept.contains(old.step) {
      try FileManager.default.removeItem(atPath: old.path)
      scores[old.step] = nil
    }
  }

  /// Takes over the newest checkpoint that is undamaged, the state of the current generator included; nil if there is none.
  ///
  /// Damaged ones are named in the result and set aside. A checkpoint that is sound but does not fit the parts is an error, as is a
  /// folder whose checkpoints are all damaged.
  public func resume<Metadata: Decodable>(as type: Metadata.Type) throws -> Resumed<Metadata>? {
    var damaged: [FormatError] = []
    for step in try steps().reversed() {
      let path = path(step)
      let value: PyTorchValue
      do throws(FormatError) {
        value = try PyTorch.load(path, verified: true)
      } catch {
        damaged.append(error)
        continue
      }
      let metadata: Metadata = try restore(value, path)
      for error in damaged {
        try? FileManager.default.removeItem(atPath: error.file + ".damaged")
        try FileManager.default.moveItem(atPath: error.file, toPath: error.file + ".damaged")
      }
      return Resumed(step: step, path: path, metadata: metadata, damaged: damaged)
    }
    if let newest = damaged.first { throw newest }
    return nil
  }

  private func restore<Metadata: Decodable>(_ value: PyTorchValue, _ path: String) throws -> Metadata {
    func failure(_ what: String, _ name: String? = nil) -> FormatError {
      FormatError(file: path, what: what, where: name.map { "'\($0)'" })
    }
    guard value[Key.version]?.int == Self.version, let text = value[Key.metadata]?.string else {
      throw failure("is not a checkpoint of a training run of version \(Self.version)")
    }
    let metadata: Metadata
    do { metadata = try JSON.value(text) } catch { throw failure("is not the metadata of this run: \(error)", Key.metadata) }
    for (name, part) in parts + [(Key.random, .generator(.current))] {
      guard let saved = value[name] else { throw failure("is not in the checkpoint", name) }
      do { try part.restore(saved) } catch { throw failure("\(error)", name) }
    }
    return metadata
  }
}
