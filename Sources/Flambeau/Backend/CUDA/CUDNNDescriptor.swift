/// A description of cuDNN's. It keeps those it was made of: a finished one may go on reading them.
final class CUDNNDescriptor: Sendable {
  enum Kind: Int32 {
    case convolution = 1
    case engine = 2
    case configuration = 3
    case heuristic = 4
    case plan = 5
    case forward = 10
    case weightGradient = 11
    case inputGradient = 12
    case graph = 15
    case variantPack = 16
    case tensor = 17
  }

  let handle: CUDNN.Handle
  private let library: CUDNN
  // Added to by whoever makes it, before anybody else has it.
  private nonisolated(unsafe) var parts: [CUDNNDescriptor]

  init(_ kind: Kind, of library: CUDNN, parts: [CUDNNDescriptor] = []) throws(TensorError) {
    var handle: CUDNN.Handle = 0
    try library.check(library.createDescriptor(kind.rawValue, &handle), "cudnnBackendCreateDescriptor")
    (self.handle, self.library, self.parts) = (handle, library, parts)
  }

  deinit { _ = library.destroyDescriptor(handle) }

  func set<Value: BitwiseCopyable>(
    _ attribute: Int32, _ type: CUDNN.ValueType, _ values: [Value]
  ) throws(TensorError) {
    let status = values.withUnsafeBytes {
      library.setAttribute(handle, attribute, type.rawValue, Int64(values.count), $0.baseAddress!)
    }
    try library.check(status, "cudnnBackendSetAttribute")
  }

  func set<Value: BitwiseCopyable>(
    _ attribute: CUDNN.Attribute, _ type: CUDNN.ValueType, _ values: Value...
  ) throws(TensorError) {
    try set(attribute.rawValue, type, values)
  }

  func set(_ attribute: Int32, to part: CUDNNDescriptor) throws(TensorError) {
    try set(attribute, .descriptor, [part.handle])
    parts.append(part)
  }

  func set(_ attribute: CUDNN.Attribute, to part: CUDNNDescriptor) throws(TensorError) {
    try set(attribute.rawValue, to: part)
  }

  /// No attribute changes any more; false where the library refuses what it describes.
  func finish() -> Bool { library.finalize(handle) == 0 }

  /// The values of a finished one's attribute, `most` of them; empty where there is none.
  func values<Value: BitwiseCopyable>(
    _ attribute: CUDNN.Attribute, _ type: CUDNN.ValueType, most: Int, _ filler: Value
  ) -> [Value] {
    var values = Array(repeating: filler, count: most)
    var count: Int64 = 0
    let status = values.withUnsafeMutableBytes {
      library.getAttribute(handle, attribute.rawValue, type.rawValue, Int64(most), &count, $0.baseAddress)
    }
    return status == 0 ? Array(values.prefix(Int(count))) : []
  }

  /// The descriptions that an attribute has, `most` of them or all; they keep this one.
  func descriptors(_ attribute: CUDNN.Attribute, _ kind: Kind, most: Int? = nil) throws(TensorError) -> [CUDNNDescriptor] {
    var count: Int64 = 0
    if most == nil {
      let status = library.getAttribute(handle, attribute.rawValue, CUDNN.ValueType.descriptor.rawValue, 0, &count, nil)
      if status != 0 { return [] }
    }
    let made = try (0..<(most ?? Int(count))).map { (_) throws(TensorError) in
      try CUDNNDescriptor(kind, of: library, parts: [self])
    }
    if made.isEmpty { return [] }
    var handles = made.map(\.handle)
    let status = handles.withUnsafeMutableBytes {
      library.getAttribute(
        handle, attribute.rawValue, CUDNN.ValueType.descriptor.rawValue, Int64(made.count), &count, $0.baseAddress)
    }
    return status == 0 ? Array(made.prefix(Int(count))) : []
  }
}
