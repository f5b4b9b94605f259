import CKernels
import Foundation

@testable import Flambeau

/// A call of the backend with copies of the memory its operands lay in, and what the CPU made of it.
final class RecordedCall {
  let call: KernelCall
  private(set) var work: KernelWork
  /// Where it was met.
  let place: String
  private let blocks: [Block]
  private let outputs: [Elements]
  private var expected: [[UInt8]] = []
  /// The kernels of a call like this one.
  private let plan: (KernelCall) -> KernelWork

  /// Memory that operands share.
  private struct Block {
    let original: UnsafeMutableRawPointer
    let copy: UnsafeMutableRawPointer
    let memory: UnsafeMutableRawBufferPointer
    let byteCount: Int
  }

  init(
    _ call: KernelCall, place: String, on device: DeviceShape, wide: Bool = false, longestHeld: Int = 8192
  ) {
    self.place = place
    let blocks = RecordedCall.blocks(call.operands)
    self.blocks = blocks
    self.call = call.mapOperands { RecordedCall.place($0, in: blocks.map { ($0.original, $0.copy, $0.byteCount) }) }
    outputs = self.call.results
    plan = { $0.work(on: device, wide: wide, longestHeld: longestHeld) }
    work = plan(self.call)
    originals = call.results
  }

  private let originals: [Elements]
  private let turn = NSLock()

  deinit { for block in blocks { block.memory.deallocate() } }

  /// Elements in the copy of the memory they lie in.
  private static func place(
    _ elements: Elements, in blocks: [(from: UnsafeMutableRawPointer, to: UnsafeMutableRawPointer, byteCount: Int)]
  ) -> Elements {
    guard let span = elements.span,
      let block = blocks.first(where: { $0.from <= span.start && span.start < $0.from + $0.byteCount })
    else { return elements }
    return Elements(block.to + (elements.pointer - block.from), elements.layout, elements.dtype)
  }

  /// To be called when the CPU has computed the original.
  func keepExpected() {
    expected = originals.map { output in
      output.span.map { Array(UnsafeRawBufferPointer(start: $0.start, count: $0.byteCount)) } ?? []
    }
  }

  /// What is right for a call that the CPU has not computed: its results, dense, in their order.
  func expect(_ results: [Tensor]) {
    precondition(results.count == outputs.count)
    expected = zip(results, outputs).map { result, output in
      precondition(result.dtype == output.dtype && result.shape == output.layout.shape)
      let dense = result.contiguous()
      return withExtendedLifetime(dense) {
        dense.body.elements.span.map { Array(UnsafeRawBufferPointer(start: $0.start, count: $0.byteCount)) } ?? []
      }
    }
  }

  /// Copies that lie as their originals do within 16 bytes, between guards.
  private static func blocks(_ operands: [Elements]) -> [Block] {
    var spans = operands.compactMap(\.span).sorted { $0.start < $1.start }
    var merged: [(start: UnsafeMutableRawPointer, byteCount: Int)] = []
    while let span = spans.first {
      spans.removeFirst()
      if let last = merged.last, span.start < last.start + last.byteCount {
        merged[merged.count - 1].byteCount = Swift.max(last.byteCount, span.start - last.start + span.byteCount)
      } else {
        merged.append(span)
      }
    }
    return merged.map { span in
      let shift = Int(UInt(bitPattern: span.start) % 16)
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: span.byteCount + 16, alignment: 64)
      let copy = memory.baseAddress! + shift
      copy.copyMemory(from: span.start, byteCount: span.byteCount)
      return Block(original: span.start, copy: copy, memory: memory, byteCount: span.byteCount)
    }
  }

  /// Runs the kernels on the copies by themselves, few threads in two orders; what differs from the CPU's results, or nil.
  func difference(_ kernels: EmulatedKernels) -> String? {
    let threads = work.launches.map { $0.grid.x * $0.grid.y * $0.block.x * $0.block.y }.reduce(0, +)
    for order in threads <= 4096 ? [EmulatedKernels.Order.byName, .backward] : [.byName] {
      let found = beginningAnew {
        let memory = blocks.map { UnsafeRawBufferPointer(start: $0.copy, count: $0.byteCount) }
        return kernels.run(work, memory: memory, order: order) ?? difference()
      }
      if let found { return found }
    }
    return nil
  }

  /// What is changed in place begins anew with each run, and several tests take turns. `keepsResults`: but what `body` has written stays.
  private func beginningAnew<R>(keepsResults: Bool = false, _ body: () throws -> R) rethrows -> R {
    turn.lock()
    let starts = blocks.map { Array(UnsafeRawBufferPointer(start: $0.copy, count: $0.byteCount)) }
    defer {
      for (block, start) in zip(blocks, starts) where !keepsResults {
        UnsafeMutableRawBufferPointer(start: block.copy, count: block.byteCount).copyBytes(from: start)
      }
      turn.unlock()
    }
    return try body()
  }

  /// The same through the runtime, on copies in a GPU's memory. `byPlan`: by what is kept of calls like it; `keepsResults`: what it has
  /// written is there afterwards.
  func difference(
    _ launcher: Launcher, on stream: GPUStream, byPlan: Bool = false, keepsResults: Bool = false
  ) throws -> String? {
    try beginningAnew(keepsResults: keepsResults) { try computed(launcher, on: stream, byPlan) }
  }

  private func computed(_ launcher: Launcher, on stream: GPUStream, _ byPlan: Bool) throws -> String? {
    var memory: [GPUMemory] = []
    var places: [(from: UnsafeMutableRawPointer, to: UnsafeMutableRawPointer, byteCount: Int)] = []
    for block in blocks {
      let shift = UInt(bitPattern: block.copy) % 16
      memory.append(try launcher.memory.allocate(block.byteCount + 16, on: stream, for: place))
      let start = UInt(memory.last!.address) + shift
      try stream.copy(UnsafeRawPointer(block.copy), to: UInt64(start), block.byteCount)
      places.append((block.copy, UnsafeMutableRawPointer(bitPattern: start)!, block.byteCount))
    }
    let placed = call.mapOperands { RecordedCall.place($0, in: places) }
    if byPlan {
      try launcher.run(placed, on: stream, for: place)
    } else {
      try launcher.run(plan(placed), on: stream, for: place)
    }
    for place in places { try stream.copy(UInt64(UInt(bitPattern: place.to)), to: place.from, place.byteCount) }
    return withExtendedLifetime(memory) { difference() }
  }

  private func difference() -> String? {
    for (k, output) in outputs.enumerated() {
      guard let span = output.span else { continue }
      let mine = Array(UnsafeRawBufferPointer(start: span.start, count: span.byteCount))
      // What lies between an output's elements is compared with them: nobody may write there.
      if mine == expected[k] { continue }
      let size = output.dtype.byteCount
      var (here, there) = (
        (0..<mine.count / size).map { output.dtype.number(mine, $0) },
        (0..<mine.count / size).map { output.dtype.number(expected[k], $0) }
      )
      if case .task(let task) = call, task.isUnordered { (here, there) = (here.sorted(), there.sorted()) }
      for (i, (a, b)) in zip(here, there).enumerated() {
        if a == b || a.isNaN && b.isNaN { continue }
        let (absolute, relative) = tolerance(output.dtype)
        if !output.dtype.isFloatingPoint || !(abs(a - b) <= absolute + relative * abs(b)) {
          return "output \(k), element \(i) of the span is \(a), the CPU has \(b)"
        }
      }
    }
    return nil
  }

  /// Element by element the two compute by the same functions; sums are in another order.
  private func tolerance(_ dtype: DType) -> (Double, Double) {
    var isElementwise = false
    switch call {
    case .map: isElementwise = true
    case .task(let task):
      if task is SortTask || (task as? IndexTask)?.movesOnly == true { return (0, 0) }
      isElementwise = task is OptimizerTask
      // Sums that the CPU forms in float32 before it widens them.
      if dtype == .float64 && task.operands.contains(where: { $0.dtype.computeClass == fb_f32 }) {
        return SampleTolerance.of(.float32, isGradient: true)
      }
    default: break
    }
    if isElementwise {
      switch dtype {
      case .float64: return (1e-300, 4e-15)
      case .float32: return (1e-37, 1e-6)
      default: return (1e-7, dtype == .float16 ? 1e-3 : 8e-3)
      }
    }
    return SampleTolerance.of(dtype, isGradient: true)
  }
}

extension IndexTask {
  fileprivate var movesOnly: Bool { if case .join = move { false } else { true } }
}

extension DType {
  fileprivate func number(_ bytes: [UInt8], _ i: Int) -> Double {
    bytes.withUnsafeBytes { bytes in
      func load<T>(_ type: T.Type) -> T { bytes.loadUnaligned(fromByteOffset: i * MemoryLayout<T>.size, as: type) }
      return switch self {
      case .bool, .uint8: Double(load(UInt8.self))
      case .int8: Double(load(Int8.self))
      case .int16: Double(load(Int16.self))
      case .int32: Double(load(Int32.self))
      case .int64: Double(load(Int64.self))
      case .bfloat16: Double(Float(bitPattern: UInt32(load(UInt16.self)) << 16))
      case .float16: halfValue(load(UInt16.self))
      case .float32: Double(load(Float.self))
      case .float64: load(Double.self)
      }
    }
  }

  private func halfValue(_ bits: UInt16) -> Double {
    let (exponent, fraction) = (Int(bits >> 10 & 31), Double(bits & 1023))
    let sign = bits >> 15 == 1 ? -1.0 : 1.0
    if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
    return sign * (exponent == 0 ? fraction * 0x1p-24 : (1 + fraction / 1024) * pow(2, Double(exponent - 15)))
  }
}

extension Elements {
  /// The bytes from the lowest element to the highest; nil if there are none.
  var span: (start: UnsafeMutableRawPointer, byteCount: Int)? {
    guard let bounds = layout.bounds else { return nil }
    return (pointer + bounds.lowerBound * dtype.byteCount, bounds.count * dtype.byteCount)
  }
}

extension KernelCall {
  var results: [Elements] {
    switch self {
    case .map(_, _, _, _, let outputs), .rows(_, _, _, _, let outputs): outputs
    case .reduction(_, _, _, _, _, _, _, let output), .arg(_, _, _, _, let output), .scan(_, _, _, _, _, let output): [output]
    case .task(let task): task.results
    }
  }
}
