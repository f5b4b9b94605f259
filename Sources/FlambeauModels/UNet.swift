import Flambeau
import FlambeauNN

/// A network from images to a class for each pixel: down to a small, wide image and up again, with what was there on the way down
/// beside it (Ronneberger et al., 2015). The names are those of the widespread `Pytorch-UNet`, whose checkpoints load as they
/// are.
///
/// Input [n, channels, h, w]; output [n, classes, h, w], logits. Sides that do not halve four times are padded on the way up.
public final class UNet: Layer {
  let inc: DoubleConv
  let down1, down2, down3, down4: Down
  let up1, up2, up3, up4: Up
  let outc: Output

  /// - Parameter width: The channels at the full size; each half has twice as many.
  public init(channels: Int = 3, classes: Int = 2, width: Int = 64) {
    inc = DoubleConv(channels, width)
    (down1, down2) = (Down(width, 2 * width), Down(2 * width, 4 * width))
    (down3, down4) = (Down(4 * width, 8 * width), Down(8 * width, 16 * width))
    (up1, up2) = (Up(16 * width, 8 * width), Up(8 * width, 4 * width))
    (up3, up4) = (Up(4 * width, 2 * width), Up(2 * width, width))
    outc = Output(width, classes)
  }

  /// Logits [N, classes, H, W] of images [N, channels, H, W].
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let x1 = inc(x)
    let x2 = down1(x1)
    let x3 = down2(x2)
    let x4 = down3(x3)
    return outc.conv(up4(up3(up2(up1(down4(x4), x4), x3), x2), x1))
  }

  /// Two convolutions, each with its norm and ReLU.
  final class DoubleConv: Layer {
    let doubleConv: Sequential

    init(_ inputs: Int, _ outputs: Int) {
      doubleConv = Sequential(
        Conv2d(inputs, outputs, 3, padding: 1, bias: false), BatchNorm2d(outputs), ReLU(),
        Conv2d(outputs, outputs, 3, padding: 1, bias: false), BatchNorm2d(outputs), ReLU())
    }

    func callAsFunction(_ x: Tensor) -> Tensor { doubleConv(x) }
  }

  final class Down: Layer {
    let maxpoolConv: Sequential
    init(_ inputs: Int, _ outputs: Int) { maxpoolConv = Sequential(MaxPool2d(2), DoubleConv(inputs, outputs)) }
    func callAsFunction(_ x: Tensor) -> Tensor { maxpoolConv(x) }
  }

  final class Up: Module {
    let up: ConvTranspose2d
    let conv: DoubleConv

    init(_ inputs: Int, _ outputs: Int) {
      up = ConvTranspose2d(inputs, inputs / 2, 2, stride: 2)
      conv = DoubleConv(inputs, outputs)
    }

    func callAsFunction(_ x: Tensor, _ beside: Tensor) -> Tensor {
      var x = up(x)
      let (rows, columns) = (beside.shape[2] - x.shape[2], beside.shape[3] - x.shape[3])
      if rows != 0 || columns != 0 { x = x.pad([columns / 2, columns - columns / 2, rows / 2, rows - rows / 2]) }
      return conv(.cat([beside, x], dim: 1))
    }
  }

  final class Output: Module {
    let conv: Conv2d
    init(_ inputs: Int, _ outputs: Int) { conv = Conv2d(inputs, outputs, 1) }
  }
}
