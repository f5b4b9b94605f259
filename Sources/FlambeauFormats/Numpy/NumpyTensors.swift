import Flambeau

extension Npy {
  /// The array in the file at `path`. `numpy.load`.
  ///
  /// The file is mapped, as by ``Safetensors/load(_:)``. A Fortran-ordered array that can be used where it lies keeps its
  /// order: its first stride is 1.
  public static func load(_ path: String) throws(FormatError) -> Tensor { try read(path).tensor(file: path) }

  /// Writes `tensor` to `path`, in Fortran order if that is how it lies: either the whole file or none. `numpy.save`.
  ///
  /// numpy has no bfloat16, so that is an error.
  public static func save(_ tensor: Tensor, to path: String) throws(FormatError) {
    try write(StoredArray("", tensor, keepsFortranOrder: true, file: path), to: path)
  }
}

/// Files of named arrays, `.npz`.
public enum Npz {
  /// The arrays of the file at `path`, their checksums held against it. `numpy.load`.
  ///
  /// Compressed arrays need zlib on the machine.
  public static func load(_ path: String) throws(FormatError) -> [String: Tensor] {
    let file = try NpzFile(path)
    return try StoredArray.tensors(file.names, file: path) { (i) throws(FormatError) in try file.array(named: file.names[i])! }
  }

  /// Writes `tensors` to `path`: either the whole file or none. `numpy.savez`, and `savez_compressed`, which needs zlib.
  ///
  /// numpy has no bfloat16, so that is an error.
  public static func save(
    _ tensors: [String: Tensor], compressed: Bool = false, to path: String
  ) throws(FormatError) {
    let arrays = try StoredArray.arrays(tensors, keepsFortranOrder: true, file: path)
    try NpzFile.write(arrays, compressed: compressed, to: path)
  }
}
