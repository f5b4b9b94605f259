import CKernels

/// A program over elements of one dtype that lie without gaps, as many in each operand, or one that stands for all of an input.
struct FlatCall {
  let program: Program
  let dtype: DType
  let count: Int
  let device: Device
  private(set) var inputCount = 0
  /// Of three inputs at most, then of the output.
  private var addresses = (0, 0, 0, 0)
  /// A bit for each input that is one element.
  private var numbers: UInt = 0

  init(_ program: Program, _ dtype: DType, count: Int, on device: Device) {
    (self.program, self.dtype, self.count, self.device) = (program, dtype, count, device)
  }

  mutating func append(_ input: UnsafeMutableRawPointer, isNumber: Bool) {
    put(input)
    if isNumber { numbers |= 1 << UInt(inputCount) }
    inputCount += 1
  }

  mutating func end(with output: UnsafeMutableRawPointer) { put(output) }

  @inline(__always)
  private mutating func put(_ address: UnsafeMutableRawPointer) {
    let place = inputCount * MemoryLayout<Int>.stride
    withUnsafeMutableBytes(of: &addresses) {
      $0.storeBytes(of: Int(bitPattern: address), toByteOffset: place, as: Int.self)
    }
  }

  /// Where an operand lies.
  @inline(__always)
  func address(_ operand: Int) -> Int {
    withUnsafeBytes(of: addresses) { $0.load(fromByteOffset: operand * MemoryLayout<Int>.stride, as: Int.self) }
  }

  /// All that its kernel depends on beside program and count.
  fileprivate var form: UInt {
    var form = UInt(dtype.rawValue) | UInt(inputCount) << 8 | numbers << 16
    for i in 0...inputCount { form |= UInt(bitPattern: address(i) & 15) << UInt(32 + 4 * i) }
    return form
  }

  func call(_ scalars: Scalars) -> KernelCall {
    let layout = Layout([count])
    func elements(_ i: Int) -> Elements {
      let isNumber = numbers >> UInt(i) & 1 == 1
      let own = isNumber ? Layout([]).broadcast(to: layout.shape)! : layout
      return Elements(UnsafeMutableRawPointer(bitPattern: address(i))!, own, dtype, on: device)
    }
    return .map(
      program, dtype.computeClass, (0..<inputCount).map(elements), scalars, into: [elements(inputCount)])
  }
}

/// The plans of flat calls, found by few words: a new one takes the place of an old one with the same remainder.
final class FlatPlans: Sendable {
  private struct Entry {
    let program: Program
    let count: Int
    let form: UInt
    let plan: LaunchPlan
  }

  private static let capacity = 1024
  private let lock = Lock()
  /// Guarded by the lock.
  private nonisolated(unsafe) var entries = [Entry?](repeating: nil, count: capacity)

  func plan(for flat: FlatCall, make: () throws(TensorError) -> LaunchPlan) throws(TensorError) -> LaunchPlan {
    let form = flat.form
    let program = UInt(bitPattern: Unmanaged.passUnretained(flat.program).toOpaque())
    let mixed = (program >> 4 ^ form ^ form >> 32 ^ UInt(flat.count)) &* 0x9e37_79b9_7f4a_7c15
    let place = Int(mixed >> 54)
    let known = lock.withLock { () -> LaunchPlan? in
      guard let entry = entries[place], entry.program === flat.program, entry.count == flat.count, entry.form == form else {
        return nil
      }
      return entry.plan
    }
    if let known { return known }
    let plan = try make()
    let entry = Entry(program: flat.program, count: flat.count, form: form, plan: plan)
    let old = lock.withLock {
      defer { entries[place] = entry }
      return entries[place]
    }
    // The program is given back here, not under the lock.
    withExtendedLifetime(old) {}
    return plan
  }
}
