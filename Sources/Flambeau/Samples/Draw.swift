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
