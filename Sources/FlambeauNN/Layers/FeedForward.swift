import Flambeau

extension Adaptable {
  /// `next(dropout(activation(self(x))))` in one call (``Tensor/feedForward(_:_:_:_:activation:startsWithInputs:)``), unless a hook, a
  /// ``LoRA`` or an active dropout has to see what is between.
  ///
  /// - Parameter x: [*, inputs].
  public func callAsFunction(
    _ x: Tensor, then activation: FusedActivation, _ next: Self, dropout: Dropout? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    guard !LayerHooks.areThere, adapter.isEmpty, next.adapter.isEmpty, dropout?.isActive != true else {
      let hidden = activation(self(x))
      return next(dropout?(hidden) ?? hidden)
    }
    return x.feedForward(
      weight.tensor, bias?.tensor, next.weight.tensor, next.bias?.tensor, activation: activation,
      startsWithInputs: Self.startsWithInputs, file: file, line: line)
  }
}

/// An activation that ``Adaptable/callAsFunction(_:then:_:dropout:file:line:)`` takes.
protocol FusedLayer: Layer {
  var fused: FusedActivation { get }
}

extension ReLU: FusedLayer {
  var fused: FusedActivation { .relu }
}

extension GELU: FusedLayer {
  var fused: FusedActivation { approximate == .none ? .gelu : .geluTanh }
}

extension Sequential {
  /// What the layer at `position` and those after it give where two linear maps and an activation are one call, and how many they are; nil
  /// where they are not.
  func feedForward(_ x: Tensor, at position: Int) -> (result: Tensor, count: Int)? {
    guard position + 2 < layers.count, let first = layers[position] as? Linear,
      let activation = layers[position + 1] as? any FusedLayer
    else { return nil }
    if let second = layers[position + 2] as? Linear { return (first(x, then: activation.fused, second), 3) }
    guard position + 3 < layers.count, let dropout = layers[position + 2] as? Dropout,
      let second = layers[position + 3] as? Linear
    else { return nil }
    return (first(x, then: activation.fused, second, dropout: dropout), 4)
  }
}
