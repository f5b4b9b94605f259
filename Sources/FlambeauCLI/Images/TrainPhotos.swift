import ArgumentParser
import Flambeau
import FlambeauData
import FlambeauNN

/// `flambeau train images`: learns what is on photos.
struct TrainPhotos: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "images", abstract: "Learn to tell apart the photos of a folder.",
    discussion: """
      The folder has a folder of PNG or JPEG files for each class: photos/cat/1.jpg, photos/dog/1.png. Every fifth photo of a class \
      is held out to judge by, unless --test names another folder of the same classes. `flambeau classify` uses what was learned.

      Example: flambeau train images --folder photos --model resnet18 --epochs 20
      """)

  @Option(help: ArgumentHelp("The folder of classes; needed unless resuming.", valueName: "DIR"))
  var folder: String?
  @Option(help: ArgumentHelp("A folder of the same classes to judge by.", valueName: "DIR"))
  var test: String?
  @Option(help: ArgumentHelp("The network: \(PhotoModel.names); resnet18 by default.", valueName: "NAME"))
  var model: String?
  @Option(help: "The side of the square that the network looks at, in pixels; 224 by default.")
  var size: Int?
  @Option(help: "Threads that read photos ahead of the training; 2 by default.")
  var workers: Int?
  @Flag(help: "Show the network every photo in the same way each time, instead of random parts of it, mirrored now and then.")
  var noAugment = false
  @OptionGroup var images: ImageOptions
  @OptionGroup var options: TrainOptions

  func validate() throws {
    try images.refuse(with: options)
    try options.refuse([
      "--folder": folder != nil, "--test": test != nil, "--model": model != nil, "--size": size != nil,
      "--workers": workers != nil, "--no-augment": noAugment,
    ])
    if folder == nil && options.resume == nil { throw ValidationError("--folder is missing: a folder with one for each class") }
    if let model, PhotoModel.kinds[model] == nil {
      throw ValidationError("--model is \(model), but it must be one of \(PhotoModel.names)")
    }
    if let size, size < 16 { throw ValidationError("--size is \(size), but the networks need at least 16 pixels") }
    if let workers, workers < 0 { throw ValidationError("--workers is \(workers), but it must not be negative") }
  }

  func run() throws {
    try Training(task: "images", options) {
      PhotoSettings(
        folder: folder!, test: test,
        model: PhotoModel(kind: model ?? "resnet18", size: size ?? 224, classes: try ImageFolder(folder!).classes),
        augment: !noAugment, workers: workers ?? 2, epochs: images.epochs ?? 10, batchSize: images.batchSize ?? 32,
        learningRate: images.learningRate ?? 1e-3)
    }.run()
  }
}

/// How a run on photos is set up.
struct PhotoSettings: RunSettings {
  typealias Photos = MappedDataset<Subset<ImageFolder>, Example>

  /// Of how many photos of a class one is held out.
  private static let heldOut = 5

  var task: String { "images" }
  let folder: String
  let test: String?
  let model: PhotoModel
  let augment: Bool
  let workers: Int
  let epochs: Int
  let batchSize: Int
  let learningRate: Double

  private enum CodingKeys: String, CodingKey {
    case folder, test, model, augment, workers, epochs
    case batchSize = "batch_size"
    case learningRate = "learning_rate"
  }

  func lesson(on device: Device) throws -> Lesson<Photos> {
    let (learned, judged) = try split()
    let network = model.network().to(device)
    let train = DataLoader(
      learned.transformed(by: augment ? model.augmentedLook : model.look), batchSize: batchSize, shuffle: true, workers: workers,
      pinMemory: device.kind == .cuda)
    let optimizer = AdamW(network.parameters(), lr: learningRate)
    let steps = epochs * train.count
    return Lesson(
      name: task, summary: "\(learned.count) photos of \(model.classes.count) classes to learn, \(judged.count) to be judged by",
      unit: "photos", model: network, optimizer: optimizer,
      schedule: OneCycleLR(optimizer, maxLr: learningRate, totalSteps: steps), train: train,
      test: DataLoader(judged.transformed(by: model.look), batchSize: batchSize, workers: workers), rounds: epochs, steps: steps,
      prepare: { $0 }, clip: nil, about: try model.metadata.merging(["dataset": task, "data": folder]) { $1 },
      title: { [epochs] round, _ in "epoch \(round)/\(epochs)" }, farewell: nil)
  }

  private func split() throws -> (learned: Subset<ImageFolder>, judged: Subset<ImageFolder>) {
    let photos = try classified(folder)
    if let test {
      let others = try classified(test)
      return (photos.subset(0..<photos.count), others.subset(0..<others.count))
    }
    var seen = Array(repeating: 0, count: photos.classes.count)
    let isHeldOut = photos.entries.map { entry in
      seen[entry.label] += 1
      return seen[entry.label] % Self.heldOut == 0
    }
    let judged = isHeldOut.indices.filter { isHeldOut[$0] }
    guard !judged.isEmpty else {
      throw ValidationError(
        "\(folder) has fewer than \(Self.heldOut) photos of every class, too few to hold one out: name a folder to judge by with --test"
      )
    }
    return (photos.subset(isHeldOut.indices.filter { !isHeldOut[$0] }), photos.subset(judged))
  }

  private func classified(_ folder: String) throws -> ImageFolder {
    let photos = try ImageFolder(folder)
    guard photos.classes == model.classes else {
      throw ValidationError(
        "\(folder) has the classes \(photos.classes.joined(separator: ", ")), but the network learns "
          + model.classes.joined(separator: ", "))
    }
    return photos
  }
}
