import Flambeau
import FlambeauFormats
import Foundation
import TestSupport
import Testing

@testable import FlambeauData

@Suite struct MNISTTests {
  /// `../shared/data/mnist`, where the whole data set may lie.
  static let folder: String? = {
    let folder = repository.deletingLastPathComponent().appendingPathComponent("shared/data/mnist").path
    if FileManager.default.fileExists(atPath: folder) { return folder }
    print("skipped with all of MNIST: there is no \(folder)")
    return nil
  }()

  static func idx(_ shape: [Int], _ bytes: [UInt8]) -> [UInt8] {
    [0, 0, 8, UInt8(shape.count)] + shape.flatMap { size in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: size >> $0) } } + bytes
  }

  /// A folder with the test half, uncompressed.
  static func with<R>(images: [UInt8], labels: [UInt8], _ body: (String) throws -> R) throws -> R {
    try withFolder { folder in
      try Data(images).write(to: URL(fileURLWithPath: folder + "/t10k-images-idx3-ubyte"))
      try Data(labels).write(to: URL(fileURLWithPath: folder + "/t10k-labels-idx1-ubyte"))
      return try body(folder)
    }
  }

  static func message(images: [UInt8], labels: [UInt8]) throws -> String {
    try with(images: images, labels: labels) { folder in
      do throws(FormatError) {
        _ = try MNIST.test(folder: folder)
        return ""
      } catch {
        return error.description.replacingOccurrences(of: folder, with: "F")
      }
    }
  }

  static let images = idx([2, 2, 3], Array(1...12))
  static let labels = idx([2], [7, 9])

  @Test func readsAFolder() throws {
    let data = try Self.with(images: Self.images, labels: Self.labels) { try MNIST.test(folder: $0) }
    #expect(data.inputs.shape == [2, 1, 2, 3] && data.inputs.dtype == .uint8)
    #expect(data.inputs.array(of: Int.self) == Array(1...12))
    #expect(data.targets.dtype == .int64 && data.targets.array(of: Int.self) == [7, 9])
  }

  @Test(.enabled(if: folder != nil)) func readsAllOfIt() throws {
    for (data, count) in [(try MNIST.train(folder: Self.folder!), 60_000), (try MNIST.test(folder: Self.folder!), 10_000)] {
      #expect(data.inputs.shape == [count, 1, 28, 28] && data.targets.shape == [count])
      let targets = data.targets.array(of: Int.self)
      #expect(Set(targets) == Set(0..<10))
      // Every digit has about a tenth of the images, and about a fifth of a digit's image is ink.
      for digit in 0..<10 { #expect(targets.count { $0 == digit } > count / 12) }
      let ink = data.inputs.to(.float32).mean().item()
      #expect(ink > 30 && ink < 37)
      let batch = try #require(try data.batch(at: [count - 1, 0]))
      let last = try data.sample(at: count - 1)
      #expect(batch.input.narrow(0, start: 0, length: 1).array(of: UInt8.self) == last.input.array(of: UInt8.self))
    }
  }

  @Test func aMissingFileTellsWhereItIs() {
    do throws(FormatError) {
      _ = try MNIST.train(folder: "/nowhere")
      Issue.record("read a folder that does not exist")
    } catch {
      #expect(
        error.description
          == "/nowhere/train-images-idx3-ubyte.gz: is not there; fetch it from "
          + "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz (MD5 f68b3c2dcbeaaa9fbdd348bbdeb94873)")
    }
  }

  @Test func refusesFilesThatAreNotMNIST() throws {
    let (images, labels) = (Self.images, Self.labels)
    #expect(
      try Self.message(images: labels, labels: labels)
        == "F/t10k-images-idx3-ubyte: holds uint8 of shape [2], not uint8 of 3 dimensions")
    #expect(
      try Self.message(images: [0, 0, 0x0B] + Self.idx([1, 1, 1], [0, 0])[3...], labels: labels)
        == "F/t10k-images-idx3-ubyte: holds int16 of shape [1, 1, 1], not uint8 of 3 dimensions")
    #expect(
      try Self.message(images: images, labels: Self.idx([3], [1, 2, 3]))
        == "F/t10k-labels-idx1-ubyte: holds 3 labels for the 2 images of F/t10k-images-idx3-ubyte")
    #expect(
      try Self.message(images: images, labels: Self.idx([2], [7, 10]))
        == "F/t10k-labels-idx1-ubyte: label 1: is 10, but labels are 0...9")
    #expect(
      try Self.message(images: images.dropLast(), labels: labels)
        == "F/t10k-images-idx3-ubyte: claims 12 bytes of elements, but holds 11")
    #expect(
      try Self.message(images: images, labels: [0x1F, 0x8B] + labels)
        == "F/t10k-labels-idx1-ubyte: the compressed data are damaged")
  }
}
