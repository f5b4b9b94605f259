// Views: another layout of the same elements. Each row's gradient undoes it.

struct SliceArguments: Sendable {
  let dim: Int
  let start: Int
  let count: Int
  let step: Int
}

struct Views: Sendable {
  let permute: Operator<[Int]> = Operator(
    "permute",
    forward: { (operands, order) throws(TensorError) in operands[0]!.body.viewed { $0.permuted(order) } },
    backward: { (call, gradient) throws(TensorError) in
      var inverse = call.attributes
      for (i, dim) in call.attributes.enumerated() { inverse[dim] = i }
      return Few(gradient.permute(inverse))
    })

  let expand: Operator<Shape> = Operator(
    "expand",
    forward: { (operands, shape) throws(TensorError) in
      let layout = operands[0]!.body.layout
      guard let wide = layout.broadcast(to: shape) else {
        throw .shape(
          "The expanded size of the tensor \(shape) must match the existing size \(layout.shape) at every dimension "
            + "that is not 1, counted from the last.")
      }
      return operands[0]!.body.viewed { _ in wide }
    },
    backward: { (call, gradient) throws(TensorError) in Few(gradient.fitted(to: call.shape(0), call.dtype(0))) })

  let view: Operator<Shape> = Operator(
    "view",
    forward: { (operands, shape) throws(TensorError) in
      guard let layout = operands[0]!.body.layout.viewed(as: shape) else {
        throw .shape(
          "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            + "contiguous subspaces). Use .reshape(...) instead.")
      }
      return operands[0]!.body.viewed { _ in layout }
    },
    backward: { (call, gradient) throws(TensorError) in Few(gradient.reshape(call.shape(0))) })

  let slice: Operator<SliceArguments> = Operator(
    "slice",
    forward: { (operands, at) throws(TensorError) in
      operands[0]!.body.viewed { $0.sliced(at.dim, start: at.start, count: at.count, step: at.step) }
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(ops.views.sliceBackward(gradient, SliceScatter(shape: call.shape(0), slice: call.attributes)))
    })

  let sliceBackward: Operator<SliceScatter> = Operator(
    "slice_backward",
    forward: { (operands, at) throws(TensorError) in
      let source = operands[0]!.body
      let result = try Value(Layout(at.shape), source.dtype)
      result.fillZero()
      let place = result.layout.sliced(at.slice.dim, start: at.slice.start, count: at.slice.count, step: at.slice.step)
      source.elements.copy(to: Elements(result.storage.pointer, place, source.dtype))
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      let at = call.attributes.slice
      return Few(ops.views.slice(gradient, at))
    })

  /// The gradient of a base from that of a view with any layout: repeated elements add up.
  let stridedBackward: Operator<StridedView> = Operator(
    "as_strided_backward",
    forward: { (operands, at) throws(TensorError) in
      let gradient = operands[0]!.body
      let bounds = at.base.bounds ?? 0...0
      let memory = try Value(Layout([bounds.upperBound - bounds.lowerBound + 1]), gradient.dtype)
      memory.fillZero()
      let place = at.view.moved(to: at.view.offset - bounds.lowerBound)
      gradient.elements.copy(to: Elements(memory.storage.pointer, place, gradient.dtype))
      let base = at.base.moved(to: at.base.offset - bounds.lowerBound)
      return Value(memory.storage, base, gradient.dtype)
    },
    backward: { (call, gradient) throws(TensorError) in Few(ops.views.strided(gradient, call.attributes)) })

  /// What a view with any layout sees of a tensor laid out as the base is.
  let strided: Operator<StridedView> = Operator(
    "as_strided_copy_backward",
    forward: { (operands, at) throws(TensorError) in
      let source = operands[0]!.body
      let bounds = at.base.bounds ?? 0...0
      let memory = try Value(Layout([bounds.upperBound - bounds.lowerBound + 1]), source.dtype)
      let base = at.base.moved(to: at.base.offset - bounds.lowerBound)
      source.elements.copy(to: Elements(memory.storage.pointer, base, source.dtype))
      return Value(memory.storage, at.view.moved(to: at.view.offset - bounds.lowerBound), source.dtype)
    },
    backward: { (call, gradient) throws(TensorError) in Few(ops.views.stridedBackward(gradient, call.attributes)) })

  /// A tensor with what a view of its base's layout sees replaced.
  let stridedScatter: Operator<StridedView> = Operator(
    "as_strided_scatter_backward",
    forward: { (operands, at) throws(TensorError) in
      let bounds = at.base.bounds ?? 0...0
      let (source, inside) = (operands[0]!.body, operands[1]!.body)
      let memory = try Value(Layout([bounds.upperBound - bounds.lowerBound + 1]), source.dtype)
      let base = at.base.moved(to: at.base.offset - bounds.lowerBound)
      source.elements.copy(to: Elements(memory.storage.pointer, base, source.dtype))
      let view = at.view.moved(to: at.view.offset - bounds.lowerBound)
      inside.elements.copy(to: Elements(memory.storage.pointer, view, source.dtype))
      return Value(memory.storage, base, source.dtype)
    },
    backward: { (call, gradient) throws(TensorError) in
      let at = call.attributes
      return Few(
        call.needs(0)
          ? ops.views.stridedScatter(gradient, .zeros(at.view.shape, dtype: gradient.dtype), at) : nil,
        call.needs(1) ? ops.views.strided(gradient, at) : nil)
    })
}

/// A slice's gradient: zeros of `shape` with the slice filled.
struct SliceScatter: Sendable {
  let shape: Shape
  let slice: SliceArguments
}

/// The attributes of a row that has none.
struct None: Sendable {}

extension TensorBody {
  func viewed(_ change: (Layout) -> Layout) -> Value {
    Value(storage, change(layout), dtype, isView: true)
  }
}

extension Tensor {
  /// The dimensions in another order; a view. Torch's `permute`.
  public func permute(_ dims: [Int], file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("permute", at: site) { layout throws(TensorError) in
      let order = try dims.mapDimensions(layout)
      guard Set(order).count == order.count, order.count == layout.rank else {
        throw .shape("permute(dims) must name each of the \(layout.rank) dimensions once, but got \(dims)")
      }
      return ops.views.permute(self, order, at: site)
    }
  }

  /// Two dimensions exchanged; a view. Torch's `transpose`.
  public func transpose(_ a: Int, _ b: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("transpose", at: site) { layout throws(TensorError) in
      var order = Array(0..<layout.rank)
      let (a, b) = (try layout.dimension(a), try layout.dimension(b))
      if !order.isEmpty { order.swapAt(a, b) }
      return ops.views.permute(self, order, at: site)
    }
  }

  /// A matrix transposed; a view. Torch's `t()`.
  public var T: Tensor { ndim < 2 ? self : permute(Array((0..<ndim).reversed())) }

  /// The tensor stretched to `shape` without a copy; -1 keeps a size. Torch's `expand`.
  public func expand(_ shape: Shape, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    var target = shape
    let lead = shape.count - ndim
    for i in 0..<shape.count where shape.at(i) == -1 && i >= lead { target.at(i, put: body.layout.shape.at(i - lead)) }
    return ops.views.expand(self, target, at: CallSite(file, line))
  }

  /// The same elements under another shape, without a copy; one size may be -1. Torch's `view`.
  public func view(_ shape: Shape, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("view", at: site) { layout throws(TensorError) in
      ops.views.view(self, try shape.resolved(for: layout.elementCount), at: site)
    }
  }

  /// The same elements under another shape, copied only where a view is impossible. Torch's `reshape`.
  public func reshape(_ shape: Shape, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("reshape", at: site) { layout throws(TensorError) in
      let target = try shape.resolved(for: layout.elementCount)
      return ops.views.view(layout.viewed(as: target) == nil ? contiguous() : self, target, at: site)
    }
  }

  /// `length` positions of `dim` from `start` on; a view. Torch's `narrow`.
  public func narrow(
    _ dim: Int, start: Int, length: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("narrow", at: site) { layout throws(TensorError) in
      let dim = try layout.dimension(dim)
      guard layout.rank > 0 else { throw .shape("narrow() cannot be applied to a 0-dim tensor.") }
      let size = layout.shape.at(dim)
      let first = start < 0 ? start + size : start
      guard first >= 0, length >= 0, first + length <= size else {
        throw .index("start (\(start)) + length (\(length)) exceeds dimension size (\(size)).")
      }
      return ops.views.slice(self, SliceArguments(dim: dim, start: first, count: length, step: 1), at: site)
    }
  }

  /// A tensor of the same elements that gradients do not flow through. Torch's `detach`.
  public func detach() -> Tensor {
    if let poison = body.poison { return Door.poisoned(by: poison, .current) }
    return Tensor(TensorBody(body.value, isInference: body.isInference))
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
}

extension [Int] {
  /// Dimensions counted from either end, as positions.
  func mapDimensions(_ layout: Layout) throws(TensorError) -> [Int] {
    var result: [Int] = []
    for dim in self { result.append(try layout.dimension(dim)) }
    return result
  }
}

extension Shape {
  /// The shape with its one -1 worked out; throws unless it has `elementCount` elements.
  func resolved(for elementCount: Int) throws(TensorError) -> Shape {
    var known = 1
    var open: Int?
    for i in 0..<count {
      if at(i) == -1 {
        guard open == nil else { throw .shape("only one dimension can be inferred") }
        open = i
      } else {
        guard at(i) >= 0 else { throw .shape("invalid shape dimension \(at(i))") }
        known *= at(i)
      }
    }
    if let open {
      guard known > 0 && elementCount % known == 0 else {
        if known == 0 && elementCount == 0 {
          throw .shape(
            "cannot reshape tensor of 0 elements into shape \(self) because the unspecified dimension size -1 can be any "
              + "value and is ambiguous")
        }
        throw .shape("shape '\(self)' is invalid for input of size \(elementCount)")
      }
      return replacing(open, with: elementCount / known)
    }
    guard known == elementCount else { throw .shape("shape '\(self)' is invalid for input of size \(elementCount)") }
    return self
  }
}
