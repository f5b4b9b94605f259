import ArgumentParser
import Flambeau
import FlambeauData
import FlambeauFormats
import FlambeauNN

/// `flambeau predict`: what a trained model makes of test images.
struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show test images beside a trained model's guesses and their probabilities.")

  @Argument(help: ArgumentHelp("The folder a training run wrote.", valueName: "RUN_DIR"))
  var folder: String
  @Option(help: "How many images.")
  var count = 5
  @Option(help: "The first image's number in the test set.")
  var start = 0
  @Option(help: ArgumentHelp("Where the data set is, if it has moved since training.", valueName: "DIR"))
  var data: String?
  @OptionGroup var place: DeviceOption

  func run() throws { try withTensorErrors(predict) }

  private func predict() throws {
    let path = "\(folder)/model.safetensors"
    let about = try Safetensors.metadata(of: path)
    guard let name = about["dataset"], let task = try ImageTask.named(name, data: data ?? about["data"]) else {
      throw ValidationError("\(path) does not say which data set of images it was trained on; `flambeau train` writes that")
    }
    guard start >= 0, count > 0, start < task.test.count else {
      throw ValidationError("--start \(start) --count \(count) names none of the \(task.test.count) test images")
    }
    let model = task.network()
    try model.loadStateDict(try Checkpoint.load(path))
    model.to(place.chosen).eval()
    for i in start..<min(start + count, task.test.count) {
      let example = try task.test.sample(at: i)
      let probabilities = noGrad {
        model(task.prepare(example.input.unsqueeze(0).to(place.chosen))).softmax(dim: 1).array(of: Double.self)
      }
      print(Picture.text(example.input, beside: lines(probabilities, truth: Int(example.target.item()), image: i)))
    }
  }

  /// The three likeliest classes.
  private func lines(_ probabilities: [Double], truth: Int, image: Int) -> [String] {
    let order = probabilities.indices.sorted { probabilities[$0] > probabilities[$1] }
    let guess = order[0]
    var lines = ["image \(image): \(truth)\(guess == truth ? "" : ", taken for \(guess)")", ""]
    for digit in order.prefix(3) {
      let bar = String(repeating: "█", count: Int((probabilities[digit] * 20).rounded()))
      lines.append("\(digit)  \(probabilities[digit].percent)  \(bar)")
    }
    return lines
  }
}

/// A small grey image as characters of five shades, two a pixel.
enum Picture {
  private static let shades = Array(" ░▒▓█")

  static func text(_ image: Tensor, beside lines: [String]) -> String {
    let (height, width) = (image.shape[-2], image.shape[-1])
    let pixels = image.array(of: Double.self)
    let brightest = max(pixels.max() ?? 1, 1)
    var rows: [String] = []
    for y in 0..<height {
      var row = ""
      for x in 0..<width {
        let shade = shades[Int((pixels[y * width + x] / brightest * 4).rounded())]
        // Twice, because a character is about twice as high as wide.
        row += "\(shade)\(shade)"
      }
      rows.append(row + "   " + (y < lines.count ? lines[y] : ""))
    }
    return rows.joined(separator: "\n") + "\n"
  }
}
