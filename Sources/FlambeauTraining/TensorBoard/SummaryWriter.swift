import Flambeau
import FlambeauData
import FlambeauFormats

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

/// Writes what a run measures as an event file that TensorBoard shows. Torch's `utils.tensorboard.SummaryWriter`.
///
///     let board = try SummaryWriter("runs/mine/tensorboard")
///     try board.addScalar("train/loss", loss.item(), step: step)
///
/// `tensorboard --logdir runs` shows it. A writer belongs to the task that trains.
public final class SummaryWriter {
  /// The event file.
  public let path: String
  private let file: UnsafeMutablePointer<FILE>

  /// Begins a file in `folder`, which is made if need be.
  ///
  /// - Parameter purgeStep: Where a resumed run goes on: TensorBoard forgets what earlier files in the folder have from this step on.
  public init(_ folder: String, purgeStep: Int? = nil) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // TensorBoard reads the files of a folder in the order of their names, which must be that of their making.
    let time = Date().timeIntervalSince1970
    let nanoseconds = String(Int((time - time.rounded(.down)) * 1e9) + 1_000_000_000).dropFirst()
    path = "\(folder)/events.out.tfevents.\(Int(time)).\(nanoseconds).\(host).\(getpid())"
    guard let file = fopen(path, "w") else {
      throw FormatError(file: path, what: "cannot be written: \(String(cString: strerror(errno)))")
    }
    self.file = file
    try write(.fileVersion, step: 0)
    if let purgeStep { try write(.restart, step: purgeStep) }
    try flush()
  }

  deinit { fclose(file) }

  /// A number at a step; kept as float32.
  public func addScalar(_ tag: String, _ value: Double, step: Int) throws { try write(.scalar(tag: tag, value), step: step) }

  /// How the elements of `values` are distributed at a step; infinite and undefined ones do not count.
  public func addHistogram(_ tag: String, _ values: Tensor, step: Int) throws {
    try write(.histogram(tag: tag, Histogram(values)), step: step)
  }

  /// A picture at a step: uint8, or floating-point numbers from 0 to 1, `[height, width]` or `[channels, height, width]` with 1 to 4
  /// channels. Needs libpng.
  public func addImage(_ tag: String, _ image: Tensor, step: Int) throws {
    let pixels = image.dtype.isFloatingPoint ? (image.detach() * 255).clamp(min: 0, max: 255).to(.uint8) : image
    let png = try Image.encodePNG(pixels)
    let channels = pixels.ndim == 2 ? 1 : pixels.shape[0]
    try write(
      .image(tag: tag, height: pixels.shape[-2], width: pixels.shape[-1], channels: channels, png: png), step: step)
  }

  /// Hands what was written to the system, for TensorBoard to see.
  public func flush() throws {
    guard fflush(file) == 0 else { throw unwritable }
  }

  private var unwritable: FormatError {
    FormatError(file: path, what: "cannot be written: \(String(cString: strerror(errno)))")
  }

  /// A TFRecord: length, its checksum, the data, their checksum.
  func write(_ content: Event.Content, step: Int) throws {
    let data = Event(time: Date().timeIntervalSince1970, step: step, content: content).bytes
    func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    let length = littleEndian(UInt64(data.count))
    let record = length + littleEndian(CRC32C.masked(length)) + data + littleEndian(CRC32C.masked(data))
    guard fwrite(record, 1, record.count, file) == record.count else { throw unwritable }
  }
}
