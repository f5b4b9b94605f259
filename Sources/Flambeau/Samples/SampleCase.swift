/// A sample with operands drawn for it.
struct SampleCase {
  let entry: TableEntry
  /// What is tried: a dtype, a layout, a shape.
  let variant: String
  let operands: [Tensor]
  let requiresGrad: [Bool]
  /// Also the second order.
  let isSecondOrder: Bool
  /// Of special numbers: small results and the signs of zeros count.
  var isSpecial = false

  /// Every dtype; float32 in every layout; pointwise samples as scalars, empty, stretched and of mixed dtypes.
  ///
  /// - Parameter round: Other operands for each.
  static func all(_ entry: TableEntry, round: UInt64 = 0) -> [SampleCase] {
    // A sample's draws are its own: they stay as they are when the table gets others.
    let seed = "\(entry)".utf8.reduce(0xcbf2_9ce4_8422_2325 &+ round) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    var draw = Draw(state: seed)
    let operands = entry.sample.operands
    var cases: [SampleCase] = []
    func add(
      _ variant: String, _ dtypes: [DType], shapes: [Shape]? = nil, layouts: Int = 0, second: Bool = false
    ) {
      let tensors = operands.indices.map { i in
        draw.tensor(
          operands[i], shapes?[i] ?? operands[i].shape, dtypes[i % dtypes.count], layout: layouts == 0 ? 0 : layouts + i)
      }
      let needs = zip(operands, tensors).map { $0.needsGradient(in: $1.dtype) }
      cases.append(
        SampleCase(
          entry: entry, variant: variant, operands: tensors, requiresGrad: needs,
          isSecondOrder: second && needs.contains(true)))
    }
    for dtype in DType.allCases { add("\(dtype)", [dtype], second: dtype == .float64) }
    for layout in 1...3 { add("layout \(layout)", [.float32], layouts: layout) }
    add("layouts, second order", [.float64], layouts: 1, second: true)
    add("int64 layouts", [.int64], layouts: 2)
    guard entry.sample.isPointwise else { return cases }
    let count = operands.count
    add("0-dim", [.float32], shapes: Array(repeating: [], count: count), second: true)
    add("empty", [.float32], shapes: Array(repeating: [0, 3], count: count))
    guard count > 1 else { return cases }
    let stretched: [Shape] = [[2, 3, 4], [3, 1], [4]]
    add("broadcast", [.float64], shapes: Array(stretched.prefix(count)), second: true)
    add("broadcast, layouts", [.float32], shapes: Array(stretched.reversed().suffix(count)), layouts: 1)
    add("float32 with int64", [.float32, .int64])
    add("int32 with float64", [.int32, .float64])
    add("uint8 with int8", [.uint8, .int8])
    add("float16 with bfloat16", [.float16, .bfloat16])
    add("int64 with 0-dim float64", [.int64, .float64], shapes: Array([[2, 3], [], []].prefix(count)))
    add("bool with float16", [.bool, .float16])
    add("float32 with 0-dim float64", [.float32, .float64], shapes: Array([[2, 3], [], []].prefix(count)))
    return cases
  }
}

extension SampleOperand {
  /// Whether its gradient is tried where it is drawn in `dtype`.
  func needsGradient(in dtype: DType) -> Bool {
    if case .real = values { isDifferentiable && dtype.isFloatingPoint } else { false }
  }
}
