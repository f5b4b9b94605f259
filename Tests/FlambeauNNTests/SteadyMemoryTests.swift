import Flambeau
import FlambeauData
import FlambeauNN
import Testing

/// Training keeps what it needs and nothing more. Each run is a process of its own, where nothing else allocates.
@Suite struct SteadyMemoryTests {
  @Test func aThousandStepsOfAnMLP() async {
    await #expect(processExitsWith: .success) {
      train(
        Sequential(Flatten(), Linear(64, 48), BatchNorm1d(48), ReLU(), Dropout(0.2), Linear(48, 10)), steps: 1000, workers: 2)
    }
  }

  @Test func aThousandStepsOfACNN() async {
    await #expect(processExitsWith: .success) {
      train(
        Sequential(
          Conv2d(1, 6, 3, padding: 1), BatchNorm2d(6), ReLU(), MaxPool2d(2), Conv2d(6, 8, 3), ReLU(), Flatten(), Linear(32, 10)),
        steps: 1000, workers: 0)
    }
  }
}

/// Trains for `steps` steps of Adam and checks `Memory.allocated` after each epoch.
private func train(_ model: Sequential, steps: Int, workers: Int) {
  let images = Digits.train.inputs.narrow(0, start: 0, length: 400).to(.float32) / 16
  let data = TensorDataset(images, Digits.train.targets.narrow(0, start: 0, length: 400))
  let loader = DataLoader(data, batchSize: 16, shuffle: true, workers: workers)
  let optimizer = Adam(model.parameters(), lr: 1e-3)
  var figures: [Int] = []
  var losses: [Double] = []
  while losses.count < steps {
    for (x, y) in loader {
      let loss = model(x).crossEntropy(y)
      optimizer.zeroGrad()
      loss.backward()
      clipGradNorm_(model.parameters(), maxNorm: 5)
      optimizer.step()
      losses.append(loss.item())
      // What a worker holds of batches to come is not the step's.
      if workers == 0 { figures.append(Memory.allocated) }
    }
    if workers > 0 { figures.append(Memory.allocated) }
  }
  #expect(losses.count >= steps && losses.suffix(25).reduce(0, +) < losses.prefix(25).reduce(0, +) / 2)
  let settled = figures.dropFirst(workers == 0 ? 25 : 1)
  #expect(Set(settled).count == 1, "bytes: \(settled.min()!)...\(settled.max()!)")
}
