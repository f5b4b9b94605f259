import CKernels

/// Products of which one side is a few rows or columns: limited by reading the other side's matrix, which is read once.
struct ThinProductKernel {
  private let matrices: ProductMatrices
  private let output: ProductOutput
  /// The thin side is a's: c has few rows.
  private let isRows: Bool
  private let thin: ProductOperand
  private let long: ProductOperand
  private let length: Int
  private let thickness: Int
  /// `thickness`, filled up to one that kernels exist for.
  private let lines: Int
  private let width: Int

  private static let most = 4

  /// Nil for a product that is not thin.
  init?(_ task: ProductTask, _ matrices: ProductMatrices, _ output: ProductOutput) {
    guard Swift.min(matrices.m, matrices.n) <= ThinProductKernel.most else { return nil }
    (self.matrices, self.output) = (matrices, output)
    isRows = matrices.m <= matrices.n
    (length, thickness) = isRows ? (matrices.n, matrices.m) : (matrices.m, matrices.n)
    lines = thickness == 1 ? 1 : thickness == 2 ? 2 : 4
    let most = Swift.min(8, 32 / (lines * output.computeClass.byteCount))
    let rows = ProductOperand(
      task.a, line: matrices.a.row, depth: matrices.a.depth, lines: matrices.m, depths: matrices.k,
      steps: matrices.batches.map { $0.strides[0] }, most: most)
    let columns = ProductOperand(
      task.b, line: matrices.b.column, depth: matrices.b.depth, lines: matrices.n, depths: matrices.k,
      steps: matrices.batches.map { $0.strides[1] }, most: most)
    (thin, long) = isRows ? (rows, columns) : (columns, rows)
    width = long.isAlongDepth ? (thin.isAlongDepth ? Swift.min(thin.width, long.width) : 1) : long.width
  }

  func append(to work: inout KernelWork, _ device: DeviceShape) {
    let perBlock = long.isAlongDepth ? 8 : 32 * width
    let blocksOfLines = (length + perBlock - 1) / perBlock
    let blocks = blocksOfLines * matrices.batchCount
    let pieces = DepthPieces(of: matrices.k, blocks: blocks, step: 32 * 8, isWhole: output.keepsDepthWhole, device)
    let partials = pieces.count == 1 ? nil : output.reserve(pieces.count, in: &work)
    work.launches.append(launch(pieces, blocksOfLines, blocks, partials: partials))
    if let partials { output.join(pieces.count, at: partials, into: &work, device) }
  }

  private func launch(_ pieces: DepthPieces, _ blocksOfLines: Int, _ blocks: Int, partials: Int?) -> KernelLaunch {
    var arguments = KernelArguments()
    output.declare(in: &arguments, partials: partials)
    for (name, value) in [
      ("k", matrices.k), ("chunk", pieces.chunk), ("length", length), ("blocks", blocksOfLines), ("long_line", long.lineStride),
      ("long_depth", long.depthStride), ("thin_line", thin.lineStride), ("thin_depth", thin.depthStride),
    ] {
      arguments.integer(name, value)
    }
    let isPartial = partials != nil
    let source = KernelSource(
      "thin_product", arguments: arguments.declaration, parts: output.parts(isPartial: isPartial),
      body: body(isPartial: isPartial))
    let shared = long.isAlongDepth ? 0 : 8 * lines * 32 * width * output.computeClass.byteCount
    return KernelLaunch(
      source, grid: (Swift.min(blocks, KernelLaunch.mostBlocks), pieces.count), block: (32, 8), sharedByteCount: shared, arguments
    )
  }

  // MARK: Text

  private func body(isPartial: Bool) -> String {
    var text = """
        const int lane = threadIdx.x, slot = threadIdx.y;
        const Position begin = (Position)(blockIdx.y * a.chunk), most = begin + (Position)a.chunk;
        const Position end = most < (Position)a.k ? most : (Position)a.k;

      """
    if !long.isAlongDepth { text += "  FB_SHARED(shared);\n" }
    text += """
        for (int64_t job = blockIdx.x; job < a.blocks * a.batches; job += gridDim.x) {
          const int64_t batch = job / a.blocks;
      \(output.positions(isPartial: isPartial))
          const Position long_at = \(isRows ? "at2" : "at1"), thin_at = \(isRows ? "at1" : "at2");
          const Position length = (Position)a.length;

      """
    return text + (long.isAlongDepth ? alongDepth : acrossDepth) + "  }\n"
  }

  private var thinType: String { thin.elements.dtype.deviceName }
  private var longType: String { long.elements.dtype.deviceName }
  private var thinData: String { isRows ? "a.p1" : "a.p2" }
  private var longData: String { isRows ? "a.p2" : "a.p1" }

  private func put(_ line: String, _ thinLine: String, _ sum: String) -> String {
    let place = isRows ? "\(thinLine), \(line)" : "\(line), \(thinLine)"
    return "put_sums<1>(a, at0, at3, \(place), 1, \(sum));"
  }

  private var guardLine: String { thickness == lines ? "" : "if (r < \(thickness)) " }

  /// A warp for each line.
  private var alongDepth: String {
    let packs =
      width == 1
      ? ""
      : """
            for (; d + \(width) <= end; d += 32 * \(width)) {
              const auto y = pack<\(longType), \(width)>(\(longData), long_from + d);
      #pragma unroll
              for (int r = 0; r < \(lines); r++) {
                \(guardLine){
                  const auto x = pack<\(thinType), \(width)>(\(thinData), thin_at + r * (Position)a.thin_line + d);
      #pragma unroll
                  for (int l = 0; l < \(width); l++) sums[r] = added_product(sums[r], element_of<C>(x, l).v, element_of<C>(y, l).v);
                }
              }
            }

      """
    return """
          const Position line = (Position)(job % a.blocks) * 8 + slot;
          if (line < length) {
            const Position long_from = long_at + line * (Position)a.long_line;
            C sums[\(lines)] = {};
            Position d = begin + lane * \(width);
      \(packs)      for (; d < end; d += 32 * \(width)) {
              for (int l = 0; l < \(width) && d + l < end; l++) {
                const C y = element<C, \(longType)>(\(longData), long_from + (d + l) * (Position)a.long_depth).v;
      #pragma unroll
                for (int r = 0; r < \(lines); r++) {
                  \(guardLine)sums[r] = added_product(sums[r], element<C, \(thinType)>(\(thinData), thin_at + r * (Position)a.thin_line + (d + l) * (Position)a.thin_depth).v, y);
                }
              }
            }
      #pragma unroll
            for (int r = 0; r < \(lines); r++) {
              sums[r] = joined_in_warp<FoldSum>(V(sums[r])).v;
              if (lane == r && r < \(thickness)) \(put("line", "r", "&sums[r]"))
            }
          }

      """
  }

  /// A thread for `width` neighbours among the lines and an eighth of the depth.
  private var acrossDepth: String {
    """
          const Position line = ((Position)(job % a.blocks) * 32 + lane) * \(width);
          C sums[\(lines)][\(width)] = {};
          if (line < length) {
            const Position long_from = long_at + line * (Position)a.long_line;
            for (Position d = begin + slot; d < end; d += 8) {
              C y[\(width)];
    \(width == 1 ? """
                y[0] = element<C, \(longType)>(\(longData), long_from + d * (Position)a.long_depth).v;

        """ : """
                if (line + \(width) <= length) {
                  const auto read = pack<\(longType), \(width)>(\(longData), long_from + d * (Position)a.long_depth);
        #pragma unroll
                  for (int l = 0; l < \(width); l++) y[l] = element_of<C>(read, l).v;
                } else {
        #pragma unroll
                  for (int l = 0; l < \(width); l++) y[l] = line + l < length ? element<C, \(longType)>(\(longData), long_from + l + d * (Position)a.long_depth).v : C(0);
                }

        """)
    #pragma unroll
              for (int r = 0; r < \(lines); r++) {
                \(guardLine){
                  const C x = element<C, \(thinType)>(\(thinData), thin_at + r * (Position)a.thin_line + d * (Position)a.thin_depth).v;
    #pragma unroll
                  for (int l = 0; l < \(width); l++) sums[r][l] = added_product(sums[r][l], x, y[l]);
                }
              }
            }
          }
          // [slot][thin line][line]
          C *const cells = (C *)shared;
    #pragma unroll
          for (int r = 0; r < \(lines); r++) {
    #pragma unroll
            for (int l = 0; l < \(width); l++) cells[((slot * \(lines) + r) * 32 + lane) * \(width) + l] = sums[r][l];
          }
          __syncthreads();
          for (int i = slot * 32 + lane; i < \(thickness * 32 * width); i += 256) {
            const int r = i / \(32 * width);
            const Position own = (Position)(job % a.blocks) * \(32 * width) + i % \(32 * width);
            if (own < length) {
              V total = V(cells[i]);
              for (int s = 1; s < 8; s++) total = op_add::of(total, V(cells[s * \(lines * 32 * width) + i]));
              \(put("own", "r", "&total.v"))
            }
          }
          __syncthreads();

    """
  }
}
