import Flambeau
import FlambeauFormats

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Images in a folder that has a folder for each class: `photos/cat/1.jpg`, `photos/dog/2.png`. Torchvision's `ImageFolder`.
///
/// A sample is the decoded image, uint8 `[channels, height, width]`, with the number of its class. Images of different sizes become
/// a batch only behind a transform that gives them one: ``transformed(by:)``.
public struct ImageFolder: Dataset {
  /// A file and its class.
  public struct Entry: Sendable {
    /// Where the file is.
    public let path: String
    /// The number of its class.
    public let label: Int
  }

  /// The endings of the files that are taken, in any case.
  public static let endings = [".png", ".jpg", ".jpeg"]

  /// The folder.
  public let folder: String
  /// The names of the folders, in order: class 0 is the first.
  public let classes: [String]
  /// In the order of the classes, then of their paths.
  public let entries: [Entry]
  /// How pixels are read.
  public let mode: ImageMode

  /// How many there are.
  public var count: Int { entries.count }

  /// Lists the images; folders within a class's belong to it. What begins with a dot, or is no image by its name, is passed over.
  ///
  /// - Parameter mode: The channels of the samples.
  /// - Throws: `FormatError` where a folder cannot be listed, there are no classes, or a class has no images.
  public init(_ folder: String, as mode: ImageMode = .rgb) throws(FormatError) {
    let classes = try Self.list(folder).filter { Self.isFolder("\(folder)/\($0)") }
    guard !classes.isEmpty else {
      throw FormatError(file: folder, what: "has no folders: an image folder has one for each class")
    }
    var entries: [Entry] = []
    for (label, name) in classes.enumerated() {
      let before = entries.count
      try Self.collect("\(folder)/\(name)", label, into: &entries, within: [])
      guard entries.count > before else {
        throw FormatError(
          file: "\(folder)/\(name)",
          what: "has no images; they are known by their endings \(Self.endings.joined(separator: ", "))")
      }
    }
    self.init(folder: folder, classes: classes, entries: entries, mode: mode)
  }

  private init(folder: String, classes: [String], entries: [Entry], mode: ImageMode) {
    self.folder = folder
    self.classes = classes
    self.entries = entries
    self.mode = mode
  }

  /// The sample at `index`.
  public func sample(at index: Int) throws -> Example {
    try check(index)
    return Example(try Image.load(entries[index].path, as: mode), Tensor(entries[index].label, device: .cpu))
  }

  /// - Parameter above: The folders that this one is in: a link back to one of them is not followed.
  private static func collect(
    _ folder: String, _ label: Int, into entries: inout [Entry], within above: [[UInt64]]
  ) throws(FormatError) {
    guard let place = place(folder), !above.contains(place) else { return }
    for name in try list(folder) {
      let path = "\(folder)/\(name)"
      if isFolder(path) {
        try collect(path, label, into: &entries, within: above + [place])
      } else if endings.contains(where: name.lowercased().hasSuffix) {
        entries.append(Entry(path: path, label: label))
      }
    }
  }

  /// What is in a folder, hidden files left out, in the order of the characters' numbers.
  private static func list(_ folder: String) throws(FormatError) -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }
        .sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
    } catch {
      throw FormatError(file: folder, what: "is not a folder that can be read")
    }
  }

  private static func isFolder(_ path: String) -> Bool { place(path) != nil }

  /// What tells a folder from every other; nil of anything else.
  private static func place(_ path: String) -> [UInt64]? {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
    return [UInt64(status.st_dev), UInt64(status.st_ino)]
  }
}
