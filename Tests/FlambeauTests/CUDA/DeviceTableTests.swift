import Foundation
import Synchronization
import Testing

@testable import Flambeau

/// Every sample of the operator table on an emulated GPU, forward and backward, beside the processor.
@Suite(.enabled(if: EmulatedDevice.isThere, "no clang++")) struct DeviceTableTests {
  /// What a sample gives: results and gradients, on the processor.
  private static func outcome(_ sample: SampleCase, on device: Device) throws -> [Tensor] {
    try withTensorErrors {
      let leaves = zip(sample.operands, sample.requiresGrad).map { $0.detach().to(device).requiresGrad_($1) }
      let outputs = Device.with(makesTensors(sample) ? device : .cpu) { sample.entry.sample.call(leaves) }
      var all = outputs
      let (tracked, roots) = (leaves.filter(\.requiresGrad), outputs.filter(\.requiresGrad))
      if !tracked.isEmpty && !roots.isEmpty {
        let weights = roots.map { Cotangent.first($0.shape, $0.dtype).to(device) }
        all += Tensor.grad(of: roots, withRespectTo: tracked, gradients: weights, allowUnused: true).compactMap { $0 }
      }
      for tensor in all where tensor.failure == nil && tensor.requiresGrad && tensor.device != device {
        Issue.record("\(sample.entry): a result lives on \(tensor.device)")
      }
      return all.map { $0.cpu().detach() }
    }
  }

  /// The sample has tensors of its own, or none.
  private static func makesTensors(_ sample: SampleCase) -> Bool {
    let text = sample.entry.sample.torch
    return sample.operands.isEmpty || ["torch.tensor(", "torch.arange(", "torch.empty(", "[["].contains { text.contains($0) }
  }

  private static func difference(_ mine: [Tensor], _ expected: [Tensor]) -> String? {
    if mine.count != expected.count { return "\(mine.count) results instead of \(expected.count)" }
    for (k, (a, b)) in zip(mine, expected).enumerated() {
      if a.shape != b.shape || a.dtype != b.dtype { return "result \(k) is \(a.summary), the processor has \(b.summary)" }
      let tolerance = Tolerance.of(a.dtype, isGradient: true)
      let (x, y) = (a.array(of: Double.self), b.array(of: Double.self))
      for i in x.indices {
        let isClose = abs(x[i] - y[i]) <= tolerance.absolute + tolerance.relative * abs(y[i])
        if !(x[i] == y[i] || x[i].isNaN && y[i].isNaN || isClose) {
          return "result \(k), element \(i) is \(x[i]), the processor has \(y[i])"
        }
      }
    }
    return nil
  }

  @Test func samplesComputeWhatTheProcessorDoes() throws {
    EmulatedDevice.use(try KernelSourceTests.kernels.get())
    let start = Date()
    var (agreed, differences): (Int, [String]) = (0, [])
    var missing: [String: Int] = [:]
    for (index, entry) in Table.entries.enumerated() {
      let wanted = ["float32", "layout 1", "int64"]
      for sample in SampleCase.all(entry, seed: UInt64(index + 1)) where wanted.contains(sample.variant) {
        guard let expected = try? Self.outcome(sample, on: .cpu) else { continue }
        do {
          if let difference = Self.difference(try Self.outcome(sample, on: "cuda"), expected) {
            differences.append("\(entry), \(sample.variant): \(difference)")
          } else {
            agreed += 1
          }
        } catch let error as TensorError where error.message.hasPrefix("there is no kernel") {
          missing[error.operation, default: 0] += 1
        } catch {
          differences.append("\(entry), \(sample.variant): \(error)")
        }
      }
    }
    print("\(agreed) cases on an emulated GPU agree, \(differences.count) do not; \(Date().timeIntervalSince(start)) s")
    print("no kernel: \(missing.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value))" }.joined(separator: ", "))")
    #expect(differences.isEmpty, "\(differences.prefix(100).joined(separator: "\n"))")
    #expect(agreed > 1000)
    let misuses = EmulatedDevice.driver.misuses
    #expect(misuses.isEmpty, "\(misuses.prefix(5))")
  }

  /// docs/operators.md has the list of what does not run on a GPU.
  @Test func rowsWithoutKernelsAreListed() throws {
    var names: Set<String> = []
    func visit(_ value: Any) {
      if let row = value as? AnyOperator {
        if !row.runsOnGPU && !row.name.hasSuffix("_backward") { names.insert(row.name) }
      } else if !(value is [Sample]) {
        for child in Mirror(reflecting: value).children { visit(child.value) }
      }
    }
    visit(ops)
    let text = try String(contentsOfFile: Torch.root + "/docs/operators.md", encoding: .utf8)
    let line = text.split(separator: "\n").first { $0.hasPrefix("Without kernels: ") } ?? ""
    let listed = Set(
      line.dropFirst("Without kernels: ".count).dropLast().split(separator: ", ").map { $0.trimmingPrefix("`").dropLast() }.map(
        String.init))
    #expect(listed == names, "\(names.sorted().map { "`\($0)`" }.joined(separator: ", "))")
  }
}
