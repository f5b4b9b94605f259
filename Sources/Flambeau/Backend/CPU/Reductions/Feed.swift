import CKernels

/// Brings pieces of a reduction's operands to blocks of its compute class, through a program if there is one.
struct Feed {
  private let computeClass: ComputeClass
  private let frame: Frame?
  private let memory: UnsafeMutableRawPointer
  private let lanes: UnsafeBufferPointer<Lane>
  private let result: Int

  /// What the lanes of a feed need to know before there is memory.
  struct Shape {
    let plan: Plan?
    let lanes: [Lane]
    let numbers: UInt64
    let byteCount: Int
    /// The longest piece.
    let limit: Int
    fileprivate let result: Int

    /// `innerStrides`: each operand's step within a piece.
    init(_ plan: Plan?, in computeClass: ComputeClass, _ operands: [Elements], innerStrides: [Int]) {
      self.plan = plan
      var lanes: [Lane] = []
      var numbers: UInt64 = 0
      var isDirect = plan == nil
      for (i, operand) in operands.enumerated() {
        let stride = innerStrides[i]
        let isOfClass = operand.dtype == computeClass.dtype
        var mode: Lane.Mode = isOfClass && stride == 1 ? .direct : .block
        if let plan {
          if !plan.readsInput[i] { mode = .unused } else if stride == 0 { mode = .number }
        }
        if mode == .number { numbers |= 1 << UInt64(i) }
        if mode != .direct { isDirect = false }
        lanes.append(
          Lane(
            operand, mode: mode, slot: Plan.firstInput + i, innerStride: stride, rowStride: 0, in: computeClass,
            isOutput: false))
      }
      let length = Interpreter.block
      let block = Frame.blockByteCount(computeClass, length)
      var at = plan.map { Frame.byteCount($0, block: length) } ?? 0
      for i in lanes.indices where lanes[i].mode != .direct && lanes[i].mode != .unused {
        lanes[i].block = at
        at += block
      }
      result = at
      if plan != nil { at += block }
      self.lanes = lanes
      self.numbers = numbers
      byteCount = at
      limit = isDirect ? .max : length
    }
  }

  init(
    _ shape: Shape, in computeClass: ComputeClass, scalars: Scalars, at memory: UnsafeMutableRawPointer,
    _ lanes: UnsafeBufferPointer<Lane>
  ) {
    self.computeClass = computeClass
    self.memory = memory
    self.lanes = lanes
    result = shape.result
    frame = shape.plan.map { Frame($0, at: memory, block: Interpreter.block, scalars: scalars, numbers: shape.numbers) }
    if let plan = shape.plan { frame!.slots[plan.firstOutput] = memory + shape.result }
  }

  /// The values of `n` elements: `offsets` are the operands' positions of the piece's row, which it enters at `index`.
  @inline(__always)
  func block(_ offsets: UnsafeMutablePointer<Int>, _ index: Int, _ n: Int) -> UnsafeMutableRawPointer {
    guard let frame else { return value(lanes[0], offsets[0], index, n) }
    for i in 0..<lanes.count where lanes[i].mode != .unused {
      frame.slots[lanes[i].slot] = value(lanes[i], offsets[i], index, n)
    }
    frame.run(n)
    return memory + result
  }

  @inline(__always)
  private func value(_ lane: Lane, _ offset: Int, _ index: Int, _ n: Int) -> UnsafeMutableRawPointer {
    let from = lane.start + (offset + index * lane.innerStride) * lane.byteCount
    switch lane.mode {
    case .direct: return from
    case .number where !lane.converts: return from
    default:
      let block = memory + lane.block
      lane.load!(block, from, lane.innerStride, lane.mode == .number ? 1 : n)
      return block
    }
  }
}
