import Flambeau
import FlambeauFormats
import Foundation
import TestSupport
import Testing

@testable import FlambeauData

/// Whether the codecs are there, said once.
enum Codecs {
  static let png: Bool = {
    if !PNG.isThere { print("skipped with all of PNG: \(PNG.missing)") }
    return PNG.isThere
  }()
  static let jpeg: Bool = {
    if TurboJPEG.shared == nil { print("skipped with all of JPEG: \(JPEG.missing)") }
    return TurboJPEG.shared != nil
  }()
}

@Suite struct ImageTests {
  @Test(.enabled(if: Vision.isThere && Codecs.png && Codecs.jpeg)) func pixelsArePillows() throws {
    let modes: [String: ImageMode] = [
      "unchanged": .unchanged, "rgb": .rgb, "gray": .gray, "rgba": .rgba, "gray_alpha": .grayAlpha,
    ]
    try Vision.with("decode") { folder, results in
      #expect(results.count > 50)
      for (key, expected) in results where key != "seed" {
        let parts = key.split(separator: "|")
        let image = try Image.load("\(folder)/\(parts[0])", as: modes[String(parts[1])]!)
        #expect(
          image.dtype == expected.dtype && image.shape == expected.shape && image.equal(expected),
          "\(key), seed \(results["seed"]!.item())")
      }
    }
  }

  static func noise(_ channels: Int, _ height: Int, _ width: Int) -> Tensor {
    Tensor.randint(0, 256, [channels, height, width]).to(.uint8)
  }

  @Test(.enabled(if: Codecs.png), arguments: [1, 2, 3, 4], [0, 6])
  func whatIsWrittenIsReadAgain(channels: Int, compression: Int) throws {
    let image = Self.noise(channels, 7, 12)
    #expect(try Image.decode(Image.encodePNG(image, compression: compression)).equal(image))
    let turned = image.transpose(1, 2)
    #expect(try Image.decode(Data(Image.encodePNG(turned))).equal(turned))
    try withFolder { folder in
      try Image.savePNG(image, to: folder + "/a.png", compression: compression)
      #expect(try Image.load(folder + "/a.png").equal(image))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.png"])
    }
  }

  @Test(.enabled(if: Codecs.png)) func channelsAreMadeAndLeftOut() throws {
    let file = try Image.encodePNG(Tensor([10, 200, 30, 128] as [UInt8], shape: [4, 1, 1]))
    func pixel(_ mode: ImageMode) throws -> [UInt8] { try Image.decode(file, as: mode).array(of: UInt8.self) }
    // (19595·10 + 38470·200 + 7471·30 + 32768) / 65536
    #expect(try pixel(.gray) == [124] && pixel(.grayAlpha) == [124, 128])
    #expect(try pixel(.rgb) == [10, 200, 30] && pixel(.rgba) == [10, 200, 30, 128])
    let flat = try Image.encodePNG(Tensor([7, 8] as [UInt8], shape: [1, 2]))
    #expect(try Image.decode(flat, as: .rgba).array(of: UInt8.self) == [7, 8, 7, 8, 7, 8, 255, 255])
  }

  /// A PNG file that claims another size; the checksum is right.
  static func claiming(_ width: UInt32, _ height: UInt32, in file: [UInt8]) -> [UInt8] {
    var file = file
    for (i, byte) in [width, height].flatMap({ size in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: size >> $0) } })
      .enumerated()
    {
      file[16 + i] = byte
    }
    return withChecksums(file)
  }

  /// A PNG file whose chunks, as far as they lie in it, all have the checksums of what they hold.
  static func withChecksums(_ file: [UInt8]) -> [UInt8] {
    var file = file
    var at = PNG.signature.count
    while at + 12 <= file.count {
      let count = file[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
      let end = at + 8 + count
      if end + 4 > file.count { break }
      var crc: UInt32 = 0xFFFF_FFFF
      for byte in file[at + 4..<end] {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
      }
      for (i, shift) in [24, 16, 8, 0].enumerated() { file[end + i] = UInt8(truncatingIfNeeded: ~crc >> UInt32(shift)) }
      at = end + 4
    }
    return file
  }

  static func message(_ bytes: [UInt8], mostPixels: Int = Image.mostPixels) -> String {
    do throws(FormatError) {
      _ = try Image.decode(bytes, mostPixels: mostPixels, name: "cat")
      return ""
    } catch {
      return error.description
    }
  }

  /// In a process of its own, where no other test allocates.
  @Test(.enabled(if: Codecs.png)) func hostileSizesAskForNoMemory() async throws {
    await #expect(processExitsWith: .success) {
      let file = try Image.encodePNG(ImageTests.noise(3, 20, 20))
      for (width, height) in [(UInt32(0x7FFF_FFFF), UInt32(0x7FFF_FFFF)), (100_000, 100_000), (30_000, 5_000), (21, 30_000)] {
        let before = Memory.allocated
        let message = ImageTests.message(ImageTests.claiming(width, height, in: file))
        #expect(message.hasPrefix("cat: claims \(width)×\(height) pixels, more than "), "\(message)")
        #expect(Memory.allocated == before)
      }
    }
    let file = try Image.encodePNG(Self.noise(3, 20, 20))
    #expect(Self.message(file, mostPixels: 399) == "cat: claims 20×20 pixels, more than the 399 allowed; mostPixels allows more")
    #expect(Self.message(file, mostPixels: 400) == "")
  }

  @Test(.enabled(if: Codecs.png)) func damagedFilesAreSentences() throws {
    let file = try Image.encodePNG(Self.noise(3, 20, 20))
    #expect(Self.message([]) == "cat: is empty")
    #expect(Self.message(Array("GIF89a".utf8)) == "cat: is neither PNG nor JPEG: it begins with 47 49 46 38 39 61")
    #expect(Self.message(Array(file.prefix(200))) == "cat: is damaged: the file ends early")
    var flipped = file
    flipped[100] ^= 1
    #expect(Self.message(flipped).hasPrefix("cat: is damaged: "))
    #expect(Self.message(Array(file.prefix(20))).hasPrefix("cat: is damaged: "))
    let error = #expect(throws: FormatError.self) { try Image.load("/nowhere/cat.png") }
    #expect(error?.description == "/nowhere/cat.png: cannot be opened: No such file or directory")
    #expect(#expect(throws: FormatError.self) { try Image.load("/tmp") }?.description == "/tmp: is not a regular file")
    for bad in [Tensor.ones([3, 4, 4]), Tensor.ones([5, 2, 2]).to(.uint8), Tensor.ones([0, 3]).to(.uint8)] {
      #expect(throws: FormatError.self) { try Image.encodePNG(bad) }
    }
  }

  @Test func whatIsMissingIsNamed() {
    #expect(TurboJPEG(["libthereisnone.so"]) == nil)
    #expect(PNG.missing.contains("libpng16-16") && JPEG.missing.contains("libturbojpeg0"))
  }

  /// Files that Pillow wrote.
  static func jpegs() throws -> [String: [UInt8]] {
    try Vision.with("decode") { folder, _ in
      try Dictionary(
        uniqueKeysWithValues: ["420.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg"].map {
          ($0, try [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)"))))
        })
    }
  }

  @Test(.enabled(if: Vision.isThere && Codecs.jpeg)) func jpegsThatEndEarlyOrLie() throws {
    for (name, file) in try Self.jpegs() {
      #expect(Self.message(file) == "", "\(name)")
      let scan = try #require(file.indices.last { file[$0] == 0xFF && file[($0 + 1)...].first == 0xDA })
      #expect(Self.message(Array(file.prefix((scan + file.count) / 2))).hasPrefix("cat: ends early: "), "\(name)")
      // What stands between two segments is passed over with a warning.
      let next = 4 + Int(file[4]) << 8 + Int(file[5])
      #expect(Self.message(Array(file[..<next]) + [1, 2, 3] + file[next...]) == "", "\(name)")
      #expect(Self.message(Array(file.prefix(100))).hasPrefix("cat: is damaged: "), "\(name)")
      var lying = file
      let frame = try #require(lying.indices.first { lying[$0] == 0xFF && (0xC0...0xC2).contains(lying[$0 + 1]) })
      for i in 5...8 { lying[frame + i] = 0xFF }
      #expect(
        Self.message(lying) == "cat: claims 65535×65535 pixels, more than the \(Image.mostPixels) allowed; mostPixels allows more"
      )
      (lying[frame + 5], lying[frame + 7]) = (0x10, 0x10)
      #expect(Self.message(lying) == "cat: claims 4351×4351 pixels, more than its \(lying.count) bytes can hold")
    }
  }
}
