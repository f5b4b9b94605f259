import CKernels
import Flambeau

/// 1,797 handwritten digits, inside the library: images of 8×8 with pixels of 0...16.
///
/// The test set of *Optical Recognition of Handwritten Digits*, E. Alpaydin and C. Kaynak, UCI Machine Learning
/// Repository (1998), CC BY 4.0. Images `[count, 1, 8, 8]` are uint8, labels `[count]` int64.
public enum Digits {
  /// The largest pixel.
  public static let whitest = 16

  /// The 1,438 images that are not in ``test``.
  public static let train = part { $0 % 5 != 4 }

  /// The 359 images 4, 9, 14, … of the original order.
  public static let test = part { $0 % 5 == 4 }

  private static func part(_ isMember: (Int) -> Bool) -> TensorDataset {
    let members = (0..<fb_digits_count()).filter(isMember)
    let (size, pixels) = (Int(fb_digits_record), Int(fb_digits_pixels))
    let records = fb_digits()!
    // Made once for the whole program, whatever the scope of the first use.
    return Context.run(.initial) {
      let images = Tensor(shape: [members.count, 1, 8, 8], dtype: .uint8) { images in
        for (i, member) in members.enumerated() {
          (images.baseAddress! + i * pixels).copyMemory(from: records + member * size, byteCount: pixels)
        }
      }
      return TensorDataset(images, Tensor(members.map { Int(records[$0 * size + pixels]) }, device: .cpu))
    }
  }
}
