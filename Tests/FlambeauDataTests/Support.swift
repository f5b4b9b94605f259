import Flambeau
import FlambeauData
import Foundation
import Testing

let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// The cases of a file in Tests/Golden.
func golden<Case: Decodable>(_ name: String, _ type: Case.Type = Case.self) throws -> [Case] {
  let decoder = JSONDecoder()
  decoder.keyDecodingStrategy = .convertFromSnakeCase
  return try decoder.decode(
    GoldenFile<Case>.self, from: Data(contentsOf: repository.appendingPathComponent("Tests/Golden/\(name)"))
  ).cases
}

private struct GoldenFile<Case: Decodable>: Decodable { let cases: [Case] }

/// Sample `i` is `i`.
struct Numbers: Dataset {
  let count: Int
  func sample(at index: Int) throws -> Int { index }
}

/// Sample `i` is what `make` returns for it.
struct Made<Sample: Collatable>: Dataset {
  let count: Int
  let make: @Sendable (Int) throws -> Sample
  func sample(at index: Int) throws -> Sample { try make(index) }
}

extension DataLoader where Source.Sample.Batch == Tensor {
  /// An epoch's batches of whole numbers.
  func epoch() -> [[Int]] { map { $0.array(of: Int.self) } }
}

struct Unreadable: Error, CustomStringConvertible {
  let file: String
  var description: String { "\(file): the image is damaged" }
}

/// Numbers of which some cannot be read, as many a folder of files.
func numbers(_ count: Int, without unreadable: Set<Int>) -> Made<Int> {
  Made(count: count) { index in
    if unreadable.contains(index) { throw Unreadable(file: "/photos/\(index).png") }
    return index
  }
}

/// Work of a length that differs from sample to sample.
func dawdle(_ index: Int) { usleep(UInt32(index &* 7919 % 5) * 100) }

extension Tensor {
  /// Whether two tensors are the same to the bit, whatever their strides.
  func equal(_ other: Tensor) -> Bool {
    dtype == other.dtype && shape == other.shape && withUnsafeBytes { a in other.withUnsafeBytes { a.elementsEqual($0) } }
  }
}
