/// What is put around a tensor.
public enum PaddingMode: Sendable, Hashable {
  /// A number, 0 unless another is given; negative amounts cut off.
  case constant
  /// What lies on the other side of the edge, without the edge itself.
  case reflect
  /// The edge again and again.
  case replicate
  /// What lies at the opposite end.
  case circular
}

extension PaddingMode {
  /// The function that pads so many dimensions.
  fileprivate func torchName(_ dims: Int) -> String {
    switch self {
    case .constant: "constant_pad_nd"
    case .reflect: "reflection_pad\(dims)d"
    case .replicate: "replication_pad\(dims)d"
    case .circular: "circular_pad"
    }
  }
}

struct PaddingArguments: Sendable {
  /// Before and after every dimension.
  var amounts: [PaddingAmount]
  var value: Number = 0

  var negated: PaddingArguments {
    PaddingArguments(amounts: amounts.map { PaddingAmount(before: -$0.before, after: -$0.after) })
  }
}

struct PaddingAmount: Sendable, Hashable {
  var before: Int
  var after: Int
}

/// Tensors in a frame.
struct Paddings: Sendable {
  let constant: Operator<PaddingArguments> = Operator<PaddingArguments>(
    "pad",
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!.body
      var (shape, inside, source) = (x.layout.shape, Layout(x.layout.shape), x.layout)
      for (dim, amount) in at.amounts.enumerated() {
        shape.at(dim, put: shape.at(dim) + amount.before + amount.after)
      }
      _ = try shape.byteCount(of: x.dtype)
      let result = try Value(Layout(shape), x.dtype, on: x.device)
      try result.fill(with: at.value)
      inside = result.layout
      for (dim, amount) in at.amounts.enumerated() {
        let (cut, start) = (Swift.max(0, -amount.before), Swift.max(0, amount.before))
        let kept = source.shape.at(dim) - cut - Swift.max(0, -amount.after)
        guard kept >= 0 else { throw .argument("narrow(): length must be non-negative.") }
        source = source.sliced(dim, start: cut, count: kept)
        inside = inside.sliced(dim, start: start, count: kept)
      }
      try x.elements(source).copy(to: result.elements(inside))
      return result
    },
    backward: { (call, gradient) throws(TensorError) in Few(ops.paddings.constant(gradient, call.attributes.negated)) },
    samples: [
      Sample("F.pad(a, (1, 2))", [.real([2, 3])]) { $0[0].pad([1, 2]) },
      Sample("F.pad(a, (1, 0, 0, 2), value=2)", [.real([2, 3, 2])]) { $0[0].pad([1, 0, 0, 2], value: 2) },
      Sample("F.pad(a, (-1, 2, 1, -1, 0, 1))", [.real([2, 3, 3])]) { $0[0].pad([-1, 2, 1, -1, 0, 1]) },
    ]
  ).onGPU()

  /// Made of other rows.
  let composites: [Sample] = [
    Sample("F.pad(a, (1, 2), 'reflect')", [.real([2, 3, 4])]) { $0[0].pad([1, 2], mode: .reflect) },
    Sample("F.pad(a, (1, 2, 2, 1), 'reflect')", [.real([2, 3, 4])]) { $0[0].pad([1, 2, 2, 1], mode: .reflect) },
    Sample("F.pad(a, (1, 0, 0, 1, 1, 1), 'reflect')", [.real([1, 2, 3, 2])]) {
      $0[0].pad([1, 0, 0, 1, 1, 1], mode: .reflect)
    },
    Sample("F.pad(a, (3, 5), 'replicate')", [.real([2, 3])]) { $0[0].pad([3, 5], mode: .replicate) },
    Sample("F.pad(a, (1, -1, 0, 2), 'replicate')", [.real([1, 2, 3, 4])]) { $0[0].pad([1, -1, 0, 2], mode: .replicate) },
    Sample("F.pad(a, (1, 1, 2, 0, 0, 1), 'replicate')", [.real([1, 1, 2, 2, 3])]) {
      $0[0].pad([1, 1, 2, 0, 0, 1], mode: .replicate)
    },
    Sample("F.pad(a, (3, 2), 'circular')", [.real([2, 3])]) { $0[0].pad([3, 2], mode: .circular) },
    Sample("F.pad(a, (-1, 2, 1, 1), 'circular')", [.real([2, 3, 4])]) { $0[0].pad([-1, 2, 1, 1], mode: .circular) },
  ]
}

extension Tensor {
  /// The tensor in a frame. Torch's `pad`.
  ///
  /// - Parameters:
  ///   - amounts: Before and after the last dimension, then before and after the one in front of it, and so on. Modes other
  ///     than `.constant` pad the last 1, 2 or 3 dimensions, all but the first one or two.
  ///   - value: What a constant frame is made of.
  public func pad(
    _ amounts: [Int], mode: PaddingMode = .constant, value: Double = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("pad", at: site) { layout throws(TensorError) in
      guard amounts.count % 2 == 0 else { throw .argument("Padding length must be divisible by 2") }
      guard amounts.count <= 2 * layout.rank else {
        throw .argument(
          "Padding length should be less than or equal to two times the input dimension but got padding length "
            + "\(amounts.count) and input of dimension \(layout.rank)")
      }
      let framed = amounts.count / 2
      if mode == .constant {
        var each = Array(repeating: PaddingAmount(before: 0, after: 0), count: layout.rank)
        for i in 0..<framed { each[layout.rank - 1 - i] = PaddingAmount(before: amounts[2 * i], after: amounts[2 * i + 1]) }
        for (dim, amount) in each.enumerated() where layout.shape.at(dim) + amount.before + amount.after < 0 {
          throw .argument(
            "The input size \(layout.shape.at(dim)), plus negative padding \(amount.before) and \(amount.after), resulted in "
              + "a negative output size, which is invalid. Check dimension \(dim) of your input.")
        }
        return ops.paddings.constant(self, PaddingArguments(amounts: each, value: Number(value)), at: site)
      }
      guard value == 0 else { throw .argument("Padding mode \"\(mode)\" doesn't take in value argument") }
      guard (1...3).contains(framed), layout.rank == framed + 1 || layout.rank == framed + 2 else {
        throw .argument("Padding size \(amounts.count) is not supported for \(layout.rank)D input tensor.")
      }
      if let autocast = AutocastMethod(mode.torchName(framed), on: self) {
        return try autocast(self) { $0[0]!.pad(amounts, mode: mode, value: value, file: file, line: line) }
      }
      var result = self
      for i in 0..<framed {
        let dim = layout.rank - 1 - i
        let (before, after) = (amounts[2 * i], amounts[2 * i + 1])
        if before == 0 && after == 0 { continue }
        let positions = try layout.framePositions(dim, before, after, mode)
        result = result.indexSelect(dim: dim, index: Tensor(positions, device: device))
      }
      return result
    }
  }
}

extension Layout {
  /// Which positions of `dim` a frame shows, and those between.
  fileprivate func framePositions(
    _ dim: Int, _ before: Int, _ after: Int, _ mode: PaddingMode
  ) throws(TensorError) -> [Int64] {
    let size = shape.at(dim)
    guard size + before + after > 0, size > 0 else {
      throw .shape(
        "input (size: \(size)) is too small. Calculated output size: \(size + before + after) at dimension \(dim)")
    }
    switch mode {
    case .reflect where before >= size || after >= size:
      throw .argument(
        "Padding size should be less than the corresponding input dimension, but got: padding (\(before), \(after)) at "
          + "dimension \(dim) of input \(shape)")
    case .circular where before > size || after > size || size + Swift.min(before, 0) + Swift.min(after, 0) <= 0:
      throw .argument("Padding value causes wrapping around more than once.")
    default: break
    }
    return (-before..<size + after).map { position in
      switch mode {
      case .reflect:
        let inside = Swift.abs(position)
        return Int64(inside < size ? inside : 2 * (size - 1) - inside)
      case .circular:
        let (first, kept) = (Swift.max(0, -before), size + Swift.min(before, 0) + Swift.min(after, 0))
        return Int64(first + ((position - first) % kept + kept) % kept)
      default: return Int64(Swift.min(Swift.max(position, 0), size - 1))
      }
    }
  }
}
