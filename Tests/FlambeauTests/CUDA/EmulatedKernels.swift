import Foundation

@testable import Flambeau

/// Kernels compiled for this machine by clang and Tests/Emulation/cuda.h, in one shared object.
///
/// Unchecked: what it holds is written by its initializer only.
final class EmulatedKernels: @unchecked Sendable {
  /// The toolchain's clang; nil, with a printed reason, where there is none.
  static let compiler: String? = {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
    let found = folders.map { $0 + "/clang++" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    if found == nil { print("skipped kernels on emulated threads: clang++ is not in PATH") }
    return found
  }()

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private typealias Function = @convention(c) (UnsafeRawPointer, UnsafeRawPointer, Int) -> UnsafePointer<CChar>?

  private let library: UnsafeMutableRawPointer
  private var functions: [String: Function] = [:]

  /// The shared object.
  let path: String

  /// - Parameter alike: Exponentials and quotients are the CPU's, not the hardware's, so that sums that cancel are alike as well.
  init(_ sources: [KernelSource], alike: Bool = false) throws {
    let folder = try EmulatedKernels.newFolder()
    let object = try EmulatedKernels.compileKernels(sources, in: folder, "-DFB_HAS_QUICK_FUNCTIONS=\(alike ? 0 : 1)")
    path = object.path
    guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else { throw Failure(description: String(cString: dlerror())) }
    self.library = library
    for source in sources {
      functions[source.name] = unsafeBitCast(dlsym(library, "run_\(source.name)"), to: Function.self)
    }
  }

  /// The shared object of a kernel, in the place of a GPU's machine code.
  static func code(of source: KernelSource) throws -> [UInt8] {
    try withFolder { folder in [UInt8](try Data(contentsOf: compileKernels([source], in: folder))) }
  }

  /// What runs them (Tests/Emulation/threads.cpp), compiled once.
  private static let threads = Result {
    try withFolder { folder in
      let text = try String(contentsOfFile: Torch.root + "/Tests/Emulation/threads.cpp", encoding: .utf8)
      return try Data(contentsOf: compile(text, in: folder, "-O2", "-Wall", "-Werror", "-Wno-unused-command-line-argument", "-c"))
    }
  }

  private static func compileKernels(_ sources: [KernelSource], in folder: URL, _ options: String...) throws -> URL {
    let threads = folder.appendingPathComponent("threads.o")
    try self.threads.get().write(to: threads)
    return try compile(
      text(sources), in: folder,
      options: ["@\(Torch.root)/Tests/Emulation/kernels.flags"] + options + [threads.path])
  }

  private static func newFolder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("flambeau-kernels-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }

  static func withFolder<R>(_ body: (URL) throws -> R) throws -> R {
    let folder = try newFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder)
  }

  /// A shared object of C++.
  static func compile(_ text: String, in folder: URL, _ options: String...) throws -> URL {
    try compile(text, in: folder, options: options)
  }

  private static func compile(_ text: String, in folder: URL, options: [String]) throws -> URL {
    let file = folder.appendingPathComponent("source.cpp"), object = folder.appendingPathComponent("object.so")
    try text.write(to: file, atomically: true, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: compiler!)
    process.arguments =
      [
        "-std=c++17", "-shared", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-fno-exceptions", "-I",
        Torch.root + "/Tests/Emulation", file.path, "-o", object.path,
      ] + options
    let errors = folder.appendingPathComponent("errors")
    _ = FileManager.default.createFile(atPath: errors.path, contents: nil)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(description: "clang: \(try String(contentsOf: errors, encoding: .utf8).prefix(4000))")
    }
    return object
  }

  deinit {
    dlclose(library)
    try? FileManager.default.removeItem(at: URL(fileURLWithPath: path).deletingLastPathComponent())
  }

  func contains(_ source: KernelSource) -> Bool { functions[source.name] != nil }

  private static func text(_ sources: [KernelSource]) -> String {
    // What many share is compiled once.
    var text = "#include \"cuda.h\"\n\(KernelSource.prelude)\n\(KernelSource.tiles)\n"
    for (i, source) in sources.enumerated() {
      let waits = ["joined(", "joined<", "joined_in_warp", "__sync", "from_below", "from_lane", "lanes_alike"].contains {
        source.text.contains($0)
      }
      text += """
        namespace n\(i) {
        \(source.text.replacingOccurrences(of: KernelSource.tiles, with: ""))
        }
        extern "C" __attribute__((visibility("default"))) const int64_t bytes_\(source.name) = sizeof(n\(i)::Arguments);
        extern "C" __attribute__((visibility("default"), disable_sanitizer_instrumentation)) const char *run_\(source.name)(const emulated_launch *launch, const void *bytes, int64_t count) {
          if (count > sizeof(n\(i)::Arguments) || count + 8 <= sizeof(n\(i)::Arguments)) return "the arguments are not as long as their struct";
          n\(i)::Arguments a;
          memcpy(&a, bytes, count);
          return emulation::run(launch, [](const void *a) { n\(i)::\(source.name)(*(const n\(i)::Arguments *)a); }, &a, \(waits));
        }

        """
    }
    return text
  }

  /// In which order blocks, warps and lanes run.
  enum Order {
    /// Forward or shuffled, by the kernel's name; the emulated driver runs all backward.
    case byName
    case forward, backward
    case shuffled(Int64)

    fileprivate func word(_ source: KernelSource) -> Int64 {
      switch self {
      case .forward: return 0
      case .backward: return 1
      case .shuffled(let seed): return 2 + seed
      case .byName:
        let number = source.name.utf8.reduce(Int64(7)) { ($0 &* 31 &+ Int64($1)) & 0xffff }
        return number % 2 == 0 ? 0 : number + 2
      }
    }
  }

  /// Runs launches one after the other; `memory` are the ranges they may touch. Returns what went wrong, or nil.
  func run(_ work: KernelWork, memory: [UnsafeRawBufferPointer], order: Order = .byName) -> String? {
    let workspace = UnsafeMutableRawBufferPointer.allocate(byteCount: work.workspaceByteCount, alignment: 256)
    defer { workspace.deallocate() }
    // Fresh memory may hold anything.
    workspace.initializeMemory(as: UInt8.self, repeating: 0xf7)
    var written = [UInt8](repeating: 0, count: workspace.count)
    var ranges = memory
    if work.workspaceByteCount > 256 { ranges.append(UnsafeRawBufferPointer(rebasing: workspace[256...])) }
    let cell = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
    defer { cell.deallocate() }
    cell.storeBytes(of: 0, as: Int64.self)
    ranges.append(UnsafeRawBufferPointer(cell))
    let fault = KernelFaults.Cell(address: UInt64(UInt(bitPattern: cell.baseAddress!)), number: 1)
    func address(_ pointer: UnsafeRawPointer?) -> Int64 { Int64(Int(bitPattern: pointer)) }
    let bounds = ranges.filter { $0.baseAddress != nil }.flatMap { range -> [Int64] in
      let start = address(range.baseAddress)
      return [start, start + Int64(range.count)]
    }
    let start = address(workspace.baseAddress)
    for launch in work.launches {
      let arguments = launch.arguments.bytes(workspace: UInt64(start), fault: fault)
      let shape = [launch.grid.x, launch.grid.y, launch.block.x, launch.block.y, launch.sharedByteCount].map(Int64.init)
      let failure = bounds.withUnsafeBytes { bounds in
        written.withUnsafeMutableBytes { written in
          let head =
            shape + [address(bounds.baseAddress), Int64(bounds.count / 16), order.word(launch.source)]
            + [address(written.baseAddress), start, start + Int64(written.count)]
          return head.withUnsafeBytes { head in
            arguments.withUnsafeBytes {
              functions[launch.source.name]!(head.baseAddress!, $0.baseAddress!, arguments.count).map { String(cString: $0) }
            }
          }
        }
      }
      if let failure { return "\(launch.source.name): \(failure)" }
      if cell.load(as: Int64.self) != 0 { return "\(launch.source.name) reports a fault" }
    }
    return nil
  }
}
