import Flambeau

/// A value in a PyTorch checkpoint: Python's built-in types and tensors.
public indirect enum PyTorchValue: Sendable {
  /// None.
  case none
  /// True or False.
  case bool(Bool)
  /// An int of at most 64 bits.
  case int(Int)
  /// An integer of more than 64 bits: its bytes in two's complement, the lowest first.
  case largeInteger([UInt8])
  /// A float.
  case double(Double)
  /// A str.
  case string(String)
  /// A bytes object.
  case bytes([UInt8])
  /// A list, or a set in the order in which it was written.
  case list([PyTorchValue])
  /// A tuple.
  case tuple([PyTorchValue])
  /// A dictionary, ordered or not, in the order of the file.
  case dict([(key: PyTorchValue, value: PyTorchValue)])
  /// A tensor or a parameter.
  case tensor(Tensor)

  /// The value of a dictionary under `key`; nil if there is none or this is no dictionary.
  public subscript(key: String) -> PyTorchValue? {
    guard case .dict(let pairs) = self else { return nil }
    return pairs.last { if case .string(key) = $0.key { true } else { false } }?.value
  }

  /// The tensor, if this is one.
  public var tensor: Tensor? { if case .tensor(let tensor) = self { tensor } else { nil } }
  /// The integer, if this is one.
  public var int: Int? { if case .int(let value) = self { value } else { nil } }
  /// The number, if this is an integer or a floating-point number.
  public var double: Double? {
    switch self {
    case .double(let value): value
    case .int(let value): Double(value)
    default: nil
    }
  }
  /// The string, if this is one.
  public var string: String? { if case .string(let value) = self { value } else { nil } }
}
