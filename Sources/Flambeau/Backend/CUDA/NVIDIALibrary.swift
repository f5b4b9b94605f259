#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A shared library of NVIDIA's, opened at run time: from the folders FLAMBEAU_CUDA_PATH names, where the loader looks, under
/// CUDA_HOME, or in the folders of NVIDIA's pip packages in Python environments.
struct NVIDIALibrary {
  private let name: String
  /// Unsafe by type only: the loader's own, which many threads may use.
  private nonisolated(unsafe) let handle: UnsafeMutableRawPointer

  /// - Parameters:
  ///   - name: Without `lib` and suffix, such as `nvrtc`.
  ///   - package: The pip package that brings it.
  ///   - versions: The numbers that may follow its name.
  static func open(
    _ name: String, package: String, versions: ClosedRange<Int> = 11...14
  ) throws(TensorError) -> NVIDIALibrary {
    let files = ["lib\(name).so"] + versions.reversed().map { "lib\(name).so.\($0)" }
    return try open(name, files: files, remedy: "`pip install \(package)` brings it")
  }

  /// The driver's library, which belongs to the system: it fits the kernel's module.
  static func openDriver() throws(TensorError) -> NVIDIALibrary {
    try open("cuda", files: ["libcuda.so.1"], remedy: "NVIDIA's driver for the GPU brings it")
  }

  /// The library of one file.
  static func open(file: String) throws(TensorError) -> NVIDIALibrary {
    guard let handle = dlopen(file, RTLD_NOW | RTLD_LOCAL) else {
      throw TensorError(.device, "\(file) cannot be opened: \(dlerror().map { String(cString: $0) } ?? "no reason given")")
    }
    return NVIDIALibrary(name: file, handle: handle)
  }

  private static func open(_ name: String, files: [String], remedy: String) throws(TensorError) -> NVIDIALibrary {
    for file in files {
      for folder in folders(before: true) {
        if let handle = dlopen("\(folder)/\(file)", RTLD_NOW | RTLD_LOCAL) { return NVIDIALibrary(name: name, handle: handle) }
      }
    }
    for file in files {
      if let handle = dlopen(file, RTLD_NOW | RTLD_LOCAL) { return NVIDIALibrary(name: name, handle: handle) }
    }
    for folder in folders(before: false) {
      for file in files {
        if let handle = dlopen("\(folder)/\(file)", RTLD_NOW | RTLD_LOCAL) { return NVIDIALibrary(name: name, handle: handle) }
      }
    }
    throw TensorError(.device, "lib\(name) is not here: \(remedy), or FLAMBEAU_CUDA_PATH names the folder it is in")
  }

  /// A function by its C name; the caller knows its type.
  func function<Function>(_ symbol: String) throws(TensorError) -> Function {
    guard let address = dlsym(handle, symbol) else { throw TensorError(.device, "lib\(name) has no \(symbol): it is too old") }
    return unsafeBitCast(address, to: Function.self)
  }

  /// Those that come before the loader's path, and those after.
  private static func folders(before: Bool) -> [String] {
    if before { return variable("FLAMBEAU_CUDA_PATH").flatMap { [$0, $0 + "/lib64", $0 + "/lib"] } }
    var folders = (variable("CUDA_HOME") + variable("CUDA_PATH") + ["/usr/local/cuda"]).flatMap { [$0 + "/lib64", $0 + "/lib"] }
    for root in pythonFolders {
      for packages in matches("\(root)/lib/python3*/site-packages/nvidia") {
        folders += matches("\(packages)/cu1*/lib") + matches("\(packages)/cuda_*/lib") + matches("\(packages)/c*/lib")
      }
    }
    return folders
  }

  /// Python environments: the active one, that of FLAMBEAU_PYTHON, the package's own, the system's.
  private static var pythonFolders: [String] {
    let named = variable("FLAMBEAU_PYTHON").map { path in
      path.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
    }
    return variable("VIRTUAL_ENV") + variable("CONDA_PREFIX") + named + [".venv", "/usr/local", "/usr"]
      + variable("HOME").map { $0 + "/.local" }
  }

  private static func variable(_ name: String) -> [String] {
    guard let value = getenv(name) else { return [] }
    return String(cString: value).split(separator: ":").map(String.init)
  }

  private static func matches(_ pattern: String) -> [String] {
    var found = glob_t()
    defer { globfree(&found) }
    guard glob(pattern, 0, nil, &found) == 0 else { return [] }
    return (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { String(cString: $0) } }
  }
}
