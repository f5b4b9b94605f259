import Flambeau
import FlambeauData
import FlambeauFormats
import Foundation
import TestSupport
import Testing

private enum Photos {
  static let areReadable: Bool = {
    do {
      _ = try Image.encodePNG(Tensor.zeros([1, 1, 1], dtype: .uint8))
      return true
    } catch {
      print("skipped with all of photos: \(error)")
      return false
    }
  }()
}

/// `flambeau train images` and `flambeau classify`, as a user runs them.
@Suite(.enabled(if: Tool.path != nil && Photos.areReadable), .serialized) struct PhotoTests {
  private struct Summary: Decodable {
    let dataset: String
    let test_accuracy: Double
    let steps: Int
  }

  private struct Line: Decodable {
    struct Guess: Decodable {
      let name: String
      let probability: Double
    }
    let image: String
    let classes: [Guess]
  }

  /// Noisy squares, more red in one class and more blue in the other.
  private static func write(to folder: String, each count: Int) throws {
    for (name, tint) in [("berry", [90, 0, 0]), ("sea", [0, 0, 90])] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
      let tint = Tensor(tint.map { Int64($0) }, shape: [3, 1, 1])
      for i in 0..<count {
        let image = (Tensor.randint(0, 160, [3, 18 + i % 3, 20]) + tint).to(.uint8)
        try Image.savePNG(image, to: "\(folder)/\(name)/\(i + 10).png")
      }
    }
  }

  private static func train(_ folder: String, _ run: String, _ more: [String] = []) throws -> (text: String, code: Int32) {
    try Tool.run(
      ["train", "images", "--folder", folder, "--out", run, "--size", "16", "--batch-size", "8", "--epochs", "2", "--json"] + more
    )
  }

  @Test func whatWasLearnedIsRecognised() throws {
    try withFolder { folder in
      let (photos, run) = (folder + "/photos", folder + "/run")
      try Self.write(to: photos, each: 15)
      let trained = try Self.train(photos, run)
      try #require(trained.code == 0, "\(trained.text)")
      let summary = try JSONDecoder().decode(Summary.self, from: Data(trained.text.utf8))
      #expect(summary.dataset == "images" && summary.steps == 6)
      // The photos that were held out, judged one by one, have the accuracy that the training found.
      let heldOut = ["berry", "sea"].flatMap { name in [14, 19, 24].map { "\(photos)/\(name)/\($0).png" } }
      let classified = try Tool.run(["classify", "--model", run, "--json", "--top", "2"] + heldOut)
      try #require(classified.code == 0, "\(classified.text)")
      let lines = try classified.text.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
      #expect(lines.map(\.image) == heldOut)
      var right = 0
      for line in lines {
        #expect(Set(line.classes.map(\.name)) == ["berry", "sea"])
        #expect(abs(line.classes[0].probability + line.classes[1].probability - 1) < 1e-6)
        #expect(line.classes[0].probability >= line.classes[1].probability)
        if line.image.contains("/\(line.classes[0].name)/") { right += 1 }
      }
      #expect(abs(Double(right) / 6 - summary.test_accuracy) < 1e-9)
      let text = try Tool.run(["classify", "--model", run + "/model.safetensors", "--top", "1", heldOut[0], folder + "/none.png"])
      #expect(text.code == 1 && text.text.contains("\(heldOut[0]): ") && text.text.contains(" %\n"))
      #expect(text.text.contains("\(folder)/none.png: cannot be opened: No such file or directory"))
    }
  }

  @Test func aStrangersNetworkNeedsItsKind() throws {
    try withFolder { folder in
      let (photos, run) = (folder + "/photos", folder + "/run")
      try Self.write(to: photos, each: 5)
      let trained = try Self.train(photos, run, ["--test", photos, "--no-augment", "--workers", "0", "--epochs", "1"])
      try #require(trained.code == 0, "\(trained.text)")
      let bare = folder + "/bare.safetensors"
      try Safetensors.save(try Safetensors.load(run + "/model.safetensors"), to: bare)
      let image = photos + "/sea/10.png"
      let nameless = try Tool.run(["classify", "--model", bare, image])
      #expect(nameless.code != 0 && nameless.text.contains("does not say which network it is: give --kind, one of resnet18"))
      for size in [0, -5, Int.max] {
        let about = ["photo_model": "{\"kind\":\"resnet18\",\"size\":\(size),\"classes\":[\"a\",\"b\"]}"]
        let file = folder + "/lying.safetensors"
        try Safetensors.save(try Safetensors.load(bare), metadata: about, to: file)
        let lying = try Tool.run(["classify", "--model", file, image])
        #expect(lying.code != 0 && lying.text.contains("claims 2 classes and \(size) pixels a side"), "\(lying.text)")
      }
      let names = folder + "/names.txt"
      try Data("one\ntwo\n".utf8).write(to: URL(fileURLWithPath: names))
      let asked = ["classify", "--model", bare, "--kind", "resnet18", "--size", "16", "--top", "2", "--classes", names, image]
      let answered = try Tool.run(asked)
      #expect(answered.code == 0 && answered.text.contains("one ") && answered.text.contains("two "), "\(answered.text)")
      try Data("one\n".utf8).write(to: URL(fileURLWithPath: names))
      #expect(try Tool.run(asked).text.contains("has 1 lines, but the network tells 2 classes apart"))
    }
  }

  @Test func foldersThatCannotBeLearnedAreSentences() throws {
    try withFolder { folder in
      #expect(try Self.train(folder, folder + "/run").text.contains("has no folders: an image folder has one for each class"))
      try Self.write(to: folder + "/photos", each: 3)
      #expect(try Self.train(folder + "/photos", folder + "/run").text.contains("name a folder to judge by with --test"))
      #expect(try Tool.run(["train", "images"]).text.contains("--folder is missing"))
      #expect(
        try Tool.run(["train", "images", "--folder", folder, "--model", "vgg"]).text.contains(
          "--model is vgg, but it must be one of resnet18, resnet34, resnet50"))
    }
  }
}
