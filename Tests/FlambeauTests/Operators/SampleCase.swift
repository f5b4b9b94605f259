@testable import Flambeau

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

  var question: Torch.Question {
    Torch.Question(
      expression: entry.sample.torch, operands: operands, requiresGrad: requiresGrad, second: isSecondOrder)
  }

  /// Every dtype; float32 in every layout; pointwise samples as scalars, empty, stretched and of mixed dtypes.
  static func all(_ entry: TableEntry, seed: UInt64) -> [SampleCase] {
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

/// Operands of random values.
struct Draw {
  var state: UInt64

  mutating func unit() -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(state >> 11) * 0x1p-53
  }

  mutating func integer(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(unit() * Double(range.count)) % range.count
  }

  mutating func tensor(_ operand: SampleOperand, _ shape: Shape, _ tried: DType, layout: Int) -> Tensor {
    let count = shape.elementCount
    let dtype: DType
    var values: [Double] = []
    switch operand.values {
    case .real(let range):
      dtype = tried
      for _ in 0..<count { values.append(real(range, tried)) }
    case .integers(let range):
      dtype = .int64
      for _ in 0..<count { values.append(Double(integer(range))) }
    case .mask:
      dtype = .bool
      for _ in 0..<count { values.append(Double(integer(0...1))) }
    }
    return placed(values, shape, dtype, layout)
  }

  private mutating func real(_ range: ClosedRange<Double>, _ dtype: DType) -> Double {
    if dtype.isFloatingPoint { return range.lowerBound + unit() * (range.upperBound - range.lowerBound) }
    let low = range.lowerBound < 0 ? (dtype.isSigned ? -5 : 0) : Int(range.lowerBound.rounded(.up))
    let high = Swift.max(low, range.lowerBound < 0 ? 5 : Int(range.upperBound))
    return Double(dtype == .bool ? integer(Swift.min(low, 1)...1) : integer(low...high))
  }

  /// 0: contiguous. Then by turns: the last dimensions exchanged in memory, every second element with an offset, the first
  /// dimension stretched.
  private func placed(_ values: [Double], _ shape: Shape, _ dtype: DType, _ layout: Int) -> Tensor {
    let dense = Tensor(values, shape: shape).to(dtype)
    let rank = shape.count
    if layout == 0 || rank == 0 || shape.elementCount == 0 { return dense }
    var place: Layout
    switch layout % 3 {
    case 1 where rank > 1:
      var order = Array(0..<rank)
      order.swapAt(rank - 1, rank - 2)
      place = Layout(Shape(order.map(shape.at))).permuted(order)
    case 0:
      place = Layout(shape.replacing(0, with: 1)).broadcast(to: shape)!
    default:
      let wide = shape.replacing(rank - 1, with: shape.at(rank - 1) * 2)
      place = Layout(wide).sliced(rank - 1, start: 0, count: shape.at(rank - 1), step: 2).moved(to: 3)
    }
    if layout % 3 == 2 && rank == 1 { place = place.moved(to: 1) }
    let reach = (place.bounds?.upperBound ?? 0) + 1
    let memory = try! Value(Layout([reach]), dtype)
    try! memory.fillZero()
    let target = Elements(memory.storage.pointer, place, dtype)
    if layout % 3 == 0 {
      let first = dense.narrow(0, start: 0, length: 1)
      let single = Elements(memory.storage.pointer, Layout(shape.replacing(0, with: 1)), dtype)
      first.body.elements.copyOnProcessor(to: single)
    } else {
      dense.body.elements.copyOnProcessor(to: target)
    }
    return Tensor(TensorBody(Value(memory.storage, place, dtype)))
  }
}
