import CKernels

extension AttentionKernel {
  /// Σ result · gradient for every query.
  func dots(_ result: Elements, _ gradient: Elements, into along: Int, _ device: DeviceShape) -> KernelLaunch {
    var arguments = KernelArguments()
    arguments.workspace("along", at: along)
    let axes = declare(in: &arguments, [("result", result), ("gradient", gradient)], dims: headCount)
    let rows = inputs.heads * inputs.queries
    arguments.integer("rows", rows)
    let body = """
        for (int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.y; row < a.rows; row += (int64_t)gridDim.x * 8) {
          const int64_t head = row / a.queries;
          const Position query = (Position)(row % a.queries);
      \(positions(axes, ["result", "gradient"], "head"))
          C sum = 0;
          for (Position i = threadIdx.x; i < (Position)a.width; i += 32) {
            sum = added_product(sum, element<C, S>(a.result, result_at + query * (Position)a.result_row + i * (Position)a.result_column).v,
                                element<C, S>(a.gradient, gradient_at + query * (Position)a.gradient_row + i * (Position)a.gradient_column).v);
          }
          const V total = joined_in_warp<FoldSum>(V(sum));
          if (threadIdx.x == 0) put<C, C>(a.along, row, total);
        }

      """
    let source = KernelSource(
      "attention_dots", arguments: arguments.declaration, parts: types + KernelSource.tiles, body: body)
    return KernelLaunch(source, grid: (device.blocks((rows + 7) / 8, perMultiprocessor: 16), 1), block: (32, 8), arguments)
  }

  func queryGradient(_ gradient: Elements, logSums: Elements, along: Int, into dq: Elements) -> KernelLaunch {
    var arguments = KernelArguments()
    arguments.address("log_sums", logSums.address)
    arguments.workspace("along", at: along)
    let axes = declare(in: &arguments, [("gradient", gradient), ("result", dq)], dims: headCount)
    let blocks = declareBlocks(in: &arguments, inputs.queries, times: inputs.heads)
    let (chunks, groups) = shares(of: inputs.depth)
    let body = """
        FB_SHARED(shared);
        for (int64_t job = blockIdx.x; job < a.jobs; job += gridDim.x) {
          const int64_t head = job / a.blocks;
      \(positions(axes, ["gradient", "result"], "head"))
          slope_queries(a, (Cell *)shared, \(matrix("q")), \(matrix("k")), \(matrix("v")), \(matrix("gradient")), \(matrix("result", columns: "depth")),
                        bias_at, \(lastFirst("job")), head);
        }

      """
    let text = parts([inputs.q, inputs.k, inputs.v, gradient], dq, chunks) + KernelSource.attentionGradients
    return launch("attention_queries", arguments, text, body, grid: (blocks, groups))
  }

  func keyGradients(_ gradient: Elements, logSums: Elements, along: Int, into dk: Elements, _ dv: Elements) -> KernelLaunch {
    var arguments = KernelArguments()
    arguments.address("log_sums", logSums.address)
    arguments.workspace("along", at: along)
    let axes = declare(in: &arguments, [("gradient", gradient)], dims: headCount)
    let ownAxes = declareOperands([("dk", dk), ("dv", dv)], axes: "own", dims: headCount - 1, in: &arguments)
    arguments.integer("group", inputs.group)
    let blocks = declareBlocks(in: &arguments, inputs.keys, times: inputs.heads / inputs.group)
    let (chunks, groups) = shares(of: Swift.max(inputs.depth, inputs.width), sums: 2)
    let body = """
        FB_SHARED(shared);
        for (int64_t job = blockIdx.x; job < a.jobs; job += gridDim.x) {
          const int64_t own = job / a.blocks;
          const Position key0 = (Position)(job % a.blocks) * T::rows;
          Sums key_sums[chunks], value_sums[chunks];
      #pragma unroll
          for (int c = 0; c < chunks; c++) clear(key_sums[c]), clear(value_sums[c]);
          for (int64_t head = own * a.group; head < (own + 1) * a.group; head++) {
      \(positions(axes, ["gradient"], "head"))
            slope_keys(a, (Cell *)shared, \(matrix("q")), \(matrix("k")), \(matrix("v")), \(matrix("gradient")), bias_at, key0, head,
                       key_sums, value_sums);
          }
          Position dk_at = 0, dv_at = 0;
      \(ownAxes.text("(\(ownAxes.counter))own", ["dk_at", "dv_at"]))
          V scales[T::high], ones[T::high];
      #pragma unroll
          for (int i = 0; i < T::high; i++) scales[i] = V(a.scale), ones[i] = V(C(1));
      #pragma unroll
          for (int c = 0; c < chunks; c++) {
            const Position first = ((Position)blockIdx.y * chunks + c) * T::columns;
            put_rows<S, result_together>(\(matrix("dk")), key0, first, key_sums[c], scales);
            put_rows<S, result_together>(\(matrix("dv")), key0, first, value_sums[c], ones);
          }
        }

      """
    let isTogether = isWrittenTogether(dk) && isWrittenTogether(dv)
    let text =
      parts([inputs.q, inputs.k, inputs.v, gradient], isTogether ? dk : nil, chunks) + KernelSource.attentionGradients
    return launch("attention_keys", arguments, text, body, grid: (blocks, groups))
  }
}
