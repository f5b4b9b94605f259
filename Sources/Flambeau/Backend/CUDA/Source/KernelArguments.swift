import CKernels

/// The arguments of a kernel: a struct in its source, and the bytes of one, both from the same calls.
struct KernelArguments: Sendable {
  /// Where the bytes hold a number of the call, which of them, and in which type.
  struct NumberPlace: Sendable {
    let offset: Int
    let place: Int
    let computeClass: ComputeClass

    /// Another number, in a copy of the bytes.
    @inline(__always)
    func write(_ number: Number, into bytes: UnsafeMutableRawBufferPointer) {
      switch computeClass {
      case fb_f32: bytes.storeBytes(of: Float(number.double), toByteOffset: offset, as: Float.self)
      case fb_f64: bytes.storeBytes(of: number.double, toByteOffset: offset, as: Double.self)
      default: bytes.storeBytes(of: number.integer, toByteOffset: offset, as: Int64.self)
      }
    }
  }

  /// The members of the struct.
  private(set) var declaration = ""
  private(set) var bytes: [UInt8] = []
  /// Where the bytes hold a position in the launch's workspace instead of an address.
  private(set) var workspaceOffsets: [Int] = []
  /// Where they hold addresses of operands.
  private(set) var addressOffsets: [Int] = []
  private(set) var numberPlaces: [NumberPlace] = []
  /// What is reported, and where the bytes hold the address of a cell for it, and behind it the number to be put there; nil if nothing is.
  private(set) var report: (fault: KernelFault, offset: Int)?

  mutating func address(_ name: String, _ pointer: UnsafeRawPointer?) {
    append("void *\(name)", UInt64(UInt(bitPattern: pointer)))
    if pointer != nil { addressOffsets.append(bytes.count - 8) }
  }

  /// The address of memory that the launcher provides.
  mutating func workspace(_ name: String, at offset: Int) {
    append("void *\(name)", UInt64(0))
    workspaceOffsets.append(bytes.count - 8)
    replace(UInt64(offset), at: bytes.count - 8)
  }

  /// `fault` and `report`: a cell, and what `report_fault` puts there when a thread meets what it has to leave alone.
  mutating func reports(_ fault: KernelFault) {
    append("void *fault", UInt64(0))
    report = (fault, bytes.count - 8)
    integer("report", 0)
  }

  /// An array of addresses, filled up with null to `capacity`.
  mutating func addresses(_ name: String, _ pointers: [UnsafeRawPointer?], capacity: Int) {
    list("void *\(name)[\(capacity)]", (0..<capacity).map { $0 < pointers.count ? UInt64(UInt(bitPattern: pointers[$0])) : 0 })
    let first = bytes.count - 8 * capacity
    addressOffsets += pointers.indices.filter { pointers[$0] != nil }.map { first + 8 * $0 }
  }

  /// The same of numbers and 0.
  mutating func integers(_ name: String, _ values: [Int], capacity: Int) {
    list("int64_t \(name)[\(capacity)]", (0..<capacity).map { $0 < values.count ? UInt64(bitPattern: Int64(values[$0])) : 0 })
  }

  mutating func double(_ name: String, _ value: Double) { append("double \(name)", value) }

  mutating func integer(_ name: String, _ value: Int) { append("int64_t \(name)", Int64(value)) }

  /// A size that positions are divided by.
  mutating func divisor(_ name: String, _ size: Int, wide: Bool) {
    if wide {
      append("WideDivisor \(name)", UInt64(size))
      return
    }
    let shift = UInt32(UInt32.bitWidth - UInt32(size - 1).leadingZeroBitCount)
    let magic = (UInt64(1) << 32) * ((UInt64(1) << UInt64(shift)) - UInt64(size)) / UInt64(size) + 1
    append("Divisor \(name)", (UInt32(size), UInt32(magic), shift))
  }

  /// A program's number, in the type it computes in.
  mutating func number(_ name: String, _ number: Number, in computeClass: ComputeClass) {
    switch computeClass {
    case fb_f32: append("float \(name)", Float(number.double))
    case fb_f64: append("double \(name)", number.double)
    default: append("int64_t \(name)", number.integer)
    }
  }

  /// The first `count` scalars of a program: `s0`, `s1`, ….
  mutating func scalars(_ scalars: Scalars, count: Int, in computeClass: ComputeClass) {
    for i in 0..<count { number("s\(i)", scalars[i], at: i, in: computeClass) }
  }

  /// The number at `place` of a task's, which each call has its own of.
  mutating func number(_ name: String, _ place: Int, of numbers: [Number], in computeClass: ComputeClass) {
    number(name, numbers[place], at: place, in: computeClass)
  }

  private mutating func number(_ name: String, _ value: Number, at place: Int, in computeClass: ComputeClass) {
    number(name, value, in: computeClass)
    numberPlaces.append(NumberPlace(offset: bytes.count - computeClass.byteCount, place: place, computeClass: computeClass))
  }

  /// The bytes for a launch whose workspace begins at `address`, and which reports faults so.
  func bytes(workspace address: UInt64, fault: KernelFaults.Cell?) -> [UInt8] {
    var copy = self
    copy.bytes.withUnsafeMutableBytes { bytes in
      if let fault { write(fault, into: bytes) }
      write(workspace: address, into: bytes)
    }
    return copy.padded
  }

  // MARK: Written again

  /// As many bytes as the struct has, padding included.
  var padded: [UInt8] { bytes + [UInt8](repeating: 0, count: (8 - bytes.count % 8) % 8) }

  func address(at offset: Int) -> Int { bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Int.self) } }

  /// Where the workspace begins, in a copy of the bytes.
  func write(workspace address: UInt64, into bytes: UnsafeMutableRawBufferPointer) {
    for offset in workspaceOffsets {
      let position = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      bytes.storeBytes(of: position &+ address, toByteOffset: offset, as: UInt64.self)
    }
  }

  /// What is reported to, in a copy of the bytes.
  func write(_ fault: KernelFaults.Cell, into bytes: UnsafeMutableRawBufferPointer) {
    guard let report else { return }
    bytes.storeBytes(of: fault.address, toByteOffset: report.offset, as: UInt64.self)
    bytes.storeBytes(of: fault.number, toByteOffset: report.offset + 8, as: Int64.self)
  }

  private mutating func append<Value: BitwiseCopyable>(_ member: String, _ value: Value) {
    declaration += "  \(member);\n"
    while bytes.count % MemoryLayout<Value>.alignment != 0 { bytes.append(0) }
    bytes += [UInt8](repeating: 0, count: MemoryLayout<Value>.size)
    replace(value, at: bytes.count - MemoryLayout<Value>.size)
  }

  private mutating func list(_ member: String, _ values: [UInt64]) {
    append(member, values[0])
    for value in values.dropFirst() {
      bytes += [UInt8](repeating: 0, count: 8)
      replace(value, at: bytes.count - 8)
    }
  }

  private mutating func replace<Value: BitwiseCopyable>(_ value: Value, at offset: Int) {
    bytes.withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: offset, as: Value.self) }
  }
}
