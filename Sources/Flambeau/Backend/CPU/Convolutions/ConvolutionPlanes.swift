import CKernels

/// The output of a convolution cut into rectangles, and how the planes that a rectangle sees lie in memory.
///
/// A rectangle is whole rows of the output or a part of one row, so that its pixels follow each other in memory.
struct PlaneLayout {
  private let window: fb_window
  private let width: Int
  private let height: Int
  private let columns: Int
  private let rows: Int
  private let rowRemainders: Int
  private let columnRemainders: Int
  private let pitch: Int
  private let plane: Int
  /// A rectangle's pixels are one run of the plane, with what is between its rows computed for nothing.
  let isFlat: Bool

  /// Rectangles of about `pixels` pixels for vectors of `lanes` elements.
  init(_ geometry: ConvolutionGeometry, pixels: Int, lanes: Int) {
    let w = geometry.window
    window = w
    columns = Swift.max(1, (w.out_width + pixels - 1) / pixels)
    width = (w.out_width + columns - 1) / columns
    rows = columns > 1 ? w.out_height : Swift.max(1, (w.out_height * w.out_width + pixels - 1) / pixels)
    height = (w.out_height + rows - 1) / Swift.max(1, rows)
    let (reachRows, reachColumns) = (
      (w.kernel_height - 1) * w.dilation_height, (w.kernel_width - 1) * w.dilation_width
    )
    rowRemainders = Swift.min(w.stride_height, reachRows + 1)
    columnRemainders = Swift.min(w.stride_width, reachColumns + 1)
    let natural = width + reachColumns / w.stride_width
    func vectors(_ count: Int) -> Int { (count + lanes - 1) / lanes }
    // A vector alone costs a little more than half a pair.
    func cost(_ vectors: Int) -> Int { 4 * vectors + vectors % 2 }
    isFlat = cost(vectors((height - 1) * natural + width)) <= height * cost(vectors(width))
    pitch = isFlat ? natural : Swift.max(natural, vectors(width) * lanes)
    let size = (height + reachRows / w.stride_height) * pitch
    // Planes a power of two apart would share cache sets.
    plane = size % 256 == 0 ? size + 16 : size
  }

  var count: Int { rows * columns }
  /// Elements from one channel's planes to the next.
  var channel: Int { rowRemainders * columnRemainders * plane }
  /// Elements that the products of a rectangle span in each row.
  var span: Int { height * pitch }
  /// Pixels of a rectangle at most.
  var pixels: Int { height * width }

  func rectangle(_ i: Int) -> fb_rectangle {
    let (row, column) = (i / columns, i % columns)
    let (y, x) = (window.out_height * row / rows, window.out_width * column / columns)
    let rectHeight = window.out_height * (row + 1) / rows - y
    return fb_rectangle(
      y: y, x: x, height: rectHeight, width: window.out_width * (column + 1) / columns - x, row_remainders: rowRemainders,
      column_remainders: columnRemainders,
      plane_rows: rectHeight + (window.kernel_height - 1) * window.dilation_height / window.stride_height, pitch: pitch,
      plane: plane)
  }

  /// Where taps of some channels, the first of which has the first planes, see the first pixel.
  func fillOffsets(_ to: UnsafeMutablePointer<Int>, channels: Int) {
    var k = 0
    for c in 0..<channels {
      for i in 0..<window.kernel_height {
        let (row, rowRemainder) = (i * window.dilation_height).quotientAndRemainder(dividingBy: window.stride_height)
        for j in 0..<window.kernel_width {
          let (column, remainder) = (j * window.dilation_width).quotientAndRemainder(dividingBy: window.stride_width)
          to[k] = c * channel + (rowRemainder * columnRemainders + remainder) * plane + row * pitch + column
          k += 1
        }
      }
    }
  }
}

/// The forward convolution: weights packed as matrix rows, times planes seen through every tap.
struct PlaneConvolution {
  private let convolution: Convolution
  private let g: ConvolutionGeometry
  private let weights: PackedWeights
  private let layout: PlaneLayout
  private let outputs: Cut
  private let lanes: Int

  init(_ convolution: Convolution) {
    self.convolution = convolution
    g = convolution.geometry
    weights = PackedWeights(convolution)
    let kernels = weights.kernels.pointee
    lanes = Int(kernels.tile_columns) / 2
    // Sums of a rectangle stay in a core's cache; a small convolution is still cut into several tasks.
    let total = g.batch * g.groups * g.output.area
    let pixels = Swift.max(128, Swift.min(1024, (1 << 16) / g.groupOut, total / 8))
    layout = PlaneLayout(g, pixels: pixels, lanes: lanes)
    let rectangles = g.batch * g.groups * layout.count
    let panel = Int(kernels.tile_rows)
    let parts = Swift.max(1, Swift.min((8 + rectangles - 1) / rectangles, g.groupOut / (2 * panel)))
    outputs = Cut(g.groupOut, panel: panel, target: (g.groupOut + parts - 1) / parts)
  }

  func run(
    _ input: UnsafeRawPointer, _ weight: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, _ epilogue: ConvolutionEpilogue
  ) {
    let taps = weights.depth
    Scratch.withBytes(weights.byteCount + taps * MemoryLayout<Int>.size) { packed in
      let at = (packed + weights.byteCount).assumingMemoryBound(to: Int.self)
      layout.fillOffsets(at, channels: taps / g.kernel.area)
      weights.pack(weight, into: packed)
      forEach(g.batch * g.groups * layout.count * outputs.blocks, parallel: g.isParallel) { job in
        let (rest, part) = (job / outputs.blocks, job % outputs.blocks)
        let (plane, rectangle) = (rest / layout.count, layout.rectangle(rest % layout.count))
        run(plane / g.groups, plane % g.groups, rectangle, outputs.block(part), input, packed, at, output, epilogue)
      }
    }
  }

  /// Some output channels of a rectangle of one image.
  private func run(
    _ image: Int, _ group: Int, _ rectangle: fb_rectangle, _ rows: Range<Int>, _ input: UnsafeRawPointer,
    _ packed: UnsafeMutableRawPointer, _ at: UnsafeMutablePointer<Int>, _ output: UnsafeMutableRawPointer,
    _ epilogue: ConvolutionEpilogue
  ) {
    let (dtype, bytes, table) = (convolution.dtype, convolution.bytes, convolution.table)
    let from = input + (image * g.inChannels + group * g.groupIn) * g.input.area * dtype.byteCount
    // Products run on to whole pairs of vectors.
    let sumRow = (layout.span + 4 * lanes - 1) / (2 * lanes) * 2 * lanes + lanes
    let channels = weights.depth / g.kernel.area
    let sumBytes = rows.count * sumRow * bytes
    var (window, rectangle) = (g.window, rectangle)
    Scratch.withBytes(sumBytes + (channels * layout.channel + 4 * lanes) * bytes) { sums in
      let planes = sums + sumBytes
      for steps in weights.slabs {
        let first = steps.lowerBound / g.kernel.area
        table.convolution(dtype).pointee.split_planes(
          planes, layout.channel, from + first * g.input.area * dtype.byteCount, &window, &rectangle,
          steps.count / g.kernel.area)
        let a = weights.slab(packed, group, steps) + rows.lowerBound * steps.count * bytes
        multiply(rows.count, steps.count, rectangle, a, planes, at, sums, sumRow, adds: steps.lowerBound > 0)
      }
      finish(sums, sumRow, image, group * g.groupOut + rows.lowerBound, rows.count, rectangle, output, epilogue)
    }
  }

  private func multiply(
    _ m: Int, _ k: Int, _ rectangle: fb_rectangle, _ a: UnsafeRawPointer, _ planes: UnsafeMutableRawPointer,
    _ at: UnsafeMutablePointer<Int>, _ sums: UnsafeMutableRawPointer, _ sumRow: Int, adds: Bool
  ) {
    let n = layout.isFlat ? (rectangle.height - 1) * rectangle.pitch + rectangle.width : rectangle.width
    var product = fb_plane_product(
      m: m, n: n, k: k, a: a, planes: planes, at: at, c: sums, c_row: sumRow, adds: adds ? 1 : 0)
    for y in 0..<(layout.isFlat ? 1 : rectangle.height) {
      product.planes = UnsafeRawPointer(planes + y * rectangle.pitch * convolution.bytes)
      product.c = sums + y * rectangle.pitch * convolution.bytes
      convolution.table.convolutionClass(convolution.dtype).pointee.plane_products(&product)
    }
  }

  /// Pixels of `count` output channels from their sums.
  private func finish(
    _ sums: UnsafeMutableRawPointer, _ sumRow: Int, _ image: Int, _ channel: Int, _ count: Int, _ rectangle: fb_rectangle,
    _ output: UnsafeMutableRawPointer, _ epilogue: ConvolutionEpilogue
  ) {
    let (dtype, bytes, table) = (convolution.dtype, convolution.bytes, convolution.table)
    var rectangle = rectangle
    let width = g.window.out_width
    Scratch.withBytes(count * bytes) { wide in
      if let bias = epilogue.bias {
        table.type(dtype).pointee.widen(wide, bias + channel * dtype.byteCount, 1, count)
      }
      var bias = epilogue.bias == nil ? nil : UnsafeRawPointer(wide)
      if let program = epilogue.rows {
        table.compute(dtype).pointee.add_bias(sums, sumRow, count, layout.span, bias, nil)
        bias = nil
        for i in 0..<count {
          for y in 0..<rectangle.height {
            let row = sums + (i * sumRow + y * rectangle.pitch) * bytes
            program(row, image, channel + i, (rectangle.y + y) * width + rectangle.x, rectangle.width)
          }
        }
      }
      table.convolution(dtype).pointee.crop_planes(
        output + (image * g.outChannels + channel) * g.output.area * dtype.byteCount, g.output.area, width, sums, sumRow, bias,
        count, &rectangle)
    }
  }
}

/// The weights of every group as packed rows, slab after slab of whole channels.
struct PackedWeights {
  /// Taps of a slab at most, unless a channel has more.
  private static let taps = 256

  let kernels: UnsafePointer<fb_gemm_class>
  let slabs: [Range<Int>]
  /// Taps of the longest slab.
  let depth: Int
  private let convolution: Convolution
  private let paddedRows: Int

  init(_ convolution: Convolution) {
    self.convolution = convolution
    let g = convolution.geometry
    kernels = convolution.table.compute(convolution.dtype)
    let panel = Int(kernels.pointee.tile_rows)
    paddedRows = (g.groupOut + panel - 1) / panel * panel
    let channels = Swift.max(1, Self.taps / g.kernel.area)
    let count = Swift.max(1, (g.groupIn + channels - 1) / channels)
    slabs = (0..<count).map { (g.groupIn * $0 / count * g.kernel.area)..<(g.groupIn * ($0 + 1) / count * g.kernel.area) }
    depth = slabs.map(\.count).max()!
  }

  var byteCount: Int {
    (convolution.geometry.groups * paddedRows * convolution.geometry.taps * convolution.bytes + 127) & ~127
  }

  func slab(_ packed: UnsafeMutableRawPointer, _ group: Int, _ steps: Range<Int>) -> UnsafeMutableRawPointer {
    packed + (group * convolution.geometry.taps + steps.lowerBound) * paddedRows * convolution.bytes
  }

  func pack(_ weight: UnsafeRawPointer, into packed: UnsafeMutableRawPointer) {
    let g = convolution.geometry
    let dtype = convolution.dtype
    forEach(g.groups * slabs.count, parallel: g.isParallel) { job in
      let (group, steps) = (job / slabs.count, slabs[job % slabs.count])
      let from = weight + (group * g.groupOut * g.taps + steps.lowerBound) * dtype.byteCount
      convolution.table.type(dtype).pointee.pack_rows(slab(packed, group, steps), from, g.taps, 1, g.groupOut, steps.count)
    }
  }
}
