import CKernels

/// What is computed between two linear maps while their products are in cache: see ``Tensor/feedForward(_:_:_:_:activation:startsWithInputs:)``.
public enum FusedActivation: Sendable, Hashable, CaseIterable {
  /// max(x, 0).
  case relu
  /// x · Φ(x).
  case gelu
  /// Its approximation by tanh.
  case geluTanh

  /// x → the activation.
  var program: Program { parts.program }

  /// What the slope is read off (``readsResult``) and the gradient of the activation → the gradient of x.
  var slope: Program { parts.slope }

  /// Its slope is read off what it gives, not off what it gets.
  var readsResult: Bool { self == .relu }

  private var parts: (program: Program, slope: Program) {
    switch self {
    case .relu: FusedActivation.ofRelu
    case .gelu: FusedActivation.ofGelu
    case .geluTanh: FusedActivation.ofGeluTanh
    }
  }

  private static let ofRelu = parts(fb_relu)
  private static let ofGelu = parts(fb_gelu)
  private static let ofGeluTanh = parts(fb_gelu_tanh)

  private static func parts(_ primitive: Primitive) -> (program: Program, slope: Program) {
    let program = Program(primitive)
    return (program, program.derivative(withRespectTo: 0).program)
  }
}
