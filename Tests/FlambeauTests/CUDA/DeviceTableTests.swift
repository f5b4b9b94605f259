import Foundation
import Synchronization
import Testing

@testable import Flambeau

/// Every sample of the operator table on an emulated GPU, forward and backward, beside the processor.
@Suite(.enabled(if: EmulatedDevice.isThere, "no clang++")) struct DeviceTableTests {
  @Test func samplesComputeWhatTheProcessorDoes() throws {
    EmulatedDevice.use(try KernelSourceTests.kernels.get())
    let start = Date()
    var all = DeviceComparison()
    for index in 0..<DeviceComparison.sampleCount {
      all.run(sample: index, on: "cuda", variants: ["float32", "layout 1", "int64"])
    }
    print("\(all.agreed) cases on an emulated GPU agree, \(all.differences.count) do not; \(Date().timeIntervalSince(start)) s")
    print("no kernel: \(all.missing.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value))" }.joined(separator: ", "))")
    #expect(all.differences.isEmpty, "\(all.differences.prefix(100).joined(separator: "\n"))")
    #expect(all.agreed > 1000)
    let misuses = EmulatedDevice.driver.misuses
    #expect(misuses.isEmpty, "\(misuses.prefix(5))")
  }

  /// Inside of `Device.with` operators make nothing elsewhere than where their operands are.
  @Test func samplesOfTheProcessorComputeThereWhateverIsCurrent() {
    var (agreed, failures): (Int, [String]) = (0, [])
    for index in 0..<DeviceComparison.sampleCount where !DeviceComparison.makesTensors(sample: index) {
      let entry = Table.entries[index]
      for sample in SampleCase.all(entry) where ["float32", "int64"].contains(sample.variant) {
        func outcome(_ current: Device) throws {
          try withTensorErrors {
            Device.with(current) {
              let leaves = zip(sample.operands, sample.requiresGrad).map { $0.detach().requiresGrad_($1) }
              let roots = sample.entry.sample.call(leaves).filter(\.requiresGrad)
              let wanted = leaves.filter(\.requiresGrad)
              if wanted.isEmpty || roots.isEmpty { return }
              _ = Tensor.grad(of: roots, withRespectTo: wanted, gradients: roots.map { $0.onesLike() }, allowUnused: true)
            }
          }
        }
        guard (try? outcome(.cpu)) != nil else { continue }
        do {
          try outcome("cuda:1")
          agreed += 1
        } catch { failures.append("\(entry), \(sample.variant): \(error)") }
      }
    }
    #expect(failures.isEmpty, "\(failures.prefix(20).joined(separator: "\n"))")
    #expect(agreed > 1500)
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
    #expect(names.isEmpty == text.contains("Every\nrow has kernels."))
    #expect(listed == names, "\(names.sorted().map { "`\($0)`" }.joined(separator: ", "))")
  }
}
