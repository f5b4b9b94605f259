import Testing

@testable import Flambeau

/// Every sample of the operator table under `autocast` as on a GPU: the dtypes that torch gives there. Torch is asked with operands that have
/// no elements; here the processor computes by the lists for GPUs.
@Suite struct CUDAAutocastTests {
  /// Torch's Python divides a number by multiplying with the reciprocal, which is listed.
  private static let exceptions = ["0.75 / a"]

  private static let operands: [DType] = [.float32, .bfloat16]

  @Test(.enabled(if: Torch.isThere, "no Python with torch"), arguments: operands)
  func everySampleHasTorchsDTypes(_ dtype: DType) throws {
    var draw = Draw(state: 4)
    let cases = Table.entries.map { entry in entry.sample.operands.map { draw.tensor($0, $0.shape, dtype, layout: 0) } }
    let answers = try Torch.ask(
      zip(Table.entries, cases).map { entry, operands in
        let names = operands.indices.map { String(UnicodeScalar(UInt8(97 + $0))) }.joined(separator: ", ")
        return Torch.Question(
          expression:
            "cuda_autocast(torch.bfloat16, lambda \(names): \(entry.sample.plainTorch)\(names.isEmpty ? "" : ", \(names)"))",
          operands: operands, requiresGrad: operands.map { _ in false }, second: false)
      })
    var (compared, failures): (Int, [String]) = (0, [])
    for (i, entry) in Table.entries.enumerated() {
      func types() -> [String]? {
        try? withTensorErrors { entry.sample.call(cases[i]).map { "\($0.dtype)" } }
      }
      // Without elements torch takes dtypes that it refuses otherwise.
      guard let expected = answers.answers[i].outputs?.map(\.dtype), types() != nil else { continue }
      compared += 1
      let types = Context.run(Context.current.with(autocast: Autocast(.bfloat16, remembersCasts: true, listed: .cuda)), types)
      if types != expected && !Self.exceptions.contains(entry.sample.torch) {
        failures.append("\(entry): \(types.map { "\($0)" } ?? "refused"), torch \(expected)")
      }
    }
    print("autocast on a GPU: \(compared) of \(Table.entries.count) samples of \(dtype) have dtypes in torch")
    #expect(compared > 850)
    #expect(failures.isEmpty, "\(failures.count) differ\n  \(failures.joined(separator: "\n  "))")
  }
}
