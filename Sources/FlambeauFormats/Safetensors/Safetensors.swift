import Flambeau

/// Files of named tensors in the safetensors format.
public enum Safetensors {
  /// The tensors of the file at `path`. `safetensors.torch.load_file`.
  ///
  /// The file is mapped: an element is read from the disk when it is first touched, and writing to a tensor does not change
  /// the file. The file must not be overwritten in place while a tensor is in use; ``save(_:metadata:to:)`` never does that.
  public static func load(_ path: String) throws(FormatError) -> [String: Tensor] {
    let arrays = try SafetensorsFile(path).arrays
    return try StoredArray.tensors(arrays.map(\.name), file: path) { arrays[$0] }
  }

  /// What the writer said about the file at `path`, such as `["format": "pt"]`.
  public static func metadata(of path: String) throws(FormatError) -> [String: String] { try SafetensorsFile(path).metadata }

  /// Writes `tensors`, row-major, to `path`: either the whole file or none. `safetensors.torch.save_file`.
  public static func save(
    _ tensors: [String: Tensor], metadata: [String: String] = [:], to path: String
  ) throws(FormatError) {
    let arrays = try StoredArray.arrays(tensors, keepsFortranOrder: false, file: path)
    try SafetensorsFile.write(arrays, metadata: metadata, to: path)
  }
}
