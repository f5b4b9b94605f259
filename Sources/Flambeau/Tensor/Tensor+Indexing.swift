extension Tensor {
  /// The elements that `terms` name, and writing to them: torch's `x[…]`. See ``TensorIndex`` for what can stand there.
  ///
  /// What is read is a view where no term is a tensor, else a copy. Writing changes this tensor's elements, seen through
  /// every alias and recorded for gradients: the new value is broadcast, and converted unless a term is a tensor.
  public subscript(
    _ terms: any TensorIndex..., file file: StaticString = #fileID, line line: UInt = #line
  ) -> Tensor {
    get { read(terms, CallSite(file, line)) }
    nonmutating set { write(terms, newValue, CallSite(file, line)) }
  }

  /// The one element that `terms` name as a number, and a number written to all elements that they name: `x[mask] = 0`.
  @_disfavoredOverload
  public subscript<Element: TensorElement>(
    _ terms: any TensorIndex..., file file: StaticString = #fileID, line line: UInt = #line
  ) -> Element {
    get { read(terms, CallSite(file, line)).item(as: Element.self, file: file, line: line) }
    nonmutating set { write(terms, element(newValue, CallSite(file, line)), CallSite(file, line)) }
  }

  /// All elements: `x[...] = y` writes over them.
  public subscript(
    _ everything: UnboundedRange, file file: StaticString = #fileID, line line: UInt = #line
  ) -> Tensor {
    get { self }
    nonmutating set { write([], newValue, CallSite(file, line)) }
  }

  /// The only element as a number, and a number written over all elements.
  @_disfavoredOverload
  public subscript<Element: TensorElement>(
    _ everything: UnboundedRange, file file: StaticString = #fileID, line line: UInt = #line
  ) -> Element {
    get { item(as: Element.self, file: file, line: line) }
    nonmutating set { write([], element(newValue, CallSite(file, line)), CallSite(file, line)) }
  }

  /// A number as a scalar tensor of this dtype.
  private func element<Element: TensorElement>(_ value: Element, _ site: CallSite) -> Tensor {
    let tensor = Tensor(value, device: .cpu)
    let number =
      tensor.dtype.isFloatingPoint ? Number(tensor.item(as: Double.self)) : Number(tensor.item(as: Int64.self))
    return scalar(number, tensor.dtype.category, "index_put_", at: site)
  }

  /// With `values`, broadcast, at the positions that one index tensor for each of the first dimensions names. Torch's
  /// `index_put`.
  ///
  /// Boolean tensors stand for as many dimensions as they have. Of several values at one position the last stays, or all are
  /// added, also to what was there, with `accumulate`.
  public func indexPut(
    _ indices: [Tensor], _ values: Tensor, accumulate: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { clone().indexPut_(indices, values, accumulate: accumulate, file: file, line: line) }

  /// ``indexPut(_:_:accumulate:file:line:)`` in place. Torch's `index_put_`.
  @discardableResult
  public func indexPut_(
    _ indices: [Tensor], _ values: Tensor, accumulate: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    write(indices, values, accumulate: accumulate, CallSite(file, line))
    return self
  }
}

// MARK: How

/// A view of a tensor and, for some of its dimensions, tensors of positions.
private struct Selection {
  var view: Tensor
  /// Rising.
  var dims: [Int] = []
  var indices: [Tensor] = []
  /// The only tensor that was given, if it is a mask.
  var mask: Tensor?
}

extension Tensor {
  func read(_ terms: [any TensorIndex], _ site: CallSite) -> Tensor {
    checked("index", at: site) { _ throws(TensorError) in
      let selection = try select(terms.map(\.indexTerm.content))
      if selection.dims.isEmpty { return selection.view }
      return ops.indexing.index.call(
        Few([selection.view] + selection.indices), IndexArguments(dims: selection.dims), at: site)
    }
  }

  func write(
    _ terms: [any TensorIndex], _ value: Tensor, accumulate: Bool = false, _ site: CallSite
  ) {
    if let poison = value.body.poison {
      _ = Door.poisoned(by: poison, .current)
      return
    }
    if Context.current.isFailed { return }
    _ = checked("index_put_", at: site) { _ throws(TensorError) in
      let selection = try select(terms.map(\.indexTerm.content))
      let view = selection.view
      let value = value.withoutLeadingOnes(beyond: view.ndim).near(view)
      if selection.dims.isEmpty {
        if accumulate { return ops.arithmetic.add.write(view, value, at: site) }
        _ = try value.body.layout.expanded(to: view.shape, value.dtype)
        return view.overwrite(with: value, at: site)
      }
      if let mask = selection.mask, value.count == 1, !accumulate {
        let aligned = Shape(mask.shape + Array(repeating: 1, count: view.ndim - selection.dims.last! - 1))
        return view.maskedFill_(mask.reshape(aligned), value.reshape([]))
      }
      let row = accumulate ? ops.scattering.indexPutSum : ops.scattering.indexPut
      return row.write(Few([view, value] + selection.indices), IndexArguments(dims: selection.dims), at: site)
    }
  }

  /// Applies the terms that give views, and collects the tensors.
  private func select(_ terms: [IndexTerm.Content]) throws(TensorError) -> Selection {
    let named = terms.reduce(0) { $0 + $1.dimensionCount }
    guard named <= ndim else {
      if ndim == 0, case .position = terms[0] {
        throw .index("invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to a number")
      }
      throw .index("too many indices for tensor of dimension \(ndim)")
    }
    var selection = Selection(view: self)
    var dim = 0  // of the view
    var original = 0  // of this tensor
    var sawEllipsis = false
    for term in terms {
      switch term {
      case .position(let index):
        selection.view = try selection.view.selected(dim, index, original)
      case .slice(let from, let to, let step):
        selection.view = try selection.view.sliced(dim, from, to, step)
        dim += 1
      case .ellipsis:
        if sawEllipsis { throw .index("an index can only have a single ellipsis (.ellipsis)") }
        sawEllipsis = true
        dim += ndim - named
        original += ndim - named
      case .newAxis:
        selection.view = ops.views.unsqueeze(selection.view, dim)
        dim += 1
      case .tensor(let tensor):
        if tensor.ndim == 0 && tensor.dtype.isInteger && tensor.dtype != .uint8 {
          selection.view = try selection.view.selected(dim, tensor.item(as: Int.self), original)
        } else {
          // Positions may come from the processor, as in torch.
          try selection.add(tensor.device.isCPU ? tensor.to(device) : tensor, &dim)
        }
      }
      original += term.dimensionCount
    }
    let tensors = terms.filter { if case .tensor = $0 { true } else { false } }
    if tensors.count > 1 { selection.mask = nil }
    return selection
  }

  /// `original` is the dimension as the caller counts.
  private func selected(_ dim: Int, _ index: Int, _ original: Int) throws(TensorError) -> Tensor {
    let size = body.layout.shape.at(dim)
    guard index >= -size, index < size else {
      throw .index("index \(index) is out of bounds for dimension \(original) with size \(size)")
    }
    return ops.views.select(self, Position(dim: dim, index: index < 0 ? index + size : index))
  }

  private func sliced(_ dim: Int, _ from: Int?, _ to: Int?, _ step: Int) throws(TensorError) -> Tensor {
    guard step > 0 else { throw .argument("step must be greater than zero") }
    let size = body.layout.shape.at(dim)
    func position(_ bound: Int) -> Int { Swift.min(Swift.max(bound < 0 ? bound + size : bound, 0), size) }
    let start = from.map(position) ?? 0
    let end = Swift.max(to.map(position) ?? size, start)
    if start == 0 && end == size && step == 1 { return self }
    let count = (end - start) / step + ((end - start) % step == 0 ? 0 : 1)
    return ops.views.slice(self, SliceArguments(dim: dim, start: start, count: count, step: count > 1 ? step : 1))
  }

  /// A GPU's number goes to the device of `target`, as one of the processor's may stay; anything else stays.
  private func near(_ target: Tensor) -> Tensor { ndim == 0 && !device.isCPU ? to(target.device) : self }

  /// Torch ignores dimensions of size 1 in front of a value that has more dimensions than what it is written to.
  private func withoutLeadingOnes(beyond rank: Int) -> Tensor {
    var extra = 0
    while ndim - extra > rank && body.layout.shape.at(extra) == 1 { extra += 1 }
    return extra == 0 ? self : reshape(Shape(shape.dropFirst(extra)))
  }

  fileprivate var isMask: Bool { dtype == .bool || dtype == .uint8 }
}

extension Selection {
  /// A tensor that stands at dimension `dim` of the view, and moves it on.
  fileprivate mutating func add(_ tensor: Tensor, _ dim: inout Int) throws(TensorError) {
    if let poison = tensor.body.poison { throw poison }
    guard tensor.isMask || tensor.dtype == .int64 || tensor.dtype == .int32 else {
      throw .index("tensors used as indices must be long, int, byte or bool tensors")
    }
    guard tensor.isMask else {
      dims.append(dim)
      indices.append(tensor)
      dim += 1
      return
    }
    if tensor.ndim == 0 {
      view = ops.views.unsqueeze(view, dim)
      dims.append(dim)
      indices.append(tensor.item(as: Bool.self) ? Tensor([0], device: view.device) : Tensor([] as [Int], device: view.device))
      dim += 1
      return
    }
    let whole = view.body.layout.shape
    for i in 0..<tensor.ndim where tensor.body.layout.shape.at(i) != whole.at(dim + i) {
      throw .index(
        "The shape of the mask \(tensor.shape) at index \(i) does not match the shape of the indexed tensor \(whole) at "
          + "index \(dim + i)")
    }
    if indices.isEmpty && tensor.dtype == .bool { mask = tensor }
    let positions = tensor.nonzero()
    for i in 0..<tensor.ndim {
      dims.append(dim)
      indices.append(positions.select(dim: 1, index: i))
      dim += 1
    }
  }
}

extension IndexTerm.Content {
  /// How many of the tensor's dimensions the term stands for.
  fileprivate var dimensionCount: Int {
    switch self {
    case .position, .slice: 1
    case .ellipsis, .newAxis: 0
    case .tensor(let tensor): tensor.isMask ? tensor.ndim : 1
    }
  }
}
