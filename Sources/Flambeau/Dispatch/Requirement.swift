extension Tensor {
  /// Throws `error`, as found by the operation `name`, unless this boolean number is true: at once on the processor. On a GPU nothing is
  /// waited for, so that the call goes on, and a later one that waits throws it. Torch's `_assert_async`.
  func orThrow(_ error: TensorError, in name: String) throws(TensorError) {
    if let poison = body.poison { throw poison }
    if device.isCPU {
      if item(as: Bool.self) { return }
      throw error
    }
    try GPUThread.naming(name) { () throws(TensorError) in
      let task = RequirementTask(body.elements, or: .requirement(error.kind, error.message))
      try GPUBackend.run(.task(task), on: device)
    }
  }

  /// Throws an index error unless every element of these whole numbers is in 0..<`count`; see ``orThrow(_:in:)``.
  ///
  /// - Parameter sentence: What it says, of ": " and the first that is not, or of nothing where that is not known.
  func checkPositions(
    below count: Int, in name: String, _ sentence: (String) -> String
  ) throws(TensorError) {
    if device.isCPU {
      let wrong = array(of: Int64.self).first { $0 < 0 || $0 >= count }
      if let wrong { throw .index(sentence(": \(wrong)")) }
    } else {
      let positions = detach()
      try (positions .>= 0).logicalAnd(positions .< count).all().orThrow(.index(sentence("")), in: name)
    }
  }
}
