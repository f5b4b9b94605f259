/// The windows that a kernel sees as it moves along a dimension.
struct SlidingWindows: Sendable {
  /// Of the dimension.
  let size: Int
  let kernel: Int
  var stride = 1
  var dilation = 1

  /// How many there are.
  var count: Int {
    let room = size - dilation * (kernel - 1) - 1
    return room < 0 ? 0 : room / stride + 1
  }
}

extension Layout {
  /// The dimensions of `windows` seen as [taps, windows], which overlap.
  func windowed(_ windows: [Int: SlidingWindows]) -> Layout {
    var (sizes, steps) = (Shape(), Shape())
    for dim in 0..<rank {
      guard let along = windows[dim] else {
        sizes.append(shape.at(dim))
        steps.append(strides.at(dim))
        continue
      }
      sizes.append(along.kernel)
      sizes.append(along.count)
      steps.append(strides.at(dim) * along.dilation)
      steps.append(strides.at(dim) * along.stride)
    }
    return Layout(shape: sizes, strides: steps, offset: offset)
  }
}

extension Tensor {
  /// A view in which each dimension of `windows` is two: taps, then windows.
  func windows(_ windows: [Int: SlidingWindows]) -> Tensor {
    let base = body.layout.overlapsItself ? contiguous() : self
    let layout = base.body.layout
    return ops.stridedViews.view(base, StridedView(base: layout, view: layout.windowed(windows)))
  }

  /// The sums, in a tensor of `shape`, of what all windows show of its elements: the gradient of ``windows(_:)``.
  func overlapped(in shape: Shape, _ windows: [Int: SlidingWindows]) -> Tensor {
    placed(in: shape) { $0.windowed(windows) }
  }
}
