import Flambeau
import FlambeauData
import FlambeauNN
import Foundation
import Testing

/// A run that torch made too, from the same seed: Scripts/same_run.py wrote torch's half to Tests/Golden/same_run.json.
@Suite(.serialized) struct SameRunTests {
  struct Golden: Decodable {
    struct Initial: Decodable {
      let name: String
      let shape: [Int]
      let fnv1a: String
    }
    struct Run: Decodable {
      let seed: UInt64
      let initial: [Initial]
      let first_epoch: [[Int]]
      let second_epoch: [[Int]]
      let losses: [Double]
      let test_accuracy: Double
    }
    let epochs: Int
    let batch_size: Int
    let runs: [String: Run]
  }

  private static let golden: Golden = {
    let path = packageRoot.appendingPathComponent("Tests/Golden/same_run.json")
    return try! JSONDecoder().decode(Golden.self, from: Data(contentsOf: path))
  }()

  /// With Winograd's convolutions off, whose rounding differs from torch's more than a loss may.
  private func direct(_ body: () -> Void) {
    let before = allowWinograd
    defer { allowWinograd = before }
    allowWinograd = false
    body()
  }

  @Test func winogradIsUsedUnlessForbidden() {
    // Sums of small integers, which a direct convolution gets exactly.
    let x = (Tensor.arange(0, 2 * 32 * 16 * 16).remainder(7) - 3).reshape([2, 32, 16, 16]).to(.float32)
    let w = (Tensor.arange(0, 32 * 32 * 9).remainder(5) - 2).reshape([32, 32, 3, 3]).to(.float32)
    let exact = x.to(.float64).conv2d(w.to(.float64), padding: 1)
    func difference() -> Double { (x.conv2d(w, padding: 1).to(.float64) - exact).abs().max().item() }
    direct { #expect(difference() == 0) }
    let before = allowWinograd
    defer { allowWinograd = before }
    allowWinograd = true
    #expect(difference() > 0 && difference() < 1e-2)
  }

  @Test func mlpLearnsAsInTorch() {
    train(
      "mlp", { Sequential(Flatten(), Linear(64, 128), ReLU(), Linear(128, 64), ReLU(), Linear(64, 10)) },
      { Adam($0, lr: 1e-3) })
  }

  @Test func cnnLearnsAsInTorch() {
    direct {
      train(
        "cnn",
        {
          Sequential(
            Conv2d(1, 16, 3, padding: 1), ReLU(), Conv2d(16, 32, 3, padding: 1), ReLU(), MaxPool2d(2), Flatten(),
            Dropout(0.25), Linear(512, 64), ReLU(), Linear(64, 10))
        }, { SGD($0, lr: 0.01, momentum: 0.9) })
    }
  }

  private func train(
    _ name: String, _ network: () -> Sequential, _ optimizer: ([Parameter]) -> any Optimizer
  ) {
    let run = Self.golden.runs[name]!
    let (images, labels) = (pixels(Digits.train.inputs), Digits.train.targets)
    let generator = Generator(seed: run.seed)
    withGenerator(generator) {
      let model = network()
      let parameters = model.namedParameters()
      #expect(parameters.map(\.name) == run.initial.map(\.name))
      for (parameter, initial) in zip(parameters, run.initial) {
        #expect(Array(parameter.parameter.shape) == initial.shape)
        let hash = parameter.parameter.tensor.withUnsafeBytes { bytes in
          bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        }
        #expect(String(hash, radix: 16) == initial.fnv1a.drop { $0 == "0" }, "\(initial.name)")
      }
      let rule = optimizer(model.parameters())
      // The targets are the images' numbers, so that a batch tells its order.
      let numbers = TensorDataset(images, Tensor(Array(0..<labels.count)))
      let loader = DataLoader(numbers, batchSize: Self.golden.batch_size, shuffle: true)
      var losses: [Double] = []
      var orders: [[[Int]]] = []
      for _ in 0..<Self.golden.epochs {
        model.train()
        orders.append([])
        for (x, index) in loader {
          let loss = model(x).crossEntropy(labels.indexSelect(dim: 0, index: index))
          rule.zeroGrad()
          loss.backward()
          rule.step()
          losses.append(loss.item())
          orders[orders.count - 1].append(index.array(of: Int.self))
        }
      }
      #expect(Array(orders[0].prefix(run.first_epoch.count)) == run.first_epoch)
      #expect(Array(orders[1].prefix(run.second_epoch.count)) == run.second_epoch)
      let apart = zip(losses, run.losses).map { Swift.abs($0 / $1 - 1) }.max()!
      #expect(losses.count >= run.losses.count && apart < 1e-4, "losses apart by \(apart)")
      model.eval()
      let guesses = noGrad { model(pixels(Digits.test.inputs)).argmax(dim: 1) }
      let right = zip(guesses.array(of: Int.self), Digits.test.targets.array(of: Int.self)).filter { $0 == $1 }.count
      let accuracy = Double(right) / Double(Digits.test.count)
      #expect(Swift.abs(accuracy - run.test_accuracy) <= 0.003, "test accuracy \(accuracy), torch \(run.test_accuracy)")
    }
  }

  private func pixels(_ bytes: Tensor) -> Tensor { bytes.to(.float32) / Double(Digits.whitest) }
}
