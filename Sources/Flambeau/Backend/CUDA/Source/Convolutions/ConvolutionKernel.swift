import CKernels

/// Convolutions as products of tiles, whose operands are found where they lie: rows of the result are channels, columns are pixels
/// or, for the weight, taps.
struct ConvolutionKernel {
  private let task: ConvolutionTask
  private let text: ConvolutionText
  private let m: Int
  private let n: Int
  private let k: Int

  private var g: ConvolutionGeometry { task.geometry }

  init(_ task: ConvolutionTask, _ text: ConvolutionText) {
    (self.task, self.text) = (task, text)
    let g = task.geometry
    (m, n, k) =
      switch task.direction {
      case .forward: (g.groupOut, g.batch * g.output.area, g.taps)
      case .inputGradient: (g.groupIn, g.batch * g.input.area, g.output.area == 0 ? 0 : g.groupOut * g.kernel.area)
      case .weightGradient: (g.groupOut, g.taps, g.batch * g.output.area)
      }
  }

  func append(to work: inout KernelWork, _ device: DeviceShape) {
    let tile = TileShape.fitting(
      m, n, times: g.groups, text.computeClass,
      halves: TileShape.halves(task.input.dtype, task.weight.dtype, task.output.dtype), device)
    let tiles = tile.count(m, n) * g.groups
    let pieces = DepthPieces(of: k, blocks: tiles, step: tile.depth, device)
    if pieces.count == 1 {
      work.launches.append(launch(tile, pieces, partials: nil))
      return
    }
    let result = task.result
    let shape = result.layout.shape
    let partials = work.reserve(pieces.count * shape.elementCount * text.computeClass.byteCount)
    work.launches.append(launch(tile, pieces, partials: partials))
    let sums = Elements(
      UnsafeMutableRawPointer(bitPattern: partials)!, Layout(shape.inserting(pieces.count, at: 0)), text.computeClass.dtype)
    ReductionKernel.append(
      to: &work, .value(fb_reduce_sum, finish: nil), in: text.computeClass, [sums], dims: [0],
      into: Elements(result.pointer, result.layout.inserted(0), result.dtype), inputsAreWorkspace: true, on: device,
      wide: text.isWide)
  }

  private func launch(_ tile: TileShape, _ pieces: DepthPieces, partials: Int?) -> KernelLaunch {
    var arguments = KernelArguments()
    text.declare(in: &arguments)
    if let partials {
      arguments.workspace("result", at: partials)
    } else {
      arguments.address("result", task.result.address)
    }
    let strides = partials == nil ? task.result.layout.strides : Layout(task.result.layout.shape).strides
    // The result's [a, b, height, width] in terms of rows and what columns are taken apart to.
    let (row, of) = task.direction == .weightGradient ? (0, 1) : (1, 0)
    let tilesBeside = (n + tile.columns - 1) / tile.columns
    for (name, value) in [
      ("m", m), ("n", n), ("k", k), ("chunk", pieces.chunk), ("groups", g.groups), ("tiles", tile.count(m, n)),
      ("tiles_beside", tilesBeside), ("result_row", strides.at(row)), ("result_of", strides.at(of)),
      ("result_y", strides.at(2)), ("result_x", strides.at(3)), ("result_piece", task.result.layout.elementCount),
    ] {
      arguments.integer(name, value)
    }
    let type = partials == nil ? text.type(task.result) : text.computeClass.deviceName
    let source = KernelSource(
      "convolution", arguments: arguments.declaration,
      parts: text.parts + KernelSource.tiles + "\ntypedef \(tile.text) T;\n\n" + sources, body: body(type))
    return KernelLaunch(
      source, grid: (Swift.min(tile.count(m, n) * g.groups, KernelLaunch.mostBlocks), pieces.count), block: (tile.threads, 1),
      sharedByteCount: tile.sharedByteCount(text.computeClass), arguments)
  }

  // MARK: Text

  /// What feeds look up: where a line is, where a depth is, and the element where they meet.
  private func source(_ name: String, outer: String, inner: String, value: String) -> String {
    """
    struct \(name) {
      struct Outer {
        Position at, y, x;
        bool is_there;
      };
      typedef Outer Inner;
      const Arguments &a;
      Position group, end;
      FB_INLINE Outer outer(Position line) const { \(outer) }
      FB_INLINE Inner inner(Position depth) const { \(inner) }
      FB_INLINE T::Cell value(const Outer &o, const Inner &i) const {
        if (!o.is_there || !i.is_there) return T::Cell(0);
        \(value)
      }
    };


    """
  }

  /// An element of the input under a tap of an output.
  private var inputValue: String {
    """
    const Position y = o.y + i.y, x = o.x + i.x;
        if (y < 0 || y >= (Position)a.in_h.size || x < 0 || x >= (Position)a.in_w.size) return T::Cell(0);
        return T::cell<\(text.inputType)>(bits_at<\(text.inputType)>(a.x, o.at + i.at + y * (Position)a.x2 + x * (Position)a.x3));
    """
  }

  private var sources: String {
    let tap = "const Place t = place(depth, a.kernel_h, a.kernel_w);"
    let output = "a.out_h, a.out_w"
    switch task.direction {
    case .forward:
      return source(
        "Rows", outer: "return {(group * (Position)a.m + line) * (Position)a.w0, 0, 0, line < (Position)a.m};",
        inner: "\(tap) return {t.of * (Position)a.w1 + t.y * (Position)a.w2 + t.x * (Position)a.w3, 0, 0, depth < end};",
        value: "return T::cell<\(text.weightType)>(bits_at<\(text.weightType)>(a.w, o.at + i.at));")
        + source(
          "Columns",
          outer: "const Place p = place(line, \(output)); return {p.of * (Position)a.x0 + group * (Position)(a.group_in * a.x1), "
            + "p.y * (Position)a.stride_h.size - (Position)a.pad_h, p.x * (Position)a.stride_w.size - (Position)a.pad_w, line < (Position)a.n};",
          inner:
            "\(tap) return {t.of * (Position)a.x1, t.y * (Position)a.dilation_h, t.x * (Position)a.dilation_w, depth < end};",
          value: inputValue)
    case .inputGradient:
      return source(
        "Rows", outer: "return {line * (Position)a.w1, 0, 0, line < (Position)a.m};",
        inner:
          "\(tap) return {(group * (Position)a.group_out + t.of) * (Position)a.w0 + t.y * (Position)a.w2 + t.x * (Position)a.w3, "
          + "0, 0, depth < end};",
        value: "return T::cell<\(text.weightType)>(bits_at<\(text.weightType)>(a.w, o.at + i.at));")
        + source(
          "Columns",
          outer:
            "const Place p = place(line, a.in_h, a.in_w); return {p.of * (Position)a.y0 + group * (Position)(a.group_out * a.y1), "
            + "p.y + (Position)a.pad_h, p.x + (Position)a.pad_w, line < (Position)a.n};",
          inner:
            "\(tap) return {t.of * (Position)a.y1, t.y * (Position)a.dilation_h, t.x * (Position)a.dilation_w, depth < end};",
          value: """
            const Position y = met(o.y - i.y, a.stride_h, a.out_h), x = met(o.x - i.x, a.stride_w, a.out_w);
                if (y < 0 || x < 0) return T::Cell(0);
                return T::cell<\(text.outputType)>(bits_at<\(text.outputType)>(a.y, o.at + i.at + y * (Position)a.y2 + x * (Position)a.y3));
            """)
    case .weightGradient:
      let pixel = "const Place p = place(depth, \(output));"
      return source(
        "Rows", outer: "return {(group * (Position)a.m + line) * (Position)a.y1, 0, 0, line < (Position)a.m};",
        inner: "\(pixel) return {p.of * (Position)a.y0 + p.y * (Position)a.y2 + p.x * (Position)a.y3, 0, 0, depth < end};",
        value: "return T::cell<\(text.outputType)>(bits_at<\(text.outputType)>(a.y, o.at + i.at));")
        + source(
          "Columns",
          outer:
            "const Place t = place(line, a.kernel_h, a.kernel_w); return {(group * (Position)a.group_in + t.of) * (Position)a.x1, "
            + "t.y * (Position)a.dilation_h, t.x * (Position)a.dilation_w, line < (Position)a.n};",
          inner: "\(pixel) return {p.of * (Position)a.x0, p.y * (Position)a.stride_h.size - (Position)a.pad_h, "
            + "p.x * (Position)a.stride_w.size - (Position)a.pad_w, depth < end};",
          value: inputValue)
    }
  }

  private func body(_ type: String) -> String {
    let columns = ["in_h, a.in_w", "out_h, a.out_w", "kernel_h, a.kernel_w"]
    let size = columns[task.direction == .inputGradient ? 0 : task.direction == .forward ? 1 : 2]
    // The first piece alone adds what is added once.
    let bias =
      task.bias.map {
        "if (blockIdx.y == 0) y = op_add::of(y, element<C, \(text.type($0))>(a.bias, row * (Position)a.bias_stride));"
      } ?? ""
    return """
        FB_SHARED(shared);
        const Position begin = (Position)(blockIdx.y * a.chunk), most = begin + (Position)a.chunk;
        const Position end = most < (Position)a.k ? most : (Position)a.k;
        for (int64_t job = blockIdx.x; job < a.tiles * a.groups; job += gridDim.x) {
          const Position group = (Position)(job / a.tiles), tile = (Position)(job % a.tiles);
          const Position row0 = tile / (Position)a.tiles_beside * T::rows, column0 = tile % (Position)a.tiles_beside * T::columns;
          GatherFeed<T, Rows, Position, T::rows, true> left(Rows{a, group, end}, row0);
          GatherFeed<T, Columns, Position, T::columns, \(task.direction == .weightGradient)> right(Columns{a, group, end}, column0);
          C sums[T::high][T::wide] = {};
          multiply<T>(left, right, begin, end, (T::Cell *)shared, sums);
          const Position piece = (Position)blockIdx.y * (Position)a.result_piece;
      #pragma unroll
          for (int j = 0; j < T::wide; j++) {
            const Position column = column0 + T::column(j);
            if (column < (Position)a.n) {
              const Place p = place(column, a.\(size));
              const Position at = piece + p.of * (Position)a.result_of + p.y * (Position)a.result_y + p.x * (Position)a.result_x;
      #pragma unroll
              for (int i = 0; i < T::high; i++) {
                if (row0 + T::row(i) < (Position)a.m) {
                  const Position row = group * (Position)a.m + row0 + T::row(i);
                  V y = V(sums[i][j]);
                  \(bias)
                  put<C, \(type)>(a.result, at + row * (Position)a.result_row, y);
                }
              }
            }
          }
        }

      """
  }
}
