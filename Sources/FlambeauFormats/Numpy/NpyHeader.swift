import Flambeau

/// The dictionary at the start of an `.npy` file (NEP 1): a Python literal with three keys.
struct NpyHeader {
  let dtype: DType
  let isBigEndian: Bool
  let isFortranOrder: Bool
  let shape: [Int]

  /// What is wrong, and at which byte of the dictionary.
  struct Failure: Error {
    let what: String
    let position: Int
  }

  /// numpy's names; it has none for bfloat16.
  static let dtypes: [(code: String, dtype: DType)] = [
    ("b1", .bool), ("u1", .uint8), ("i1", .int8), ("i2", .int16), ("i4", .int32), ("i8", .int64), ("f2", .float16),
    ("f4", .float32), ("f8", .float64),
  ]

  /// Longer dictionaries are refused, as numpy does without `allow_pickle`.
  static let longest = 10_000

  init(_ text: UnsafeRawBufferPointer) throws(Failure) {
    var reader = PythonReader(text)
    var descr: (dtype: DType, isBigEndian: Bool)?
    var order: Bool?
    var shape: [Int]?
    try reader.expect("{")
    while !reader.take("}") {
      let key = try reader.string()
      try reader.expect(":")
      switch (key, descr == nil, order == nil, shape == nil) {
      case ("descr", true, _, _): descr = try Self.dtype(&reader)
      case ("fortran_order", _, true, _): order = try reader.boolean()
      case ("shape", _, _, true): shape = try reader.tuple()
      case ("descr", _, _, _), ("fortran_order", _, _, _), ("shape", _, _, _): throw reader.failure("'\(key)' appears twice")
      default: throw reader.failure("the key '\(key)' is unknown")
      }
      if reader.take(",") { continue }
      try reader.expect("}")
      break
    }
    try reader.expectEnd()
    guard let descr, let order, let shape else {
      throw reader.failure("one of descr, fortran_order and shape is missing")
    }
    (dtype, isBigEndian) = descr
    isFortranOrder = order
    self.shape = shape
  }

  private static func dtype(_ reader: inout PythonReader) throws(Failure) -> (DType, Bool) {
    if reader.take("[") || reader.take("(") { throw reader.failure("records are not supported") }
    let text = try reader.string()
    let isMarked = text.utf8.first.map { "<>=|".utf8.contains($0) } ?? false
    let code = text.dropFirst(isMarked ? 1 : 0)
    if code == "O" { throw reader.failure("Python objects are not read") }
    guard let found = dtypes.first(where: { $0.code == code || ($0.dtype == .bool && code == "?") }) else {
      throw reader.failure("elements of type '\(text)' are not supported")
    }
    return (found.dtype, text.utf8.first == UInt8(ascii: ">"))
  }
}

extension NpyHeader {
  /// Everything before an array's elements, with the bytes that `numpy.save` writes; nil where numpy would not read it.
  static func text(of array: StoredArray) -> [UInt8]? {
    guard let code = dtypes.first(where: { $0.dtype == array.dtype })?.code else { return nil }
    let sizes = array.shape.map(String.init)
    let tuple = sizes.count == 1 ? "(\(sizes[0]),)" : "(\(sizes.joined(separator: ", ")))"
    // An array that is in both orders is called C's.
    let isFortranOrder = array.isFortranOrder && array.shape.count { $0 != 1 } > 1 && !array.shape.contains(0)
    let mark = array.dtype.byteCount == 1 ? "|" : "<"
    let order = isFortranOrder ? "True" : "False"
    var text = "{'descr': '\(mark)\(code)', 'fortran_order': \(order), 'shape': \(tuple), }"
    // Room in which the growing dimension's size can be rewritten in place.
    if let growing = isFortranOrder ? sizes.last : sizes.first {
      text += String(repeating: " ", count: 21 - growing.utf8.count)
    }
    text += String(repeating: " ", count: 64 - (10 + text.utf8.count + 1) % 64) + "\n"
    let count = text.utf8.count
    guard count <= longest else { return nil }
    return Npy.magic + [1, 0, UInt8(count & 0xFF), UInt8(count >> 8)] + Array(text.utf8)
  }
}
