import Flambeau
import FlambeauFormats

extension TensorDataset {
  /// Two arrays of a numpy `.npz` file.
  ///
  ///     let data = try TensorDataset(npz: "train.npz", inputs: "x", targets: "y")
  ///
  /// - Throws: `FormatError` where the file cannot be read, lacks one of the arrays, or holds another number of targets.
  public init(npz path: String, inputs: String = "x", targets: String = "y") throws(FormatError) {
    let arrays = try Npz.load(path)
    func array(_ name: String) throws(FormatError) -> Tensor {
      guard let array = arrays[name] else {
        let names = arrays.keys.sorted().joined(separator: ", ")
        throw FormatError(file: path, what: "has no array '\(name)', but \(names.isEmpty ? "none at all" : names)")
      }
      return array
    }
    let (x, y) = (try array(inputs), try array(targets))
    guard let count = x.shape.first, count == y.shape.first else {
      throw FormatError(file: path, what: "'\(inputs)' is \(x.shape) and '\(targets)' \(y.shape): their first dimensions differ")
    }
    self.init(x, y)
  }
}
