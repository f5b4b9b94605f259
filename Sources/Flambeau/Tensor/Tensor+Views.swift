// Other layouts of the same elements: a view shares its tensor's storage, and writing to either is seen through both.

extension Tensor {
  /// The dimensions in another order. Torch's `permute`.
  public func permute(_ dims: [Int], file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("permute", at: site) { layout throws(TensorError) in
      guard dims.count == layout.rank else {
        throw .shape(
          "permute(dims): number of dimensions in the tensor input does not match the length of the desired ordering of "
            + "dimensions i.e. input.dim() = \(layout.rank) is not equal to len(dims) = \(dims.count)")
      }
      let order = try dims.mapDimensions(layout)
      guard Set(order).count == order.count else { throw .shape("permute(): duplicate dims are not allowed.") }
      return ops.views.permute(self, order, at: site)
    }
  }

  /// Two dimensions exchanged. Torch's `transpose`.
  public func transpose(_ a: Int, _ b: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("transpose", at: site) { layout throws(TensorError) in
      var order = Array(0..<layout.rank)
      let (a, b) = (try layout.dimension(a), try layout.dimension(b))
      if !order.isEmpty { order.swapAt(a, b) }
      return ops.views.permute(self, order, at: site)
    }
  }

  /// Two dimensions exchanged: ``transpose(_:_:file:line:)``. Torch's `swapdims`.
  public func swapDims(_ a: Int, _ b: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    transpose(a, b, file: file, line: line)
  }

  /// The dimensions in reverse order: a matrix transposed. Torch's `T`.
  public var T: Tensor { ndim < 2 ? self : permute(Array((0..<ndim).reversed())) }

  /// A matrix transposed; a vector as it is. Torch's `t`.
  public func t(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("t", at: CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank <= 2 else { throw .shape("t() expects a tensor with <= 2 dimensions, but self is \(layout.rank)D") }
      return T
    }
  }

  /// One dimension moved to another place, the others in their order. Torch's `movedim`.
  public func moveDim(
    _ source: Int, _ destination: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { moveDim([source], [destination], file: file, line: line) }

  /// Dimensions moved to other places, the others in their order. Torch's `movedim`.
  public func moveDim(
    _ source: [Int], _ destination: [Int], file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("movedim", at: site) { layout throws(TensorError) in
      guard source.count == destination.count else {
        throw .argument(
          "movedim: Invalid source or destination dims: source (\(source) dims) should contain the same number of dims as "
            + "destination (\(destination) dims)")
      }
      let (from, to) = (try source.mapDimensions(layout), try destination.mapDimensions(layout))
      guard Set(from).count == from.count else { throw .argument("movedim: repeated dim in `source` (\(source))") }
      guard Set(to).count == to.count else { throw .argument("movedim: repeated dim in `destination` (\(destination))") }
      if layout.rank == 0 { return self }
      var order = [Int?](repeating: nil, count: layout.rank)
      for (source, destination) in zip(from, to) { order[destination] = source }
      var rest = (0..<layout.rank).filter { !from.contains($0) }.makeIterator()
      return ops.views.permute(self, order.map { $0 ?? rest.next()! }, at: site)
    }
  }

  /// The tensor stretched to `shape` without a copy: sizes of 1 repeat, -1 keeps a size. Torch's `expand`.
  public func expand(_ shape: Shape, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("expand", at: site) { layout throws(TensorError) in
      var target = shape
      let lead = shape.count - layout.rank
      for i in 0..<shape.count where shape.at(i) == -1 {
        guard i >= lead else {
          throw .shape("The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension \(i)")
        }
        target.at(i, put: layout.shape.at(i - lead))
      }
      return ops.views.expand(self, target, at: site)
    }
  }

  /// ``expand(_:file:line:)`` to the shape of `other`. Torch's `expand_as`.
  public func expandAs(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    shaped(as: other) { $0.expand($1, file: file, line: line) }
  }

  /// ``expand(_:file:line:)`` under torch's other name, `broadcast_to`.
  public func broadcastTo(_ shape: Shape, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    expand(shape, file: file, line: line)
  }

  /// The same elements under another shape, without a copy; one size may be -1. Torch's `view`.
  public func view(_ shape: Shape, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("view", at: site) { layout throws(TensorError) in
      ops.views.view(self, try shape.resolved(for: layout.elementCount), at: site)
    }
  }

  /// ``view(_:file:line:)`` under the shape of `other`. Torch's `view_as`.
  public func viewAs(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    shaped(as: other) { $0.view($1, file: file, line: line) }
  }

  /// The same elements under another shape, copied only where a view is impossible. Torch's `reshape`.
  public func reshape(_ shape: Shape, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("reshape", at: site) { layout throws(TensorError) in
      reshaped(to: try shape.resolved(for: layout.elementCount), at: site)
    }
  }

  /// ``reshape(_:file:line:)`` to the shape of `other`. Torch's `reshape_as`.
  public func reshapeAs(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    shaped(as: other) { $0.reshape($1, file: file, line: line) }
  }

  /// Dimensions `startDim` to `endDim` merged into one; a scalar becomes a vector. Copied only where a view is impossible.
  /// Torch's `flatten`.
  public func flatten(
    startDim: Int = 0, endDim: Int = -1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("flatten", at: site) { layout throws(TensorError) in
      let (start, end) = (try layout.dimension(startDim), try layout.dimension(endDim))
      guard start <= end else {
        throw .argument("flatten() has invalid args: start_dim cannot come after end_dim")
      }
      if layout.rank == 0 { return reshaped(to: [1], at: site) }
      if start == end { return self }
      let merged = (start...end).reduce(1) { $0 * layout.shape.at($1) }
      return reshaped(to: Shape(layout.shape[..<start] + [merged] + layout.shape[(end + 1)...]), at: site)
    }
  }

  /// Dimension `dim` split into several of `sizes`, one of which may be -1. Torch's `unflatten`.
  public func unflatten(_ dim: Int, _ sizes: Shape, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("unflatten", at: site) { layout throws(TensorError) in
      let dim = try layout.dimension(dim)
      guard sizes.count > 0 else { throw .argument("unflatten: sizes must be non-empty") }
      let size = layout.rank == 0 ? 1 : layout.shape.at(dim)
      guard let inner = try? sizes.resolved(for: size) else {
        throw .shape(
          "unflatten: Provided sizes \(sizes) don't multiply up to the size of dim \(dim) (\(size)) in the input tensor")
      }
      let target = layout.rank == 0 ? inner : Shape(layout.shape[..<dim] + Array(inner) + layout.shape[(dim + 1)...])
      return ops.views.view(self, target, at: site)
    }
  }

  private func reshaped(to target: Shape, at site: CallSite) -> Tensor {
    ops.views.view(body.layout.viewed(as: target) == nil ? contiguous() : self, target, at: site)
  }

  /// `length` positions of `dim` from `start` on, negative ones counted from the end. Torch's `narrow`.
  public func narrow(
    _ dim: Int, start: Int, length: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("narrow", at: site) { layout throws(TensorError) in
      guard layout.rank > 0 else { throw .shape("narrow() cannot be applied to a 0-dim tensor.") }
      let dim = try layout.dimension(dim)
      let size = layout.shape.at(dim)
      guard length >= 0 else { throw .index("narrow(): length must be non-negative.") }
      guard start >= -size, start <= size else {
        throw .index("start out of range (expected to be in range of [\(-size), \(size)], but got \(start))")
      }
      let first = start < 0 ? start + size : start
      guard length <= size - first else {
        throw .index("start (\(first)) + length (\(length)) exceeds dimension size (\(size)).")
      }
      return ops.views.slice(self, SliceArguments(dim: dim, start: first, count: length, step: 1), at: site)
    }
  }

  /// Position `index` of dimension `dim`, which goes; negative ones count from the end. Torch's `select`.
  public func select(dim: Int, index: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("select", at: site) { layout throws(TensorError) in
      guard layout.rank > 0 else { throw .index("select() cannot be applied to a 0-dim tensor.") }
      let dim = try layout.dimension(dim)
      let size = layout.shape.at(dim)
      guard index >= -size, index < size else {
        throw .index("select(): index \(index) out of range for tensor of size \(layout.shape) at dimension \(dim)")
      }
      return ops.views.select(self, Position(dim: dim, index: index < 0 ? index + size : index), at: site)
    }
  }

  /// Without the dimensions of size 1. Torch's `squeeze`.
  public func squeeze(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    squeeze(Array(0..<ndim), file: file, line: line)
  }

  /// Without dimension `dim`, if its size is 1. Torch's `squeeze(dim)`.
  public func squeeze(_ dim: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    squeeze([dim], file: file, line: line)
  }

  /// Without those of `dims` whose size is 1. Torch's `squeeze(dims)`.
  public func squeeze(_ dims: [Int], file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("squeeze", at: site) { layout throws(TensorError) in
      let named = try dims.mapDimensions(layout)
      try named.checkDistinct()
      let gone = named.filter { layout.rank > 0 && layout.shape.at($0) == 1 }.sorted()
      return ops.views.squeeze(self, gone, at: site)
    }
  }

  /// A dimension of size 1 inserted before position `dim`, counted from the end of the result if negative. Torch's
  /// `unsqueeze`.
  public func unsqueeze(_ dim: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("unsqueeze", at: site) { layout throws(TensorError) in
      ops.views.unsqueeze(self, try layout.dimension(dim, rank: layout.rank + 1), at: site)
    }
  }

  /// The diagonal of dimensions `dim1` and `dim2`, as a last dimension instead of both. Torch's `diagonal`.
  ///
  /// `offset` counts diagonals: above the main one if positive, below it if negative.
  public func diagonal(
    offset: Int = 0, dim1: Int = 0, dim2: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("diagonal", at: site) { layout throws(TensorError) in
      let (first, second) = (try layout.dimension(dim1), try layout.dimension(dim2))
      guard first != second else {
        throw .argument("diagonal dimensions cannot be identical \(dim1), \(dim2)")
      }
      let limit = Swift.max(layout.shape.at(first), layout.shape.at(second))
      let at = DiagonalArguments(offset: Swift.min(Swift.max(offset, -limit), limit), dim1: first, dim2: second)
      return ops.views.diagonal(self, at, at: site)
    }
  }

  /// A view of pieces of dimension `dim`, `size` positions each, beginning `step` apart: the dimension counts them, and a
  /// new last one runs along each. Torch's `unfold`.
  public func unfold(
    _ dim: Int, size: Int, step: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("unfold", at: site) { layout throws(TensorError) in
      let dim = try layout.dimension(dim)
      let whole = layout.rank == 0 ? 1 : layout.shape.at(dim)
      guard size >= 0 else { throw .argument("size is \(size) but must be >= 0") }
      guard size <= whole else {
        throw .argument("maximum size for tensor at dimension \(dim) is \(whole) but size is \(size)")
      }
      guard step > 0 else { throw .argument("step is \(step) but must be > 0") }
      return ops.views.unfold(self, UnfoldArguments(dim: dim, size: size, step: step), at: site)
    }
  }

  /// A tensor of the same elements that gradients do not flow through. Torch's `detach`.
  public func detach() -> Tensor {
    if let poison = body.poison { return Door.poisoned(by: poison, .current) }
    return Tensor(TensorBody(body.value, isInference: body.isInference))
  }

  private func shaped(as other: Tensor, _ change: (Tensor, Shape) -> Tensor) -> Tensor {
    if let poison = other.body.poison { return Door.poisoned(by: poison, .current) }
    return change(self, other.body.layout.shape)
  }

  /// Runs `body` with the layout, reporting what it throws as a refusal of `name`.
  func checked(
    _ name: String, at site: CallSite, _ body: (Layout) throws(TensorError) -> Tensor
  ) -> Tensor {
    if let poison = self.body.poison { return Door.poisoned(by: poison, .current) }
    do throws(TensorError) {
      return try body(self.body.layout)
    } catch {
      return Door.refuse(error, name, Few(self), at: site)
    }
  }

  /// Itself, or what poisoned it: for a call that looks at what it has made.
  func sound() throws(TensorError) -> Tensor {
    if let poison = body.poison { throw poison }
    return self
  }

  /// The elements on the processor, or why they are not to be had.
  func soundArray<Element: TensorElement>(of type: Element.Type) throws(TensorError) -> [Element] {
    let x = try sound()
    return try withExtendedLifetime(x) { () throws(TensorError) in try x.body.elements.array() }
  }

  /// `checked` for a call with other operands.
  func checked(
    _ name: String, with other: Tensor, _ others: Tensor..., at site: CallSite,
    _ body: (Layout) throws(TensorError) -> Tensor
  ) -> Tensor {
    if let poison = ([other] + others).lazy.compactMap(\.body.poison).first { return Door.poisoned(by: poison, .current) }
    return checked(name, at: site, body)
  }
}

extension [Int] {
  /// Throws torch's sentence where a dimension is named twice.
  func checkDistinct() throws(TensorError) {
    for (i, dim) in enumerated() where self[..<i].contains(dim) {
      throw .argument("dim \(dim) appears multiple times in the list of dims")
    }
  }
}
