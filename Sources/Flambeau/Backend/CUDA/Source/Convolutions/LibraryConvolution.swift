/// A convolution as cuDNN is asked for it. Equal ones are done alike, wherever their tensors lie.
struct LibraryConvolution: Hashable {
  let direction: ConvolutionTask.Direction
  let geometry: ConvolutionGeometry
  let dtype: DType
  /// All three tensors lie so, without gaps; row by row otherwise.
  let isChannelsLast: Bool
  /// What the addresses of input, weight and output are multiples of, 32 at most.
  let alignments: [Int]
  let allowsTF32: Bool

  /// Nil for a convolution that the library does not do, or that there is a better way for.
  init?(_ task: ConvolutionTask, allowsTF32: Bool) {
    let tensors = [task.input, task.weight, task.output]
    let dtype = task.result.dtype
    guard CUDNN.type(dtype) != nil, tensors.allSatisfy({ $0.dtype == dtype }),
      // Where positions need 64 bits, not all of its kernels count right.
      tensors.allSatisfy({ (1...Int(Int32.max)).contains($0.layout.elementCount) })
    else { return nil }
    let isContiguous = tensors.allSatisfy(\.layout.isContiguous)
    // Of float64 the library has none with the channels innermost.
    isChannelsLast = dtype != .float64 && tensors.allSatisfy(\.layout.isChannelsLast)
    guard isChannelsLast || isContiguous else { return nil }
    // A product needs no pixels side by side, and a channel on its own no tiles.
    if isContiguous && (task.product != nil || task.geometry.isDepthwise) { return nil }
    (direction, geometry, self.dtype) = (task.direction, task.geometry, dtype)
    alignments = tensors.map { Swift.min(32, 1 << UInt(bitPattern: $0.address).trailingZeroBitCount) }
    self.allowsTF32 = dtype == .float32 && allowsTF32
  }

  /// The sizes and strides of input, weight and output. Strides follow from the format also where there is one position only: the library
  /// knows formats by them.
  var tensors: [(sizes: [Int], strides: [Int])] {
    let g = geometry
    let shapes = [
      [g.batch, g.inChannels, g.input.height, g.input.width], [g.outChannels, g.groupIn, g.kernel.height, g.kernel.width],
      [g.batch, g.outChannels, g.output.height, g.output.width],
    ]
    return shapes.map { sizes in
      var (strides, step) = ([0, 0, 0, 0], 1)
      for dim in isChannelsLast ? [1, 3, 2, 0] : [3, 2, 1, 0] {
        strides[dim] = step
        step *= sizes[dim]
      }
      return (sizes, strides)
    }
  }
}
