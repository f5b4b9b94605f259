extension Tensor {
  /// A leaf with the elements of `value` that takes this leaf's place: `.grad`, converted and moved, hooks and the graphs recorded
  /// with the old one stay with it. Torch's assignment to `data`.
  package func replaced(by value: Tensor) -> Tensor {
    if body.poison != nil || value.body.poison != nil { return self }
    let leaf = value.detach()
    guard let meta = body.meta else { return leaf }
    if let accumulator = meta.knownAccumulator {
      leaf.body.attachedMeta.adopt(accumulator)
      if let gradient = accumulator.gradient { accumulator.gradient = gradient.to(value.device, dtype: value.dtype) }
    }
    if meta.requiresGrad { leaf.body.attachedMeta.requiresGrad = true }
    return leaf
  }
}
