import Testing

@testable import FlambeauCLI

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

@Suite struct ProfiledTrainingTests {
  @Test func trainingWritesATraceOfItsOperations() throws {
    struct Trace: Decodable {
      struct Event: Decodable { let name: String }
      let traceEvents: [Event]
    }
    let folder = FileManager.default.temporaryDirectory.appending(path: "flambeau-\(UInt64.random(in: 0...(.max)))")
    defer { try? FileManager.default.removeItem(at: folder) }
    let (run, file) = (folder.appending(path: "run"), folder.appending(path: "run/trace.json"))
    try TrainDigits.parse(["--epochs", "1", "--json", "--out", run.path, "--profile", file.path]).run()
    let names = Set(try JSONDecoder().decode(Trace.self, from: Data(contentsOf: file)).traceEvents.map(\.name))
    #expect(names.isSuperset(of: ["conv2d", "Conv2dBackward", "backward", "Adam.step", "DataLoader.next"]))
  }
}
