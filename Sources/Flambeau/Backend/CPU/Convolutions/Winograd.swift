import CKernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Whether 3×3 convolutions at stride 1 may run by Winograd's F(4×4, 3×3) where that is faster; true by default.
///
/// It does a quarter of the multiplications. Beside the size of exact results its float32 errors are about 1e-6 (root mean
/// square) and 1e-5 (largest), some three times those of a direct convolution; an infinity or NaN in the input reaches every
/// pixel of the 4×4 tiles that see it. float64 never runs so. There is nothing like it in torch. The environment's `FLAMBEAU_WINOGRAD=0` makes it false at the start. A change takes effect with the next operation.
public var allowWinograd: Bool {
  get { Winograd.isAllowed.load(ordering: .relaxed) }
  set { Winograd.isAllowed.store(newValue, ordering: .relaxed) }
}

/// The tiles of 4×4 output pixels that a convolution is made of, cut into runs of neighbours.
struct WinogradTiles {
  let batch: Int
  let rows: Int
  let columns: Int
  let parts: Int
  let output: Size2D

  init(batch: Int, output: Size2D) {
    (self.batch, self.output) = (batch, output)
    (rows, columns) = ((output.height + 3) / 4, (output.width + 3) / 4)
    parts = (columns + Int(fb_longest_run) - 1) / Int(fb_longest_run)
  }

  var runs: Int { batch * rows * parts }
  var count: Int { batch * rows * columns }

  /// The tiles before a run.
  func start(_ run: Int) -> Int { run / parts * columns + columns * (run % parts) / parts }

  /// The runs cut into blocks of about `target` tiles.
  func blocks(_ target: Int) -> [Range<Int>] {
    let count = Swift.max(1, Swift.min(runs, (count + target - 1) / Swift.max(1, target)))
    return (0..<count).map { (runs * $0 / count)..<(runs * ($0 + 1) / count) }
  }

  func count(_ runs: Range<Int>) -> Int { start(runs.upperBound) - start(runs.lowerBound) }

  /// What a transform of some runs needs to know; `plane` is the size of what it reads or writes.
  func window(_ runs: Range<Int>, plane: Size2D, padding: Size2D = 0, tensor: UnsafeRawBufferPointer? = nil) -> fb_tiles {
    fb_tiles(
      height: plane.height, width: plane.width, padding_height: padding.height, padding_width: padding.width, rows: rows,
      columns: columns, parts: parts, first: runs.lowerBound, count: runs.count, tiles: count(runs),
      begin: tensor?.baseAddress, end: tensor.map { $0.baseAddress! + $0.count })
  }
}

/// The weights of a convolution as the transform reads them: strides in elements.
struct WinogradWeights {
  let start: UnsafeRawPointer
  let count: Int
  let rowStride: Int
  let stepStride: Int
  let groupStride: Int
  /// Taps are read from the last to the first.
  let isTurned: Bool

  /// The weights of a convolution, for it or for its reverse, which takes output gradients to input gradients.
  init(_ start: UnsafeRawPointer, of g: ConvolutionGeometry, reversed: Bool = false) {
    (self.start, isTurned) = (start, reversed)
    (count, groupStride) = (g.outChannels * g.taps, g.groupOut * g.taps)
    (rowStride, stepStride) = reversed ? (g.kernel.area, g.taps) : (g.taps, g.kernel.area)
  }
}

/// A 3×3 convolution at stride 1 by Winograd's F(4×4, 3×3): tiles and weights are transformed into 36 planes, those are
/// multiplied as matrices [outputs, inputs] · [inputs, tiles], and the products become pixels.
struct Winograd {
  static let isAllowed = Atomic<Bool>(getenv("FLAMBEAU_WINOGRAD").map { String(cString: $0) } != "0")
  static let planes = Int(fb_winograd_planes)

  let geometry: ConvolutionGeometry
  let dtype: DType
  let table: GemmTable
  let tiles: WinogradTiles
  let kernels: UnsafePointer<fb_gemm_class>
  let transforms: UnsafePointer<fb_winograd_type>

  /// Nil where a direct convolution is as fast, or the only one.
  init?(_ convolution: Convolution) {
    let g = convolution.geometry
    guard Self.isAllowed.load(ordering: .relaxed), convolution.dtype.gemmCompute == .float32, g.kernel == Size2D(3, 3),
      g.stride == 1, g.dilation == 1, Swift.min(g.groupIn, g.groupOut) >= 16, g.output.area >= 16, g.isParallel
    else { return nil }
    self.init(forced: convolution)
    // A direct convolution multiplies each pair of channels 9 times a pixel. This does it 36 times a tile, of which there are whole
    // vectors, and a transform of the weights costs as much as another 290 times.
    if g.batch * g.output.area < 3 * padded(tiles.count) + 20 { return nil }
  }

  init(forced convolution: Convolution) {
    (geometry, dtype, table) = (convolution.geometry, convolution.dtype, convolution.table)
    tiles = WinogradTiles(batch: geometry.batch, output: geometry.output)
    kernels = table.compute(dtype)
    transforms = table.winograd(dtype)
  }

  static let bytes = MemoryLayout<Float>.size
  /// Numbers of the transformed input of a block of tiles: they stay in a core's second cache.
  private static let blockNumbers = 160 << 10
  var panel: Int { Int(kernels.pointee.tile_rows) }
  var lanes: Int { Int(kernels.pointee.tile_columns) / 2 }
  func padded(_ tiles: Int) -> Int { (tiles + lanes - 1) / lanes * lanes }
  /// Numbers from one plane of a matrix to the next: not a multiple of what crowds the cache's sets.
  func plane(_ numbers: Int) -> Int { (numbers + 15) / 16 * 16 + 80 }
  func scratch(_ tiles: Int) -> Int { 12 * (4 * tiles + 8 * lanes) }

  /// output = input ⋆ weights + bias
  func run(
    input: UnsafeRawPointer, weights: WinogradWeights, output: UnsafeMutableRawPointer, bias: UnsafeRawPointer?
  ) {
    let g = geometry
    Scratch.withBytes(g.outChannels * Self.bytes) { wide in
      if let bias { table.type(dtype).pointee.widen(wide, bias, 1, g.outChannels) }
      let bias = bias == nil ? nil : UnsafeRawPointer(wide)
      for group in 0..<g.groups {
        if Self.planes * g.groupIn * g.groupOut * Self.bytes <= 4 << 20 && tiles.count > 32 {
          runByTiles(group, input, weights, output, bias)
        } else {
          runByOutputs(group, input, weights, output, bias)
        }
      }
    }
  }

  private func tensor(_ input: UnsafeRawPointer) -> UnsafeRawBufferPointer {
    let g = geometry
    return UnsafeRawBufferPointer(start: input, count: g.batch * g.inChannels * g.input.area * dtype.byteCount)
  }

  /// Transformed input channels of some runs.
  func transformInput(
    _ runs: Range<Int>, _ group: Int, _ channels: Range<Int>, _ input: UnsafeRawPointer, to: UnsafeMutableRawPointer,
    row: Int, plane: Int
  ) {
    let g = geometry
    var window = tiles.window(runs, plane: g.input, padding: g.padding, tensor: tensor(input))
    let from = input + (group * g.groupIn + channels.lowerBound) * g.input.area * dtype.byteCount
    Scratch.withBytes(scratch(window.tiles) * Self.bytes) { memory in
      transforms.pointee.input(
        to, row, plane, from, g.inChannels * g.input.area, channels.count, &window,
        memory)
    }
  }

  /// Transformed output gradients of some channels and runs.
  func transformGradient(
    _ runs: Range<Int>, _ group: Int, _ channels: Range<Int>, _ gradient: UnsafeRawPointer, to: UnsafeMutableRawPointer,
    row: Int, plane: Int
  ) {
    let g = geometry
    let count = g.batch * g.outChannels * g.output.area
    let tensor = UnsafeRawBufferPointer(start: gradient, count: count * dtype.byteCount)
    var window = tiles.window(runs, plane: g.output, tensor: tensor)
    let from = gradient + (group * g.groupOut + channels.lowerBound) * g.output.area * dtype.byteCount
    Scratch.withBytes(scratch(window.tiles) * Self.bytes) { memory in
      transforms.pointee.gradient(to, row, plane, from, g.outChannels * g.output.area, channels.count, &window, memory)
    }
  }

  /// Pixels of some output channels and runs.
  private func transformOutput(
    _ runs: Range<Int>, _ group: Int, _ channels: Range<Int>, _ products: UnsafeRawPointer, row: Int, plane: Int,
    _ output: UnsafeMutableRawPointer, _ bias: UnsafeRawPointer?
  ) {
    let g = geometry
    var window = tiles.window(runs, plane: g.output)
    let channel = group * g.groupOut + channels.lowerBound
    Scratch.withBytes(scratch(window.tiles) * Self.bytes) { memory in
      transforms.pointee.output(
        output + channel * g.output.area * dtype.byteCount, g.outChannels * g.output.area, products, row, plane,
        bias.map { $0 + channel * Self.bytes }, channels.count, &window, memory)
    }
  }

  /// Weights of a panel of output channels for some input channels.
  private func transformWeights(
    _ weights: WinogradWeights, _ group: Int, _ rows: Range<Int>, _ steps: Range<Int>, to: UnsafeMutableRawPointer, plane: Int
  ) {
    let byte = dtype.byteCount
    let from = group * weights.groupStride + rows.lowerBound * weights.rowStride + steps.lowerBound * weights.stepStride
    transforms.pointee.weights(
      to, plane, weights.start + from * byte, weights.rowStride, weights.stepStride, rows.count, steps.count,
      weights.isTurned ? 1 : 0, weights.start + weights.count * byte)
  }

  /// The 36 products.
  private func multiply(
    rows: Int, tiles: Int, steps: Int, _ weights: UnsafeRawPointer, _ weightPlane: Int, _ input: UnsafeRawPointer,
    _ inputRow: Int, _ inputPlane: Int, _ products: UnsafeMutableRawPointer, _ row: Int, _ plane: Int, adds: Bool
  ) {
    var block = fb_gemm_block(
      m: rows, n: padded(tiles), k: steps, a: weights, b: input, b_row: inputRow, b_panel: 2 * lanes, c: products, c_row: row,
      alpha: 1, beta: adds ? 1 : 0)
    for i in 0..<Self.planes {
      block.a = weights + i * weightPlane * Self.bytes
      block.b = input + i * inputPlane * Self.bytes
      block.c = products + i * plane * Self.bytes
      kernels.pointee.multiply(&block)
    }
  }

  /// Many tiles under few weights: these are transformed once, and a block of tiles goes from image to image in a core's cache.
  private func runByTiles(
    _ group: Int, _ input: UnsafeRawPointer, _ weights: WinogradWeights, _ output: UnsafeMutableRawPointer,
    _ bias: UnsafeRawPointer?
  ) {
    let g = geometry
    let panels = (g.groupOut + panel - 1) / panel
    let weightPlane = plane(panels * panel * g.groupIn)
    let blocks = tiles.blocks(Swift.max(24, Swift.min(64, Self.blockNumbers / (Self.planes * g.groupIn))))
    let most = blocks.map { tiles.count($0) }.max()!
    let row = padded(most)
    let outputs = Cut(g.groupOut, panel: panel, target: 64)
    let (inPlane, outPlane) = (plane(g.groupIn * row), plane((outputs.panels / outputs.blocks + 1) * panel * row))
    Scratch.withBytes(weightPlane * Self.planes * Self.bytes) { packed in
      forEach(panels, parallel: g.isParallel) { i in
        let rows = (i * panel)..<Swift.min((i + 1) * panel, g.groupOut)
        transformWeights(
          weights, group, rows, 0..<g.groupIn, to: packed + rows.lowerBound * g.groupIn * Self.bytes, plane: weightPlane)
      }
      forEach(blocks.count, parallel: g.isParallel) { i in
        let count = tiles.count(blocks[i])
        Scratch.withBytes((inPlane + outPlane) * Self.planes * Self.bytes + 256) { memory in
          let products = memory + inPlane * Self.planes * Self.bytes + 128
          transformInput(blocks[i], group, 0..<g.groupIn, input, to: memory, row: row, plane: inPlane)
          for part in 0..<outputs.blocks {
            let rows = outputs.block(part)
            multiply(
              rows: rows.count, tiles: count, steps: g.groupIn, packed + rows.lowerBound * g.groupIn * Self.bytes, weightPlane,
              memory, row, inPlane, products, row, outPlane, adds: false)
            transformOutput(blocks[i], group, rows, products, row: row, plane: outPlane, output, bias)
          }
        }
      }
    }
  }

  /// Numbers of the transformed input that are kept at a time by `runByOutputs`.
  private static let keptNumbers = 2 << 20
  /// Input channels whose weights are transformed at a time by `runByOutputs`.
  private static let depth = 64

  /// Many weights over few tiles: every tile is transformed first, and a panel of weights goes straight from its transform into
  /// the products.
  private func runByOutputs(
    _ group: Int, _ input: UnsafeRawPointer, _ weights: WinogradWeights, _ output: UnsafeMutableRawPointer,
    _ bias: UnsafeRawPointer?
  ) {
    let g = geometry
    let panels = (g.groupOut + panel - 1) / panel
    let weightPlane = plane(panel * Self.depth)
    for runs in tiles.blocks(Self.keptNumbers / (Self.planes * g.groupIn)) {
      let count = tiles.count(runs)
      let row = padded(count)
      let (inPlane, outPlane) = (plane(g.groupIn * row), plane(panel * row))
      Scratch.withBytes(inPlane * Self.planes * Self.bytes + 256) { spread in
        let step = Swift.max(1, Swift.min(16, g.groupIn * count / 512))
        forEach((g.groupIn + step - 1) / step, parallel: g.isParallel) { i in
          let channels = (i * step)..<Swift.min((i + 1) * step, g.groupIn)
          transformInput(
            runs, group, channels, input, to: spread + channels.lowerBound * row * Self.bytes, row: row, plane: inPlane)
        }
        forEach(panels, parallel: g.isParallel) { i in
          let rows = (i * panel)..<Swift.min((i + 1) * panel, g.groupOut)
          Scratch.withBytes((weightPlane + outPlane) * Self.planes * Self.bytes) { packed in
            let products = packed + weightPlane * Self.planes * Self.bytes
            for start in stride(from: 0, to: g.groupIn, by: Self.depth) {
              let steps = start..<Swift.min(start + Self.depth, g.groupIn)
              transformWeights(weights, group, rows, steps, to: packed, plane: weightPlane)
              multiply(
                rows: rows.count, tiles: count, steps: steps.count, packed, weightPlane,
                spread + start * row * Self.bytes, row, inPlane, products, row, outPlane, adds: start > 0)
            }
            transformOutput(runs, group, rows, products, row: row, plane: outPlane, output, bias)
          }
        }
      }
    }
  }
}
