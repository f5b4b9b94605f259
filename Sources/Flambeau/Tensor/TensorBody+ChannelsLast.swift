extension TensorBody {
  /// Images on a GPU whose channels lie innermost: what is computed of them lies so too.
  var keepsChannelsLast: Bool { !device.isCPU && layout.isChannelsLast && !layout.isContiguous }

  /// The elements with the channels innermost, or row-major; copied only if they lie otherwise.
  func body(channelsLast: Bool) throws(TensorError) -> TensorBody {
    if channelsLast ? layout.isChannelsLast : layout.isContiguous { return self }
    let copy = try Value(Layout(layout.shape, channelsLast: channelsLast), dtype, on: device)
    try elements.copy(to: copy.elements)
    return TensorBody(copy)
  }

  /// The elements row-major, copied only if they are not.
  func contiguousBody() throws(TensorError) -> TensorBody { try body(channelsLast: false) }
}
