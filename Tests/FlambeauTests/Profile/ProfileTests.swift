import Testing

@testable import Flambeau

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

@Suite struct ProfileTests {
  private func entry(_ name: String, in seen: Profile) throws -> Profile.Entry {
    try #require(seen.entries().first { $0.name == name })
  }

  @Test func callsAreCountedWithOperandsBytesAndOperations() throws {
    let (a, b) = (Tensor.ones([8, 16]), Tensor.ones([16, 4]))
    let row = Tensor.ones([4])
    let seen = profile {
      let y = a.mm(b)
      _ = y + row
      _ = y + row
      _ = y.T
      _ = row.expand([8, 4]) * 2.0
    }
    let product = try entry("mm", in: seen)
    #expect(product.calls == 1 && product.operands == "float32 [8, 16], float32 [16, 4]")
    #expect(product.operations == 2 * 8 * 16 * 4)
    #expect(product.byteCount == 4 * (8 * 16 + 16 * 4 + 8 * 4))
    let sum = try entry("add", in: seen)
    #expect(sum.calls == 2 && sum.operations == 0 && sum.byteCount == 2 * 4 * (32 + 4 + 32))
    // A view moves nothing, and a stretched dimension is read once.
    #expect(try #require(seen.events.first { $0.name == "permute" }).byteCount == 0)
    #expect(try entry("mul", in: seen).byteCount == 4 * (4 + 32))
    #expect(seen.events.allSatisfy { $0.duration >= .zero && $0.own >= .zero && $0.start + $0.duration <= seen.duration })
  }

  @Test func aBackwardPassHoldsItsNodesAndTheyTheirCalls() throws {
    let x = Tensor.ones([3]).requiresGrad_()
    let seen = profile { (x * x).sum().backward() }
    let pass = try #require(seen.events.first { $0.name == "backward" })
    let node = try #require(seen.events.first { $0.name == "MulBackward" })
    let inside = seen.events.filter { $0.name.hasPrefix("mul_backward") }
    #expect(!inside.isEmpty)
    #expect(node.start >= pass.start && node.start + node.duration <= pass.start + pass.duration)
    for event in inside {
      #expect(event.start >= node.start && event.start + event.duration <= node.start + node.duration)
    }
    #expect(node.own <= node.duration - inside.reduce(.zero) { $0 + $1.duration })
    // Own times, and what is between events, make up the whole.
    #expect(seen.events.reduce(.zero) { $0 + $1.own } <= seen.duration)
  }

  @Test func convolutionsAndTheirGradientsCountOperations() throws {
    let (x, w) = (Tensor.ones([2, 3, 8, 8]).requiresGrad_(), Tensor.ones([4, 3, 3, 3]).requiresGrad_())
    let seen = profile { x.conv2d(w, padding: 1).sum().backward() }
    let forward = 2.0 * 2 * 4 * 8 * 8 * 3 * 3 * 3
    #expect(seen.events.reduce(0) { $0 + $1.operations } == 3 * forward)
    #expect(try #require(seen.events.first { $0.name.hasPrefix("conv") }).operations == forward)
  }

  @Test func writesAndFunctionsHaveTheirNames() throws {
    let x = Tensor.zeros([5])
    let seen = profile {
      recordFunction("outer") {
        x.add_(x)
        x.normal_()
        recordFunction("outer") { x.mul_(2.0) }
      }
    }
    #expect(seen.events.map(\.name) == ["outer", "add_", "normal_", "outer", "mul_"])
    let outer = try entry("outer", in: seen)
    #expect(outer.calls == 2)
    // The inner one is part of the outer one, once.
    #expect(outer.total == seen.events[0].duration)
    #expect(seen.events[0].own == seen.events[0].duration - seen.events[1...3].reduce(.zero) { $0 + $1.duration })
  }

  @Test func temporariesAreStillReused() {
    let x = Tensor.ones([1000])
    _ = profile {
      let product = x * 3.0
      let memory = product.body.storage.pointer
      let sum = (consume product) + 1.0
      #expect(sum.body.storage.pointer == memory)
    }
  }

  @Test func whatFailsIsLeftOutAndNothingIsSeenOutside() throws {
    let x = Tensor.ones([2])
    var seen: Profile?
    #expect(throws: TensorError.self) {
      try withTensorErrors {
        seen = profile {
          _ = x * x
          _ = x.view([3])
          _ = x * x
        }
      }
    }
    #expect(try #require(seen).events.map(\.name) == ["mul"])
    _ = x * x
    #expect(profile {}.events.isEmpty)
  }

  @Test func theTraceIsJSONOfAllEvents() throws {
    struct Trace: Decodable {
      struct Event: Decodable {
        let name, ph: String
        let ts, dur: Double?
      }
      let traceEvents: [Event]
    }
    let x = Tensor.ones([4, 4])
    let seen = profile { recordFunction("a \"quoted\\\n name") { _ = x.mm(x).softmax(dim: 1) } }
    let trace = try JSONDecoder().decode(Trace.self, from: Data(seen.chromeTrace.utf8))
    let events = trace.traceEvents.filter { $0.ph == "X" }
    #expect(events.map(\.name) == seen.events.map(\.name))
    #expect(events[0].name == "a \"quoted\\\n name")
    for (event, mine) in zip(events, seen.events) {
      #expect(abs(event.ts! - mine.start.seconds * 1e6) < 0.01 && abs(event.dur! - mine.duration.seconds * 1e6) < 0.01)
    }
  }

  @Test func theTableHasALineForEachEntry() throws {
    let (a, b) = (Tensor.ones([4, 4]), Tensor.ones([2, 2]))
    let seen = profile {
      for _ in 0..<3 { _ = a.mm(a) }
      _ = b.mm(b)
    }
    let limits = MachineLimits(threads: 1, operationsPerSecond: 1e9, bytesPerSecond: 1e9)
    let lines = seen.table(limits: limits).split(separator: "\n")
    #expect(lines.count == 4)
    #expect(lines[0].split(separator: " ").contains("limit") && lines[0].hasSuffix("operands"))
    #expect(lines.contains { $0.hasPrefix("mm") && $0.hasSuffix("float32 [2, 2], float32 [2, 2]") })
    #expect(lines[3].hasPrefix("4 events in "))
    let joined = seen.table(byOperands: false).split(separator: "\n")
    #expect(joined.count == 3 && joined[1].split(separator: " ").prefix(2) == ["mm", "4"])
    #expect(seen.table(rows: 1).contains("… and 1 more"))
  }

  @Test func limitsAreMeasured() throws {
    let limits = try MachineLimits.measure()
    #expect(limits.threads == threadCount)
    #expect(limits.operationsPerSecond > 1e8 && limits.operationsPerSecond < 1e15)
    #expect(limits.bytesPerSecond > 1e8 && limits.bytesPerSecond < 1e14)
    #expect(limits.seconds(byteCount: 2 * limits.bytesPerSecond, operations: limits.operationsPerSecond) == 2)
  }
}
