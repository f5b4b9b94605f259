import CKernels

extension Convolution {
  /// The gradient of the input, which is also the transposed convolution of `outputGradient`; the geometry is the forward one.
  func inputGradient(
    outputGradient: UnsafeRawPointer, weight: UnsafeRawPointer, inputGradient: UnsafeMutableRawPointer,
    epilogue: ConvolutionEpilogue = ConvolutionEpilogue()
  ) {
    if epilogue.rows != nil { return computeInputGradient(outputGradient, weight, inputGradient, epilogue) }
    ConvolutionTask.observed(
      ConvolutionTask(
        .inputGradient, geometry, dtype, input: inputGradient, weight: weight, output: outputGradient, bias: epilogue.bias)
    ) {
      computeInputGradient(outputGradient, weight, inputGradient, epilogue)
    }
  }

  private func computeInputGradient(
    _ outputGradient: UnsafeRawPointer, _ weight: UnsafeRawPointer, _ inputGradient: UnsafeMutableRawPointer,
    _ epilogue: ConvolutionEpilogue
  ) {
    let g = geometry
    if g.batch * g.inChannels * g.input.area == 0 { return }
    if g.stride.area == 1 && g.output.area > 0 {
      return reversedForward(outputGradient, weight, inputGradient, epilogue)
    }
    fb_count_operations(2 * Double(g.work))
    // Channels of the input share nothing, so blocks of them are tasks; about as many rows as a product's block has.
    let block = Swift.max(1, Swift.min(g.groupIn, 192 / Swift.max(1, g.kernel.area)))
    let blocks = (g.groupIn + block - 1) / block
    forEach(g.batch * g.groups * blocks, parallel: g.isParallel) { job in
      let (rest, i) = (job / blocks, job % blocks)
      let channels = (i * block)..<Swift.min((i + 1) * block, g.groupIn)
      scatter(rest / g.groups, rest % g.groups, channels, outputGradient, weight, inputGradient, epilogue)
    }
  }

  /// At stride 1 the gradient is a convolution with the kernel turned around and its channels exchanged.
  private func reversedForward(
    _ outputGradient: UnsafeRawPointer, _ weight: UnsafeRawPointer, _ inputGradient: UnsafeMutableRawPointer,
    _ epilogue: ConvolutionEpilogue
  ) {
    let g = geometry
    let reversed = Convolution(geometry: g.reversed, dtype: dtype, table: table)
    if epilogue.rows == nil, g.reversed.padding.all({ $0 >= 0 }), let winograd = Winograd(reversed) {
      return winograd.run(
        input: outputGradient, weights: WinogradWeights(weight, of: g, reversed: true), output: inputGradient,
        bias: epilogue.bias)
    }
    Scratch.withBytes(g.outChannels * g.taps * dtype.byteCount) { turned in
      switch dtype.byteCount {
      case 8: turn(weight, turned, as: UInt64.self)
      case 4: turn(weight, turned, as: UInt32.self)
      default: turn(weight, turned, as: UInt16.self)
      }
      reversed.forward(input: outputGradient, weight: turned, output: inputGradient, epilogue: epilogue)
    }
  }

  /// to[group, in, out, tap] = from[group, out, in, last - tap]
  @inline(__always)
  private func turn<Bits>(_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, as: Bits.Type) {
    let (x, y) = (from.assumingMemoryBound(to: Bits.self), to.assumingMemoryBound(to: Bits.self))
    let g = geometry
    let taps = g.kernel.area
    for group in 0..<g.groups {
      let base = group * g.groupOut * g.taps
      for i in 0..<g.groupIn {
        for o in 0..<g.groupOut {
          let (a, b) = (base + (o * g.groupIn + i) * taps, base + (i * g.groupOut + o) * taps)
          for t in 0..<taps { y[b + t] = x[a + taps - 1 - t] }
        }
      }
    }
  }

  /// Some channels of one image: products of weights and gradients, added back to the pixels they came from.
  private func scatter(
    _ image: Int, _ group: Int, _ channels: Range<Int>, _ outputGradient: UnsafeRawPointer, _ weight: UnsafeRawPointer,
    _ inputGradient: UnsafeMutableRawPointer, _ epilogue: ConvolutionEpilogue
  ) {
    let g = geometry
    let firstChannel = group * g.groupIn + channels.lowerBound
    let to = inputGradient + (image * g.inChannels + firstChannel) * g.input.area * dtype.byteCount
    let rows = channels.count * g.kernel.area
    let planeBytes = dtype == compute ? 0 : channels.count * g.input.area * bytes
    var window = g.window
    let planeElements = channels.count * g.input.area
    Scratch.withBytes(planeBytes + rows * Self.pixels * bytes + 64) { memory in
      let plane = dtype == compute ? to : memory
      let patches = memory + planeBytes
      plane.initializeMemory(as: UInt8.self, repeating: 0, count: planeElements * bytes)
      for start in stride(from: 0, to: g.output.area, by: Self.pixels) {
        let pixels = start..<Swift.min(start + Self.pixels, g.output.area)
        let gradient = (image * g.outChannels + group * g.groupOut) * g.output.area + start
        let from = group * g.groupOut * g.taps + channels.lowerBound * g.kernel.area
        var product = Gemm(
          m: rows, n: pixels.count, k: g.groupOut,
          a: MatrixOperand(data: weight + from * dtype.byteCount, dtype: dtype, rowStride: 1, columnStride: g.taps),
          b: MatrixOperand(
            data: outputGradient + gradient * dtype.byteCount, dtype: dtype, rowStride: g.output.area, columnStride: 1),
          c: patches, cType: compute, cRowStride: pixels.count)
        product.table = table
        product.run()
        table.convolutionClass(dtype).pointee.add_patch_rows(
          plane, &window, patches, pixels.count, 0, rows, pixels.lowerBound, pixels.upperBound)
      }
      finishPlanes(plane, image, firstChannel, channels.count, epilogue)
      if dtype != compute { table.type(dtype).pointee.finish(to, 0, plane, 0, 1, planeElements, 0) }
    }
  }

  private func finishPlanes(
    _ planes: UnsafeMutableRawPointer, _ image: Int, _ firstChannel: Int, _ count: Int, _ epilogue: ConvolutionEpilogue
  ) {
    let area = geometry.input.area
    if let bias = epilogue.bias {
      Scratch.withBytes(count * bytes) { wide in
        table.type(dtype).pointee.widen(wide, bias + firstChannel * dtype.byteCount, 1, count)
        table.compute(dtype).pointee.add_bias(planes, area, count, area, wide, nil)
      }
    }
    if let program = epilogue.rows {
      for i in 0..<count { program(planes + i * area * bytes, image, firstChannel + i, 0, area) }
    }
  }
}
