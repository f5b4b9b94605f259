import Flambeau

/// PyTorch's own checkpoints, `.pt`, `.pth` and `.bin`: the zip format of today and the one before 1.6.
///
/// A pickle is a program that makes values. What is carried out here is what describes state: built-in types, tensors,
/// parameters and storages. Nothing is imported and nothing called; a file that asks for more is refused where it does.
public enum PyTorch {
  /// The value in the file at `path`, whatever devices its tensors were on. `torch.load(path, map_location='cpu')`.
  ///
  /// Storages lie in the mapped file where it holds them aligned, as by ``Safetensors/load(_:)``; tensors that shared one share it.
  /// Tensors do not require gradients.
  ///
  /// - Parameter verified: Whether every checksum in a zip must agree, which reads all of the file; torch verifies none.
  public static func load(_ path: String, verified: Bool = false) throws(FormatError) -> PyTorchValue {
    let bytes = try MappedFile.bytes(of: path)
    if verified, isZip(bytes) { try ZipReader(bytes, file: path).verify() }
    var walk = PickleWalk(try file(bytes, file: path))
    return try walk.value()
  }

  private static func isZip(_ bytes: StoredBytes) -> Bool { bytes.withUnsafeBytes { $0.starts(with: [0x50, 0x4B]) } }

  static func file(_ bytes: StoredBytes, file: String) throws(FormatError) -> PyTorchFile {
    isZip(bytes) ? try PyTorchFile(ZipReader(bytes, file: file), file: file) : try PyTorchFile(legacy: bytes, file: file)
  }

  /// Writes `value` to `path` in the zip format, which `torch.load` opens as it is: either the whole file or none. `torch.save`.
  ///
  /// Tensors that share a storage share it in the file, which holds the part of it that they show.
  public static func save(_ value: PyTorchValue, to path: String) throws(FormatError) {
    let pickle = try PickleWriter(value, file: path)
    let folder = name(of: path)
    try AtomicFile.write(path) { (file) throws(FormatError) in
      var zip = ZipWriter(limit: ZipWriter.largestShort)
      func add(_ name: String, _ bytes: StoredBytes) throws(FormatError) {
        try zip.add("\(folder)/\(name)", [bytes], alignment: 64, to: &file)
      }
      try add("data.pkl", StoredBytes(pickle.bytes))
      try add("byteorder", StoredBytes("little".utf8))
      for (position, storage) in pickle.storages.enumerated() {
        try add("data/\(position)", storage.bytes)
      }
      try add("version", StoredBytes("3\n".utf8))
      try zip.finish(&file)
    }
  }

  /// The folder in the zip: the file's name without its ending, as `torch.save` calls it.
  private static func name(of path: String) -> String {
    let file = path.split(separator: "/").last ?? "archive"
    let stem = file.lastIndex(of: ".").map { file[..<$0] } ?? file
    return stem.isEmpty || stem == "." ? "archive" : String(stem)
  }
}

extension PickleWriter.Storage {
  /// The elements, where they lie.
  fileprivate var bytes: StoredBytes {
    guard let bounds else { return StoredBytes([]) }
    let flat = Tensor(storageOf: example, shape: [bounds.count], strides: [1], offset: bounds.lowerBound)
    return StoredBytes(of: flat)
  }
}
