import Flambeau
import FlambeauNN

extension LayerCase {
  /// Gates and shrinking functions, frames around convolutions, the rarer poolings, pixels.
  static let others: [LayerCase] = [
    LayerCase("nn.Conv1d(2, 3, 3, padding=2, padding_mode='reflect')", [2, 2, 6]) {
      Conv1d(2, 3, 3, padding: 2, paddingMode: .reflect)
    },
    LayerCase("nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode='circular', stride=2)", [2, 2, 6, 5]) {
      Conv2d(2, 3, 3, stride: 2, padding: [1, 2], paddingMode: .circular)
    },
    LayerCase("nn.Conv2d(2, 3, (2, 3), padding='same', dilation=(1, 2), padding_mode='replicate')", [2, 6, 5]) {
      Conv2d(2, 3, [2, 3], padding: .same, dilation: [1, 2], paddingMode: .replicate)
    },
    LayerCase("nn.Conv3d(1, 2, 2, padding=1, padding_mode='replicate', bias=False)", [2, 1, 3, 4, 3]) {
      Conv3d(1, 2, 2, padding: 1, bias: false, paddingMode: .replicate)
    },
    LayerCase("nn.Conv3d(1, 2, (3, 2, 1), padding='same', padding_mode='reflect')", [2, 1, 3, 4, 3]) {
      Conv3d(1, 2, [3, 2, 1], padding: .same, paddingMode: .reflect)
    },
    LayerCase("nn.BatchNorm3d(3)", [2, 3, 2, 3, 2]) { BatchNorm3d(3) },
    LayerCase("nn.BatchNorm3d(3, affine=False).eval()", [2, 3, 2, 3, 2]) { BatchNorm3d(3, affine: false).eval() },
    LayerCase("nn.LPPool1d(2, 3, ceil_mode=True)", [2, 3, 7]) { LPPool1d(2, 3, ceilMode: true) },
    LayerCase("nn.LPPool2d(2, (3, 2), stride=(2, 1))", [2, 3, 7, 6]) { LPPool2d(2, [3, 2], stride: [2, 1]) },
    LayerCase("nn.LPPool3d(4, 2)", [2, 1, 4, 5, 4]) { LPPool3d(4, 2) },
    LayerCase("nn.FractionalMaxPool2d(2, output_size=(3, 4))", [2, 3, 7, 9]) {
      FractionalMaxPool2d(2, outputSize: [3, 4])
    },
    LayerCase("nn.FractionalMaxPool2d((3, 2), output_ratio=(0.5, 0.6))", [2, 3, 7, 9]) {
      FractionalMaxPool2d([3, 2], outputRatio: [0.5, 0.6])
    },
    LayerCase("nn.FractionalMaxPool3d(2, output_ratio=(0.5, 0.5, 0.5))", [2, 2, 6, 5, 6]) {
      FractionalMaxPool3d(2, outputRatio: [0.5, 0.5, 0.5])
    },
    LayerCase("nn.GLU()", [3, 6]) { GLU() }, LayerCase("nn.GLU(0)", [4, 3]) { GLU(dim: 0) },
    LayerCase("nn.Hardshrink()", [9]) { Hardshrink() }, LayerCase("nn.Hardshrink(1.5)", [9]) { Hardshrink(lambda: 1.5) },
    LayerCase("nn.Softshrink()", [9]) { Softshrink() }, LayerCase("nn.Softshrink(1.5)", [9]) { Softshrink(lambda: 1.5) },
    LayerCase("nn.Tanhshrink()", [9]) { Tanhshrink() }, LayerCase("nn.Softmin(1)", [2, 3, 4]) { Softmin(dim: 1) },
    LayerCase("nn.RReLU()", [5, 9]) { RReLU() },
    LayerCase("nn.RReLU(0.2, 0.4).eval()", [5, 9]) { RReLU(lower: 0.2, upper: 0.4).eval() },
    LayerCase("nn.Softmax2d()", [2, 3, 4, 2]) { Softmax2d() }, LayerCase("nn.Softmax2d()", [3, 4, 2]) { Softmax2d() },
    LayerCase("nn.PixelShuffle(2)", [2, 8, 3, 2]) { PixelShuffle(2) },
    LayerCase("nn.PixelUnshuffle(2)", [2, 2, 4, 6]) { PixelUnshuffle(2) },
    LayerCase("nn.ChannelShuffle(3)", [2, 6, 2, 2]) { ChannelShuffle(3) },
    LayerCase("nn.Unflatten(1, (2, 3))", [2, 6, 2]) { Unflatten(1, [2, 3]) },
    LayerCase("nn.UpsamplingNearest2d(scale_factor=2)", [2, 1, 3, 2]) { UpsamplingNearest2d(scaleFactor: [2, 2]) },
    LayerCase("nn.UpsamplingNearest2d(scale_factor=1.5)", [2, 1, 3, 2]) { UpsamplingNearest2d(scaleFactor: 1.5) },
    LayerCase("nn.UpsamplingBilinear2d(scale_factor=2)", [2, 1, 3, 2]) { UpsamplingBilinear2d(scaleFactor: 2) },
    LayerCase("nn.UpsamplingBilinear2d(5)", [2, 1, 3, 2]) { UpsamplingBilinear2d(size: 5) },
    LayerCase("nn.Upsample(scale_factor=2)", [2, 1, 3]) { Upsample(scaleFactor: 2) },
    LayerCase("nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True)", [2, 1, 3, 2]) {
      Upsample(scaleFactor: 2, mode: .bilinear, alignCorners: true)
    },
    LayerCase("nn.Upsample(4, mode='trilinear')", [2, 1, 3, 2, 3]) { Upsample(size: 4, mode: .trilinear) },
    LayerCase("nn.UpsamplingBilinear2d((5, 7))", [2, 1, 3, 2]) { UpsamplingBilinear2d(size: [5, 7]) },
  ]
}
