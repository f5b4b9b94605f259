/// Blocks of images as columns and back.
struct Unfolding: Sendable {
  let composites: [Sample] = [
    Sample("F.unfold(a, 2)", [.real([2, 3, 4, 3])]) { $0[0].unfold(2) },
    Sample("F.unfold(a, (2, 3), (1, 2), (1, 2), (2, 1))", [.real([2, 5, 4])]) {
      $0[0].unfold([2, 3], dilation: [1, 2], padding: [1, 2], stride: [2, 1])
    },
    Sample("F.fold(a, (4, 3), 2)", [.real([2, 12, 6])]) { $0[0].fold([4, 3], 2) },
    Sample("F.fold(a, (5, 4), (2, 3), (1, 2), (1, 2), (2, 1))", [.real([12, 12])]) {
      $0[0].fold([5, 4], [2, 3], dilation: [1, 2], padding: [1, 2], stride: [2, 1])
    },
  ]
}

extension Tensor {
  /// The blocks that a kernel sees of images [n, c, h, w] or [c, h, w], each a column of [n, c · kernel area, blocks]. Torch's
  /// `functional.unfold`.
  public func unfold(
    _ kernelSize: Size2D, dilation: Size2D = 1, padding: Size2D = 0, stride: Size2D = 1, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    checked("unfold", at: CallSite(file, line)) { layout throws(TensorError) in
      try checkBlocks(kernelSize, dilation, padding, stride)
      guard layout.rank == 3 || layout.rank == 4, layout.shape.dropFirst(layout.rank - 3).allSatisfy({ $0 > 0 }) else {
        throw .shape(
          "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but "
            + "got: \(layout.shape)")
      }
      let image = Size2D(layout.shape.at(layout.rank - 2), layout.shape.at(layout.rank - 1))
      let (rows, columns) = blockWindows(image, kernelSize, dilation, padding, stride)
      guard rows.count > 0, columns.count > 0 else {
        throw .shape(
          "Given input with spatial size (\(image.height), \(image.width)), kernel_size=\(kernelSize.tuple), "
            + "dilation=\(dilation.tuple), padding=\(padding.tuple), calculated shape of the array of sliding blocks as "
            + "(\(rows.count), \(columns.count)), but its components must be at least one.")
      }
      let batch = layout.rank == 3 ? unsqueeze(0) : self
      let frame = [padding.width, padding.width, padding.height, padding.height]
      let padded = padding == 0 ? batch : batch.pad(frame)
      let (n, c) = (batch.shape.at(0), batch.shape.at(1))
      let result = padded.windows([2: rows, 3: columns]).permute([0, 1, 2, 4, 3, 5])
        .reshape([n, c * kernelSize.area, rows.count * columns.count])
      return layout.rank == 3 ? result.squeeze(0) : result
    }
  }

  /// The sums, in images of `outputSize`, of blocks [n, c · kernel area, blocks] or [c · kernel area, blocks]. Torch's
  /// `functional.fold`.
  public func fold(
    _ outputSize: Size2D, _ kernelSize: Size2D, dilation: Size2D = 1, padding: Size2D = 0, stride: Size2D = 1,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("fold", at: CallSite(file, line)) { layout throws(TensorError) in
      try checkBlocks(kernelSize, dilation, padding, stride)
      guard layout.rank == 2 || layout.rank == 3, layout.shape.dropFirst(layout.rank - 2).allSatisfy({ $0 > 0 }) else {
        throw .shape(
          "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but "
            + "got: \(layout.shape)")
      }
      let batch = layout.rank == 2 ? unsqueeze(0) : self
      let (n, flat, blocks) = (batch.shape.at(0), batch.shape.at(1), batch.shape.at(2))
      guard flat % kernelSize.area == 0 else {
        throw .shape(
          "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)=\(flat) "
            + "and kernel_size=\(kernelSize.tuple).")
      }
      let (rows, columns) = blockWindows(outputSize, kernelSize, dilation, padding, stride)
      guard rows.count * columns.count == blocks, rows.count > 0 else {
        throw .shape(
          "Given output_size=\(outputSize.tuple), kernel_size=\(kernelSize.tuple), dilation=\(dilation.tuple), "
            + "padding=\(padding.tuple), stride=\(stride.tuple), expected size of input's dimension 2 to match the calculated "
            + "number of sliding blocks \(rows.count) * \(columns.count) = \(rows.count * columns.count), but got "
            + "input.size(2)=\(blocks).")
      }
      let c = flat / kernelSize.area
      let apart = batch.reshape([n, c, kernelSize.height, kernelSize.width, rows.count, columns.count])
        .permute([0, 1, 2, 4, 3, 5])
      let sum = apart.overlapped(in: [n, c, rows.size, columns.size], [2: rows, 3: columns])
      let cut = [-padding.width, -padding.width, -padding.height, -padding.height]
      let result = padding == 0 ? sum : sum.pad(cut)
      return layout.rank == 2 ? result.squeeze(0) : result
    }
  }

  private func blockWindows(
    _ image: Size2D, _ kernel: Size2D, _ dilation: Size2D, _ padding: Size2D, _ stride: Size2D
  ) -> (rows: SlidingWindows, columns: SlidingWindows) {
    (
      SlidingWindows(
        size: image.height + 2 * padding.height, kernel: kernel.height, stride: stride.height, dilation: dilation.height),
      SlidingWindows(
        size: image.width + 2 * padding.width, kernel: kernel.width, stride: stride.width, dilation: dilation.width)
    )
  }

  private func checkBlocks(
    _ kernel: Size2D, _ dilation: Size2D, _ padding: Size2D, _ stride: Size2D
  ) throws(TensorError) {
    for (name, size) in [("kernel size", kernel), ("dilation", dilation), ("stride", stride)] where !size.all({ $0 > 0 }) {
      throw .argument("\(name) should be greater than zero, but got \(size)")
    }
    guard padding.all({ $0 >= 0 }) else { throw .argument("padding should be non-negative, but got \(padding)") }
  }
}

extension Size2D {
  /// As Python writes it.
  var tuple: String { "(\(height), \(width))" }
}
