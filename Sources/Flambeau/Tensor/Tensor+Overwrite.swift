// Writes to a tensor's memory that no graph sees, for initialisation and loading.
extension Tensor {
  /// The elements of `source`, converted; the shapes are equal.
  package func overwrite(with source: Tensor) {
    write("copy_") { target in withExtendedLifetime(source) { source.body.elements.copy(to: target) } }
  }

  package func overwrite(with number: Double) {
    write("fill_") { target in
      withUnsafePointer(to: number) { number in
        Elements(UnsafeMutableRawPointer(mutating: number), Layout([]).broadcast(to: target.layout.shape)!, .float64)
          .copy(to: target)
      }
    }
  }

  /// Uniform in [from, to), from the current generator. Floating point only.
  package func overwriteUniform(from: Double, to: Double) {
    draw("uniform_") { start, _ in Generator.current.fillUniform(start, dtype, count: count, from: from, to: to) }
  }

  /// Normal, from the current generator. Floating point only.
  package func overwriteNormal(mean: Double, std: Double) {
    draw("normal_") { start, isContiguous in
      Generator.current.fillNormal(start, dtype, count: count, mean: mean, std: std, contiguous: isContiguous)
    }
  }

  /// Dense memory is drawn in its own order, other memory through a copy of that order.
  private func draw(_ name: String, _ fill: (UnsafeMutableRawPointer, _ isContiguous: Bool) -> Void) {
    write(name) { (target) throws(TensorError) in
      if target.layout.isDense { return fill(target.start, target.layout.isContiguous) }
      let copy = try Value(target.layout.dense, dtype)
      fill(copy.storage.pointer, copy.layout.isContiguous)
      withExtendedLifetime(copy.storage) { copy.elements.copy(to: target) }
    }
  }

  private func write(_ name: String, _ fill: (Elements) throws(TensorError) -> Void) {
    if body.poison != nil || Context.current.isFailed { return }
    do throws(TensorError) {
      try TensorError.checkWritable(self)
      try fill(body.elements)
      body.storage.version.wrappingAdd(1, ordering: .relaxed)
    } catch {
      _ = Door.refuse(error, name, Few(self), at: nil)
    }
  }
}

extension TensorError {
  /// Refuses to write where several elements are one.
  static func checkWritable(_ tensor: Tensor) throws(TensorError) {
    guard tensor.body.layout.overlapsItself else { return }
    throw .argument(
      "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please "
        + "clone() the tensor before performing the operation.")
  }
}
