/// A kernel with everything its launch needs.
struct KernelLaunch: Sendable {
  let source: KernelSource
  let grid: (x: Int, y: Int)
  let block: (x: Int, y: Int)
  let sharedByteCount: Int
  let arguments: KernelArguments

  /// What a grid's first dimension may have.
  static let mostBlocks = Int(Int32.max)

  init(
    _ source: KernelSource, grid: (x: Int, y: Int), block: (x: Int, y: Int) = (256, 1), sharedByteCount: Int = 0,
    _ arguments: KernelArguments
  ) {
    (self.source, self.grid, self.block) = (source, grid, block)
    (self.sharedByteCount, self.arguments) = (sharedByteCount, arguments)
  }
}

/// How many threads run, as the driver is told.
struct LaunchShape: Sendable, Equatable {
  let grid: (x: UInt32, y: UInt32)
  let block: (x: UInt32, y: UInt32)
  let sharedByteCount: UInt32

  static func == (a: LaunchShape, b: LaunchShape) -> Bool {
    a.grid == b.grid && a.block == b.block && a.sharedByteCount == b.sharedByteCount
  }
}

extension KernelLaunch {
  var shape: LaunchShape {
    LaunchShape(
      grid: (UInt32(grid.x), UInt32(grid.y)), block: (UInt32(block.x), UInt32(block.y)), sharedByteCount: UInt32(sharedByteCount))
  }
}

/// Launches that do one thing, one after the other, with memory they share.
struct KernelWork: Sendable {
  var launches: [KernelLaunch] = []
  /// Nothing lies at its beginning, so that no position is 0.
  var workspaceByteCount = 256

  /// Room for so many bytes; returns where it begins.
  mutating func reserve(_ byteCount: Int) -> Int {
    defer { workspaceByteCount += (byteCount + 255) & ~255 }
    return workspaceByteCount
  }
}

/// What launches depend on of a GPU.
struct DeviceShape: Sendable {
  let multiprocessorCount: Int
  /// The most shared memory a block may ask for.
  let sharedByteCount: Int

  /// Blocks for `count` of them, but no more than keep every multiprocessor busy.
  func blocks(_ count: Int, perMultiprocessor: Int = 8) -> Int {
    Swift.max(1, Swift.min(count, multiprocessorCount * perMultiprocessor))
  }
}
