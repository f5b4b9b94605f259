import CKernels
import Flambeau

/// The channels of pixels `[height, width, channels]` as files hold them, and of planes `[channels, height, width]`.
enum Channels {
  /// The planes that `mode` asks for.
  static func planes(_ pixels: Tensor, as mode: ImageMode) -> Tensor {
    let (height, width, channels) = (pixels.shape[0], pixels.shape[1], pixels.shape[2])
    guard let wanted = mode.channels, wanted != channels else {
      return Tensor(shape: [channels, height, width], dtype: pixels.dtype) { target in
        pixels.withUnsafeBytes {
          fb_pixels_to_planes($0.baseAddress!, target.baseAddress!, height * width, channels, pixels.dtype.byteCount)
        }
      }
    }
    let sources = sources(from: channels, to: wanted)
    let count = height * width
    return Tensor(shape: [wanted, height, width], dtype: .uint8) { target in
      pixels.withUnsafeElements(of: UInt8.self) { from in
        for (plane, source) in sources.enumerated() {
          let to = UnsafeMutableBufferPointer(
            rebasing: target.assumingMemoryBound(to: UInt8.self)[plane * count..<(plane + 1) * count])
          switch source {
          case .opaque: to.update(repeating: 255)
          case .channel(let channel): for i in 0..<count { to[i] = from[i * channels + channel] }
          case .luma: for i in 0..<count { to[i] = luma(from[i * channels], from[i * channels + 1], from[i * channels + 2]) }
          }
        }
      }
    }
  }

  /// The samples of `[channels, height, width]` pixel by pixel.
  static func pixels(_ planes: Tensor) -> Tensor {
    let (channels, height, width) = (planes.shape[0], planes.shape[1], planes.shape[2])
    return Tensor(shape: [height, width, channels], dtype: .uint8) { target in
      planes.withUnsafeBytes {
        fb_planes_to_pixels($0.baseAddress!, target.baseAddress!, height * width, channels, 1)
      }
    }
  }

  private enum Source {
    case channel(Int)
    case luma
    case opaque
  }

  /// What each wanted channel is made of.
  private static func sources(from channels: Int, to wanted: Int) -> [Source] {
    let isColour = channels >= 3
    let colours: [Source] =
      wanted >= 3
      ? (isColour ? [.channel(0), .channel(1), .channel(2)] : [.channel(0), .channel(0), .channel(0)])
      : [isColour ? .luma : .channel(0)]
    guard wanted.isMultiple(of: 2) else { return colours }
    return colours + [channels.isMultiple(of: 2) ? .channel(channels - 1) : .opaque]
  }

  /// ITU-R 601's, with Pillow's rounding.
  private static func luma(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
    UInt8((Int32(red) * 19595 + Int32(green) * 38470 + Int32(blue) * 7471 + 0x8000) >> 16)
  }

  /// Light that ink leaves over, with Pillow's rounding. JPEG files hold the complements of CMYK, as Adobe's programs write them.
  static func rgb(fromCMYK pixels: Tensor) -> Tensor {
    let (height, width) = (pixels.shape[0], pixels.shape[1])
    return Tensor(shape: [height, width, 3], dtype: .uint8) { target in
      let to = target.assumingMemoryBound(to: UInt8.self)
      pixels.withUnsafeElements(of: UInt8.self) { from in
        for i in 0..<height * width {
          let light = Int(from[4 * i + 3])
          for channel in 0..<3 {
            let ink = (255 - Int(from[4 * i + channel])) * light + 128
            to[3 * i + channel] = UInt8(max(light - ((ink >> 8) + ink) >> 8, 0))
          }
        }
      }
    }
  }
}
