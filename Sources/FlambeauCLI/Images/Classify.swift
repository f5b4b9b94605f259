import ArgumentParser
import Flambeau
import FlambeauData
import FlambeauFormats
import FlambeauNN

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// `flambeau classify`: what is on photos.
struct Classify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what is on photos, with probabilities.",
    discussion: """
      The model is a folder that `flambeau train images` wrote, or a file of a network with torchvision's names. Such a file says \
      neither what network it is nor what its classes are called: --kind and --classes do.

      Examples: flambeau classify --model runs/images cat.jpg dog.png
                flambeau classify --model resnet18.pth --kind resnet18 --classes imagenet.txt cat.jpg

      Exits with 1 if a photo could not be read; the others are classified all the same.
      """)

  @Option(help: ArgumentHelp("The folder of a training run, or a file of a network.", valueName: "FILE|DIR"))
  var model: String
  @Option(help: ArgumentHelp("The network in the file: \(PhotoModel.names).", valueName: "NAME"))
  var kind: String?
  @Option(
    help: ArgumentHelp("A text file with a line for each class, in their order; else classes are numbers.", valueName: "FILE"))
  var classes: String?
  @Option(help: "The side of the square that the network looks at, in pixels; 224 unless the model says another.")
  var size: Int?
  @Option(help: "How many classes are shown of each photo, likeliest first.")
  var top = 3
  @OptionGroup var place: DeviceOption
  @Flag(help: "Print one JSON object a photo and nothing else.")
  var json = false
  @Argument(help: ArgumentHelp("PNG or JPEG files.", valueName: "IMAGE"))
  var images: [String]

  func validate() throws {
    if top < 1 { throw ValidationError("--top is \(top), but it must be at least 1") }
    if let size, !PhotoModel.sizes.contains(size) {
      throw ValidationError("--size is \(size), but it must be within \(PhotoModel.sizes) pixels")
    }
    if let kind, PhotoModel.kinds[kind] == nil {
      throw ValidationError("--kind is \(kind), but it must be one of \(PhotoModel.names)")
    }
  }

  func run() throws { try withTensorErrors(classify) }

  private func classify() throws {
    let isFolder = (try? FileManager.default.contentsOfDirectory(atPath: model)) != nil
    let path = isFolder ? "\(model)/model.safetensors" : model
    let checkpoint = try Checkpoint.open(path)
    let state = try checkpoint.tensors()
    let about = try about(path, state, said: checkpoint.metadata[PhotoModel.key])
    let network = about.network()
    try network.loadStateDict(state)
    network.to(place.chosen).eval()
    var isComplete = true
    for image in images {
      do {
        let pixels = about.look(try Image.load(image, as: .rgb))
        let probabilities = noGrad { network(pixels.unsqueeze(0).to(place.chosen)).softmax(dim: 1).array(of: Double.self) }
        try show(image, probabilities, about.classes)
      } catch let error as FormatError {
        isComplete = false
        let line = Array("\(error)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
      }
    }
    if !isComplete { throw ExitCode.failure }
  }

  /// What the file says, or else the options.
  private func about(_ path: String, _ state: StateDict, said: String?) throws -> PhotoModel {
    if let text = said {
      guard let said = try? JSONDecoder().decode(PhotoModel.self, from: Data(text.utf8)), PhotoModel.kinds[said.kind] != nil
      else { throw ValidationError("\(path) is of a kind that this version does not know") }
      guard PhotoModel.sizes.contains(said.size), !said.classes.isEmpty else {
        throw ValidationError(
          "\(path) claims \(said.classes.count) classes and \(said.size) pixels a side, where \(PhotoModel.sizes) can be looked at"
        )
      }
      return PhotoModel(kind: kind ?? said.kind, size: size ?? said.size, classes: try names(said.classes.count) ?? said.classes)
    }
    guard let kind else {
      throw ValidationError("\(path) does not say which network it is: give --kind, one of \(PhotoModel.names)")
    }
    guard let last = state["fc.weight"], last.ndim == 2 else {
      throw ValidationError("\(path) has no fc.weight of [classes, features], so it is no \(kind)")
    }
    let count = last.shape[0]
    return PhotoModel(kind: kind, size: size ?? 224, classes: try names(count) ?? (0..<count).map { "\($0)" })
  }

  private func names(_ count: Int) throws -> [String]? {
    guard let classes else { return nil }
    guard let text = try? String(contentsOfFile: classes, encoding: .utf8) else {
      throw ValidationError("\(classes) cannot be read as text")
    }
    let lines = text.split(whereSeparator: \.isNewline).map(String.init)
    guard lines.count == count else {
      throw ValidationError("\(classes) has \(lines.count) lines, but the network tells \(count) classes apart")
    }
    return lines
  }

  private struct Line: Encodable {
    let image: String
    let classes: [Guess]
  }

  private struct Guess: Encodable {
    let name: String
    let probability: Double
  }

  private func show(_ image: String, _ probabilities: [Double], _ names: [String]) throws {
    let order = probabilities.indices.sorted { probabilities[$0] > probabilities[$1] }.prefix(top)
    if json {
      let guesses = order.map { Guess(name: names[$0], probability: probabilities[$0]) }
      return print(try JSONLines.line(Line(image: image, classes: guesses)))
    }
    print("\(image): " + order.map { "\(names[$0]) \(probabilities[$0].percent)" }.joined(separator: ", "))
  }
}
