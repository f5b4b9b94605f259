import Flambeau

extension StoredArray {
  /// The array as a tensor: in the same memory, or in a copy where that is not aligned or a boolean is neither 0 nor 1.
  func tensor(file: String) throws(FormatError) -> Tensor {
    // Strides count as if no size were 0.
    guard Self.byteCount(dtype, shape.map { max($0, 1) }) != nil else {
      throw FormatError(file: file, what: "the shape \(shape) is too large", where: name.isEmpty ? nil : "'\(name)'")
    }
    let (memory, owner) = bytes.memory
    let isAligned = Int(bitPattern: memory.baseAddress) % dtype.byteCount == 0
    if isAligned && !(dtype == .bool && memory.contains { $0 > 1 }) {
      return Tensor(sharing: memory, dtype: dtype, shape: Shape(shape), strides: strides, owner: owner)
    }
    return rowMajor().bytes.withUnsafeBytes { Tensor(copying: $0, dtype: dtype, shape: Shape(shape), device: .cpu) }
  }

  /// The elements of `tensor`: where they lie if row-major, or with `keepsFortranOrder` column-major; else a row-major copy.
  init(_ name: String, _ tensor: Tensor, keepsFortranOrder: Bool, file: String) throws(FormatError) {
    if let error = tensor.failure {
      throw FormatError(file: file, what: "is not written after an error: \(error)", where: name.isEmpty ? nil : "'\(name)'")
    }
    let source = tensor.detach()
    let isFortranOrder = keepsFortranOrder && !source.isContiguous && source.T.isContiguous
    let dense = isFortranOrder ? source.T : source.contiguous()
    self.init(
      name: name, dtype: tensor.dtype, shape: Array(tensor.shape), bytes: StoredBytes(of: dense), isFortranOrder: isFortranOrder)
  }

  /// Arrays under their names. Names that Swift's strings take for one, though their bytes differ, are an error.
  static func tensors(
    _ names: [String], file: String, _ array: (Int) throws(FormatError) -> StoredArray
  ) throws(FormatError) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for (i, name) in names.enumerated() {
      let tensor = try array(i).tensor(file: file)
      if result.updateValue(tensor, forKey: name) != nil {
        throw FormatError(file: file, what: "another name has the same characters in other bytes", where: "'\(name)'")
      }
    }
    return result
  }

  /// The tensors in the order of their names.
  static func arrays(
    _ tensors: [String: Tensor], keepsFortranOrder: Bool, file: String
  ) throws(FormatError) -> [StoredArray] {
    var result: [StoredArray] = []
    for (name, tensor) in tensors.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      result.append(try StoredArray(name, tensor, keepsFortranOrder: keepsFortranOrder, file: file))
    }
    return result
  }
}

extension StoredBytes {
  /// The elements of a contiguous tensor, where they lie.
  init(of dense: Tensor) {
    // Of what a GPU holds, the copy is what has to be kept.
    let here = dense.cpu()
    self = here.withUnsafeBytes { StoredBytes(start: $0.baseAddress, count: $0.count, owner: Keeper(here)) }
  }
}

/// Keeps a tensor's memory.
private final class Keeper: Sendable {
  let tensor: Tensor
  init(_ tensor: Tensor) { self.tensor = tensor }
}
