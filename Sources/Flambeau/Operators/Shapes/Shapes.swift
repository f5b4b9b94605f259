/// Tensors side by side, in pieces, and turned; made of other rows.
struct Shapes: Sendable {
  let composites: [Sample] = [
    Sample("a.repeat_interleave(2)", [.real([2, 3])]) { $0[0].repeatInterleave(2) },
    Sample("a.repeat_interleave(3, 1)", [.real([2, 3])]) { $0[0].repeatInterleave(3, dim: 1) },
    Sample("a.repeat_interleave(b, 0)", [.real([3, 2]), .integers([3], 0...3)]) { $0[0].repeatInterleave($0[1], dim: 0) },
    Sample("a.repeat_interleave(b)", [.real([2, 2]), .integers([4], 0...3)]) { $0[0].repeatInterleave($0[1]) },
    .several("a.tensor_split(3, 1)", [.real([2, 7])]) { Array($0[0].tensorSplit(3, dim: 1)) },
    .several("a.tensor_split((1, -2, 9), -1)", [.real([2, 7])]) { Array($0[0].tensorSplit([1, -2, 9], dim: -1)) },
    .several("a.hsplit(2)", [.real([2, 4])]) { Array($0[0].hsplit(2)) },
    .several("a.vsplit([1])", [.real([3, 4])]) { Array($0[0].vsplit([1])) },
    .several("a.dsplit(2)", [.real([2, 3, 4])]) { Array($0[0].dsplit(2)) },
    Sample("torch.hstack([a, b])", [.real([3]), .real([2])]) { .hstack($0) },
    Sample("torch.hstack([a, b])", [.real([3, 1]), .real([3, 2])]) { .hstack($0) },
    Sample("torch.vstack([a, b])", [.real([3]), .real([2, 3])]) { .vstack($0) },
    Sample("torch.dstack([a, b])", [.real([2, 3]), .real([2, 3])]) { .dstack($0) },
    Sample("torch.column_stack([a, b, c])", [.real([2]), .real([2, 3]), .real([2])]) { .columnStack($0) },
    Sample("torch.block_diag(a, b, c)", [.real([2]), .real([3, 1]), .real([])]) { .blockDiag($0) },
    Sample("a.rot90()", [.real([2, 3])]) { $0[0].rot90() },
    Sample("a.rot90(-1, (2, 0))", [.real([2, 3, 2])]) { $0[0].rot90(-1, dims: [2, 0]) },
    Sample("a.rot90(6, (0, 1))", [.real([2, 3])]) { $0[0].rot90(6) },
    Sample("a.fliplr()", [.real([2, 3])]) { $0[0].fliplr() },
    Sample("a.flipud()", [.real([2, 3])]) { $0[0].flipud() },
    Sample("F.pixel_shuffle(a, 2)", [.real([2, 8, 2, 3])]) { $0[0].pixelShuffle(2) },
    Sample("F.pixel_unshuffle(a, 3)", [.real([2, 6, 3])]) { $0[0].pixelUnshuffle(3) },
    Sample("F.channel_shuffle(a.detach(), 2)", [.real([1, 6, 2, 2])]) { $0[0].detach().channelShuffle(2) },
    Sample("torch.atleast_1d(a)", [.real([])]) { $0[0].atLeast1D() },
    Sample("torch.atleast_2d(a)", [.real([3])]) { $0[0].atLeast2D() },
    Sample("torch.atleast_3d(a)", [.real([3])]) { $0[0].atLeast3D() },
    Sample("torch.atleast_3d(a)", [.real([2, 3])]) { $0[0].atLeast3D() },
    Sample("a.contiguous(memory_format=torch.channels_last) * 2", [.real([2, 3, 2, 2])]) {
      $0[0].contiguous(memoryFormat: .channelsLast) * 2
    },
  ]
}

extension Tensor {
  /// Every element, or with `dim` every position of it, `count` times in succession. Torch's `repeat_interleave`.
  public func repeatInterleave(
    _ count: Int, dim: Int? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("repeat_interleave", at: CallSite(file, line)) { layout throws(TensorError) in
      guard count >= 0 else { throw .argument("Repeats must be non-negative") }
      let whole = try (dim == nil || layout.rank == 0 ? flatten() : self).sound()
      let dim = try whole.body.layout.dimension(dim ?? 0)
      let (apart, shape) = (whole.unsqueeze(dim + 1), whole.shape)
      let (size, overflow) = shape.at(dim).multipliedReportingOverflow(by: count)
      let target = shape.replacing(dim, with: overflow ? .max : size)
      _ = try target.byteCount(of: dtype)
      return apart.expand(shape.inserting(count, at: dim + 1)).reshape(target)
    }
  }

  /// Every element, or with `dim` every position of it, as often in succession as `counts`, a vector or scalar of integers,
  /// says. Torch's `repeat_interleave`.
  public func repeatInterleave(
    _ counts: Tensor, dim: Int? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("repeat_interleave", at: CallSite(file, line)) { layout throws(TensorError) in
      if let poison = counts.body.poison { return Door.poisoned(by: poison, .current) }
      guard counts.ndim <= 1 else { throw .shape("repeats must be 0-dim or 1-dim tensor") }
      guard counts.dtype == .int64 || counts.dtype == .int32 else {
        throw .dtype("\"repeat_interleave_cpu\" not implemented for '\(counts.dtype.torchScalarName)'")
      }
      let whole = try (dim == nil || layout.rank == 0 ? flatten() : self).sound()
      let dim = try whole.body.layout.dimension(dim ?? 0)
      let size = whole.shape.at(dim)
      var each = try counts.soundArray(of: Int.self)
      if each.count == 1 { each = Array(repeating: each[0], count: size) }
      guard each.count == size else {
        throw .shape(
          "repeats must have the same size as input along dim, but got repeats.size(0) = \(counts.count) and "
            + "input.size(\(dim)) = \(size)")
      }
      guard each.allSatisfy({ $0 >= 0 }) else { throw .argument("repeats can not be negative") }
      let places = each.enumerated().flatMap { Array(repeating: $0, count: $1) }
      return whole.indexSelect(dim: dim, index: Tensor(places, device: device), file: file, line: line)
    }
  }

  /// The lists of positions put before one another: 0 `counts[0]` times, 1 `counts[1]` times, … Torch's
  /// `repeat_interleave` of counts alone.
  public static func repeatInterleave(
    _ counts: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { Tensor.arange(counts.count, device: counts.device).repeatInterleave(counts, file: file, line: line) }

  /// The tensors, vectors at least, side by side: along dimension 1, vectors along 0. Torch's `hstack`.
  public static func hstack(
    _ tensors: some Collection<Tensor>, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    joined(tensors.map { $0.atLeast1D() }, "hstack", CallSite(file, line)) {
      .cat($0, dim: $0[0].ndim == 1 ? 0 : 1, file: file, line: line)
    }
  }

  /// The tensors, vectors taken as rows, one under the other. Torch's `vstack`.
  public static func vstack(
    _ tensors: some Collection<Tensor>, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    joined(tensors.map { $0.atLeast2D() }, "vstack", CallSite(file, line)) { .cat($0, file: file, line: line) }
  }

  /// The tensors, of three dimensions at least, along the third. Torch's `dstack`.
  public static func dstack(
    _ tensors: some Collection<Tensor>, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    joined(tensors.map { $0.atLeast3D() }, "dstack", CallSite(file, line)) { .cat($0, dim: 2, file: file, line: line) }
  }

  /// Vectors as columns, beside each other and beside matrices. Torch's `column_stack`.
  public static func columnStack(
    _ tensors: some Collection<Tensor>, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let columns = tensors.map { $0.ndim <= 1 ? $0.reshape([$0.count, 1], file: file, line: line) : $0 }
    return joined(columns, "column_stack", CallSite(file, line)) { .cat($0, dim: 1, file: file, line: line) }
  }

  private static func joined(
    _ tensors: [Tensor], _ name: String, _ site: CallSite, _ join: ([Tensor]) -> Tensor
  ) -> Tensor {
    if tensors.isEmpty {
      return Door.refuse(.argument("\(name) expects a non-empty TensorList"), name, Few(), at: site)
    }
    return join(tensors)
  }

  /// Matrices along the diagonal of a greater one, 0 elsewhere; vectors are rows, scalars [1, 1]. Torch's `block_diag`.
  public static func blockDiag(
    _ tensors: some Collection<Tensor>, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    guard let first = tensors.first else { return .empty([1, 0], file: file, line: line) }
    return first.checked("block_diag", at: site) { _ throws(TensorError) in
      for (i, tensor) in tensors.enumerated() where tensor.ndim > 2 {
        throw .shape(
          "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input \(i) has \(tensor.ndim) dimensions")
      }
      let blocks = tensors.map { $0.atLeast2D() }
      let columns = blocks.reduce(0) { $0 + $1.shape.at(1) }
      var start = 0
      let rows = blocks.map { block in
        let (height, width) = (block.shape.at(0), block.shape.at(1))
        defer { start += width }
        return block.placed(in: [height, columns], 1, start: start)
      }
      return .cat(rows, file: file, line: line)
    }
  }

  /// Turned by `count` right angles in the plane of two dimensions, from the first to the second. Torch's `rot90`.
  public func rot90(
    _ count: Int = 1, dims: [Int] = [0, 1], file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("rot90", at: CallSite(file, line)) { layout throws(TensorError) in
      guard dims.count == 2 else { throw .argument("expected total rotation dims == 2, but got dims = \(dims.count)") }
      guard layout.rank >= 2 else { throw .shape("expected total dims >= 2, but got total dims = \(layout.rank)") }
      let (first, second) = (try layout.dimension(dims[0]), try layout.dimension(dims[1]))
      guard first != second else {
        throw .argument(
          "expected rotation dims to be different, but got dim0 = \(dims[0]) and dim1 = \(dims[1])")
      }
      switch ((count % 4) + 4) % 4 {
      case 1: return flip(second).transpose(first, second)
      case 2: return flip([first, second])
      case 3: return flip(first).transpose(first, second)
      default: return clone()
      }
    }
  }

  /// The columns in reverse order: dimension 1. Torch's `fliplr`.
  public func fliplr(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("fliplr", at: CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank >= 2 else { throw .shape("Input must be >= 2-d.") }
      return flip(1)
    }
  }

  /// The rows in reverse order: dimension 0. Torch's `flipud`.
  public func flipud(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("flipud", at: CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank >= 1 else { throw .shape("Input must be >= 1-d.") }
      return flip(0)
    }
  }

  /// Itself, or a scalar as a vector. Torch's `atleast_1d`.
  public func atLeast1D() -> Tensor { ndim == 0 && body.poison == nil ? reshape([1]) : self }
  /// Itself, or a vector as a row. Torch's `atleast_2d`.
  public func atLeast2D() -> Tensor { ndim < 2 && body.poison == nil ? reshape([1, count]) : self }
  /// Itself, a matrix [m, n] as [m, n, 1], or a vector as [1, n, 1]. Torch's `atleast_3d`.
  public func atLeast3D() -> Tensor {
    if body.poison != nil || ndim > 2 { return self }
    return ndim == 2 ? unsqueeze(-1) : reshape([1, count, 1])
  }
}
