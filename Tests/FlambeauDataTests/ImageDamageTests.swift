import Foundation
import Testing

@testable import FlambeauData

/// Damage anywhere in an image: an error or another image, never a crash.
///
/// `FLAMBEAU_FUZZ_INPUTS` says how many are tried.
@Suite(.enabled(if: Codecs.png && Codecs.jpeg)) struct ImageDamageTests {
  private static let inputs = Int(ProcessInfo.processInfo.environment["FLAMBEAU_FUZZ_INPUTS"] ?? "") ?? 2_000

  private static let small: [[UInt8]] = [
    // JPEG in colour.
    """
    /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8yb\
    qmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAAJ\
    ABEDASIAAhEBAxEB/8QAFwABAQEBAAAAAAAAAAAAAAAAAAQBAv/EACUQAAICAAENAAAAAAAAAAAAAAECAAMEERQhIjEyQUNkgZLB8f/EABYBAQ\
    EBAAAAAAAAAAAAAAAAAAEDBf/EACIRAAEDAQkBAAAAAAAAAAAAAAEAAhHwAxQhI0FRUpGx0f/aAAwDAQACEQMRAD8AIiizVpqcNpypYR8mqHAZ\
    FGJVlO3eEhs5ff1L8JwlAwuEyi1y3lhxitZXGd9W/hEpiZ16HGukSNvPi//Z
    """,
    // Progressive gray JPEG.
    """
    /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8yb\
    qmx5moq6T/wgALCAAJABEBAREA/8QAFgAAAwAAAAAAAAAAAAAAAAAAAAED/9oACAEBAAAAAUwjf//EABkQAAIDAQAAAAAAAAAAAAAAAAAQAQIR\
    BP/aAAgBAQABBQKMMXUVX//EAB0QAAECBwAAAAAAAAAAAAAAAAABAhAREiExQ5H/2gAIAQEABj8CtRIxxTYMj//EAB8QAAEDAwUAAAAAAAAAAA\
    AAABEAATEQIcFBUWGR4f/aAAgBAQABPyGRi7gHUbPYayo8dPFkxX//2gAIAQEAAAAQA//EABsQAQEAAgMBAAAAAAAAAAAAAAERELEAQVGR/9oA\
    CAEBAAE/EAlSCVrDPvKoPazqDwV1ckbrj//Z
    """,
    // JPEG of four inks.
    """
    /9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAoHB4jHhkoIyEjLSsoMDxkQTw3Nzx7WF1JZJGAmZaPgIyKoLTmw6Cq2q2KjMj/y9ru9f///5vB////+v\
    /m/f/4/8AAFAgACQAJBEMRAE0RAFkRAEsRAP/EABgAAAMBAQAAAAAAAAAAAAAAAAACBAMF/8QALRAAAQMCAgUNAAAAAAAAAAAAAQACAxETEkEF\
    Y5Kx0RQiMTRCUlNzkZOiwdL/2gAOBEMATQBZAEsAAD8ALpc5pMxJJpbdJ0+g+0GstHYKxntML3IDOc4Rg1Iqbkf6KC3A4ue1pINWlgY2m9Phm8\
    H5ScElqPXbD+KW1JqdhnFLyqTvTe6xVT5rSfNTT5pdEddk8s7wpVKpV1l//9k=
    """,
    // Palette with transparency.
    """
    iVBORw0KGgoAAAANSUhEUgAAAAUAAAADBAMAAACpGNjLAAAADFBMVEUAAQIDBAUGBwgJCgvcTDicAAAAA3RSTlMQgP/w0RBoAAAAFElEQVR42m\
    NgUGBiMDBUYjBkUgYABTgA/G4Z/kAAAAAASUVORK5CYII=
    """,
    // Interlaced, 16 bits.
    """
    iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFEAQAAAEA8QK7AAAANElEQVR42kWKQQ4AMAyClP8/elUPW5MlIJJzCHm/7oHivrdCCel8nI2wC4vaQo\
    K1Z7pM8gAV1QBw5DZQOgAAAABJRU5ErkJggg==
    """,
  ].map { Array(Data(base64Encoded: $0)!) }

  /// Pillow's files too, where there is a Pillow.
  private static func files() throws -> [[UInt8]] {
    guard Vision.isThere else { return small }
    return try Vision.with("decode") { folder, _ in
      let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix("g") }
      return small + (try names.map { try [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)"))) })
    }
  }

  @Test func theUndamagedAreRead() throws {
    for file in Self.small { #expect(throws: Never.self) { try Image.decode(file) } }
  }

  @Test func damageIsNoCrash() throws {
    let files = try Self.files()
    var random = SystemRandomNumberGenerator()
    var whole = 0
    for _ in 0..<Self.inputs {
      var file = files.randomElement(using: &random)!
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        let at = Int.random(in: 2..<file.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: file[at] = UInt8.random(in: 0...255, using: &random)
        case 1: file[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: file.removeSubrange(at..<min(file.count, at + Int.random(in: 1...20, using: &random)))
        default: file.insert(contentsOf: file[at..<min(file.count, at + Int.random(in: 1...20, using: &random))], at: at)
        }
        if file.count < 4 { break }
      }
      if file.starts(with: PNG.signature), file.count > 33, Bool.random(using: &random) {
        // Past the checksums, so that the rest is read.
        file =
          Bool.random(using: &random)
          ? ImageTests.withChecksums(file)
          : ImageTests.claiming(UInt32.random(in: 1...70, using: &random), UInt32.random(in: 1...70, using: &random), in: file)
      }
      if (try? Image.decode(file, mostPixels: 100_000)) != nil { whole += 1 }
    }
    #expect(whole > 0 && whole < Self.inputs)
  }
}
