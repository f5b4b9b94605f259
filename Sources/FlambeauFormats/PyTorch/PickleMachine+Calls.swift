import Flambeau

// The functions that a checkpoint's pickle may call, on nodes.
extension PickleMachine {
  private static let largestRank = 64

  mutating func call(_ function: PickleTree.ID, _ arguments: PickleTree.ID) throws(Failure) -> PickleTree.ID {
    guard let items = tree.items(arguments) else { throw failure("calls a function with what is no tuple") }
    // The longest of these takes seven.
    try charge(min(items.count, 8))
    let given = Array(items.prefix(8))
    guard case .global(let global) = tree[function] else { throw failure("calls what is no function") }
    switch global {
    case .call(let call): return try carryOut(call, given)
    case .tensorType:
      guard let data = given.first, case .tensor = tree[data] else { throw failure("makes a tensor of what is none") }
      return data
    case .storageType, .dtype: throw failure("calls what is no function")
    }
  }

  private mutating func carryOut(_ call: PickleGlobal.Call, _ given: [PickleTree.ID]) throws(Failure) -> PickleTree.ID {
    switch call {
    case .dict: return try dictionary(given)
    case .list:
      guard let first = given.first else { return try add(.list(container())) }
      guard tree.items(first) != nil else { throw failure("makes a set of what is no list") }
      return first
    case .size:
      guard let first = given.first, tree.items(first) != nil else { throw failure("makes a size of what is no tuple") }
      return first
    case .layout:
      guard let first = given.first, isText(first) else { throw failure("a layout has no name") }
      return first
    case .device: return try device(given)
    case .encode:
      guard let first = given.first, isText(first) else { throw failure("encodes what is no string") }
      return try add(.latin1(first))
    case .rebuildTensor:
      guard given.count >= 4, case .storage(let storage) = tree[given[0]] else { throw failure("a tensor has no storage") }
      if given.count > 6, case .dict(let marks) = tree[given[6]], !tree.containers[Int(marks)].isEmpty {
        throw failure("a tensor is conjugated or negated, which is not read")
      }
      return try tensor(storage, tree.storages[Int(storage)].dtype, given[1], given[2], given[3])
    case .rebuildTyped:
      guard given.count >= 7, case .storage(let storage) = tree[given[0]], case .global(.dtype(let dtype)) = tree[given[6]] else {
        throw failure("a tensor has no storage")
      }
      return try tensor(storage, dtype, given[1], given[2], given[3])
    case .rebuildParameter:
      guard let data = given.first, case .tensor = tree[data] else { throw failure("makes a parameter of what is no tensor") }
      return data
    case .rebuildFromType:
      guard given.count == 4, case .global(.call(let inner)) = tree[given[0]], case .global(.tensorType) = tree[given[1]],
        [.rebuildTensor, .rebuildTyped, .rebuildParameter].contains(inner)
      else { throw failure("a tensor of a class of its own is not read") }
      return try self.call(given[0], given[2])
    }
  }

  /// An empty dictionary, or one of pairs.
  private mutating func dictionary(_ given: [PickleTree.ID]) throws(Failure) -> PickleTree.ID {
    guard let first = given.first else { return try add(.dict(container())) }
    if case .dict = tree[first] { return first }
    guard let pairs = tree.items(first) else { throw failure("makes a dictionary of what holds no pairs") }
    try charge(2 * pairs.count)
    var items: [PickleTree.ID] = []
    for pair in Array(pairs) {
      guard let two = tree.items(pair), two.count == 2 else { throw failure("makes a dictionary of what holds no pairs") }
      items.append(contentsOf: two)
    }
    return try add(.dict(container(items)))
  }

  private mutating func device(_ given: [PickleTree.ID]) throws(Failure) -> PickleTree.ID {
    guard let first = given.first, let type = text(first), type.utf8.count < 32 else { throw failure("a device has no name") }
    try charge(type.utf8.count)
    tree.words.append(given.count > 1 ? tree.int(given[1]).map { "\(type):\($0)" } ?? type : type)
    return try add(.word(Int32(tree.words.count - 1)))
  }

  private mutating func numbers(_ id: PickleTree.ID, _ what: String) throws(Failure) -> [Int] {
    guard let items = tree.items(id), items.count <= Self.largestRank else {
      throw failure("\(what) of a tensor are no tuple of up to \(Self.largestRank) numbers")
    }
    try charge(items.count)
    var numbers: [Int] = []
    for item in Array(items) {
      guard let number = tree.int(item), number >= 0 else { throw failure("\(what) of a tensor hold what is no count") }
      numbers.append(number)
    }
    return numbers
  }

  private mutating func tensor(
    _ storage: Int32, _ dtype: DType, _ offset: PickleTree.ID, _ size: PickleTree.ID, _ stride: PickleTree.ID
  ) throws(Failure) -> PickleTree.ID {
    guard let offset = tree.int(offset), offset >= 0 else { throw failure("a tensor's offset is no count") }
    let shape = try numbers(size, "the sizes")
    let strides = try numbers(stride, "the strides")
    let source = tree.storages[Int(storage)]
    let available = source.count * source.dtype.byteCount
    guard shape.count == strides.count,
      let reach = StridedReach.bytes(dtype, offset: offset, shape: shape, strides: strides), reach <= available
    else { throw failure("a tensor of sizes \(shape) and strides \(strides) at \(offset) does not lie in its storage") }
    guard (source.start * source.dtype.byteCount) % dtype.byteCount == 0 else {
      throw failure("a tensor of \(dtype) lies in a part of the storage '\(source.key)' that begins within one of its elements")
    }
    // What counts strides, does so as if no size were 0.
    guard let dense = StoredArray.byteCount(dtype, shape), StoredArray.byteCount(dtype, shape.map { max($0, 1) }) != nil else {
      throw failure("a tensor of sizes \(shape) is too large")
    }
    // Strides of 0 let few bytes stand for many; nobody saves more of them than this, all tensors together.
    let limit = max(1 << 26, max(bytes.count, storedByteCount).multipliedReportingOverflow(by: 16).partialValue)
    let (sum, overflow) = repeatedByteCount.addingReportingOverflow(max(0, dense - available))
    guard !overflow, sum <= limit else {
      throw failure("a tensor of sizes \(shape) repeats the \(available) bytes of its storage too often")
    }
    repeatedByteCount = sum
    tree.tensors.append(
      dense == 0
        ? PickleTree.Tensor(storage: storage, dtype: dtype, offset: 0, shape: shape, strides: StoredArray.strides(shape))
        : PickleTree.Tensor(storage: storage, dtype: dtype, offset: offset, shape: shape, strides: strides))
    return try add(.tensor(Int32(tree.tensors.count - 1)))
  }

  /// The storage that `('storage', type, key, location, count)` names, wherever it was: everything is loaded to the CPU.
  mutating func persistent(_ id: PickleTree.ID) throws(Failure) -> PickleTree.ID {
    guard let items = tree.items(id), (5...6).contains(items.count) else { throw failure("refers to what is no storage") }
    let given = Array(items)
    guard text(given[0]) == "storage", case .global(.storageType(let type)) = tree[given[1]], let key = text(given[2]),
      let location = text(given[3]), let count = tree.int(given[4]), count >= 0
    else { throw failure("refers to what is no storage") }
    guard location != "meta" else { throw failure("the storage '\(key)' is on the meta device and has no elements") }
    let dtype: DType = if case .of(let dtype) = type { dtype } else { .uint8 }
    guard StoredArray.byteCount(dtype, [count]) != nil else { throw failure("the storage '\(key)' is too large") }
    if given.count == 6, let part = tree.items(given[5]) { return try self.part(Array(part), of: key, dtype, count) }
    let index = try storage(key, dtype, count)
    return try add(.storage(index))
  }

  private mutating func storage(_ key: String, _ dtype: DType, _ count: Int) throws(Failure) -> Int32 {
    if let index = storages[key] {
      let known = tree.storages[Int(index)]
      guard known.dtype == dtype, known.count == count else { throw failure("the storage '\(key)' is described in two ways") }
      return index
    }
    let (sum, overflow) = storedByteCount.addingReportingOverflow(count * dtype.byteCount)
    guard !overflow else { throw failure("the storage '\(key)' is too large") }
    storedByteCount = sum
    tree.storages.append(PickleTree.Storage(key: key, dtype: dtype, count: count))
    let index = Int32(tree.storages.count - 1)
    storages[key] = index
    return index
  }

  /// `(key, offset, count)`: a part of a storage, as PyTorch before 0.4 wrote them.
  private mutating func part(_ view: [PickleTree.ID], of key: String, _ dtype: DType, _ count: Int) throws(Failure)
    -> PickleTree.ID
  {
    guard view.count == 3, isText(view[0]), let start = tree.int(view[1]), let size = tree.int(view[2]), start >= 0, size >= 0,
      start <= count, size <= count - start
    else { throw failure("a part does not lie in the storage '\(key)'") }
    let whole = tree.storages[Int(try storage(key, dtype, count))]
    tree.storages.append(PickleTree.Storage(key: whole.key, dtype: dtype, count: size, start: start))
    return try add(.storage(Int32(tree.storages.count - 1)))
  }
}

/// How far strided elements reach.
enum StridedReach {
  /// The bytes from the storage's start to the end of the last element; nil for more than `Int` counts.
  static func bytes(_ dtype: DType, offset: Int, shape: [Int], strides: [Int]) -> Int? {
    if shape.contains(0) { return 0 }
    var last = offset
    for (size, stride) in zip(shape, strides) {
      let (reach, tooFar) = (size - 1).multipliedReportingOverflow(by: stride)
      let (sum, tooMuch) = last.addingReportingOverflow(reach)
      if tooFar || tooMuch { return nil }
      last = sum
    }
    let (count, tooMany) = last.addingReportingOverflow(1)
    let (bytes, tooLarge) = count.multipliedReportingOverflow(by: dtype.byteCount)
    return tooMany || tooLarge ? nil : bytes
  }
}
