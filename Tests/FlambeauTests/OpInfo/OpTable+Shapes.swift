@testable import Flambeau

extension OpTable {
  mutating func addShapes() {
    one("reshape", "view") { c in try c.x.reshape(Shape(try c.sizes(from: 1, "shape"))) }
    one("view") { c in try c.x.view(Shape(try c.sizes(from: 1, "shape"))) }
    one("reshape_as") { c in try c.x.reshapeAs(try c.tensor("other", 1)) }
    one("view_as") { c in try c.x.viewAs(try c.tensor("other", 1)) }
    one("flatten") { c in
      try c.x.flatten(startDim: try c.int("start_dim", 1, default: 0), endDim: try c.int("end_dim", 2, default: -1))
    }
    one("unflatten") { c in try c.x.unflatten(try c.int("dim", 1), try c.shape("sizes", 2)) }
    one("permute") { c in try c.x.permute(try c.sizes(from: 1, "dims")) }
    one("transpose") { c in try c.x.transpose(try c.int("dim0", 1), try c.int("dim1", 2)) }
    unary("t") { $0.t() }
    one("movedim") { c in
      let (source, destination) = (try c.ints("source", 1), try c.ints("destination", 2))
      guard let source, let destination else { throw Unmapped(reason: "no dims") }
      return try c.x.moveDim(source, destination)
    }
    one("expand") { c in try c.x.expand(Shape(try c.sizes(from: 1, "size"))) }
    one("expand_as") { c in try c.x.expandAs(try c.tensor("other", 1)) }
    one("broadcast_to") { c in try c.x.broadcastTo(try c.shape("size", 1)) }
    one("squeeze") { c in
      guard let dim = try c.intIfAny("dim", 1) else { return try c.x.squeeze() }
      return try c.x.squeeze(dim)
    }
    one("squeeze.multiple") { c in
      guard let dims = try c.ints("dim", 1) else { return try c.x.squeeze() }
      return try c.x.squeeze(dims)
    }
    one("unsqueeze") { c in try c.x.unsqueeze(try c.int("dim", 1)) }
    one("narrow") { c in
      guard case .int(let start)? = c.argument("start", 2) else { throw Unmapped(reason: "start is a tensor") }
      return try c.x.narrow(try c.int("dim", 1), start: start, length: try c.int("length", 3))
    }
    one("select") { c in try c.x.select(dim: try c.int("dim", 1), index: try c.int("index", 2)) }
    one("diagonal", "linalg.diagonal") { c in
      try c.x.diagonal(
        offset: try c.int("offset", 1, default: 0), dim1: try c.int("dim1", 2, default: 0),
        dim2: try c.int("dim2", 3, default: 1))
    }
    one("linalg.diagonal") { c in
      try c.x.diagonal(
        offset: try c.int("offset", default: 0), dim1: try c.int("dim1", default: -2), dim2: try c.int("dim2", default: -1))
    }
    one("diag") { c in try c.x.diag(try c.int("diagonal", 1, default: 0)) }
    one("tril") { c in try c.x.tril(try c.int("diagonal", 1, default: 0)) }
    one("triu") { c in try c.x.triu(try c.int("diagonal", 1, default: 0)) }
    one("flip") { c in try c.x.flip(try c.sizes(from: 1, "dims")) }
    one("roll") { c in
      guard let shifts = try c.ints("shifts", 1) else { throw Unmapped(reason: "no shifts") }
      let dims = try c.ints("dims", 2) ?? []
      return dims.isEmpty && shifts.count == 1 ? try c.x.roll(shifts[0]) : try c.x.roll(shifts, dim: dims)
    }
    one("repeat") { c in try c.x.repeat(Shape(try c.sizes(from: 1, "repeats"))) }
    one("tile") { c in try c.x.tile(Shape(try c.sizes(from: 1, "dims"))) }
    one("cat") { c in Tensor.cat(try c.tensors, dim: try c.int("dim", 1, default: 0)) }
    one("stack") { c in Tensor.stack(try c.tensors, dim: try c.int("dim", 1, default: 0)) }
    one("unfold") { c in try c.x.unfold(try c.int("dimension", 1), size: try c.int("size", 2), step: try c.int("step", 3)) }
    several("tensor_split") { c in
      let dim = try c.int("dim", 2, default: 0)
      switch c.argument("indices_or_sections", 1) {
      case .int(let count)?: return Array(try c.x.tensorSplit(count, dim: dim))
      case .tensor(let cuts)?: return Array(try c.x.tensorSplit(cuts, dim: dim))
      default: return Array(try c.x.tensorSplit(try c.ints("indices_or_sections", 1) ?? [], dim: dim))
      }
    }
    cut("hsplit", { $0.hsplit($1) }, { $0.hsplit($1) })
    cut("vsplit", { $0.vsplit($1) }, { $0.vsplit($1) })
    cut("dsplit", { $0.dsplit($1) }, { $0.dsplit($1) })
    one("hstack") { c in Tensor.hstack(try c.tensors) }
    one("vstack") { c in Tensor.vstack(try c.tensors) }
    one("dstack") { c in Tensor.dstack(try c.tensors) }
    one("column_stack") { c in Tensor.columnStack(try c.tensors) }
    one("block_diag") { c in Tensor.blockDiag(try c.allTensors) }
    one("cartesian_prod") { c in Tensor.cartesianProd(try c.allTensors) }
    one("combinations") { c in
      try c.x.combinations(try c.int("r", 1, default: 2), withReplacement: try c.bool("with_replacement", 2))
    }
    for name in ["meshgrid.variadic_tensors", "meshgrid.list_of_tensors"] {
      several(name) { c in Array(Tensor.meshgrid(try c.allTensors, indexing: try c.text("indexing") == "xy" ? .xy : .ij)) }
    }
    one("diag_embed") { c in
      try c.x.diagEmbed(
        offset: try c.int("offset", 1, default: 0), dim1: try c.int("dim1", 2, default: -2),
        dim2: try c.int("dim2", 3, default: -1))
    }
    unary("fliplr") { $0.fliplr() }
    unary("flipud") { $0.flipud() }
    unary("T") { $0.T }
    one("rot90") { c in try c.x.rot90(try c.int("k", 1, default: 1), dims: try c.ints("dims", 2) ?? [0, 1]) }
    one("repeat_interleave") { c in
      _ = try c.intIfAny("output_size")
      let dim = try c.intIfAny("dim", 2)
      if case .tensor(let counts)? = c.argument("repeats", 1) { return try c.x.repeatInterleave(counts, dim: dim) }
      return try c.x.repeatInterleave(try c.int("repeats", 1), dim: dim)
    }
    one("nn.functional.pixel_shuffle") { c in try c.x.pixelShuffle(try c.int("upscale_factor", 1)) }
    one("nn.functional.pixel_unshuffle") { c in try c.x.pixelUnshuffle(try c.int("downscale_factor", 1)) }
    one("nn.functional.channel_shuffle") { c in try c.x.channelShuffle(try c.int("groups", 1)) }
    several("atleast_1d") { c in try c.allTensors.map { $0.atLeast1D() } }
    several("atleast_2d") { c in try c.allTensors.map { $0.atLeast2D() } }
    several("atleast_3d") { c in try c.allTensors.map { $0.atLeast3D() } }
    several("split") { c in
      Array(try c.x.split(try c.int("split_size_or_sections", 1), dim: try c.int("dim", 2, default: 0)))
    }
    several("split.list_args", "split_with_sizes") { c in
      guard let sizes = try c.ints("split_sizes", 1) else { throw Unmapped(reason: "no sizes") }
      return Array(try c.x.split(sizes, dim: try c.int("dim", 2, default: 0)))
    }
    several("chunk") { c in Array(try c.x.chunk(try c.int("chunks", 1), dim: try c.int("dim", 2, default: 0))) }
    several("unbind") { c in Array(try c.x.unbind(dim: try c.int("dim", 1, default: 0))) }
    one("as_strided") { c in
      guard let strides = try c.ints("stride", 2) else { throw Unmapped(reason: "no strides") }
      return try c.x.asStrided(try c.shape("size", 1), strides: strides, offset: try c.intIfAny("storage_offset", 3))
    }
    one("clone") { c in try c.x.clone() }
    one("contiguous") { c in try c.x.contiguous() }
    one("to") { c in
      guard case .dtype(let dtype)? = c.argument("dtype", 1) else { throw Unmapped(reason: "no dtype") }
      return try c.x.to(dtype)
    }
    unary("bfloat16") { $0.bfloat16() }
    unary("bool") { $0.bool() }
    unary("byte") { $0.byte() }
    unary("char") { $0.char() }
    unary("double") { $0.double() }
    unary("float") { $0.float() }
    unary("half") { $0.half() }
    unary("int") { $0.int() }
    unary("long") { $0.long() }
    unary("short") { $0.short() }
  }

  /// A split along a fixed dimension, into so many parts or at places.
  private mutating func cut(
    _ name: String, _ count: @escaping @Sendable (Tensor, Int) -> TensorList,
    _ places: @escaping @Sendable (Tensor, [Int]) -> TensorList
  ) {
    several(name) { c in
      if case .int(let parts)? = c.argument("indices_or_sections", 1) { return Array(count(try c.x, parts)) }
      return Array(places(try c.x, try c.ints("indices_or_sections", 1) ?? []))
    }
  }
}

extension OpCall {
  /// The input, or the input's list, and the tensors that follow it.
  fileprivate var allTensors: [Tensor] {
    get throws { try tensors + rest(from: 1).flatMap { try $0.tensors() } }
  }
}
