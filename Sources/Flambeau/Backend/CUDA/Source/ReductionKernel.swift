import CKernels

/// Reductions over any dimensions as kernels. Threads share an output where a reduced dimension is innermost, and take neighbouring
/// outputs where a kept one is. Few outputs of many elements are reduced in pieces, whose results a second launch joins: the
/// order depends on shapes and the GPU's size alone.
struct ReductionKernel {
  /// What is reduced to what.
  enum Target {
    case value(fb_reduction, finish: Program?)
    case place(largest: Bool)
  }

  private struct Axis {
    var size: Int
    let isReduced: Bool
    /// The output's stride, then the inputs'.
    var strides: [Int]
  }

  private enum Source {
    case inputs
    /// States that another launch left in the workspace.
    case partials(at: Int)
  }

  private let target: Target
  private let computeClass: ComputeClass
  private let inputs: [Elements]
  private let inputsAreWorkspace: Bool
  private let map: Program?
  private let scalars: Scalars
  private let output: Elements
  private let kept: KernelAxes
  private let reduced: KernelAxes
  /// Threads share an output.
  private let isAlong: Bool

  /// See ``Reduction/run(_:in:_:map:dims:scalars:finish:into:)``. `inputsAreWorkspace`: their addresses are positions in it.
  static func append(
    to work: inout KernelWork, _ target: Target, in computeClass: ComputeClass, _ inputs: [Elements], map: Program? = nil,
    dims: [Int], scalars: Scalars = Scalars(), into output: Elements, inputsAreWorkspace: Bool = false, on device: DeviceShape,
    wide: Bool = false
  ) {
    if output.layout.elementCount == 0 { return }
    ReductionKernel(target, computeClass, inputs, inputsAreWorkspace, map, dims, scalars, output, wide).append(to: &work, device)
  }

  private init(
    _ target: Target, _ computeClass: ComputeClass, _ inputs: [Elements], _ inputsAreWorkspace: Bool, _ map: Program?,
    _ dims: [Int], _ scalars: Scalars, _ output: Elements, _ wide: Bool
  ) {
    (self.target, self.computeClass, self.map) = (target, computeClass, map)
    (self.inputs, self.inputsAreWorkspace, self.scalars, self.output) = (inputs, inputsAreWorkspace, scalars, output)
    var keepsOrder = false
    if case .place = target { keepsOrder = true }
    let axes = ReductionKernel.axes(inputs, output, dims, keepsOrder: keepsOrder)
    let isWide = wide || KernelAxes.needsWide(inputs[0].layout.elementCount, inputs + [output])
    func choose(_ name: String, _ isReduced: Bool) -> KernelAxes {
      let chosen = axes.filter { $0.isReduced == isReduced }
      return KernelAxes(
        name: name, sizes: chosen.map(\.size), strides: (0...inputs.count).map { i in chosen.map { $0.strides[i] } },
        isWide: isWide)
    }
    (kept, reduced) = (choose("kept", false), choose("reduced", true))
    let inner = { (axes: KernelAxes) in axes.sizes.isEmpty ? Int.max : axes.strides.dropFirst().map { abs($0.last!) }.max()! }
    isAlong = kept.sizes.isEmpty || (inner(reduced) < inner(kept) && reduced.count >= 32) || kept.count < 32
  }

  /// Dimensions, merged where every operand allows it. From the largest stride to the smallest, unless positions count, which are
  /// in the order of the dimensions.
  private static func axes(_ inputs: [Elements], _ output: Elements, _ dims: [Int], keepsOrder: Bool) -> [Axis] {
    let shape = inputs[0].layout.shape
    let reach = (0..<shape.count).map { dim in inputs.map { abs($0.layout.strides.at(dim)) }.max()! }
    var order = (0..<shape.count).filter { shape.at($0) != 1 }
    if !keepsOrder {
      order.sort { a, b in
        let (x, y) = (reach[a] == 0 ? Int.max : reach[a], reach[b] == 0 ? Int.max : reach[b])
        return x != y ? x > y : a < b
      }
    }
    var axes: [Axis] = []
    for dim in order {
      let isReduced = dims.contains(dim)
      let strides = [isReduced ? 0 : output.layout.strides.at(dim)] + inputs.map { $0.layout.strides.at(dim) }
      if let last = axes.last, last.isReduced == isReduced, zip(last.strides, strides).allSatisfy({ $0 == $1 * shape.at(dim) }) {
        axes[axes.count - 1].size *= shape.at(dim)
        axes[axes.count - 1].strides = strides
      } else {
        axes.append(Axis(size: shape.at(dim), isReduced: isReduced, strides: strides))
      }
    }
    return axes
  }

  // MARK: Launches

  /// Elements that one thread adds up at most, for the sake of digits, if there are threads enough.
  private static let longestChain = 1024

  private func append(to work: inout KernelWork, _ device: DeviceShape) {
    let (outputs, elements) = (kept.count, reduced.count)
    let block = isAlong ? ReductionKernel.alongBlock(elements) : ReductionKernel.acrossBlock(elements)
    let sharing = isAlong ? block.x : block.y
    let outputBlocks = (outputs + block.x * block.y / sharing - 1) / (block.x * block.y / sharing)
    let wanted = Swift.max(
      device.blocks(.max, perMultiprocessor: 8) / outputBlocks, elements / (sharing * ReductionKernel.longestChain))
    let pieces = Swift.max(1, Swift.min(wanted, elements / (sharing * 16), 4096))
    let chunk = (elements + pieces - 1) / pieces
    if pieces == 1 {
      work.launches.append(launch(.inputs, outputs, elements, chunk, block, outputBlocks, 1, partialsAt: nil, device))
      return
    }
    let partials = work.reserve(outputs * pieces * stateByteCount)
    work.launches.append(launch(.inputs, outputs, elements, chunk, block, outputBlocks, pieces, partialsAt: partials, device))
    let joining = outputs < 32 ? ReductionKernel.alongBlock(pieces) : ReductionKernel.acrossBlock(pieces)
    let joiningOutputs = outputs < 32 ? joining.y : joining.x
    work.launches.append(
      launch(
        .partials(at: partials), outputs, pieces, pieces, joining, (outputs + joiningOutputs - 1) / joiningOutputs, 1,
        partialsAt: nil, device))
  }

  /// (threads of an output, outputs of a block)
  private static func alongBlock(_ elements: Int) -> (x: Int, y: Int) {
    elements <= 1024 ? (32, 4) : (elements <= 8192 ? 128 : 512, 1)
  }

  /// (outputs of a block, threads of an output)
  private static func acrossBlock(_ elements: Int) -> (x: Int, y: Int) { elements < 32 ? (128, 1) : (32, 8) }

  private func launch(
    _ source: Source, _ outputs: Int, _ elements: Int, _ chunk: Int, _ block: (x: Int, y: Int), _ outputBlocks: Int,
    _ pieces: Int, partialsAt: Int?, _ device: DeviceShape
  ) -> KernelLaunch {
    var along = isAlong
    var arguments = KernelArguments()
    if let partialsAt {
      arguments.workspace("partials", at: partialsAt)
    } else {
      arguments.address("p0", output.address)
    }
    switch source {
    case .inputs:
      for (i, input) in inputs.enumerated() {
        if inputsAreWorkspace {
          arguments.workspace("p\(i + 1)", at: Int(bitPattern: input.address))
        } else {
          arguments.address("p\(i + 1)", input.address)
        }
      }
    case .partials(let at):
      arguments.workspace("states", at: at)
      along = outputs < 32
    }
    arguments.integer("outputs", outputs)
    arguments.integer("elements", elements)
    arguments.integer("chunk", chunk)
    kept.declare(in: &arguments)
    reduced.declare(in: &arguments)
    let scalarCount = Swift.max(map?.scalarCount ?? 0, finish?.scalarCount ?? 0)
    arguments.scalars(scalars, count: scalarCount, in: computeClass)
    let text = KernelSource(
      "reduce", arguments: arguments.declaration, parts: parts(source),
      body: body(source, along, block, isFinal: partialsAt == nil, scalarCount))
    let cells = along ? (block.x > 32 ? 32 : 0) : block.x * block.y
    return KernelLaunch(
      text, grid: (device.blocks(outputBlocks, perMultiprocessor: 64), pieces), block: block,
      sharedByteCount: 2 * cells * stateByteCount, arguments)
  }

  // MARK: Text

  private var finish: Program? { if case .value(_, let finish) = target { finish } else { nil } }

  private var stateByteCount: Int { if case .place = target { 16 } else { computeClass.byteCount } }

  private var fold: String {
    switch target {
    case .value(let reduction, _): reduction.deviceFold
    case .place(let largest): "FoldPlaced<\(largest ? "Largest" : "Smallest")>"
    }
  }

  private func parts(_ source: Source) -> String {
    var text = computeClass.deviceTypes
    if case .place = target { text += "typedef Placed<V> State;\n" } else { text += "typedef V State;\n" }
    text += "typedef \(fold) Fold;\n\n"
    if let map, case .inputs = source { text += map.code.deviceFunction("map", in: computeClass) }
    if let finish { text += finish.code.deviceFunction("finish", in: computeClass) }
    return text
  }

  /// The state of element `r` of the output at hand.
  private func value(_ source: Source) -> String {
    if case .partials = source { return "      return ((const State *)a.states)[(int64_t)r * a.outputs + o];\n" }
    let reads = map?.readsInput ?? [true]
    let used = inputs.indices.filter { reads[$0] }
    var text = used.map { "    \(kept.position) e\($0) = at\($0 + 1);\n" }.joined()
    text += reduced.text("(\(kept.counter))r", [nil] + inputs.indices.map { reads[$0] ? "e\($0)" : nil })
    for i in used { text += "    const V x\(i) = element<C, \(inputs[i].dtype.deviceName)>(a.p\(i + 1), e\(i));\n" }
    if let map {
      let operands = used.map { "x\($0)" } + (0..<map.scalarCount).map { "s\($0)" } + ["v"]
      text += "    V v;\n    map(\(operands.joined(separator: ", ")));\n"
    } else {
      text += "    const V v = x0;\n"
    }
    if case .place = target { return text + "    return State{v, (int64_t)r};\n" }
    return text + "    return Fold::read(v);\n"
  }

  private func result(isFinal: Bool) -> String {
    if !isFinal { return "      ((State *)a.partials)[(int64_t)blockIdx.y * a.outputs + o] = total;\n" }
    var text = "      V y = \(computeClass.deviceText(0));\n"
    switch target {
    case .place:
      return "      put<int64_t, \(output.dtype.deviceName)>(a.p0, at0, Lanes<int64_t>(total.at));\n"
    case .value(_, let finish):
      if let finish {
        let operands = (finish.readsInput[0] ? ["total"] : []) + (0..<finish.scalarCount).map { "s\($0)" } + ["y"]
        text += "      finish(\(operands.joined(separator: ", ")));\n"
      } else {
        text += "      y = total;\n"
      }
      return text + "      put<C, \(output.dtype.deviceName)>(a.p0, at0, y);\n"
    }
  }

  private func body(
    _ source: Source, _ along: Bool, _ block: (x: Int, y: Int), isFinal: Bool, _ scalarCount: Int
  ) -> String {
    let sharing = along ? block.x : block.y
    let perBlock = block.x * block.y / sharing
    let (mine, own) = along ? ("threadIdx.x", "threadIdx.y") : ("threadIdx.y", "threadIdx.x")
    let isShared = along ? block.x > 32 : block.y > 1
    // As many bytes on the way for small elements as for large ones.
    let loads = inputs.allSatisfy { $0.dtype.byteCount <= 2 } ? 8 : 4
    var text = (0..<scalarCount).map { "  const V s\($0) = V(a.s\($0));\n" }.joined()
    if isShared { text += "  FB_SHARED(shared);\n  int turn = 0;\n" }
    text +=
      "  for (int64_t first = (int64_t)blockIdx.x * \(perBlock); first < a.outputs; first += (int64_t)gridDim.x * \(perBlock)) {\n"
    text += "    const int64_t o = first + \(own);\n    const bool isThere = o < a.outputs;\n"
    for i in 0...inputs.count { text += "    \(kept.position) at\(i) = 0;\n" }
    let at: [String?] = (0...inputs.count).map { "at\($0)" }
    text += "    if (isThere) {\n\(kept.text("(\(kept.counter))o", at))    }\n"
    text += "    auto value = [&](int64_t r) -> State {\n\(value(source))    };\n"
    text += """
          State totals[\(loads)];
          #pragma unroll
          for (int k = 0; k < \(loads); k++) totals[k] = Fold::identity<State>();
          const int64_t begin = (int64_t)blockIdx.y * a.chunk, most = begin + a.chunk;
          const int64_t end = isThere ? (most < a.elements ? most : a.elements) : 0;
          int64_t r = begin + \(mine);
          for (; r + \((loads - 1) * sharing) < end; r += \(loads * sharing)) {
            #pragma unroll
            for (int k = 0; k < \(loads); k++) totals[k] = Fold::join<State>(totals[k], value(r + k * \(sharing)));
          }
          for (; r < end; r += \(sharing)) totals[0] = Fold::join<State>(totals[0], value(r));
          #pragma unroll
          for (int step = 1; step < \(loads); step *= 2) {
            #pragma unroll
            for (int k = 0; k < \(loads); k += 2 * step) totals[k] = Fold::join<State>(totals[k], totals[k + step]);
          }
          State total = totals[0];

      """
    let cells = "(State *)shared + turn * \(along ? 32 : block.x * block.y)"
    if along {
      text += "    total = joined<Fold, \(block.x)>(total, \(isShared ? cells : "nullptr"));\n"
    } else if isShared {
      text += "    State *cells = \(cells);\n    cells[threadIdx.y * \(block.x) + threadIdx.x] = total;\n    __syncthreads();\n"
      text += "    if (threadIdx.y == 0) {\n"
      text +=
        "      for (int k = 1; k < \(block.y); k++) total = Fold::join<State>(total, cells[k * \(block.x) + threadIdx.x]);\n    }\n"
    }
    if isShared { text += "    turn ^= 1;\n" }
    text += "    if (isThere && \(mine) == 0) {\n\(result(isFinal: isFinal))    }\n  }\n"
    return text
  }
}
