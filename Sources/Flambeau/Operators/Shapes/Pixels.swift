// Channels and pixels exchanged.
extension Tensor {
  /// [*, c · r², h, w] as [*, c, h · r, w · r]: every r² channels become a square of pixels (Shi et al., 2016). Torch's
  /// `pixel_shuffle`.
  public func pixelShuffle(_ factor: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("pixel_shuffle", at: CallSite(file, line)) { layout throws(TensorError) in
      try layout.checkImage("pixel_shuffle")
      guard factor > 0 else {
        throw .argument("pixel_shuffle expects a positive upscale_factor, but got \(factor)")
      }
      let (lead, channels, height, width) = layout.image
      guard channels % (factor * factor) == 0 else {
        throw .shape(
          "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
            + "input.size(-3)=\(channels) is not divisible by \(factor * factor)")
      }
      let kept = channels / (factor * factor)
      let n = lead.count
      return reshape(Shape(lead + [kept, factor, factor, height, width]))
        .permute(Array(0..<n) + [n, n + 3, n + 1, n + 4, n + 2])
        .reshape(Shape(lead + [kept, height * factor, width * factor]))
    }
  }

  /// [*, c, h · r, w · r] as [*, c · r², h, w]: the reverse of ``pixelShuffle(_:file:line:)``. Torch's `pixel_unshuffle`.
  public func pixelUnshuffle(_ factor: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("pixel_unshuffle", at: CallSite(file, line)) { layout throws(TensorError) in
      try layout.checkImage("pixel_unshuffle")
      guard factor > 0 else {
        throw .argument("pixel_unshuffle expects a positive downscale_factor, but got \(factor)")
      }
      let (lead, channels, height, width) = layout.image
      for (name, dim, size) in [("height", -2, height), ("width", -1, width)] where size % factor != 0 {
        throw .shape(
          "pixel_unshuffle expects \(name) to be divisible by downscale_factor, but input.size(\(dim))=\(size) is not "
            + "divisible by \(factor)")
      }
      let n = lead.count
      return reshape(Shape(lead + [channels, height / factor, factor, width / factor, factor]))
        .permute(Array(0..<n) + [n, n + 2, n + 4, n + 1, n + 3])
        .reshape(Shape(lead + [channels * factor * factor, height / factor, width / factor]))
    }
  }

  /// The channels of [n, c, *] in `groups`, of which one after the other gives one (Zhang et al., 2018). Torch's
  /// `channel_shuffle`.
  public func channelShuffle(_ groups: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("channel_shuffle", at: CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank > 2 else {
        throw .shape("channel_shuffle expects input with > 2 dims, but got input with sizes \(layout.shape)")
      }
      guard groups > 0 else {
        throw .argument("Number of groups to divide channels in must be positive. Value of groups:\(groups)")
      }
      let channels = layout.shape.at(1)
      guard channels % groups == 0 else {
        throw .shape("Number of channels must be divisible by groups. Got \(channels) channels and \(groups) groups.")
      }
      return unflatten(1, [groups, channels / groups]).transpose(1, 2).flatten(startDim: 1, endDim: 2)
    }
  }
}

extension Layout {
  fileprivate func checkImage(_ name: String) throws(TensorError) {
    guard rank >= 3 else {
      throw .shape("\(name) expects input to have at least 3 dimensions, but got input with \(rank) dimension(s)")
    }
  }

  fileprivate var image: (lead: [Int], channels: Int, height: Int, width: Int) {
    (Array(shape.dropLast(3)), shape[-3], shape[-2], shape[-1])
  }
}
