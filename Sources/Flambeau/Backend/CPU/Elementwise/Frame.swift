import CKernels

/// A plan laid out in scratch memory, ready to run block after block.
struct Frame {
  /// The address of each slot's block or number.
  let slots: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let steps: UnsafeMutablePointer<Plan.Step>
  private let stepCount: Int

  /// Runs every step on `n` elements.
  @inline(__always)
  func run(_ n: Int) {
    for i in 0..<stepCount {
      let step = steps[i]
      step.kernel(slots[step.destination], slots[step.a], slots[step.b], slots[step.c], n, step.scalars)
    }
  }

  /// The bytes a frame of `plan` takes for blocks of `block` elements.
  static func byteCount(_ plan: Plan, block: Int) -> Int {
    headByteCount(plan) + plan.temporaryCount * blockByteCount(plan.computeClass, block)
  }

  static func blockByteCount(_ computeClass: ComputeClass, _ block: Int) -> Int {
    (block * computeClass.byteCount + 63) & ~63
  }

  private static func headByteCount(_ plan: Plan) -> Int {
    let bytes =
      plan.slotCount * 8 + plan.steps.count * MemoryLayout<Plan.Step>.stride
      + (plan.scalarCount + plan.uniformCount) * 8
    return (bytes + 63) & ~63
  }

  /// Lays `plan` out at `memory`. Bit i of `numbers` set: input i is one number for a whole block.
  @inline(__always)
  init(_ plan: Plan, at memory: UnsafeMutableRawPointer, block: Int, scalars: Scalars, numbers: UInt64) {
    slots = memory.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
    steps = (memory + plan.slotCount * 8).assumingMemoryBound(to: Plan.Step.self)
    stepCount = plan.steps.count
    slots[0] = nil
    for i in 0..<plan.constantCount { slots[plan.firstConstant + i] = plan.constants + 8 * i }

    var cell = UnsafeMutableRawPointer(steps + stepCount)
    for i in 0..<plan.scalarCount {
      plan.computeClass.store(scalars[i], cell)
      slots[plan.firstScalar + i] = cell
      cell += 8
    }
    for i in 0..<plan.uniformCount {
      slots[plan.firstUniform + i] = cell
      cell += 8
    }
    let blocks = memory + Frame.headByteCount(plan)
    let blockByteCount = Frame.blockByteCount(plan.computeClass, block)
    for i in 0..<plan.temporaryCount { slots[plan.firstTemporary + i] = blocks + i * blockByteCount }

    for i in 0..<plan.uniformSteps.count {
      let step = plan.uniformSteps[i]
      step.kernel(slots[step.destination], slots[step.a], slots[step.b], slots[step.c], 1, step.scalars)
    }
    for i in 0..<stepCount {
      var step = plan.steps[i]
      if numbers != 0 {
        if Frame.isNumber(step.a, plan.inputCount, numbers) { step.scalars |= 1 }
        if Frame.isNumber(step.b, plan.inputCount, numbers) { step.scalars |= 2 }
        if Frame.isNumber(step.c, plan.inputCount, numbers) { step.scalars |= 4 }
      }
      (steps + i).initialize(to: step)
    }
  }

  @inline(__always)
  private static func isNumber(_ slot: Int, _ inputCount: Int, _ numbers: UInt64) -> Bool {
    slot >= Plan.firstInput && slot < Plan.firstInput + inputCount && numbers >> UInt64(slot - Plan.firstInput) & 1 != 0
  }
}
