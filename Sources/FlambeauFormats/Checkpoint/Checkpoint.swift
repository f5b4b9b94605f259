import Flambeau

/// A file of named tensors in any format that is read here, known from its first bytes, not from its name.
///
///     try model.loadStateDict(Checkpoint.load("resnet18.pth"))
public struct Checkpoint: Sendable {
  /// What a file can be.
  public enum Format: String, Sendable, CaseIterable {
    /// Tensors one after another behind a header of JSON.
    case safetensors
    /// One NumPy array.
    case npy
    /// A zip of NumPy arrays.
    case npz
    /// llama.cpp's format (read only).
    case gguf
    /// PyTorch's zip format.
    case pytorch
    /// PyTorch's format before 1.6.
    case pytorchLegacy = "pytorch-legacy"
    /// A JSON index of shards, `model.safetensors.index.json`.
    case shards
  }

  /// A tensor that has not been read yet.
  public struct Entry: Sendable {
    /// Its name.
    public let name: String
    /// The sizes of the dimensions.
    public let shape: [Int]
    /// The type of the tensor that is read.
    public let dtype: DType
    /// The format's name where the file packs elements in another way, such as `Q4_K`.
    public let packing: String?
    /// The bytes the elements take in the file.
    public let storedByteCount: Int
    let read: @Sendable () throws(FormatError) -> Tensor

    /// The elements: where they lie in the mapped file if they are aligned and unpacked there.
    public func tensor() throws(FormatError) -> Tensor { try read() }
  }

  /// The format of the file.
  public let format: Format
  /// In the order of the file. Keys that nest, as in PyTorch's files, are joined by dots.
  public let entries: [Entry]
  /// What the file says beside its tensors.
  public let metadata: [String: String]

  /// What a tensor without a name is called, such as the one of an `.npy` file.
  public static let onlyName = "tensor"

  /// The tensors of the file at `path`: safetensors, an index of shards, PyTorch's two formats, `.npz`, `.npy` or GGUF.
  ///
  /// - Parameter prefix: Only the tensors whose names begin with this, without it: `"state_dict."` for a file that keeps the state
  ///   beside an optimizer.
  public static func load(_ path: String, under prefix: String = "") throws(FormatError) -> StateDict {
    try open(path).tensors(under: prefix)
  }

  /// Reads what is in the file at `path`, but no elements.
  public static func open(_ path: String) throws(FormatError) -> Checkpoint {
    try Checkpoint(MappedFile.bytes(of: path), file: path)
  }

  /// The tensors, of which those that shared memory share it again. Names that Swift's strings take for one are an error.
  public func tensors(under prefix: String = "") throws(FormatError) -> StateDict {
    var state = StateDict()
    for entry in entries where entry.name.hasPrefix(prefix) {
      state[String(entry.name.dropFirst(prefix.count))] = try entry.tensor()
    }
    return state
  }

  init(format: Format, entries: [Entry], metadata: [String: String], file: String) throws(FormatError) {
    var names: Set<String> = []
    for entry in entries where !names.insert(entry.name).inserted {
      throw FormatError(file: file, what: "another tensor has the same name", where: "'\(entry.name)'")
    }
    self.format = format
    self.entries = entries
    self.metadata = metadata
  }

  /// Reads a file that is in memory; errors call it `file`.
  init(_ bytes: StoredBytes, file: String, isShard: Bool = false) throws(FormatError) {
    guard let format = Self.format(of: bytes) else {
      throw FormatError(file: file, what: "is in none of the formats safetensors, PyTorch, .npz, .npy and GGUF")
    }
    switch format {
    case .safetensors:
      let source = try SafetensorsFile(bytes, file: file)
      try self.init(format: format, entries: source.arrays.map { Entry($0, file: file) }, metadata: source.metadata, file: file)
    case .npy:
      let array = try Npy.read(bytes, name: Self.onlyName, file: file, within: nil)
      try self.init(format: format, entries: [Entry(array, file: file)], metadata: [:], file: file)
    case .npz, .pytorch: try self.init(zip: ZipReader(bytes, file: file), file: file)
    case .pytorchLegacy: try self.init(PyTorchFile(legacy: bytes, file: file), format)
    case .gguf:
      let source = try GGUFFile(bytes, file: file)
      try self.init(format: format, entries: source.entries, metadata: source.texts, file: file)
    case .shards:
      guard !isShard else { throw FormatError(file: file, what: "is an index of shards, but is listed in one") }
      try self.init(ShardIndex(bytes, file: file))
    }
  }

  private init(zip: ZipReader, file: String) throws(FormatError) {
    guard !NpzFile.isHeld(in: zip) else {
      let source = try NpzFile(zip, file: file)
      var entries: [Entry] = []
      for name in source.names { entries.append(Entry(try source.array(named: name)!, file: file)) }
      try self.init(format: .npz, entries: entries, metadata: [:], file: file)
      return
    }
    try self.init(PyTorchFile(zip, file: file), .pytorch)
  }

  private init(_ source: PyTorchFile, _ format: Format) throws(FormatError) {
    var walk = PickleWalk(source)
    let leaves = try walk.leaves()
    let entries = leaves.tensors.map { (name, index) in
      let tensor = source.tree.tensors[Int(index)]
      return Entry(
        name: name, shape: tensor.shape, dtype: tensor.dtype, packing: nil,
        storedByteCount: StoredArray.byteCount(tensor.dtype, tensor.shape) ?? 0
      ) { () throws(FormatError) in try source.tensor(index) }
    }
    try self.init(format: format, entries: entries, metadata: leaves.metadata, file: source.file)
  }

  /// The format that the first bytes tell; for a zip file, PyTorch's or numpy's.
  private static func format(of bytes: StoredBytes) -> Format? {
    bytes.withUnsafeBytes { bytes in
      if bytes.starts(with: "PK".utf8) { return .pytorch }
      if bytes.starts(with: Npy.magic) { return .npy }
      if bytes.starts(with: GGUFFile.magic) { return .gguf }
      // Protocol 2 and later; earlier ones cannot hold a tensor of today.
      if bytes.count > 2, bytes[0] == 0x80, (2...5).contains(bytes[1]) { return .pytorchLegacy }
      if bytes.count > 8, bytes[8] == UInt8(ascii: "{") { return .safetensors }
      return bytes.first { !" \n\r\t".utf8.contains($0) } == UInt8(ascii: "{") ? .shards : nil
    }
  }
}

extension Checkpoint.Entry {
  /// An array whose bytes are at hand.
  init(_ array: StoredArray, file: String) {
    self.init(name: array.name, shape: array.shape, dtype: array.dtype, packing: nil, storedByteCount: array.bytes.count) {
      () throws(FormatError) in try array.tensor(file: file)
    }
  }
}
