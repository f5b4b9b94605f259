import Flambeau
import FlambeauData
import Testing

@Suite struct ImagesTests {
  struct Case: Decodable, Sendable {
    let seed: UInt64
    let rows, columns: Int
    let draws: [Draw]

    struct Draw: Decodable, Sendable {
      let top, left: Int
      let isMirrored: Bool

      init(from decoder: any Decoder) throws {
        var list = try decoder.unkeyedContainer()
        top = try list.decode(Int.self)
        left = try list.decode(Int.self)
        isMirrored = try list.decode(Bool.self)
      }
    }
  }

  /// Pixels that tell their place; all differ from 0.
  static func image(_ planes: Int, _ height: Int, _ width: Int, _ dtype: DType = .float32) -> Tensor {
    Tensor((1...planes * height * width).map { Float($0) }, shape: [planes, height, width]).to(dtype)
  }

  /// The crop of a padded image by nested loops.
  static func cropped(_ image: Tensor, top: Int, left: Int, height: Int, width: Int) -> [Float] {
    let (planes, rows, columns) = (image.shape[0], image.shape[1], image.shape[2])
    let pixels = image.array(of: Float.self)
    var result: [Float] = []
    for plane in 0..<planes {
      for row in top..<top + height {
        for column in left..<left + width {
          let isInside = (0..<rows).contains(row) && (0..<columns).contains(column)
          result.append(isInside ? pixels[(plane * rows + row) * columns + column] : 0)
        }
      }
    }
    return result
  }

  @Test(arguments: try golden("crops.json", Case.self))
  func cropsAndFlipsDrawAsTorchvision(_ one: Case) {
    let (padding, height, width) = (2, 3, 2)
    // As many places as the golden's draws.
    let image = Self.image(2, height + one.rows - 1 - 2 * padding + 4, width + one.columns - 1 + 4 - 2 * padding)
    withGenerator(Generator(seed: one.seed)) {
      for draw in one.draws {
        let crop = Images.randomCrop(image, height: height, width: width)
        #expect(
          crop.array(of: Float.self)
            == Self.cropped(image, top: draw.top, left: draw.left, height: height, width: width))
        let row = Images.randomHorizontalFlip(Tensor([1, 2, 3] as [Float], shape: [1, 3])).array(of: Float.self)
        #expect(row == (draw.isMirrored ? [3, 2, 1] : [1, 2, 3]))
      }
    }
  }

  @Test(arguments: DType.allCases)
  func cropsReachIntoThePadding(dtype: DType) {
    let image = Self.image(2, 3, 4).T.T.to(dtype)
    let base = image.to(.float32)
    withGenerator(Generator(seed: 3)) {
      for _ in 0..<40 {
        let state = Generator.current.state
        let crop = Images.randomCrop(image, height: 4, width: 7, padding: 3)
        Generator.current.state = state
        let (top, left) = (Self.draw(below: 3 + 6 - 4 + 1), Self.draw(below: 4 + 6 - 7 + 1))
        #expect(crop.dtype == dtype && crop.shape == [2, 4, 7])
        #expect(
          crop.array(of: Float.self) == Self.cropped(base, top: top - 3, left: left - 3, height: 4, width: 7))
      }
    }
  }

  private static func draw(below bound: Int) -> Int {
    var value: Int64 = 0
    Generator.current.fillIntegers(&value, .int64, count: 1, low: 0, high: Int64(bound))
    return Int(value)
  }

  @Test func aCropOfTheWholeDrawsNothing() {
    let generator = Generator(seed: 1)
    let state = generator.state
    let image = Self.image(1, 2, 3)
    withGenerator(generator) {
      #expect(Images.randomCrop(image, height: 2, width: 3).array(of: Float.self) == image.array(of: Float.self))
      let padded = Images.randomCrop(image, height: 4, width: 5, padding: 1).array(of: Float.self)
      #expect(padded == [0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 4, 5, 6, 0, 0, 0, 0, 0, 0])
      #expect(generator.state == state)
    }
  }

  @Test(arguments: DType.allCases)
  func flips(dtype: DType) {
    let image = Tensor((0..<24).map { Int64($0 % 5) }, shape: [2, 4, 3]).to(dtype)
    let mirrored = Images.randomHorizontalFlip(image.transpose(1, 2), probability: 1)
    #expect(mirrored.shape == [2, 3, 4] && mirrored.dtype == dtype)
    let back = Images.randomHorizontalFlip(mirrored, probability: 1)
    #expect(back.array(of: Float.self) == image.transpose(1, 2).array(of: Float.self))
    #expect(
      mirrored.narrow(2, start: 0, length: 1).array(of: Float.self) == image.narrow(1, start: 3, length: 1).array(of: Float.self))
    #expect(Images.randomHorizontalFlip(image, probability: 0).isSame(as: image))
  }

  @Test func floatsAndNormalised() {
    let bytes = Tensor([0, 51, 255, 102, 204, 153] as [UInt8], shape: [2, 1, 3])
    let floats = Images.toFloat(bytes)
    #expect(floats.dtype == .float32 && floats.array(of: Float.self) == [0, 0.2, 1, 0.4, 0.8, 0.6])
    #expect(Images.toFloat(floats).isSame(as: floats))
    let both = Images.normalize(floats, mean: [0.5, 0.25], std: [0.5, 2])
    let expected = zip(floats.array(of: Float.self), [0.5, 0.5, 0.5, 0.25, 0.25, 0.25] as [Float]).enumerated()
      .map { ($1.0 - $1.1) / ($0 < 3 ? 0.5 : 2) }
    #expect(both.array(of: Float.self) == expected)
    let batch = Images.normalize(Tensor.ones([4, 3, 2, 2], dtype: .float64), mean: [0.5], std: [0.25])
    #expect(batch.dtype == .float64 && batch.array(of: Double.self) == [Double](repeating: 2, count: 48))
  }

  @Test func normalisingKeepsTheGradient() {
    let image = Tensor.ones([1, 2, 2]).requiresGrad_()
    Images.normalize(image, mean: [0], std: [0.5]).sum().backward()
    #expect(image.grad!.array(of: Float.self) == [2, 2, 2, 2])
  }

  @Test(
    arguments: [
      ("toFloat: expected pixels of uint8", { @Sendable in Images.toFloat(Tensor([1, 2])) }),
      (
        "normalize: Input tensor should be a float tensor. Got uint8.",
        { Images.normalize(image(1, 2, 2, .uint8), mean: [0], std: [1]) }
      ),
      ("normalize: Expected tensor to be a tensor image", { Images.normalize(Tensor.ones([2, 2]), mean: [0], std: [1]) }),
      ("normalize: mean has 2 values for images of 3 channels", { Images.normalize(image(3, 2, 2), mean: [0, 1], std: [1]) }),
      ("normalize: std evaluated to zero", { Images.normalize(image(3, 2, 2), mean: [0], std: [1, 0, 1]) }),
      (
        "randomCrop: Required crop size (3, 2) is larger than input image size (2, 2)",
        { Images.randomCrop(image(1, 2, 2), height: 3, width: 2) }
      ),
      (
        "randomCrop: sizes and padding must not be negative",
        { Images.randomCrop(image(1, 2, 2), height: 2, width: 2, padding: -1) }
      ),
      (
        "randomCrop: expected an image [..., height, width], but got [4]",
        { Images.randomCrop(Tensor.ones([4]), height: 2, width: 2) }
      ),
      (
        "randomHorizontalFlip: pixels are moved without recording",
        { Images.randomHorizontalFlip(Tensor.ones([2, 2]).requiresGrad_()) }
      ),
    ] as [(String, @Sendable () -> Tensor)])
  func refusals(sentence: String, misuse: @Sendable () -> Tensor) {
    let error = #expect(throws: TensorError.self) { try withTensorErrors { _ = misuse() } }
    #expect(error?.description.hasPrefix(sentence) == true, "\(error?.description ?? "")")
    #expect(error?.description.contains("ImagesTests.swift:") == true)
  }
}
