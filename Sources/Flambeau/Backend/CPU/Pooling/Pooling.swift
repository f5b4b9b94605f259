import CKernels

/// The spans of input rows (or columns) that the output rows (or columns) of a pooling see.
struct PoolingSpans {
  let inputSize: Int
  let spans: [fb_span]
  /// Of windows alike: kernel, stride, padding, dilation.
  let window: (kernel: Int, stride: Int, padding: Int, dilation: Int)
  /// Padding counts in the size of such windows.
  let countsPadding: Bool
  /// No rule gives the spans.
  let isListed: Bool
  var count: Int { spans.count }

  init(input: Int, spans: [fb_span]) {
    (inputSize, self.spans, window, countsPadding, isListed) = (input, spans, (0, 0, 0, 0), false, true)
  }

  /// Windows of one size, as `torch.nn.functional.max_pool2d` and `avg_pool2d`.
  ///
  /// `ceilMode` keeps a last window that hangs over the edge if it starts inside the input or its left padding.
  /// `countsPadding` lets padding count in the divisor of averages.
  init(
    input: Int, kernel: Int, stride: Int, padding: Int = 0, dilation: Int = 1, ceilMode: Bool = false,
    countsPadding: Bool = true
  ) {
    inputSize = input
    window = (kernel, stride, padding, dilation)
    (self.countsPadding, isListed) = (countsPadding, false)
    spans = (0..<Self.count(input, kernel, stride, padding, dilation, ceilMode)).map { i in
      let start = i * stride - padding
      let first = start >= 0 ? start : start + (-start + dilation - 1) / dilation * dilation
      let end = Swift.min(start + dilation * (kernel - 1) + 1, input)
      let size = countsPadding ? Swift.min(start + kernel, input + padding) - start : Swift.max(0, end - first)
      return fb_span(first: first, end: end, step: dilation, size: Double(size))
    }
  }

  /// As many windows as asked for, of about equal size, as `torch.nn.functional.adaptive_avg_pool2d`.
  init(input: Int, adaptiveOutput output: Int) {
    inputSize = input
    window = (0, 0, 0, 0)
    (countsPadding, isListed) = (false, false)
    spans = (0..<output).map { i in
      let (first, end) = (i * input / output, ((i + 1) * input + output - 1) / output)
      return fb_span(first: first, end: end, step: 1, size: Double(end - first))
    }
  }

  private static func count(
    _ input: Int, _ kernel: Int, _ stride: Int, _ padding: Int, _ dilation: Int, _ ceilMode: Bool
  ) -> Int {
    let room = input + 2 * padding - dilation * (kernel - 1) - 1 + (ceilMode ? stride - 1 : 0)
    if room < 0 { return 0 }
    let count = room / stride + 1
    return ceilMode && (count - 1) * stride >= input + padding ? count - 1 : count
  }
}

/// 2-D pooling of contiguous planes of one floating-point type.
struct Pooling {
  /// Batch times channels.
  var planes: Int
  var rows: PoolingSpans
  var columns: PoolingSpans
  var dtype: DType
  /// Divides every sum of an average in place of the window's size.
  var divisor: Int?
  var table = GemmTable.current

  var inputArea: Int { rows.inputSize * columns.inputSize }
  var outputArea: Int { rows.count * columns.count }

  /// Largest elements, and their positions in the planes (row · width + column).
  func max(_ input: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, positions: UnsafeMutablePointer<Int64>) {
    KernelCall.task(PoolingTask(.max, self, dtype, input, output, positions: positions)) {
      forEachPlane { plane, pool, scratch in
        table.pooling(dtype).pointee.max(
          at(output, plane, outputArea), positions + plane * outputArea, at(input, plane, inputArea), &pool, scratch)
      }
    }
  }

  func average(_ input: UnsafeRawPointer, _ output: UnsafeMutableRawPointer) {
    KernelCall.task(PoolingTask(.average, self, dtype, input, output)) {
      forEachPlane { plane, pool, scratch in
        table.pooling(dtype).pointee.average(at(output, plane, outputArea), at(input, plane, inputArea), &pool, scratch)
      }
    }
  }

  func maxGradient(
    _ outputGradient: UnsafeRawPointer, positions: UnsafePointer<Int64>, _ inputGradient: UnsafeMutableRawPointer
  ) {
    KernelCall.task(PoolingTask(.maxGradient, self, dtype, outputGradient, inputGradient, positions: positions)) {
      forEachPlane { plane, _, _ in
        sum(into: at(inputGradient, plane, inputArea)) { sums in
          table.pooling(dtype).pointee.max_gradient(
            sums, at(outputGradient, plane, outputArea), positions + plane * outputArea, outputArea)
        }
      }
    }
  }

  /// What `values` [input plane] hold at the positions: the gradient of `maxGradient`.
  func gather(_ values: UnsafeRawPointer, positions: UnsafePointer<Int64>, _ output: UnsafeMutableRawPointer) {
    KernelCall.task(PoolingTask(.gather, self, dtype, values, output, positions: positions)) {
      switch dtype.byteCount {
      case 2: gather(values, positions, output, as: UInt16.self)
      case 4: gather(values, positions, output, as: UInt32.self)
      default: gather(values, positions, output, as: UInt64.self)
      }
    }
  }

  @inline(__always)
  private func gather<Bits: FixedWidthInteger>(
    _ values: UnsafeRawPointer, _ positions: UnsafePointer<Int64>, _ output: UnsafeMutableRawPointer, as: Bits.Type
  ) {
    let (from, to) = (values.assumingMemoryBound(to: Bits.self), output.assumingMemoryBound(to: Bits.self))
    forEachPlane { plane, _, _ in
      for i in plane * outputArea..<(plane + 1) * outputArea {
        to[i] = positions[i] < 0 ? 0 : from[plane * inputArea + Int(positions[i])]
      }
    }
  }

  func averageGradient(_ outputGradient: UnsafeRawPointer, _ inputGradient: UnsafeMutableRawPointer) {
    KernelCall.task(PoolingTask(.averageGradient, self, dtype, outputGradient, inputGradient)) {
      forEachPlane { plane, pool, scratch in
        sum(into: at(inputGradient, plane, inputArea)) { sums in
          table.pooling(dtype).pointee.average_gradient(sums, at(outputGradient, plane, outputArea), &pool, scratch)
        }
      }
    }
  }

  private func at(_ base: UnsafeRawPointer, _ plane: Int, _ area: Int) -> UnsafeRawPointer {
    base + plane * area * dtype.byteCount
  }
  private func at(_ base: UnsafeMutableRawPointer, _ plane: Int, _ area: Int) -> UnsafeMutableRawPointer {
    base + plane * area * dtype.byteCount
  }

  /// Sums in the compute type that start at zero, then rounded into a plane.
  private func sum(into plane: UnsafeMutableRawPointer, _ body: (UnsafeMutableRawPointer) -> Void) {
    let compute = dtype.gemmCompute
    let byteCount = inputArea * compute.byteCount
    Scratch.withBytes(dtype == compute ? 0 : byteCount) { wide in
      let sums = dtype == compute ? plane : wide
      sums.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
      body(sums)
      if dtype != compute { table.type(dtype).pointee.finish(plane, 0, sums, 0, 1, inputArea, 0) }
    }
  }

  private func forEachPlane(_ body: (Int, inout fb_pool, UnsafeMutableRawPointer) -> Void) {
    let batch = Swift.max(1, (1 << 15) / Swift.max(1, inputArea + outputArea))
    rows.spans.withUnsafeBufferPointer { rowSpans in
      columns.spans.withUnsafeBufferPointer { columnSpans in
        let pool = fb_pool(
          in_height: rows.inputSize, in_width: columns.inputSize, out_height: rows.count, out_width: columns.count,
          rows: rowSpans.baseAddress, columns: columnSpans.baseAddress, kernel: columns.window.kernel,
          stride: columns.window.stride, padding: columns.window.padding, dilation: columns.window.dilation,
          divisor: Double(divisor ?? 0))
        forEach((planes + batch - 1) / batch, parallel: true) { job in
          var pool = pool
          Scratch.withBytes(3 * fb_pool_row(&pool) * 8) { scratch in
            for plane in (job * batch)..<Swift.min((job + 1) * batch, planes) { body(plane, &pool, scratch) }
          }
        }
      }
    }
  }
}
