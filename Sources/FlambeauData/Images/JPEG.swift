import CKernels
import Flambeau
import FlambeauFormats

/// JPEG files through libturbojpeg.
enum JPEG {
  static let signature: [UInt8] = [0xFF, 0xD8, 0xFF]
  static let missing =
    "JPEG files need libturbojpeg, which is not on this machine: install Debian's package libturbojpeg0 (Ubuntu: libturbojpeg)"

  static func decode(_ bytes: UnsafeRawBufferPointer, _ request: ImageRequest) throws(FormatError) -> Tensor {
    guard let library = TurboJPEG.shared else { throw request.refusal(missing) }
    guard let header = JPEGHeader(bytes) else { throw request.refusal("is damaged: it has no header of a JPEG file") }
    try request.check(
      width: header.width, height: header.height, fewestBytes: header.fewestBytes, of: bytes.count)
    guard let format = TurboJPEG.Format(components: header.components, wanted: request.mode) else {
      throw request.refusal("has \(header.components) components, where a JPEG image has 1, 3 or 4")
    }
    var result: TurboJPEG.Outcome = .whole
    let pixels = Tensor(shape: [header.height, header.width, format.channels], dtype: .uint8) { target in
      result = library.decompress(bytes, into: target, width: header.width, height: header.height, format)
    }
    switch result {
    case .whole: break
    case .warned(let sentence):
      // Some cameras' files make the library warn, and are shown by everyone; but half a picture is none.
      guard header.hasEnd(bytes) else { throw request.refusal("ends early: \(sentence)") }
    case .failed(let sentence): throw request.refusal("is damaged: \(sentence)")
    }
    guard format == .cmyk else { return Channels.planes(pixels, as: request.mode) }
    return Channels.planes(Channels.rgb(fromCMYK: pixels), as: request.mode == .unchanged ? .rgb : request.mode)
  }
}

/// What stands before the compressed pixels.
struct JPEGHeader {
  private(set) var width = 0
  private(set) var height = 0
  private(set) var components = 0
  private var isArithmetic = false
  private var scan = 0

  /// nil unless there is the head of a frame, and a scan.
  init?(_ bytes: UnsafeRawBufferPointer) {
    var at = 2
    func number(_ place: Int) -> Int { Int(bytes[place]) << 8 | Int(bytes[place + 1]) }
    while at + 4 <= bytes.count {
      guard bytes[at] == 0xFF, bytes[at + 1] != 0xFF else {
        at += 1
        continue
      }
      let marker = bytes[at + 1]
      at += 2
      // Those have no length.
      if marker == 0 || marker == 0x01 || (0xD0...0xD8).contains(marker) { continue }
      if marker == 0xD9 { return nil }
      let length = number(at)
      guard length >= 2, at + length <= bytes.count else { return nil }
      switch marker {
      case 0xC0...0xCF where marker != 0xC4 && marker != 0xC8 && marker != 0xCC:
        guard length >= 8, components == 0 else { return nil }
        (height, width, components) = (number(at + 3), number(at + 5), Int(bytes[at + 7]))
        isArithmetic = marker > 0xC8
      case 0xDA:
        scan = at + length
        if components == 0 { return nil }
        return
      default: break
      }
      at += length
    }
    return nil
  }

  /// Huffman codes take at least a bit a block of 8×8.
  var fewestBytes: Int { isArithmetic ? 0 : width * height / 512 }

  func hasEnd(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var at = bytes.count - 2
    while at >= scan {
      if bytes[at] == 0xFF && bytes[at + 1] == 0xD9 { return true }
      at -= 1
    }
    return false
  }
}
