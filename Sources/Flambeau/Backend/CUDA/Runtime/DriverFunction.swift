/// A function of NVIDIA's driver, with the name that errors give it.
struct DriverFunction<Function: Sendable>: Sendable {
  /// As in the documentation, without a version.
  let name: String
  let call: Function

  /// `symbol` is what the library calls it: the name, or the name with a version.
  init(_ symbol: String, in library: NVIDIALibrary) throws(TensorError) {
    call = try library.function(symbol)
    name = symbol.hasSuffix("_v2") ? String(symbol.dropLast(3)) : symbol
  }
}

/// What a function of the driver returns: `CUresult`.
struct DriverStatus: Sendable, Equatable {
  let code: Int32

  static let success = DriverStatus(code: 0)
  static let outOfMemory = DriverStatus(code: 2)
  static let invalidContext = DriverStatus(code: 201)
  static let invalidHandle = DriverStatus(code: 400)
  static let notReady = DriverStatus(code: 600)

  /// The context is lost: every call from here on fails in the same way, and only a new process can go on.
  var losesContext: Bool { DriverStatus.fatal.contains(code) }

  /// Uncorrectable memory errors, and what a kernel may do wrong: addresses, instructions, assertions, time.
  private static let fatal: Set<Int32> = [214, 220, 226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721]
}
