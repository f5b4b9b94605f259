/// A view's layout within its base's memory.
struct StridedView: Sendable {
  let base: Layout
  let view: Layout

  /// Both, within a memory just large enough.
  fileprivate var inMemory: (count: Int, base: Layout, view: Layout) {
    let (a, b) = (base.bounds, view.bounds)
    let low = Swift.min((a ?? b ?? 0...0).lowerBound, (b ?? a ?? 0...0).lowerBound)
    let high = Swift.max((a ?? b ?? 0...0).upperBound, (b ?? a ?? 0...0).upperBound)
    return (high - low + 1, base.moved(to: base.offset - low), view.moved(to: view.offset - low))
  }
}

/// Views with any layout, and what their gradients are made of.
struct StridedViews: Sendable {
  let view: Operator<StridedView> = Operator<StridedView>(
    "as_strided",
    forward: { (operands, at) throws(TensorError) in operands[0]!.body.viewed { _ in at.view } },
    backward: { (call, gradient) throws(TensorError) in Few(ops.stridedViews.place(gradient, call.attributes)) },
    samples: [
      Sample("a.contiguous().clone().as_strided((3, 3), (1, 2), 1)", [.real([2, 6])]) {
        $0[0].contiguous().clone().asStrided([3, 3], strides: [1, 2], offset: 1)
      }
    ]
  ).onGPU()

  /// The gradient of a base from that of a view: zeros around it, and what the view shows twice adds up.
  let place: Operator<StridedView> = Operator<StridedView>(
    "as_strided_backward",
    forward: { (operands, at) throws(TensorError) in
      let gradient = operands[0]!.body
      let (count, base, view) = at.inMemory
      let adds = view.overlapsItself
      let sums = adds ? gradient.dtype.computeClass.dtype : gradient.dtype
      let memory = try Value(Layout([count]), sums, on: gradient.device)
      try memory.fillZero()
      let target = memory.elements(view)
      if adds {
        let terms = try Value(Layout(gradient.layout.shape), sums, on: gradient.device)
        try gradient.elements.copy(to: terms.elements)
        try withExtendedLifetime(terms.storage) { () throws(TensorError) in try terms.elements.add(to: target) }
      } else {
        try gradient.elements.copy(to: target)
      }
      let result = Value(memory.storage, base, sums)
      if sums == gradient.dtype { return result }
      let rounded = try Value(base.dense, gradient.dtype, on: gradient.device)
      try result.elements.copy(to: rounded.elements)
      return rounded
    },
    backward: { (call, gradient) throws(TensorError) in Few(ops.stridedViews.read(gradient, call.attributes)) }
  ).onGPU()

  /// What a view sees of a tensor laid out as the base is.
  let read: Operator<StridedView> = Operator<StridedView>(
    "as_strided_copy_backward",
    forward: { (operands, at) throws(TensorError) in
      let source = operands[0]!.body
      let (count, base, view) = at.inMemory
      let memory = try Value(Layout([count]), source.dtype, on: source.device)
      try source.elements.copy(to: memory.elements(base))
      return Value(memory.storage, view, source.dtype)
    },
    backward: { (call, gradient) throws(TensorError) in Few(ops.stridedViews.place(gradient, call.attributes)) }
  ).onGPU()

  /// A tensor with what a view of its base's layout sees replaced.
  let replace: Operator<StridedView> = Operator<StridedView>(
    "as_strided_scatter_backward",
    forward: { (operands, at) throws(TensorError) in
      let (source, inside) = (operands[0]!.body, operands[1]!.body)
      let (count, base, view) = at.inMemory
      let memory = try Value(Layout([count]), source.dtype, on: source.device)
      try source.elements.copy(to: memory.elements(base))
      try inside.elements.copy(to: memory.elements(view))
      return Value(memory.storage, base, source.dtype)
    },
    backward: { (call, gradient) throws(TensorError) in
      let at = call.attributes
      return Few(
        call.needs(0)
          ? ops.stridedViews.replace(gradient, .zeros(at.view.shape, dtype: gradient.dtype, device: gradient.device), at) : nil,
        call.needs(1) ? ops.stridedViews.read(gradient, at) : nil)
    }
  ).onGPU()
}

extension Tensor {
  /// Zeros of `shape` with these elements where `view` of them is: the gradient of a view.
  func placed(in shape: Shape, _ view: (Layout) -> Layout) -> Tensor {
    let base = Layout(shape)
    return ops.stridedViews.place(self, StridedView(base: base, view: view(base)))
  }

  /// A view with any layout of the storage: `strides` and `offset` count elements. Torch's `as_strided`.
  ///
  /// `offset` is this tensor's own by default. Strides are not negative, and every element lies within the storage. A tensor
  /// whose own elements overlap is refused.
  public func asStrided(
    _ shape: Shape, strides: [Int], offset: Int? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("as_strided", at: site) { layout throws(TensorError) in
      let view = try stridedLayout("as_strided", shape, strides, offset)
      return ops.stridedViews.view(self, StridedView(base: layout, view: view), at: site)
    }
  }

  /// The layout of such a view.
  func stridedLayout(
    _ name: String, _ shape: Shape, _ strides: [Int], _ offset: Int?
  ) throws(TensorError) -> Layout {
    let layout = body.layout
    guard strides.count == shape.count else { throw .argument("mismatch in length of strides and shape") }
    guard !strides.contains(where: { $0 < 0 }) else {
      throw .argument("\(name): Negative strides are not supported at the moment, got strides: \(strides)")
    }
    _ = try shape.byteCount(of: dtype)
    guard !layout.overlapsItself else {
      throw .argument("some elements of the input tensor refer to a single memory location. Please clone() it before.")
    }
    let start = offset ?? layout.offset
    let reach = zip(shape, strides).reduce((start, start < 0)) { reach, dim in
      let (span, a) = Swift.max(dim.0 - 1, 0).multipliedReportingOverflow(by: dim.1)
      let (end, b) = reach.0.addingReportingOverflow(span)
      return (end, reach.1 || a || b)
    }
    let count = body.storage.byteCount / dtype.byteCount
    guard shape.elementCount == 0 || !reach.1 && reach.0 < count else {
      throw .argument(
        "setStorage: sizes \(shape), strides \(strides), storage offset \(start) are out of bounds for storage of "
          + "\(count) elements")
    }
    return Layout(shape: shape, strides: Shape(strides), offset: start)
  }
}
