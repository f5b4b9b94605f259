import Flambeau
import FlambeauFormats
import Foundation
import TestSupport
import Testing

@testable import FlambeauData

@Suite struct ImageFolderTests {
  /// Files of one colour each: the class's number in red, the file's in green.
  static func write(_ files: [String: (UInt8, UInt8)], to folder: String) throws {
    for (path, colour) in files {
      let file = "\(folder)/\(path)"
      try FileManager.default.createDirectory(
        atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try Image.savePNG(Tensor([colour.0, colour.1, 9], shape: [3, 1, 1]), to: file)
    }
  }

  @Test(.enabled(if: Codecs.png)) func classesAreFolders() throws {
    try withFolder { folder in
      try Self.write(
        [
          "b/2.png": (1, 2), "b/10.PNG": (1, 1), "a/deep/er.png": (0, 4), "a/Z.png": (0, 3), "Z/.hidden.png": (9, 9),
          "Z/x.png": (2, 5),
          ".git/x.png": (9, 9), "readme.png": (8, 8),
        ], to: folder)
      try Data("notes".utf8).write(to: URL(fileURLWithPath: folder + "/a/notes.txt"))
      try FileManager.default.createSymbolicLink(atPath: folder + "/a/round", withDestinationPath: "..")
      let data = try ImageFolder(folder)
      #expect(data.classes == ["Z", "a", "b"])
      let paths = data.entries.map { $0.path.dropFirst(folder.count + 1) }
      let own = paths.filter { !$0.contains("round") }
      #expect(own == ["Z/x.png", "a/Z.png", "a/deep/er.png", "b/10.PNG", "b/2.png"])
      let third = try data.sample(at: try #require(paths.firstIndex(of: "a/deep/er.png")))
      #expect(third.input.array(of: UInt8.self) == [0, 4, 9] && third.target.item() == 1)
      for (images, labels) in DataLoader(try ImageFolder(folder, as: .gray).transformed(by: ToFloat()), batchSize: 3, workers: 2)
      {
        #expect(images.shape == [labels.count, 1, 1, 1] && images.dtype == .float32)
      }
    }
  }

  @Test(.enabled(if: Codecs.png)) func damagedImagesAreNamed() throws {
    try withFolder { folder in
      try Self.write(["a/1.png": (0, 0), "a/2.png": (0, 1)], to: folder)
      try Data("no".utf8).write(to: URL(fileURLWithPath: folder + "/a/2.png"))
      let data = try ImageFolder(folder)
      let error = #expect(throws: TensorError.self) { try withTensorErrors { for _ in DataLoader(data, batchSize: 2) {} } }
      #expect(error?.message == "sample 1 could not be read: \(folder)/a/2.png: is neither PNG nor JPEG: it begins with 6e 6f")
      let loader = DataLoader(data, batchSize: 2, onError: .skip)
      #expect(loader.map { $0.target.array(of: Int.self) } == [[0]] && loader.skipped == 1)
    }
  }

  @Test func foldersWithoutImagesAreRefused() throws {
    try withFolder { folder in
      func message() -> String? {
        #expect(throws: FormatError.self) { try ImageFolder(folder) }?.description.replacingOccurrences(of: folder, with: "F")
      }
      #expect(message() == "F: has no folders: an image folder has one for each class")
      try FileManager.default.createDirectory(atPath: folder + "/cat", withIntermediateDirectories: true)
      #expect(message() == "F/cat: has no images; they are known by their endings .png, .jpg, .jpeg")
    }
    #expect(
      #expect(throws: FormatError.self) { try ImageFolder("/nowhere") }?.description
        == "/nowhere: is not a folder that can be read")
  }
}
