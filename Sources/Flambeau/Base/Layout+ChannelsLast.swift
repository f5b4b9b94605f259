extension Layout {
  /// The gapless layout of [n, c, h, w] with the channels innermost, or the row-major one of any shape.
  init(_ shape: Shape, channelsLast: Bool) {
    guard channelsLast else {
      self.init(shape)
      return
    }
    let (c, h, w) = (Swift.max(shape.at(1), 1), Swift.max(shape.at(2), 1), Swift.max(shape.at(3), 1))
    self.init(shape: shape, strides: [c * h * w, 1, c * w, c], offset: 0)
  }

  /// Of [n, c, h, w], the channels lie innermost, without gaps (dimensions of size 1 ignored).
  var isChannelsLast: Bool {
    guard rank == 4 else { return false }
    var step = 1
    func follows(_ dim: Int) -> Bool {
      if shape.at(dim) == 1 { return true }
      defer { step *= shape.at(dim) }
      return strides.at(dim) == step
    }
    return follows(1) && follows(3) && follows(2) && follows(0)
  }
}
