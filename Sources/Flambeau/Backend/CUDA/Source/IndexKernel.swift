import CKernels

/// An ``IndexWalk`` as a kernel. A position outside of the table is reported, and what belongs to it left alone.
///
/// Values that meet in one element of the table are put there in their order, by one thread, where the other dimensions are work enough
/// for a GPU or few can meet. Otherwise sums are atomic, so that their rounding may differ from run to run, and of values that are
/// written any one stays.
struct IndexTask: KernelTask {
  let move: IndexWalk.Move
  let walk: IndexWalk
  private(set) var value: Elements
  private(set) var table: Elements
  private(set) var index: Elements

  init(move: IndexWalk.Move, walk: IndexWalk, over operands: IndexWalk.Operands) {
    (self.move, self.walk) = (move, walk)
    (value, table, index) = (operands.value, operands.table, operands.index)
  }

  var operands: [Elements] { [value, table, index] }
  var results: [Elements] { move == .read ? [value] : [table] }

  func mapOperands(_ f: (Elements) -> Elements) -> IndexTask {
    var copy = self
    (copy.value, copy.table, copy.index) = (f(value), f(table), f(index))
    return copy
  }

  struct Attributes: Hashable {
    let move: IndexWalk.Move
    let walk: IndexWalk
  }

  var attributes: Attributes { Attributes(move: move, walk: walk) }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    if walk.isEmpty { return }
    work.launches.append(IndexKernel(self, device, wide).launch(device))
  }
}

private struct IndexKernel {
  private let task: IndexTask
  /// What the threads share, and what each walks by itself, in order. Operands: value, table, index.
  private let outer: KernelAxes
  private let inner: KernelAxes
  private let isOrdered: Bool
  /// Neighbours that move together.
  private let width: Int

  /// So many at one element are no work to speak of.
  private static let few = 32

  init(_ task: IndexTask, _ device: DeviceShape, _ wide: Bool) {
    self.task = task
    let dims = task.walk.dims
    let (free, bound) = (dims.filter(\.isFree), dims.filter { !$0.isFree })
    let enough = device.multiprocessorCount * 1024
    isOrdered =
      task.move != .read
      && (IndexKernel.count(bound) <= IndexKernel.few || IndexKernel.count(free) >= enough)
    var shared = isOrdered ? free : dims
    let own = isOrdered ? bound : []
    width = IndexKernel.width(task, shared.last, own)
    if width > 1 { shared[shared.count - 1].widen(by: width) }
    let isWide = wide || KernelAxes.needsWide(IndexKernel.count(dims), task.operands)
    outer = IndexKernel.axes("", shared, isWide)
    inner = IndexKernel.axes("own", own, isWide)
  }

  private static func count(_ dims: [IndexWalk.Dimension]) -> Int { dims.reduce(1) { $0 * $1.size } }

  private static func axes(_ name: String, _ dims: [IndexWalk.Dimension], _ isWide: Bool) -> KernelAxes {
    KernelAxes(
      name: name, sizes: dims.map(\.size), strides: [dims.map(\.value), dims.map(\.table), dims.map(\.index)], isWide: isWide)
  }

  /// As many as fill 16 bytes, if one position stands for neighbours in both memories and all begin where such accesses may.
  private static func width(_ task: IndexTask, _ inner: IndexWalk.Dimension?, _ own: [IndexWalk.Dimension]) -> Int {
    if case .join = task.move { return 1 }
    guard let inner, inner.index == 0, inner.value == 1, inner.table == 1 else { return 1 }
    let size = task.table.dtype.byteCount
    var width = 16 / size
    let others = task.walk.dims.filter { $0 != inner }
    func fits() -> Bool {
      inner.size % width == 0 && task.walk.grain % width == 0
        && others.allSatisfy { $0.value % width == 0 && $0.table % width == 0 }
        && [task.value, task.table].allSatisfy { UInt(bitPattern: $0.address) % UInt(width * size) == 0 }
    }
    while width > 1 && !fits() { width /= 2 }
    return width
  }

  func launch(_ device: DeviceShape) -> KernelLaunch {
    var arguments = KernelArguments()
    for (name, operand) in zip(["value", "table", "index"], task.operands) { arguments.address(name, operand.address) }
    arguments.integer("count", outer.count)
    arguments.integer("own", inner.count)
    arguments.integer("step", task.walk.step)
    arguments.integer("limit", task.walk.limit)
    arguments.reports(.index)
    outer.declare(in: &arguments)
    inner.declare(in: &arguments)
    let source = KernelSource("index_\(task.move.name)", arguments: arguments.declaration, parts: parts, body: body)
    return KernelLaunch(source, grid: (device.blocks((outer.count + 255) / 256), 1), arguments)
  }

  // MARK: Text

  private var type: String {
    if case .join = task.move { return task.table.dtype.deviceName }
    return "uint\(task.table.dtype.byteCount * 8)_t"
  }

  private var parts: String {
    guard case .join(let kind) = task.move else { return "" }
    // Whole numbers wrap.
    let wrapped = task.table.dtype == .int64 ? "(uint64_t)" : ""
    let result =
      switch kind {
      case .prod: "\(type)(\(wrapped)t * \(wrapped)v)"
      case .min: "v < t || v != v ? v : t"
      case .max: "v > t || v != v ? v : t"
      default: "\(type)(\(wrapped)t + \(wrapped)v)"
      }
    return "struct Join {\n  static FB_INLINE \(type) of(\(type) t, \(type) v) { return \(result); }\n};\n\n"
  }

  private var body: String {
    let names = ["value", "table", "index"]
    let (counter, position) = (outer.counter, outer.position)
    // What no table has is what offsets without a place are set to.
    let outside =
      task.walk.limit == .max ? "at == FB_NOWHERE" : "(uint64_t)at >= (uint64_t)a.limit"
    let own =
      inner.sizes.isEmpty
      ? "    const \(position) value = value0, table = table0, index = index0;\n"
      : "    for (\(counter) k = 0; k < a.own; k++) {\n    \(position) value = value0, table = table0, index = index0;\n"
        + inner.text("k", names)
    return """
        const \(counter) step = (\(counter))gridDim.x * blockDim.x;
        for (\(counter) i = (\(counter))blockIdx.x * blockDim.x + threadIdx.x; i < a.count; i += step) {
          \(position) value0 = 0, table0 = 0, index0 = 0;
      \(outer.text("i", names.map { $0 + "0" }))\(own)    const int64_t at = plain<int64_t>(a.index, index);
          if (\(outside)) {
            report_fault(a.fault, a.report);
            continue;
          }
          const \(position) place = table + (\(position))at * (\(position))a.step;
      \(moved)\(inner.sizes.isEmpty ? "" : "    }\n")  }

      """
  }

  private var moved: String {
    let pack = "pack<\(type), \(width)>", put = "put_pack<\(type), \(width)>"
    switch task.move {
    case .read: return "    \(put)(a.value, value, \(pack)(a.table, place));\n"
    case .write: return "    \(put)(a.table, place, \(pack)(a.value, value));\n"
    case .join(let kind):
      let join =
        isOrdered ? "*cell = Join::of(*cell, v)" : kind == .sum ? "add_atomically(cell, v)" : "join_atomically<Join>(cell, v)"
      return """
            \(type) *cell = (\(type) *)a.table + place;
            const \(type) v = plain<\(type)>(a.value, value);
            FB_TOUCHES(cell, sizeof *cell);
            \(join);

        """
    }
  }
}

extension IndexWalk.Move {
  fileprivate var name: String {
    switch self {
    case .read: "read"
    case .write: "write"
    case .join(let kind): "\(kind)"
    }
  }
}

/// The steps of ``IndexedDimensions/offsets(_:in:negative:)`` on a GPU, where nobody has looked at the positions before: those that
/// do not lie within the dimension are reported, and lead nowhere.
extension IndexOffsets: KernelTask {
  var operands: [Elements] { [offsets, positions] }
  var results: [Elements] { [offsets] }

  func mapOperands(_ f: (Elements) -> Elements) -> IndexOffsets {
    var copy = self
    (copy.offsets, copy.positions) = (f(offsets), f(positions))
    return copy
  }

  struct Attributes: Hashable {
    let size: Int
    let stride: Int
    let negative: Bool
  }

  var attributes: Attributes { Attributes(size: size, stride: stride, negative: negative) }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let count = offsets.layout.elementCount
    if count == 0 { return }
    let axes = KernelAxes(elementwise: operands, wide: wide)
    var arguments = KernelArguments()
    for (i, operand) in operands.enumerated() { arguments.address("p\(i)", operand.address) }
    arguments.integer("count", count)
    arguments.integer("size", size)
    arguments.integer("least", negative ? -size : 0)
    arguments.integer("stride", stride)
    arguments.reports(.index)
    axes.declare(in: &arguments)
    let statements = """
          const int64_t before = plain<int64_t>(a.p0, at0), at = plain<int64_t>(a.p1, at1);
          if (at < a.least || at >= a.size) {
            report_fault(a.fault, a.report);
            put_plain<int64_t>(a.p0, at0, FB_NOWHERE);
          } else if (before != FB_NOWHERE) {
            put_plain<int64_t>(a.p0, at0, before + (at + (at < 0 ? a.size : 0)) * a.stride);
          }

      """
    let source = KernelSource("index_offsets", arguments: arguments.declaration, body: axes.loop(statements))
    work.launches.append(KernelLaunch(source, grid: (device.blocks((count + 255) / 256), 1), arguments))
  }
}
