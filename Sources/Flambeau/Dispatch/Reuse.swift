// The memory of temporaries that nobody else holds becomes their results'.

extension Few where Element == Tensor {
  /// The storage of an operand that nobody else can see and that is laid out as the result will be, none of `saved`.
  @inline(__always)
  mutating func reusable(for plan: ResultPlan, except saved: OperandSet) -> Storage? {
    for i in 0..<Swift.min(count, 3) where !saved.contains(i) {
      if let storage = solelyHeld(i, as: plan) { return storage }
    }
    return nil
  }

  /// The first operand's elements, if nobody else can see them and they are not of `saved`, or a copy of them; not `copying`, room for
  /// one.
  mutating func firstToEdit(except saved: OperandSet, copying: Bool) throws(TensorError) -> Value {
    let (layout, dtype) = (first!.body.layout, first!.dtype)
    let plan = ResultPlan(layout: layout, dtype: dtype, compute: dtype)
    if layout.isDense, !saved.contains(0), let storage = solelyHeld(0, as: plan) { return Value(storage, layout, dtype) }
    let copy = try Value(layout.dense, dtype, on: first!.device)
    if copying { try first!.body.elements.copy(to: copy.elements) }
    return copy
  }

  /// A body alone is not enough: a view or a saved value may share its storage.
  private mutating func solelyHeld(_ i: Int, as plan: ResultPlan) -> Storage? {
    switch i {
    case 0: first?.storageIfSolelyHeld(as: plan)
    case 1: second?.storageIfSolelyHeld(as: plan)
    default: third?.storageIfSolelyHeld(as: plan)
    }
  }
}

extension Tensor {
  fileprivate mutating func storageIfSolelyHeld(as plan: ResultPlan) -> Storage? {
    guard isKnownUniquelyReferenced(&body), body.dtype == plan.dtype, body.meta == nil,
      isKnownUniquelyReferenced(&body.storage), body.storage.isOwned, body.layout == plan.layout
    else { return nil }
    return body.storage
  }
}
