/// The class each of some rows should have, and what it counts.
struct ClassTargets {
  /// int64, row-major; 0 where ignored.
  let classes: Value
  let isIgnored: [Bool]
  /// The weight of each row's class; 0 where ignored.
  let weights: [Double]
  let total: Double
  let shape: Shape

  var count: Int { weights.count }
  var pointer: UnsafePointer<Int64> { UnsafePointer(classes.storage.pointer.assumingMemoryBound(to: Int64.self)) }

  /// - Parameters:
  ///   - x: [n, classes, …] or [classes].
  ///   - target: [n, …] or [].
  ///   - weight: [classes].
  init(_ x: TensorBody, _ target: TensorBody, weight: TensorBody?, ignoreIndex: Int) throws(TensorError) {
    let count = x.layout.shape.at(x.layout.rank == 1 ? 0 : 1)
    try ClassTargets.check(x.layout.shape, target)
    let classWeights = try ClassTargets.classWeights(weight, count, x.dtype)
    shape = target.layout.shape
    classes = try Value(Layout(shape), .int64)
    try target.elements.copy(to: classes.elements)
    let positions = classes.storage.pointer.assumingMemoryBound(to: Int64.self)
    let rows = shape.elementCount
    var weights = Array(repeating: 0.0, count: rows)
    var isIgnored = Array(repeating: false, count: rows)
    var total = 0.0
    for i in 0..<rows {
      let position = Int(positions[i])
      if position == ignoreIndex {
        isIgnored[i] = true
        positions[i] = 0
        continue
      }
      guard position >= 0 && position < count else { throw .index("Target \(position) is out of bounds.") }
      weights[i] = classWeights?[position] ?? 1
      total += weights[i]
    }
    (self.weights, self.isIgnored, self.total) = (weights, isIgnored, total)
  }

  static func classWeights(_ weight: TensorBody?, _ count: Int, _ dtype: DType) throws(TensorError) -> [Double]? {
    guard let weight else { return nil }
    try checkWeights(weight, count, dtype)
    return try weight.numbers()
  }

  static func checkWeights(_ weight: TensorBody, _ count: Int, _ dtype: DType) throws(TensorError) {
    guard weight.layout.shape == [count] else {
      throw .shape(
        "weight tensor should be defined either for all \(count) classes or no classes but got weight tensor of shape: "
          + "\(weight.layout.shape)")
    }
    guard weight.dtype == dtype else {
      throw .dtype("expected scalar type \(dtype.torchScalarName) but found \(weight.dtype.torchScalarName)")
    }
  }

  static func check(_ x: Shape, _ target: TensorBody) throws(TensorError) {
    guard target.dtype == .int64 || target.dtype == .uint8 else {
      throw .dtype("expected target dtype to be Long or Byte, but got \(target.dtype.torchScalarName)")
    }
    let shape = target.layout.shape
    if x.count == 1 {
      guard shape.count < 2, shape.elementCount == 1 else {
        throw .shape("For 1D input, 1D target must have size 1, but got target size: \(shape.elementCount)")
      }
      return
    }
    let expected = x.removing(at: 1)
    if shape == expected { return }
    guard x.count > 2 && shape.count > 0 && shape.at(0) == x.at(0) else {
      throw .shape("Expected input batch_size (\(x.at(0))) to match target batch_size (\(shape.count > 0 ? shape.at(0) : 0)).")
    }
    throw .shape("Expected target size \(expected), got \(shape)")
  }
}
