import Flambeau

/// A checkpoint that `torch.save` wrote: what its pickle says, and where the elements are.
struct PyTorchFile: Sendable {
  let tree: PickleTree
  /// The bytes that the tree's strings lie in.
  let pickle: StoredBytes
  /// How many of them the pickle takes.
  let pickleByteCount: Int
  let storages: PyTorchStorages
  let file: String

  /// A file in PyTorch's zip format, from 1.6 on.
  init(_ zip: ZipReader, file: String) throws(FormatError) {
    var members: [[UInt8]: ZipReader.Member] = [:]
    for member in zip.members where members.updateValue(member, forKey: Array(member.name.utf8)) != nil {
      throw FormatError(file: file, what: "appears twice", where: "member '\(member.name)'")
    }
    let name = "data.pkl"
    guard let main = zip.members.first(where: { $0.name == name || $0.name.hasSuffix("/\(name)") }) else {
      throw FormatError(file: file, what: "is a zip file that holds neither .npy arrays nor PyTorch's data.pkl")
    }
    let folder = String(main.name.dropLast(name.count))
    if members[Array("\(folder)constants.pkl".utf8)] != nil {
      throw FormatError(file: file, what: "is a TorchScript program, which is code, not a checkpoint; save its state_dict()")
    }
    let isBigEndian = try Self.isBigEndian(zip, members[Array("\(folder)byteorder".utf8)], file)
    let pickle = try zip.read(main, checked: false)
    let (tree, count) = try pickle.withUnsafeBytes { (bytes) throws(FormatError) -> (PickleTree, Int) in
      var machine = PickleMachine(bytes)
      do throws(PickleMachine.Failure) {
        return (try machine.run(), machine.position)
      } catch {
        throw FormatError(file: file, what: error.what, where: "byte \(error.position) of '\(main.name)'")
      }
    }
    var sources: [String: ZipReader.Member] = [:]
    for storage in tree.storages {
      let path = "\(folder)data/\(storage.key)"
      guard let member = members[Array(path.utf8)] else {
        throw FormatError(file: file, what: "is missing", where: "member '\(path)'")
      }
      let needed = (storage.start + storage.count) * storage.dtype.byteCount
      guard needed <= member.size else {
        throw FormatError(file: file, what: "holds \(member.size) bytes where \(needed) are needed", where: "member '\(path)'")
      }
      sources[storage.key] = member
    }
    storages = PyTorchStorages(file: file, isBigEndian: isBigEndian) { [sources] (key) throws(FormatError) in
      try zip.read(sources[key]!, checked: false)
    }
    self.tree = tree
    self.pickle = pickle
    pickleByteCount = count
    self.file = file
  }

  private static func isBigEndian(_ zip: ZipReader, _ mark: ZipReader.Member?, _ file: String) throws(FormatError) -> Bool {
    guard let mark else { return false }
    switch String(decoding: try zip.read(mark, checked: false).withUnsafeBytes { Array($0.prefix(16)) }, as: UTF8.self) {
    case "little": return false
    case "big": return true
    case let other: throw FormatError(file: file, what: "'\(other)' is no byte order", where: "member '\(mark.name)'")
    }
  }

  static let legacyMagic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
  private static let legacyVersion = 1001

  /// A file in the format before 1.6: five pickles, then the elements.
  ///
  /// Its elements are little-endian on every machine, whatever its third pickle says.
  init(legacy bytes: StoredBytes, file: String) throws(FormatError) {
    var start = 0
    func next() throws(FormatError) -> PickleTree {
      try bytes.withUnsafeBytes { (raw) throws(FormatError) in
        var machine = PickleMachine(raw, from: start)
        defer { start = machine.position }
        do throws(PickleMachine.Failure) {
          return try machine.run()
        } catch {
          throw FormatError(file: file, what: error.what, where: "byte \(error.position)")
        }
      }
    }
    let magic = try next()
    guard case .largeInteger(let at, let count) = magic[magic.root],
      bytes.withUnsafeBytes({ $0[at..<at + Int(count)].elementsEqual(Self.legacyMagic) })
    else { throw FormatError(file: file, what: "is a pickle, but not one that torch.save wrote") }
    let version = try next()
    guard version.int(version.root) == Self.legacyVersion else {
      throw FormatError(file: file, what: "is not of version \(Self.legacyVersion) of PyTorch's old format")
    }
    _ = try next()
    let objectStart = start
    tree = try next()
    pickleByteCount = start - objectStart
    let places = try Self.places(of: try next(), in: bytes, from: start, tree, file)
    storages = PyTorchStorages(file: file, isBigEndian: false) { (key) throws(FormatError) in bytes.slice(places[key]!) }
    pickle = bytes
    self.file = file
  }

  /// Where the elements of each storage lie: each storage's count comes before its elements, in the order of `keys`.
  private static func places(
    of keys: PickleTree, in bytes: StoredBytes, from start: Int, _ tree: PickleTree, _ file: String
  ) throws(FormatError) -> [String: Range<Int>] {
    var expected: [String: PickleTree.Storage] = [:]
    for storage in tree.storages where storage.start == 0 {
      if (expected[storage.key]?.count ?? -1) < storage.count { expected[storage.key] = storage }
    }
    guard let items = keys.items(keys.root) else { throw FormatError(file: file, what: "does not list its storages") }
    return try bytes.withUnsafeBytes { (raw) throws(FormatError) in
      var places: [String: Range<Int>] = [:]
      var position = start
      for item in items {
        guard case .text(let at, let count) = keys[item] else { throw FormatError(file: file, what: "a storage has no name") }
        let key = String(decoding: raw[at..<at + Int(count)], as: UTF8.self)
        func failure(_ what: String) -> FormatError { FormatError(file: file, what: what, where: "storage '\(key)'") }
        guard let storage = expected[key] else { throw failure("belongs to no tensor") }
        guard raw.count - position >= 8 else { throw failure("the file ends before its elements") }
        let claimed = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
        guard claimed == UInt64(storage.count) else {
          throw failure("has \(claimed) elements where \(storage.count) are described")
        }
        position += 8
        let size = storage.count * storage.dtype.byteCount
        guard size <= raw.count - position else { throw failure("the file ends within its \(size) bytes") }
        guard places.updateValue(position..<position + size, forKey: key) == nil else { throw failure("is listed twice") }
        position += size
      }
      if let missing = tree.storages.first(where: { places[$0.key] == nil }) {
        throw FormatError(file: file, what: "its elements are missing", where: "storage '\(missing.key)'")
      }
      return places
    }
  }

  func tensor(_ index: Int32) throws(FormatError) -> Tensor {
    let tensor = tree.tensors[Int(index)]
    return try storages.tensor(tensor, in: tree.storages[Int(tensor.storage)])
  }
}

/// The storages of a file, each read when it is first asked for; tensors that shared one share it again.
final class PyTorchStorages: Sendable {
  private let file: String
  private let isBigEndian: Bool
  private let bytes: @Sendable (String) throws(FormatError) -> StoredBytes
  private let lock = Lock()
  /// Guarded by the lock.
  nonisolated(unsafe) private var known: [Key: Tensor] = [:]

  private struct Key: Hashable {
    let name: String
    let dtype: DType
  }

  init(file: String, isBigEndian: Bool, bytes: @escaping @Sendable (String) throws(FormatError) -> StoredBytes) {
    self.file = file
    self.isBigEndian = isBigEndian
    self.bytes = bytes
  }

  /// `tensor`, whose elements lie in `storage`: where the file has them if they are aligned there, else in one copy of them all.
  func tensor(_ tensor: PickleTree.Tensor, in storage: PickleTree.Storage) throws(FormatError) -> Tensor {
    let whole = try elements(Key(name: storage.key, dtype: tensor.dtype))
    let offset = storage.start * storage.dtype.byteCount / tensor.dtype.byteCount + tensor.offset
    return Tensor(storageOf: whole, shape: Shape(tensor.shape), strides: tensor.strides, offset: offset)
  }

  private func elements(_ key: Key) throws(FormatError) -> Tensor {
    lock.lock()
    defer { lock.unlock() }
    if let tensor = known[key] { return tensor }
    let size = key.dtype.byteCount
    let all = try bytes(key.name)
    var native = all.slice(0..<all.count - all.count % size)
    if isBigEndian {
      guard let swapped = native.swapped(elementByteCount: size) else {
        throw FormatError(
          file: file, what: "takes \(native.count) bytes, more than this machine has", where: "storage '\(key.name)'")
      }
      native = swapped
    }
    let tensor = try StoredArray(name: key.name, dtype: key.dtype, shape: [native.count / size], bytes: native).tensor(file: file)
    known[key] = tensor
    return tensor
  }
}
