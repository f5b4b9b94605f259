import CKernels

/// What rows ask of the device that their operands live on: all of a call on one. The processor computes before this returns, a GPU
/// some time after.
enum Backend {
  /// Applies `program` to every element; see ``Interpreter/run(_:in:inputs:scalars:into:)``.
  static func map(
    _ program: Program, in computeClass: ComputeClass, inputs: [Elements], scalars: Scalars = Scalars(), into outputs: [Elements]
  ) throws(TensorError) {
    if outputs[0].device.isCPU {
      return Interpreter.run(program, in: computeClass, inputs: inputs, scalars: scalars, into: outputs)
    }
    try GPUBackend.run(.map(program, computeClass, inputs, scalars, into: outputs), on: outputs[0].device)
  }

  /// Runs `program` on every row; see ``RowInterpreter/run(_:in:inputs:scalars:into:)``.
  static func rows(
    _ program: RowProgram, in computeClass: ComputeClass, inputs: [Elements], scalars: Scalars = Scalars(),
    into outputs: [Elements]
  ) throws(TensorError) {
    if outputs[0].device.isCPU {
      return RowInterpreter.run(program, in: computeClass, inputs: inputs, scalars: scalars, into: outputs)
    }
    try GPUBackend.run(.rows(program, computeClass, inputs, scalars, into: outputs), on: outputs[0].device)
  }

  /// Reduces `dims`; see ``Reduction/run(_:in:_:map:dims:scalars:finish:into:)``.
  static func reduce(
    _ kind: Reduction.Kind, in computeClass: ComputeClass, _ inputs: [Elements], map: Program? = nil, dims: [Int],
    scalars: Scalars = Scalars(), finish: Program? = nil, into output: Elements
  ) throws(TensorError) {
    if output.device.isCPU {
      return Reduction.run(
        kind, in: computeClass, inputs, map: map, dims: dims, scalars: scalars, finish: finish, into: output)
    }
    if output.layout.elementCount == 0 { return }
    try GPUBackend.run(
      .reduction(kind, computeClass, inputs, map: map, dims: dims, scalars, finish: finish, into: output), on: output.device)
  }

  /// Positions of the smallest or largest; see ``Reduction/arg(_:in:_:dim:into:)``.
  static func arg(
    _ kind: Reduction.Kind, in computeClass: ComputeClass, _ input: Elements, dim: Int?, into output: Elements
  ) throws(TensorError) {
    if output.device.isCPU { return Reduction.arg(kind, in: computeClass, input, dim: dim, into: output) }
    if output.layout.elementCount == 0 { return }
    try GPUBackend.run(.arg(kind, computeClass, input, dim: dim, into: output), on: output.device)
  }

  /// Running sums or products; see ``Scan/run(_:in:_:dim:isReversed:into:)``.
  static func scan(
    _ kind: Reduction.Kind, in computeClass: ComputeClass, _ input: Elements, dim: Int, isReversed: Bool = false,
    into output: Elements
  ) throws(TensorError) {
    if output.device.isCPU {
      return Scan.run(kind, in: computeClass, input, dim: dim, isReversed: isReversed, into: output)
    }
    if output.layout.elementCount == 0 { return }
    try GPUBackend.run(.scan(kind, computeClass, input, dim: dim, isReversed: isReversed, into: output), on: output.device)
  }
}

extension Elements {
  /// Converts the elements into those of `target`, which has the same shape, on whichever devices the two live. `waits`: not so, a copy
  /// between a GPU and pinned memory is queued on its stream.
  func copy(to target: Elements, waits: Bool = true) throws(TensorError) {
    if device != target.device { return try move(to: target, waits: waits) }
    if device.isCPU { return copyOnProcessor(to: target) }
    if try copyBytes(to: target) { return }
    try Backend.map(Program.identity, in: copyClass(target), inputs: [self], into: [target])
  }

  /// Copies many elements that lie without gaps, and are to lie in the same order, as the GPU itself does; false where they do not.
  private func copyBytes(to target: Elements) throws(TensorError) -> Bool {
    let byteCount = layout.elementCount * dtype.byteCount
    guard dtype == target.dtype, byteCount >= 1 << 20, address != target.address, layout.isDense, target.layout.isDense,
      (0..<layout.rank).allSatisfy({ layout.shape.at($0) == 1 || layout.strides.at($0) == target.layout.strides.at($0) })
    else { return false }
    try GPUBackend.copy(gpuAddress, to: target.gpuAddress, byteCount, on: device)
    return true
  }

  /// The same, both in the processor's memory.
  func copyOnProcessor(to target: Elements) {
    precondition(device.isCPU && target.device.isCPU, "the processor cannot read the memory of a GPU")
    Interpreter.run(Program.identity, in: copyClass(target), self, into: target)
  }

  private func copyClass(_ target: Elements) -> ComputeClass {
    let wide = dtype == .float64 || target.dtype == .float64
    return !dtype.isFloatingPoint && !target.dtype.isFloatingPoint ? fb_i64 : wide || dtype == .int64 ? fb_f64 : fb_f32
  }

  /// Packs the elements, as the target's dtype, moves the bytes, and spreads them: each only where it has to be.
  private func move(to target: Elements, waits: Bool) throws(TensorError) {
    let shape = layout.shape
    if layout.elementCount == 0 { return }
    let isPacked = layout.isContiguous && dtype == target.dtype
    let packed = isPacked ? nil : try Value(Layout(shape), target.dtype, on: device)
    if let packed { try copy(to: packed.elements) }
    let arrived = target.layout.isContiguous ? nil : try Value(Layout(shape), target.dtype, on: target.device)
    try withExtendedLifetime((packed, arrived)) { () throws(TensorError) in
      let from = packed?.elements ?? self
      let to = arrived?.elements ?? target
      // What is spread by the processor has to be there.
      try from.moveBytes(to: to, waits: waits || arrived != nil)
      if let arrived { try arrived.elements.copy(to: target) }
    }
  }

  /// Both lie without gaps, on different devices.
  private func moveBytes(to target: Elements, waits: Bool) throws(TensorError) {
    let byteCount = layout.elementCount * dtype.byteCount
    let name = GPUThread.current.pointee.operation
    if device.isCPU {
      let stream = try GPUBackend.of(target.device).stream
      try Elements.transfer(start, on: stream, waits: waits) { () throws(TensorError) in
        try stream.copy(UnsafeRawPointer(start), to: target.gpuAddress, byteCount, for: name)
      }
    } else if target.device.isCPU {
      let stream = try GPUBackend.of(device).stream
      try Elements.transfer(target.start, on: stream, waits: waits) { () throws(TensorError) in
        try stream.copy(gpuAddress, to: target.start, byteCount, for: name)
      }
    } else {
      // By way of the processor, which waits for what is queued on the one before it writes to the other.
      let here = try Value(Layout(layout.shape), dtype)
      try moveBytes(to: here.elements, waits: true)
      try here.elements.moveBytes(to: target, waits: true)
    }
  }

  /// Queues a copy from or to the processor's memory at `place`. Of memory that is not pinned the driver has read, or written, all when it
  /// returns; pinned memory is the stream's until it has come so far.
  private static func transfer(
    _ place: UnsafeMutableRawPointer, on stream: GPUStream, waits: Bool, _ copy: () throws(TensorError) -> Void
  ) throws(TensorError) {
    let pinned = PinnedMemory.holding(place)
    pinned?.note(stream)
    try copy()
    if pinned != nil && waits { try stream.synchronize() }
  }

  private var gpuAddress: Driver.Address { Driver.Address(UInt(bitPattern: address)) }

  /// Every element becomes `number`.
  func fill(_ number: Number) throws(TensorError) {
    if device.isCPU { return fillOnProcessor(number) }
    let isReal = dtype.isFloatingPoint || dtype == .bool
    let computeClass = dtype == .float64 || dtype == .bool ? fb_f64 : isReal ? fb_f32 : fb_i64
    try Backend.map(Elements.number, in: computeClass, inputs: [], scalars: Scalars(number), into: [self])
  }

  private static let number = Program(inputs: 0, scalars: 1, outputs: [.apply(fb_copy, .scalar(0))])

  /// The same in the processor's memory.
  func fillOnProcessor(_ number: Number) {
    var cell = (number.double, number.integer)
    withUnsafeMutableBytes(of: &cell) { bytes in
      let isReal = dtype.isFloatingPoint || dtype == .bool
      let source = isReal ? bytes.baseAddress! : bytes.baseAddress! + 8
      let one = Layout([]).broadcast(to: layout.shape)!
      Elements(source, one, isReal ? .float64 : .int64).copyOnProcessor(to: self)
    }
  }
}

extension Program {
  static let identity = Program { x in copy(x) }
}

extension Value {
  /// The same number everywhere.
  func fill(with number: Number) throws(TensorError) {
    // Not of −0, which is another number.
    if number.integer == 0 && number.double.bitPattern == 0 { try fillZero() } else { try elements.fill(number) }
  }

  /// All bytes of the storage 0.
  func fillZero() throws(TensorError) {
    if storage.device.isCPU {
      storage.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: storage.byteCount)
    } else {
      try GPUBackend.of(storage.device).clear(storage)
    }
  }
}
