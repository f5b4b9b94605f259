import Flambeau

extension Checkpoint {
  /// The endings of the files that are written, and their formats.
  public static let endings: [(ending: String, format: Format)] = [
    (".safetensors", .safetensors), (".pt", .pytorch), (".pth", .pytorch), (".bin", .pytorch), (".npz", .npz), (".npy", .npy),
  ]

  /// The format that `path`'s ending asks for.
  static func format(forWriting path: String) throws(FormatError) -> Format {
    guard let known = endings.first(where: { path.hasSuffix($0.ending) }) else {
      let list = endings.map(\.ending).joined(separator: ", ")
      throw FormatError(file: path, what: "does not say in which format to write; these endings do: \(list)")
    }
    return known.format
  }

  /// Writes `state` to `path` in the format of its ending: `.safetensors`, `.pt`, `.pth`, `.bin`, `.npz` or, for one tensor, `.npy`.
  /// Whatever happens, the old file is there or the new one.
  ///
  /// - Parameters:
  ///   - metadata: Kept by safetensors; an error for other formats if there is any.
  ///   - shardByteCount: For safetensors: a state of more bytes goes into several files beside each other,
  ///     `model-00001-of-00003.safetensors`, and `path` with `.index.json` added, which is what to load.
  /// - Returns: The file to load.
  @discardableResult
  public static func save(
    _ state: StateDict, metadata: [String: String] = [:], to path: String, shardByteCount: Int? = nil
  ) throws(FormatError) -> String {
    let format = try format(forWriting: path)
    guard format == .safetensors || metadata.isEmpty && shardByteCount == nil else {
      let what = metadata.isEmpty ? "shards" : "metadata"
      throw FormatError(file: path, what: "cannot have \(what): only safetensors files can")
    }
    switch format {
    case .safetensors:
      guard let shardByteCount else {
        try Safetensors.save(state.dictionary, metadata: metadata, to: path)
        return path
      }
      return try ShardWriter(path: path, limit: shardByteCount).write(state, metadata: metadata)
    case .npz: try Npz.save(state.dictionary, to: path)
    case .npy:
      guard state.count == 1 else {
        throw FormatError(file: path, what: "holds one tensor, and \(state.count) are to be written")
      }
      try Npy.save(state[0].value, to: path)
    default: try PyTorch.save(.dict(state.map { (.string($0.key), .tensor($0.value)) }), to: path)
    }
    return path
  }
}

/// Writes a state dict as safetensors files of limited size and an index, which is what makes them a checkpoint.
struct ShardWriter {
  /// The name that the checkpoint would have as one file.
  let path: String
  /// The most bytes of elements in a file; a larger tensor has one of its own.
  let limit: Int

  func write(_ state: StateDict, metadata: [String: String]) throws(FormatError) -> String {
    let groups = groups(state)
    guard groups.count > 1 else {
      try Safetensors.save(state.dictionary, metadata: metadata, to: path)
      return path
    }
    let index = path + ".index.json"
    let old = (try? ShardIndex(MappedFile.bytes(of: index), file: index))?.shards ?? []
    let folder = AtomicFile.folder(of: path)
    let names = names(groups.count, folder: folder)
    var places: [(name: String, shard: String)] = []
    for (name, group) in zip(names, groups) {
      try Safetensors.save(StateDict(group).dictionary, metadata: metadata, to: "\(folder)/\(name)")
      places += group.map { ($0.0, name) }
    }
    let total = state.reduce(0) { $0 + $1.value.count * $1.value.dtype.byteCount }
    // Until this one is renamed, the old index and its shards are the checkpoint.
    try AtomicFile.write(index) { (file) throws(FormatError) in
      try file.write(ShardIndex.text(places, metadata: metadata, byteCount: total))
    }
    for shard in old where !names.contains(shard) { AtomicFile.remove("\(folder)/\(shard)") }
    return index
  }

  private func groups(_ state: StateDict) -> [[(String, Tensor)]] {
    var groups: [[(String, Tensor)]] = [[]]
    var size = 0
    for (key, tensor) in state {
      let bytes = tensor.count * tensor.dtype.byteCount
      if size + bytes > limit, !groups[groups.count - 1].isEmpty {
        groups.append([])
        size = 0
      }
      groups[groups.count - 1].append((key, tensor))
      size += bytes
    }
    return groups
  }

  /// The usual names, or, where one of those files exists and may belong to a checkpoint that must outlast this write, unique ones.
  private func names(_ count: Int, folder: String) -> [String] {
    let file = path.split(separator: "/").last.map(String.init) ?? path
    let stem = file.hasSuffix(".safetensors") ? String(file.dropLast(".safetensors".count)) : file
    func name(_ stem: String, _ i: Int) -> String { "\(stem)-\(padded(i + 1))-of-\(padded(count)).safetensors" }
    let usual = (0..<count).map { name(stem, $0) }
    guard usual.contains(where: { AtomicFile.exists("\(folder)/\($0)") }) else { return usual }
    let mark = String(UInt32.random(in: 0...(.max)), radix: 36)
    return (0..<count).map { name("\(stem)-\(mark)", $0) }
  }

  private func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }
}
