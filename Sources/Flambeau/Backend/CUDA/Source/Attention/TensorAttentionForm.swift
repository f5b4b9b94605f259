/// How the four warps of a block share a part of attention of halves; see tensor_attention.inc.
struct TensorAttentionForm {
  enum Part { case forward, queryGradient, keyGradients }

  private static let warps = 4

  /// Features, filled up.
  private let depth: Int
  private let width: Int
  /// How many times 16 rows a warp has.
  private let high: Int
  /// Rows of the other side that are there at once, and those that are multiplied at a time.
  let tile: Int
  private let step: Int
  /// The block's own operands stay in registers.
  private let isHeld: Bool
  private let isFilledUp: Bool
  let sharedByteCount: Int

  /// Nil where a block has no room. Registers hold sums, scores of a step, and operands: what is read from shared memory for every product
  /// holds tensor cores up. Numbers added to scores take registers for their addresses. Of the forms that fit, an H100 was fastest with these.
  init?(_ part: Part, of inputs: AttentionInputs, on device: DeviceShape) {
    (depth, width) = ((inputs.depth + 15) & ~15, (inputs.width + 15) & ~15)
    isFilledUp = (depth, width) != (inputs.depth, inputs.width)
    let (most, isPlain) = (Swift.max(depth, width), inputs.bias == nil)
    if most > (part == .forward ? 256 : 128) { return nil }
    switch part {
    case .forward:
      tile = most <= 64 && isPlain ? 64 : 32
      (high, step, isHeld) = (most <= 128 ? 2 : 1, tile, most <= 64)
    case .queryGradient:
      (high, tile, step, isHeld) = most > 64 ? (1, 32, 32, true) : isPlain ? (2, 32, 32, true) : (2, 64, 16, true)
    case .keyGradients:
      (high, tile, step, isHeld) = most > 64 ? (1, 32, 16, isPlain) : (2, 64, isPlain ? 32 : 16, false)
    }
    let rows = TensorAttentionForm.warps * 16 * high
    // Rows are 8 elements longer there.
    let (stage, both) = (tile * (depth + width + 16), depth + width + 16)
    let elements =
      switch part {
      case .forward: rows * (most + 8) + 2 * stage
      case .queryGradient: rows * both + stage + Swift.max(stage, rows * (width + 8))
      case .keyGradients: rows * both + 2 * (stage + 4 * tile)
      }
    sharedByteCount = 2 * elements
    if sharedByteCount > device.sharedByteCount { return nil }
  }

  var threads: Int { 32 * TensorAttentionForm.warps }
  func blocks(_ rows: Int) -> Int { (rows + 16 * high * TensorAttentionForm.warps - 1) / (16 * high * TensorAttentionForm.warps) }

  var text: String {
    """
    constexpr int warps = \(TensorAttentionForm.warps), depth = \(depth), width = \(width), high = \(high), tile = \(tile), step = \(step);
    constexpr bool is_held = \(isHeld), is_filled_up = \(isFilledUp);

    """
  }
}
