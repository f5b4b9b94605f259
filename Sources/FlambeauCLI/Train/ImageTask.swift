import Flambeau
import FlambeauData
import FlambeauNN

/// A data set of images, the network that learns it and how long that takes by default.
struct ImageTask {
  let name: String
  let train: TensorDataset
  let test: TensorDataset
  /// From bytes to what the network reads.
  let prepare: @Sendable (Tensor) -> Tensor
  let network: () -> Sequential
  let epochs: Int
  let batchSize: Int
  let learningRate: Double

  static func digits() -> ImageTask {
    ImageTask(
      name: "digits", train: Digits.train, test: Digits.test, prepare: { $0.to(.float32) / Double(Digits.whitest) },
      network: digitsNetwork, epochs: 15, batchSize: 64, learningRate: 5e-3)
  }

  /// - Parameter folder: Where MNIST's four files are.
  static func mnist(folder: String) throws -> ImageTask {
    ImageTask(
      name: "mnist", train: try MNIST.train(folder: folder), test: try MNIST.test(folder: folder),
      prepare: { ($0.to(.float32) / 255 - 0.1307) / 0.3081 }, network: mnistNetwork, epochs: 3, batchSize: 128,
      learningRate: 5e-3)
  }

  /// The task of this name; nil if there is none.
  static func named(_ name: String, data: String?) throws -> ImageTask? {
    switch name {
    case "digits": digits()
    case "mnist": try mnist(folder: data ?? ".")
    default: nil
    }
  }

  private static func digitsNetwork() -> Sequential {
    Sequential(
      Conv2d(1, 32, 3, padding: 1), BatchNorm2d(32), ReLU(), Conv2d(32, 64, 3, padding: 1), BatchNorm2d(64), ReLU(),
      MaxPool2d(2), Flatten(), Dropout(0.5), Linear(1024, 128), ReLU(), Linear(128, 10))
  }

  private static func mnistNetwork() -> Sequential {
    Sequential(
      Conv2d(1, 16, 3, padding: 1), BatchNorm2d(16), ReLU(), MaxPool2d(2), Conv2d(16, 32, 3, padding: 1), BatchNorm2d(32),
      ReLU(), MaxPool2d(2), Flatten(), Dropout(0.25), Linear(1568, 128), ReLU(), Linear(128, 10))
  }
}
