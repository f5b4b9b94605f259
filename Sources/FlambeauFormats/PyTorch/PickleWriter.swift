import Flambeau

/// Writes a value as `torch.save` pickles it, in protocol 2, and gathers the storages that it refers to.
struct PickleWriter {
  /// Elements that tensors share, cut to what they show.
  struct Storage {
    let dtype: DType
    var bounds: ClosedRange<Int>?
    /// Any of the tensors.
    let example: Tensor
  }

  private struct Key: Hashable {
    let identity: ObjectIdentifier
    let dtype: DType
  }

  private(set) var bytes: [UInt8] = [0x80, 2]
  private(set) var storages: [Storage] = []
  private var positions: [Key: Int] = [:]
  private let file: String

  init(_ value: PyTorchValue, file: String) throws(FormatError) {
    self.file = file
    try gather(value)
    try write(value)
    bytes.append(UInt8(ascii: "."))
  }

  private mutating func gather(_ value: PyTorchValue) throws(FormatError) {
    switch value {
    case .tensor(let tensor):
      if let error = tensor.failure { throw FormatError(file: file, what: "is not written after an error: \(error)") }
      let key = Key(identity: tensor.storageIdentity, dtype: tensor.dtype)
      if let position = positions[key] {
        let known = storages[position].bounds
        storages[position].bounds =
          tensor.storageBounds.map { new in
            known.map { min($0.lowerBound, new.lowerBound)...max($0.upperBound, new.upperBound) } ?? new
          } ?? known
      } else {
        positions[key] = storages.count
        storages.append(Storage(dtype: tensor.dtype, bounds: tensor.storageBounds, example: tensor.detach()))
      }
    case .list(let values), .tuple(let values): for value in values { try gather(value) }
    case .dict(let pairs):
      for (key, value) in pairs {
        try gather(key)
        try gather(value)
      }
    default: break
    }
  }

  private mutating func write(_ value: PyTorchValue) throws(FormatError) {
    switch value {
    case .none: op("N")
    case .bool(let value): bytes.append(value ? 0x88 : 0x89)
    case .int(let value): int(value)
    case .largeInteger(let digits):
      // The instruction for longer ones is not among those that `torch.load(weights_only=True)` knows.
      guard let count = UInt8(exactly: digits.count) else {
        throw FormatError(file: file, what: "cannot hold an integer of \(digits.count) bytes: at most 255 are read again")
      }
      bytes += [0x8A, count]
      bytes += digits
    case .double(let value):
      op("G")
      number(value.bitPattern.byteSwapped)
    case .string(let value): text(value)
    case .bytes(let value):
      // Protocol 2 has no bytes; this is how Python writes them there.
      global("_codecs", "encode")
      text(String(String.UnicodeScalarView(value.map { Unicode.Scalar($0) })))
      text("latin1")
      bytes.append(0x86)
      op("R")
    case .list(let values):
      op("]")
      op("(")
      for value in values { try write(value) }
      op("e")
    case .tuple(let values):
      op("(")
      for value in values { try write(value) }
      op("t")
    case .dict(let pairs):
      op("}")
      op("(")
      for (key, value) in pairs {
        try write(key)
        try write(value)
      }
      op("u")
    case .tensor(let tensor): try write(tensor)
    }
  }

  private mutating func write(_ tensor: Tensor) throws(FormatError) {
    guard let storageName = PickleGlobal.storageName(tensor.dtype) else {
      throw FormatError(
        file: file, what: "cannot hold elements of type \(tensor.dtype): PyTorch's files have no storage for them")
    }
    let position = positions[Key(identity: tensor.storageIdentity, dtype: tensor.dtype)]!
    let storage = storages[position]
    global("torch._utils", "_rebuild_tensor_v2")
    op("(")
    op("(")
    text("storage")
    global("torch", storageName)
    text(String(position))
    text("cpu")
    int(storage.bounds?.count ?? 0)
    op("t")
    op("Q")
    int(tensor.storageBounds == nil ? 0 : tensor.storageOffset - storage.bounds!.lowerBound)
    tuple(Array(tensor.shape))
    tuple(tensor.strides)
    bytes.append(0x89)
    global("collections", "OrderedDict")
    op(")")
    op("R")
    op("t")
    op("R")
  }

  private mutating func op(_ code: Unicode.Scalar) { bytes.append(UInt8(ascii: code)) }

  private mutating func number(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  private mutating func int(_ value: Int) {
    if let byte = UInt8(exactly: value) {
      op("K")
      number(byte)
    } else if let short = Int32(exactly: value) {
      op("J")
      number(short)
    } else {
      bytes += [0x8A, 8]
      number(Int64(value))
    }
  }

  private mutating func text(_ value: String) {
    op("X")
    number(UInt32(value.utf8.count))
    bytes += Array(value.utf8)
  }

  private mutating func global(_ module: String, _ name: String) { bytes += Array("c\(module)\n\(name)\n".utf8) }

  private mutating func tuple(_ values: [Int]) {
    op("(")
    for value in values { int(value) }
    op("t")
  }
}
