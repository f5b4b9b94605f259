import CKernels

/// Where values belong among sorted edges: the number of edges before them.
struct SearchTask: KernelTask {
  /// [..., width]: one line for all values, or one for each line of them.
  private(set) var edges: Elements
  private(set) var sought: Elements
  /// In the shape of `sought`.
  private(set) var found: Elements
  /// Behind equal edges instead of before them.
  let right: Bool

  init(_ sought: Elements, among edges: Elements, right: Bool, into found: Elements) {
    (self.edges, self.sought, self.found, self.right) = (edges, sought, found, right)
  }

  var operands: [Elements] { [edges, sought, found] }
  var results: [Elements] { [found] }

  func mapOperands(_ f: (Elements) -> Elements) -> SearchTask {
    SearchTask(f(sought), among: f(edges), right: right, into: f(found))
  }

  var attributes: Bool { right }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let (shape, count) = (sought.layout.shape, sought.layout.elementCount)
    if count == 0 { return }
    let last = edges.layout.rank - 1
    let kept = shape.indices.filter { shape.at($0) != 1 }
    let axes = KernelAxes(
      name: "", sizes: kept.map(shape.at),
      strides: [
        kept.map { last == 0 || $0 == last ? 0 : edges.layout.strides.at($0) }, kept.map(sought.layout.strides.at),
        kept.map(found.layout.strides.at),
      ], isWide: wide || KernelAxes.needsWide(count, operands))
    var arguments = KernelArguments()
    for (i, operand) in operands.enumerated() { arguments.address("p\(i)", operand.address) }
    arguments.integer("count", count)
    arguments.integer("width", edges.layout.shape.at(last))
    arguments.integer("edgeStep", edges.layout.strides.at(last))
    axes.declare(in: &arguments)
    let computeClass = edges.dtype.promoted(with: sought.dtype).computeClass
    // What compares to nothing, NaN, belongs at the end.
    let statements = """
          const V value = element<C, \(sought.dtype.deviceName)>(a.p1, at1);
          int64_t low = 0;
          for (int64_t high = a.width; low < high;) {
            const int64_t middle = (low + high) / 2;
            const V edge = element<C, \(edges.dtype.deviceName)>(a.p0, at0 + middle * a.edgeStep);
            if (any_lane(edge \(right ? ">" : ">=") value)) high = middle;
            else low = middle + 1;
          }
          put<int64_t, \(found.dtype.deviceName)>(a.p2, at2, Lanes<int64_t>(low));

      """
    let source = KernelSource(
      "search", arguments: arguments.declaration, parts: computeClass.deviceTypes, body: axes.loop(statements))
    work.launches.append(KernelLaunch(source, grid: (device.blocks((count + 255) / 256), 1), arguments))
  }
}
