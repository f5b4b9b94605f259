import Flambeau
import FlambeauNN
import Foundation
import Testing

/// A training step that goes wrong half-way changes nothing from there on.
@Suite struct FailedStepTests {
  /// A network with everything that a step changes: parameters, gradients, running statistics, an optimizer's state, draws.
  private final class Run {
    let model: Sequential
    let optimizer: Adam
    let schedule: StepLR

    init() {
      model = Sequential(Linear(6, 8), BatchNorm1d(8), ReLU(), Dropout(0.5), Linear(8, 3))
      optimizer = Adam(model.parameters(), lr: 0.01)
      schedule = StepLR(optimizer, stepSize: 1, gamma: 0.5)
    }

    func step(_ x: Tensor, _ labels: Tensor) {
      let loss = model(x).crossEntropy(labels)
      optimizer.zeroGrad()
      loss.backward()
      clipGradNorm_(model.parameters(), maxNorm: 1)
      optimizer.step()
      schedule.step()
    }

    /// Every bit of it.
    var snapshot: [[UInt8]] {
      func bytes(_ tensor: Tensor) -> [UInt8] { tensor.withUnsafeBytes { Array($0) } }
      let state = optimizer.stateDict()
      return model.stateDict().map { bytes($0.value) } + model.parameters().map { $0.grad.map(bytes) ?? [] }
        + state.state.map { bytes($0.value) }
        + state.groups.map { Array("\($0.hyperparameters.sorted { $0.key < $1.key })".utf8) }
        + [Generator.current.state]
    }
  }

  private static let x = Tensor((0..<30).map { Float($0 % 7) / 7 }, shape: [5, 6])
  private static let labels = Tensor([0, 1, 2, 1, 0])

  struct Mistake: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let x: Tensor
    let labels: Tensor
    let isInLoss: Bool
    let sentence: String
  }

  static let mistakes = [
    Mistake(
      testDescription: "in the first layer", x: .ones([5, 7]), labels: labels, isInLoss: false,
      sentence: "mat1 and mat2 shapes cannot be multiplied (5x7 and 6x8)"),
    Mistake(
      testDescription: "in the loss", x: x, labels: Tensor([0, 1, 2, 1]), isInLoss: true,
      sentence: "Expected input batch_size (5) to match target batch_size (4)."),
  ]

  @Test(arguments: mistakes) func changesNothing(_ mistake: Mistake) throws {
    withGenerator(Generator(seed: 3)) {
      let run = Run()
      for _ in 0..<3 { run.step(Self.x, Self.labels) }
      var before = run.snapshot
      let error = #expect(throws: TensorError.self) {
        try withTensorErrors {
          let y = run.model(mistake.x)
          // What happens before the error stays, as with `throw`: the draws of dropout, a batch in the running statistics.
          if mistake.isInLoss { before = run.snapshot }
          let loss = y.crossEntropy(mistake.labels)
          run.optimizer.zeroGrad()
          loss.backward()
          clipGradNorm_(run.model.parameters(), maxNorm: 1)
          run.optimizer.step()
          run.schedule.step()
          run.step(Self.x, Self.labels)
          #expect(loss.item().isNaN && loss.shape == [])
        }
      }
      #expect(error?.message == mistake.sentence)
      #expect(run.snapshot == before)
      run.step(Self.x, Self.labels)
      #expect(run.snapshot != before)
    }
  }

  @Test func outsideAScopeTheCallersLineIsNamed() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { misstep() }
    let text = String(decoding: result!.standardErrorContent, as: UTF8.self)
    #expect(text.contains("linear: mat1 and mat2 shapes cannot be multiplied (5x7 and 6x8)"))
    #expect(text.contains("FailedStepTests.swift:\(misstepLine)"))
  }
}

private let misstepLine = #line + 3
@inline(never) private func misstep() {
  let model = Sequential(Linear(6, 8), ReLU())
  let y = model(.ones([5, 7]))
  y.sum().backward()
}
