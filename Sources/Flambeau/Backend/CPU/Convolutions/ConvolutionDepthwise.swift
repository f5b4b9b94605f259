import CKernels

// Convolutions in which a group has one input channel: too thin for a matrix product, so planes are convolved directly.
extension Convolution {
  /// Calls `body` with a padded copy of an input channel.
  private func withPlane(_ channel: UnsafeRawPointer, _ body: (UnsafeMutableRawPointer, fb_plane) -> Void) {
    var window = geometry.window
    let width = window.out_width + (window.kernel_width - 1) * window.dilation_width / window.stride_width
    let height = (window.out_height - 1) * window.stride_height + (window.kernel_height - 1) * window.dilation_height + 1
    var size = fb_plane(height: height, width: width, row: width * window.stride_width)
    let slack = table.convolutionClass(dtype).pointee.slack
    Scratch.withBytes((height * size.row + slack) * bytes) { plane in
      table.convolution(dtype).pointee.pad_plane(plane, &size, channel, &window)
      body(plane, size)
    }
  }

  func depthwise(
    _ input: UnsafeRawPointer, _ weight: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, bias: UnsafeRawPointer?
  ) {
    let g = geometry
    forEach(g.batch * g.inChannels, parallel: g.isParallel) { job in
      let (image, channel) = (job / g.inChannels, job % g.inChannels)
      withPlane(input + job * g.input.area * dtype.byteCount) { plane, size in
        var (size, window) = (size, g.window)
        let (taps, pixels, byte) = (g.kernel.area, g.output.area, dtype.byteCount)
        Scratch.withBytes((taps + 1 + pixels) * bytes) { memory in
          for i in 0..<g.groupOut {
            let out = channel * g.groupOut + i
            let widen = table.type(dtype).pointee.widen!
            widen(memory, weight + out * taps * byte, 1, taps)
            var start = 0.0
            if let bias {
              widen(memory + taps * bytes, bias + out * byte, 1, 1)
              let wide = memory + taps * bytes
              start = compute == .float64 ? wide.load(as: Double.self) : Double(wide.load(as: Float.self))
            }
            let to = output + (image * g.outChannels + out) * pixels * byte
            let sums = dtype == compute ? to : memory + (taps + 1) * bytes
            table.convolutionClass(dtype).pointee.depthwise(sums, plane, &size, memory, start, &window)
            if dtype != compute { table.type(dtype).pointee.finish(to, 0, sums, 0, 1, pixels, 0) }
          }
        }
      }
    }
  }

  func depthwiseWeightGradient(
    _ input: UnsafeRawPointer, _ outputGradient: UnsafeRawPointer, _ weightGradient: UnsafeMutableRawPointer
  ) {
    let g = geometry
    let (taps, pixels, byte) = (g.kernel.area, g.output.area, dtype.byteCount)
    forEach(g.inChannels, parallel: g.isParallel) { channel in
      let slack = table.convolutionClass(dtype).pointee.slack
      Scratch.withBytes((g.groupOut * taps + pixels + slack) * bytes) { sums in
        sums.initializeMemory(as: UInt8.self, repeating: 0, count: g.groupOut * taps * bytes)
        let wide = sums + g.groupOut * taps * bytes
        for image in 0..<g.batch {
          withPlane(input + (image * g.inChannels + channel) * g.input.area * byte) { plane, size in
            var (size, window) = (size, g.window)
            for i in 0..<g.groupOut {
              let from = outputGradient + (image * g.outChannels + channel * g.groupOut + i) * pixels * byte
              table.type(dtype).pointee.widen(wide, from, 1, pixels)
              table.convolutionClass(dtype).pointee.depthwise_taps(
                sums + i * taps * bytes, plane, &size, wide, &window)
            }
          }
        }
        table.type(dtype).pointee.finish(
          weightGradient + channel * g.groupOut * taps * byte, 0, sums, 0, 1, g.groupOut * taps, 0)
      }
    }
  }
}
