import Flambeau

/// A part of a network: parameters, buffers and other modules in `let`s. Torch's `nn.Module`.
///
///     final class Net: Layer {
///       let hidden = Linear(784, 128)
///       let out = Linear(128, 10)
///       func callAsFunction(_ x: Tensor) -> Tensor { out(hidden(x).relu()) }
///     }
///
/// Conform a final class whose stored properties are `let`s. ``Parameter``, ``Buffer``, ``Mode`` and modules are found in
/// them wherever they stand, also in optionals, arrays and dictionaries; all state that changes lives in these boxes.
public protocol Module: AnyObject, Sendable, CustomStringConvertible {
  /// PyTorch's names of properties whose name is not the Swift one in snake_case, by the Swift one. An empty name leaves
  /// the property out of the path, so that what it holds is named as if it stood in the module itself.
  static var stateNames: [String: String] { get }

  /// What ``CustomStringConvertible/description`` shows in the parentheses, such as `inFeatures: 4, outFeatures: 2`.
  var configuration: String { get }
}

/// A module that makes one tensor of one tensor, so that ``Sequential`` can chain it. A ``HookableLayer`` can be watched, too.
public protocol Layer: Module {
  /// The layer's result for `x`.
  func callAsFunction(_ x: Tensor) -> Tensor
}

extension Module {
  public static var stateNames: [String: String] { [:] }
  public var configuration: String { "" }

  /// The parameters of this module and of those in it, each once. Torch's `parameters`.
  public func parameters() -> [Parameter] { namedParameters().map(\.parameter) }

  /// The parameters with PyTorch's names, such as `layers.0.weight`; one that appears twice goes by its first name.
  public func namedParameters() -> [(name: String, parameter: Parameter)] { Inventory.of(self).parameters }

  /// The buffers of this module and of those in it, each once.
  public func buffers() -> [Buffer] { namedBuffers().map(\.buffer) }

  /// The buffers with their names, in the order of the state dict. Torch's `named_buffers`.
  public func namedBuffers() -> [(name: String, buffer: Buffer)] { Inventory.of(self).buffers }

  /// This module and all in it, each once, outer ones first.
  public func modules() -> [any Module] { namedModules().map(\.module) }

  /// The modules with their names; this one's is empty.
  public func namedModules() -> [(name: String, module: any Module)] { Inventory.of(self).modules }

  /// Lets everything in the module train, or be evaluated.
  @discardableResult
  public func train(_ isTraining: Bool = true) -> Self {
    if Context.current.isFailed { return self }
    for mode in Inventory.of(self).modes { mode.isTraining = isTraining }
    return self
  }

  /// `train(false)`: dropout passes everything, normalisation uses its running statistics.
  @discardableResult
  public func eval() -> Self { train(false) }

  /// Forgets the gradients of all parameters. Torch's `zero_grad`.
  public func zeroGrad() {
    for parameter in parameters() { parameter.grad = nil }
  }

  /// Freezes all parameters, or lets gradients flow to them again.
  @discardableResult
  public func requiresGrad_(_ value: Bool = true) -> Self {
    for parameter in parameters() { parameter.requiresGrad = value }
    return self
  }

  /// Freezes the parameters whose names `isMeant` picks, or lets gradients flow to them again; others stay as they are.
  @discardableResult
  public func requiresGrad_(_ value: Bool = true, where isMeant: (_ name: String) -> Bool) -> Self {
    for (name, parameter) in namedParameters() where isMeant(name) { parameter.requiresGrad = value }
    return self
  }

  /// Calls `body` with every module in this one, inner ones first, then with this one. Torch's `apply`.
  @discardableResult
  public func apply(_ body: (any Module) throws -> Void) rethrows -> Self {
    for child in Member.of(self).flatMap(\.content.nearestModules) { try child.apply(body) }
    try body(self)
    return self
  }
}

extension Module {
  /// The floating-point parameters and buffers as `dtype`, in the same boxes. Torch's `to`.
  @discardableResult
  public func to(_ dtype: DType, file: StaticString = #fileID, line: UInt = #line) -> Self {
    if Context.current.isFailed { return self }
    guard dtype.isFloatingPoint else {
      Door.fail(
        TensorError(.dtype, "Module.to only accepts floating point dtypes, but got desired dtype=\(dtype)"), in: "to", file: file,
        line: line)
      return self
    }
    for parameter in parameters() where parameter.dtype.isFloatingPoint { parameter.convert(to: dtype) }
    for buffer in buffers() where buffer.dtype.isFloatingPoint { buffer.convert(to: dtype) }
    return self
  }

  /// All parameters and buffers on `device`, in the same boxes, gradients too. Torch's `to`.
  ///
  /// An optimizer keeps what it has made for a parameter where that was: move a module before its first step.
  @discardableResult
  public func to(_ device: Device) -> Self {
    if Context.current.isFailed { return self }
    for parameter in parameters() { parameter.move(to: device) }
    for buffer in buffers() { buffer.move(to: device) }
    return self
  }

  /// The parameters and buffers of the format's rank laid out as it says, in the same boxes, others as they are: with
  /// ``MemoryFormat/channelsLast``, the weights of 2-D convolutions. Torch's `to` with a `memory_format`.
  ///
  /// On a GPU, convolutions of halves are fastest when their input lies so too.
  @discardableResult
  public func to(memoryFormat: MemoryFormat) -> Self {
    if Context.current.isFailed { return self }
    for parameter in parameters() { parameter.arrange(memoryFormat) }
    for buffer in buffers() { buffer.arrange(memoryFormat) }
    return self
  }

  /// `to(.cuda(index))`.
  @discardableResult public func cuda(_ index: Int = 0) -> Self { to(Device.cuda(index)) }
  /// `to(.cpu)`.
  @discardableResult public func cpu() -> Self { to(Device.cpu) }

  /// `to(.float16)`.
  @discardableResult public func half() -> Self { to(.float16) }
  /// `to(.bfloat16)`.
  @discardableResult public func bfloat16() -> Self { to(.bfloat16) }
  /// `to(.float32)`.
  @discardableResult public func float() -> Self { to(.float32) }
  /// `to(.float64)`.
  @discardableResult public func double() -> Self { to(.float64) }
}
