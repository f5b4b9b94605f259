import Flambeau
import FlambeauFormats

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// 60,000 photos of ten kinds of things (Krizhevsky, 2009), from the binary files in a folder.
///
/// Images `[count, 3, 32, 32]` are uint8, labels `[count]` int64. Nothing is downloaded: where a file is missing the error
/// tells where to fetch it.
public enum CIFAR10 {
  /// What the labels mean.
  public static let classes = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
  ]
  static let archive = CIFARArchive(
    url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", md5: "c32a1d4ab5d03f1284b67883e8d87530", labelCounts: [10])

  /// The 50,000 images to learn from, in `data_batch_1.bin` to `data_batch_5.bin`.
  public static func train(folder: String) throws(FormatError) -> TensorDataset {
    try archive.read((1...5).map { "data_batch_\($0).bin" }, in: folder, label: 0)
  }

  /// The 10,000 images to be judged by, in `test_batch.bin`.
  public static func test(folder: String) throws(FormatError) -> TensorDataset {
    try archive.read(["test_batch.bin"], in: folder, label: 0)
  }
}

/// 60,000 photos of a hundred kinds of things in twenty groups (Krizhevsky, 2009), from the binary files in a folder; see
/// ``CIFAR10``.
public enum CIFAR100 {
  /// Which of its two labels an image has.
  public enum Labels: Int, Sendable {
    /// The group, 0...19.
    case coarse
    /// The kind, 0...99.
    case fine
  }

  static let archive = CIFARArchive(
    url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", md5: "03b5dce01913d631647c71ecec9e9cb8",
    labelCounts: [20, 100])

  /// The 50,000 images to learn from, in `train.bin`.
  public static func train(folder: String, labels: Labels = .fine) throws(FormatError) -> TensorDataset {
    try archive.read(["train.bin"], in: folder, label: labels.rawValue)
  }

  /// The 10,000 images to be judged by, in `test.bin`.
  public static func test(folder: String, labels: Labels = .fine) throws(FormatError) -> TensorDataset {
    try archive.read(["test.bin"], in: folder, label: labels.rawValue)
  }
}

/// Files of records: a byte for each kind of label, then 32×32 pixels of red, of green and of blue.
struct CIFARArchive: Sendable {
  private static let pixels = 3 * 32 * 32

  let url: String
  let md5: String
  /// How many classes each label byte tells apart.
  let labelCounts: [Int]

  func read(_ names: [String], in folder: String, label: Int) throws(FormatError) -> TensorDataset {
    var files: [[UInt8]] = []
    for name in names { files.append(try records("\(folder)/\(name)", label: label)) }
    let (kinds, size) = (labelCounts.count, labelCounts.count + Self.pixels)
    let count = files.reduce(0) { $0 + $1.count / size }
    var targets: [Int] = []
    targets.reserveCapacity(count)
    let images = Tensor(shape: [count, 3, 32, 32], dtype: .uint8) { target in
      for file in files {
        for start in stride(from: 0, to: file.count, by: size) {
          let to = UnsafeMutableRawBufferPointer(
            rebasing: target[targets.count * Self.pixels..<(targets.count + 1) * Self.pixels])
          file.withUnsafeBytes { to.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start + kinds..<start + size])) }
          targets.append(Int(file[start + label]))
        }
      }
    }
    return TensorDataset(images, Tensor(targets, device: .cpu))
  }

  private func records(_ path: String, label: Int) throws(FormatError) -> [UInt8] {
    guard access(path, F_OK) == 0 else {
      throw FormatError(file: path, what: "is not there; it is in \(url) (MD5 \(md5))")
    }
    let bytes = try WholeFile.read(path)
    let size = labelCounts.count + Self.pixels
    guard !bytes.isEmpty, bytes.count % size == 0 else {
      throw FormatError(file: path, what: "holds \(bytes.count) bytes, which are not whole records of \(size)")
    }
    for start in stride(from: 0, to: bytes.count, by: size) where Int(bytes[start + label]) >= labelCounts[label] {
      throw FormatError(
        file: path, what: "is \(bytes[start + label]), but labels are 0...\(labelCounts[label] - 1)",
        where: "the label of image \(start / size)")
    }
    return bytes
  }
}
