import CKernels

/// How a depth is shared out to blocks where the result alone gives too few of them.
struct DepthPieces {
  let count: Int
  /// Depths of a piece.
  let chunk: Int

  /// - Parameters:
  ///   - blocks: What there is without.
  ///   - step: Pieces are multiples of it.
  ///   - isWhole: There is one piece, whatever it takes.
  init(of depth: Int, blocks: Int, step: Int, isWhole: Bool = false, least: Int = 512, _ device: DeviceShape) {
    let wanted =
      isWhole ? 1 : Swift.min((2 * device.multiprocessorCount + blocks - 1) / blocks, depth / least, ProductOutput.mostPieces)
    let each = (depth + Swift.max(wanted, 1) - 1) / Swift.max(wanted, 1)
    chunk = Swift.max(step, (each + step - 1) / step * step)
    count = Swift.max(1, (depth + chunk - 1) / chunk)
  }
}

/// Products by tiles that blocks multiply.
struct ProductKernel {
  private let matrices: ProductMatrices
  private let output: ProductOutput
  private let tile: TileShape
  private let left: ProductOperand
  private let right: ProductOperand

  init(_ task: ProductTask, _ matrices: ProductMatrices, _ output: ProductOutput, _ device: DeviceShape) {
    (self.matrices, self.output) = (matrices, output)
    tile = TileShape.fitting(
      matrices.m, matrices.n, times: matrices.batchCount, output.computeClass,
      halves: TileShape.halves(task.a.dtype, task.b.dtype), device)
    left = ProductOperand(
      task.a, line: matrices.a.row, depth: matrices.a.depth, lines: matrices.m, depths: matrices.k,
      steps: matrices.batches.map { $0.strides[0] }, most: 8)
    right = ProductOperand(
      task.b, line: matrices.b.column, depth: matrices.b.depth, lines: matrices.n, depths: matrices.k,
      steps: matrices.batches.map { $0.strides[1] }, most: 8)
  }

  func append(to work: inout KernelWork, _ device: DeviceShape) {
    let tiles = tile.count(matrices.m, matrices.n) * matrices.batchCount
    let pieces = DepthPieces(of: matrices.k, blocks: tiles, step: tile.depth, isWhole: output.keepsDepthWhole, device)
    if pieces.count == 1 {
      work.launches.append(launch(pieces, partials: nil))
      return
    }
    let partials = output.reserve(pieces.count, in: &work)
    work.launches.append(launch(pieces, partials: partials))
    output.join(pieces.count, at: partials, into: &work, device)
  }

  private func launch(_ pieces: DepthPieces, partials: Int?) -> KernelLaunch {
    var arguments = KernelArguments()
    output.declare(in: &arguments, partials: partials)
    let tilesBeside = (matrices.n + tile.columns - 1) / tile.columns
    let tiles = tile.count(matrices.m, matrices.n)
    for (name, value) in [
      ("k", matrices.k), ("chunk", pieces.chunk), ("a_line", left.lineStride), ("a_depth", left.depthStride),
      ("b_line", right.lineStride), ("b_depth", right.depthStride), ("tiles", tiles), ("tiles_beside", tilesBeside),
    ] {
      arguments.integer(name, value)
    }
    let isPartial = partials != nil
    let source = KernelSource(
      "product", arguments: arguments.declaration, parts: output.parts(isPartial: isPartial) + "typedef \(tile.text) T;\n\n",
      body: body(isPartial: isPartial))
    return KernelLaunch(
      source, grid: (Swift.min(tiles * matrices.batchCount, KernelLaunch.mostBlocks), pieces.count), block: (tile.threads, 1),
      sharedByteCount: tile.sharedByteCount(output.computeClass), arguments)
  }

  private func feed(_ name: String, _ operand: ProductOperand, _ extent: String) -> String {
    "MatrixFeed<T, \(operand.elements.dtype.deviceName), Position, \(extent), \(operand.width), \(operand.isAlongDepth)> \(name)"
  }

  /// Tiles are taken in bands of eight rows, so that those at work at a time share what they read.
  private func body(isPartial: Bool) -> String {
    """
      FB_SHARED(shared);
      const Position begin = (Position)(blockIdx.y * a.chunk), most = begin + (Position)a.chunk;
      const Position end = most < (Position)a.k ? most : (Position)a.k;
      for (int64_t job = blockIdx.x; job < a.tiles * a.batches; job += gridDim.x) {
        const int64_t batch = job / a.tiles, tile = job % a.tiles;
        const int64_t band = tile / (8 * a.tiles_beside), within = tile % (8 * a.tiles_beside), rest = a.tiles / a.tiles_beside - 8 * band;
        const int64_t height = rest < 8 ? rest : 8;
        const Position row0 = (Position)((8 * band + within % height) * T::rows), column0 = (Position)(within / height * T::columns);
    \(output.positions(isPartial: isPartial))
        \(feed("left", left, "T::rows"));
        left.from = (const Bits<\(left.elements.dtype.deviceName)> *)a.p1 + at1;
        left.line_stride = (Position)a.a_line, left.depth_stride = (Position)a.a_depth;
        left.first = row0, left.lines = (Position)a.m, left.end = end;
        \(feed("right", right, "T::columns"));
        right.from = (const Bits<\(right.elements.dtype.deviceName)> *)a.p2 + at2;
        right.line_stride = (Position)a.b_line, right.depth_stride = (Position)a.b_depth;
        right.first = column0, right.lines = (Position)a.n, right.end = end;
        C sums[T::high][T::wide] = {};
        multiply<T>(left, right, begin, end, (T::Cell *)shared, sums);
    #pragma unroll
        for (int i = 0; i < T::high; i++) {
          const Position row = row0 + T::row(i);
          if (row < (Position)a.m) {
    #pragma unroll
            for (int j = 0; j < T::wide; j += T::broad) {
              const Position column = column0 + T::column(j);
              put_sums<T::broad>(a, at0, at3, row, column, (Position)a.n - column, &sums[i][j]);
            }
          }
        }
      }

    """
  }
}
