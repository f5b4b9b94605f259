import Flambeau
import FlambeauData
import Testing

@Suite struct TransformTests {
  /// By the names of vision.py's functions.
  static func functions(value: Tensor) -> [String: (Tensor) -> Tensor] {
    [
      "resize": { Images.resize($0, height: 17, width: 40) }, "enlarge": { Images.resize($0, height: 70, width: 95) },
      "shorter": { Images.resize($0, shorterSide: 20) },
      "bicubic": { Images.resize($0, height: 20, width: 31, interpolation: .bicubic) },
      "nearest": { Images.resize($0, height: 20, width: 31, interpolation: .nearest) },
      "nearest_exact": { Images.resize($0, height: 20, width: 31, interpolation: .nearestExact) },
      "plain": { Images.resize($0, height: 20, width: 31, antialias: false) },
      "exact_bilinear": { Images.resize($0, height: 19, width: 44) },
      "exact_bicubic": { Images.resize($0, height: 19, width: 44, interpolation: .bicubic) },
      "center": { Images.centerCrop($0, height: 21, width: 16) }, "center_pad": { Images.centerCrop($0, height: 71, width: 20) },
      "pad": { Images.pad($0, left: 1, top: 2, right: 3, bottom: 4, fill: 1) },
      "reflect": { Images.pad($0, left: 1, top: 2, right: 3, bottom: 4, mode: .reflect) },
      "edge": { Images.pad($0, left: 1, top: 2, right: 3, bottom: 4, mode: .replicate) },
      "hflip": { Images.horizontalFlip($0) }, "vflip": { Images.verticalFlip($0) },
      "rotate": { Images.rotate($0, degrees: 30) },
      "rotate_smooth": { Images.rotate($0, degrees: -75, interpolation: .bilinear) },
      "gray": { Images.grayscale($0) }, "gray3": { Images.grayscale($0, channels: 3) },
      "brightness": { Images.adjustBrightness($0, 1.7) }, "contrast": { Images.adjustContrast($0, 0.4) },
      "saturation": { Images.adjustSaturation($0, 2.2) }, "hue": { Images.adjustHue($0, 0.3) },
      "hue_back": { Images.adjustHue($0, -0.4) }, "blur": { Images.gaussianBlur($0, kernelSize: 5) },
      "blur_wide": { Images.gaussianBlur($0, kernelSize: 7, sigma: 1.3) },
      "erase": { Images.erase($0, top: 3, left: 4, height: 5, width: 6, value: value) },
    ]
  }

  static let transforms: [String: any ImageTransform] = [
    "RandomResizedCrop": RandomResizedCrop(24), "RandomCrop": RandomCrop(20, padding: 2),
    "RandomHorizontalFlip": RandomHorizontalFlip(), "RandomVerticalFlip": RandomVerticalFlip(probability: 0.4),
    "RandomRotation": RandomRotation(40), "ColorJitter": ColorJitter(brightness: 0.4, contrast: 0.3, saturation: 0.5, hue: 0.2),
    "RandomErasing": RandomErasing(probability: 0.7), "Noise": RandomErasing(probability: 1, filling: .noise),
    "GaussianBlur": GaussianBlur(kernelSize: 5),
    "Compose": Compose(RandomResizedCrop(24, scale: 0.5...1), RandomHorizontalFlip(), ToFloat(), Normalize.imageNet),
  ]

  /// torchvision resizes bytes in float32 on processors with AVX-512, and rounds where a sum of 16-bit products would; a hue of
  /// bytes is cut off where a rounding may end on the other side.
  private static let aLevelApart: Set = [
    "resize", "enlarge", "shorter", "bicubic", "plain", "RandomResizedCrop", "hue", "hue_back", "blur",
    "blur_wide",
    "GaussianBlur", "rotate_smooth", "gray", "gray3", "saturation", "contrast", "brightness",
  ]

  @Test(.enabled(if: Vision.isThere)) func imagesAreTorchvisions() throws {
    try Vision.with("transforms") { _, results in
      let functions = Self.functions(value: results["value"]!)
      var compared: Set<String> = []
      for (key, expected) in results where key.contains("|") {
        let parts = key.split(separator: "|").map(String.init)
        let (name, dtype) = (parts[0], parts[1])
        let input = results["input.\(dtype)"]!
        let image =
          if let function = functions[name] { function(input) } else {
            withGenerator(Generator(seed: UInt64(parts[2])!)) { Self.transforms[name]!(input) }
          }
        compared.insert(name)
        let note = "\(key), seed \(results["seed"]!.item())"
        guard image.shape == expected.shape, image.dtype == expected.dtype else {
          Issue.record("\(note): \(image.dtype) \(image.shape), not \(expected.dtype) \(expected.shape)")
          continue
        }
        let apart = (image.to(.float64) - expected.to(.float64)).abs()
        let bytes = image.dtype == .uint8
        // What one step of a jitter cuts off differently, the next may stretch.
        let levels = name == "ColorJitter" ? 3.0 : Self.aLevelApart.contains(name) ? 1 : 0
        let limit = bytes ? levels : name == "Compose" && dtype == "uint8" ? 0.02 : 3e-5
        let far = apart.gt(Tensor(limit)).to(.float64).mean().item()
        // Where a rotated pixel lies between two, the nearest one may be the other.
        #expect(far <= (name == "rotate" || name == "RandomRotation" ? 0.01 : 0), "\(note): \(apart.max().item()), \(far)")
      }
      #expect(compared == Set(functions.keys).union(Self.transforms.keys))
    }
  }

  static let image = Tensor.randint(0, 256, [3, 24, 30]).to(.uint8)

  @Test func batchesAndViewsGetTheSame() {
    let batch = Tensor.stack([Self.image, Self.image.flip(1)])
    for (name, function) in Self.functions(value: Tensor.ones([3, 1, 1])) {
      let both = function(batch)
      #expect(both.shape[0] == 2 && both[0].equal(function(Self.image)) || name == "contrast", "\(name)")
      let view = Self.image.transpose(1, 2)
      #expect(function(view).equal(function(view.contiguous())), "\(name)")
    }
  }

  @Test(arguments: [0.3, 1, 2.5]) func mixUpBlendsImagesAndLabels(alpha: Double) {
    let images = Tensor.rand([6, 1, 4, 4])
    let labels = Tensor([0, 1, 2, 3, 4, 4])
    withGenerator(Generator(seed: 8)) {
      var shares: [Double] = []
      for _ in 0..<200 {
        let (mixed, targets) = MixUp(classes: 5, alpha: alpha)(images, labels)
        // Image 1 was mixed with image 0; their classes differ.
        let share = targets[1, 1].item()
        shares.append(share)
        #expect(targets.shape == [6, 5] && abs(targets[1, 0].item() - (1 - share)) < 1e-6 && targets[5, 4].item() > 0.999)
        let (first, other, second): (Tensor, Tensor, Tensor) = (images[0], images[1], mixed[1])
        let expected = other * share + first * (1 - share)
        #expect(second.allClose(expected, rtol: 1e-5, atol: 1e-6))
      }
      // Beta(α, α): mean ½, variance 1 / (8α + 4).
      let mean = shares.reduce(0, +) / 200
      let variance = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 199
      #expect(abs(mean - 0.5) < 0.1 && abs(variance * (8 * alpha + 4) - 1) < 0.35)
    }
  }

  @Test func cutMixTakesARectangle() {
    let images = Tensor.arange(4).to(.float32).reshape([4, 1, 1, 1]).expand([4, 2, 10, 12]).contiguous()
    let labels = Tensor([0, 1, 2, 3])
    withGenerator(Generator(seed: 2)) {
      for _ in 0..<50 {
        let (mixed, targets) = CutMix(classes: 4)(images, labels)
        let taken = Double(mixed[2].array(of: Int.self).count { $0 == 1 }) / 240
        #expect(abs(targets[2, 1].item() - taken) < 1e-6 && abs(targets[2, 2].item() - (1 - taken)) < 1e-6)
        #expect(Set(mixed[2].array(of: Int.self)).isSubset(of: [1, 2]))
      }
    }
  }

  @Test func misuseIsASentence() {
    let cases: [(String, () -> Tensor)] = [
      ("resize: cannot make (0, 3) of [3, 24, 30]: images have pixels", { Images.resize(Self.image, height: 0, width: 3) }),
      ("resize: expected an image [..., height, width], but got [3]", { Images.resize(Tensor.ones([3]), height: 1, width: 3) }),
      ("adjustHue: hue_factor (0.6) is not in [-0.5, 0.5].", { Images.adjustHue(Self.image, 0.6) }),
      (
        "grayscale: expected an image [..., 1 or 3 channels, height, width], but got [2, 4, 4]",
        { Images.grayscale(Tensor.ones([2, 4, 4])) }
      ),
      (
        "gaussianBlur: kernelSize is odd and sigma positive, but got 4 and 0.95",
        { Images.gaussianBlur(Self.image, kernelSize: 4) }
      ),
      (
        "erase: there are no (5, 5) pixels from (20, 0) on in an image of [3, 24, 30]",
        { Images.erase(Self.image, top: 20, left: 0, height: 5, width: 5, value: Tensor.zeros([1])) }
      ),
      ("rotate: pixels are moved without recording", { Images.rotate(Tensor.ones([1, 3, 3]).requiresGrad_(), degrees: 4) }),
    ]
    for (sentence, misuse) in cases {
      let error = #expect(throws: TensorError.self) { try withTensorErrors { _ = misuse() } }
      #expect(error?.description.hasPrefix(sentence) == true, "\(error?.description ?? "")")
    }
  }
}
