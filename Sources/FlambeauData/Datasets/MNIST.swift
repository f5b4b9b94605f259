import Flambeau
import FlambeauFormats

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The 70,000 handwritten digits of LeCun, Cortes and Burges (1998), from the four idx files in a folder, compressed
/// (`.gz`) or not.
///
/// Images `[count, 1, height, width]` are uint8, labels `[count]` int64. Nothing is downloaded: where a file is missing the error
/// tells where to fetch it.
public enum MNIST {
  static let published = PublishedImages(
    mirror: "https://ossci-datasets.s3.amazonaws.com/mnist/",
    md5: [
      "f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432", "9fb629c4189551a2d022fa330f9573f3",
      "ec29112dd5afa0611ce80d1b7f02629c",
    ])

  /// The 60,000 images to learn from.
  public static func train(folder: String) throws(FormatError) -> TensorDataset { try published.train(folder) }

  /// The 10,000 images to be judged by.
  public static func test(folder: String) throws(FormatError) -> TensorDataset { try published.test(folder) }
}

/// The 70,000 pictures of clothes of Xiao, Rasul and Vollgraf (2017), in files like those of ``MNIST``.
public enum FashionMNIST {
  /// What the labels mean.
  public static let classes = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
  ]

  static let published = PublishedImages(
    mirror: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    md5: [
      "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe", "bef4ecab320f06d8554ea6380940ec79",
      "bb300cfdad3c16e7a12a480ee83cd310",
    ])

  /// The 60,000 images to learn from.
  public static func train(folder: String) throws(FormatError) -> TensorDataset { try published.train(folder) }

  /// The 10,000 images to be judged by.
  public static func test(folder: String) throws(FormatError) -> TensorDataset { try published.test(folder) }
}

/// Four idx files of images of ten classes, as they are published.
struct PublishedImages: Sendable {
  private static let names = [
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
  ]
  private static let classes = 10

  let mirror: String
  /// In the order of the names.
  let md5: [String]

  func train(_ folder: String) throws(FormatError) -> TensorDataset { try read(path(0, folder), path(1, folder)) }
  func test(_ folder: String) throws(FormatError) -> TensorDataset { try read(path(2, folder), path(3, folder)) }

  /// Where the file is in `folder`, under its own name or without `.gz`.
  private func path(_ number: Int, _ folder: String) throws(FormatError) -> String {
    let name = Self.names[number]
    let path = "\(folder)/\(name)"
    for candidate in [path, String(path.dropLast(".gz".count))] where access(candidate, F_OK) == 0 { return candidate }
    throw FormatError(file: path, what: "is not there; fetch it from \(mirror)\(name) (MD5 \(md5[number]))")
  }

  private func read(_ imagePath: String, _ labelPath: String) throws(FormatError) -> TensorDataset {
    let pixels = try bytes(imagePath, rank: 3)
    let classes = try bytes(labelPath, rank: 1)
    guard pixels.shape[0] == classes.shape[0] else {
      throw FormatError(
        file: labelPath, what: "holds \(classes.shape[0]) labels for the \(pixels.shape[0]) images of \(imagePath)")
    }
    let targets = classes.array(of: Int.self)
    if let wrong = targets.firstIndex(where: { $0 >= Self.classes }) {
      throw FormatError(
        file: labelPath, what: "is \(targets[wrong]), but labels are 0...\(Self.classes - 1)", where: "label \(wrong)")
    }
    // A copy of its own: what the file holds may be mapped.
    let inputs = pixels.reshape([pixels.shape[0], 1, pixels.shape[1], pixels.shape[2]]).clone()
    return TensorDataset(inputs, Tensor(targets, device: .cpu))
  }

  private func bytes(_ path: String, rank: Int) throws(FormatError) -> Tensor {
    let array = try IdxFile.load(path)
    guard array.dtype == .uint8, array.ndim == rank else {
      throw FormatError(file: path, what: "holds \(array.dtype) of shape \(array.shape), not uint8 of \(rank) dimensions")
    }
    return array
  }
}
