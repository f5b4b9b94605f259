import Flambeau
import FlambeauFormats

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The 70,000 handwritten digits of LeCun, Cortes and Burges (1998), from the four idx files in a folder, compressed
/// (`.gz`) or not. Data sets of the same file names, such as Fashion-MNIST, are read too.
///
/// Images `[count, 1, height, width]` are uint8, labels `[count]` int64. Nothing is downloaded: where a file is missing the error
/// tells where to fetch it.
public enum MNIST {
  static let mirror = "https://ossci-datasets.s3.amazonaws.com/mnist/"
  static let classes = 10

  /// A file as it is published.
  struct Published {
    let name: String
    let md5: String
  }

  static let trainImages = Published(name: "train-images-idx3-ubyte.gz", md5: "f68b3c2dcbeaaa9fbdd348bbdeb94873")
  static let trainLabels = Published(name: "train-labels-idx1-ubyte.gz", md5: "d53e105ee54ea40749a09fcbcd1e9432")
  static let testImages = Published(name: "t10k-images-idx3-ubyte.gz", md5: "9fb629c4189551a2d022fa330f9573f3")
  static let testLabels = Published(name: "t10k-labels-idx1-ubyte.gz", md5: "ec29112dd5afa0611ce80d1b7f02629c")

  /// The 60,000 images to learn from.
  public static func train(folder: String) throws(FormatError) -> TensorDataset {
    try read(trainImages, trainLabels, folder)
  }

  /// The 10,000 images to be judged by.
  public static func test(folder: String) throws(FormatError) -> TensorDataset {
    try read(testImages, testLabels, folder)
  }

  private static func read(
    _ images: Published, _ labels: Published, _ folder: String
  ) throws(FormatError) -> TensorDataset {
    let (imagePath, labelPath) = (try images.path(in: folder), try labels.path(in: folder))
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
    return TensorDataset(inputs, Tensor(targets))
  }

  private static func bytes(_ path: String, rank: Int) throws(FormatError) -> Tensor {
    let array = try IdxFile.load(path)
    guard array.dtype == .uint8, array.ndim == rank else {
      throw FormatError(file: path, what: "holds \(array.dtype) of shape \(array.shape), not uint8 of \(rank) dimensions")
    }
    return array
  }
}

extension MNIST.Published {
  /// Where the file is in `folder`, under its own name or without `.gz`.
  fileprivate func path(in folder: String) throws(FormatError) -> String {
    let path = "\(folder)/\(name)"
    for candidate in [path, String(path.dropLast(".gz".count))] where access(candidate, F_OK) == 0 { return candidate }
    throw FormatError(file: path, what: "is not there; fetch it from \(MNIST.mirror)\(name) (MD5 \(md5))")
  }
}
