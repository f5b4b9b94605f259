import Flambeau

/// The JSON beside the shards of a large checkpoint, `model.safetensors.index.json`: which file holds which tensor.
struct ShardIndex {
  let metadata: [String: String]
  /// Tensor and file name, in the order of the index.
  let places: [(name: String, shard: String)]
  /// The index's own path.
  let file: String

  private static let weightMap = "weight_map"

  init(_ bytes: StoredBytes, file: String) throws(FormatError) {
    self.file = file
    var metadata: [String: String] = [:]
    var places: [(name: String, shard: String)]?
    try bytes.withUnsafeBytes { (raw) throws(FormatError) in
      var reader = JSONReader(raw)
      do throws(JSONReader.Failure) {
        try reader.object { (reader, key) throws(JSONReader.Failure) in
          switch key {
          case Self.weightMap:
            var found: [(name: String, shard: String)] = []
            try reader.object { (reader, name) throws(JSONReader.Failure) in found.append((name, try reader.string())) }
            places = found
          case "metadata":
            try reader.object { (reader, key) throws(JSONReader.Failure) in metadata[key] = try reader.valueText() }
          default: try reader.skipValue()
          }
        }
        try reader.expectEnd()
      } catch {
        throw FormatError(file: file, what: error.what, where: "byte \(error.position)")
      }
    }
    guard let places else { throw FormatError(file: file, what: "is JSON without a \(Self.weightMap), so no index of shards") }
    for (name, shard) in places where shard.isEmpty || shard == ".." || shard.contains("/") || shard.utf8.contains(0) {
      throw FormatError(file: file, what: "lies in '\(shard)', which is no file beside the index", where: "tensor '\(name)'")
    }
    self.metadata = metadata
    self.places = places
  }

  /// The shards' file names, each once.
  var shards: [String] {
    var seen: Set<String> = []
    return places.map(\.shard).filter { seen.insert($0).inserted }
  }

  /// The bytes of an index.
  static func text(_ places: [(name: String, shard: String)], metadata: [String: String], byteCount: Int) -> [UInt8] {
    let pairs = metadata.sorted { $0.key < $1.key }.map { "\(JSONText.quoted($0.key)): \(JSONText.quoted($0.value))" }
    let about = (["\"total_size\": \(byteCount)"] + pairs).map { "    \($0)" }.joined(separator: ",\n")
    let map = places.map { "    \(JSONText.quoted($0.name)): \(JSONText.quoted($0.shard))" }.joined(separator: ",\n")
    return Array("{\n  \"metadata\": {\n\(about)\n  },\n  \"\(weightMap)\": {\n\(map)\n  }\n}\n".utf8)
  }
}

extension Checkpoint {
  /// Opens every shard that `index` lists.
  init(_ index: ShardIndex) throws(FormatError) {
    let folder = AtomicFile.folder(of: index.file)
    var entries: [String: [String: Entry]] = [:]
    for shard in index.shards {
      let path = "\(folder)/\(shard)"
      let opened = try Checkpoint(MappedFile.bytes(of: path), file: path, isShard: true)
      entries[shard] = Dictionary(uniqueKeysWithValues: opened.entries.map { ($0.name, $0) })
    }
    let found = try index.places.map { (name, shard) throws(FormatError) in
      guard let entry = entries[shard]?[name] else {
        throw FormatError(file: "\(folder)/\(shard)", what: "is not there, though the index says so", where: "tensor '\(name)'")
      }
      return entry
    }
    try self.init(format: .shards, entries: found, metadata: index.metadata, file: index.file)
  }
}
