import CKernels

/// How many elements of each piece of a tensor, in row-major order, are not 0, added up: `starts`, [pieces + 1] int64, whose last is how
/// many there are. A GPU's has to be read before room for the positions can be made.
struct NonzeroCounts: KernelTask {
  private(set) var input: Elements
  private(set) var starts: Elements

  init(_ input: Elements, into starts: Elements) { (self.input, self.starts) = (input, starts) }

  var operands: [Elements] { [input, starts] }
  var results: [Elements] { [starts] }
  func mapOperands(_ f: (Elements) -> Elements) -> NonzeroCounts { NonzeroCounts(f(input), into: f(starts)) }
  var attributes: NoAttributes { NoAttributes() }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let walk = NonzeroWalk(input, pieces: starts.layout.elementCount - 1, wide)
    var arguments = walk.arguments(starts)
    if walk.pieces > 0 {
      let body = walk.text(
        """
            Lanes<int64_t> count = Lanes<int64_t>(0);
            for (int64_t i = first + threadIdx.x; i < end; i += \(NonzeroWalk.threads)) {
        \(walk.read)      count = count + Lanes<int64_t>((int64_t)isSet);
            }
            count = joined<FoldSum, \(NonzeroWalk.threads)>(count, shared);
            if (threadIdx.x == 0) put_plain<int64_t>(a.starts, piece + 1, count.v);
            __syncthreads();

        """)
      work.launches.append(walk.launch("nonzero_count", arguments, body, device))
    }
    // A piece is so many elements that a warp adds them up in no time.
    arguments = KernelArguments()
    arguments.address("starts", starts.address)
    arguments.integer("pieces", walk.pieces)
    let body = """
        int64_t before = 0;
        if (threadIdx.x == 0) put_plain<int64_t>(a.starts, 0, (int64_t)0);
        for (int64_t first = 0; first < a.pieces; first += 32) {
          const int64_t i = first + threadIdx.x + 1;
          const Lanes<int64_t> mine = Lanes<int64_t>(i <= a.pieces ? plain<int64_t>(a.starts, i) : 0);
          Lanes<int64_t> sum = mine;
          for (int distance = 1; distance < 32; distance *= 2) {
            const Lanes<int64_t> below = from_below(sum, distance);
            if (threadIdx.x >= distance) sum = sum + below;
          }
          if (i <= a.pieces) put_plain<int64_t>(a.starts, i, before + sum.v);
          before += joined_in_warp<FoldSum>(mine).v;
        }

      """
    let source = KernelSource("nonzero_starts", arguments: arguments.declaration, body: body)
    work.launches.append(KernelLaunch(source, grid: (1, 1), block: (32, 1), arguments))
  }
}

/// Where elements are not 0: column after column, each dense, of `positions`, [rank, count] int64.
struct NonzeroPositions: KernelTask {
  private(set) var input: Elements
  private(set) var starts: Elements
  private(set) var positions: Elements

  init(_ input: Elements, starts: Elements, into positions: Elements) {
    (self.input, self.starts, self.positions) = (input, starts, positions)
  }

  var operands: [Elements] { [input, starts, positions] }
  var results: [Elements] { [positions] }
  func mapOperands(_ f: (Elements) -> Elements) -> NonzeroPositions {
    NonzeroPositions(f(input), starts: f(starts), into: f(positions))
  }

  var attributes: NoAttributes { NoAttributes() }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    if positions.layout.elementCount == 0 { return }
    let walk = NonzeroWalk(input, pieces: starts.layout.elementCount - 1, wide)
    var arguments = walk.arguments(starts)
    let (shape, threads) = (input.layout.shape, NonzeroWalk.threads)
    arguments.address("positions", positions.address)
    arguments.integer("columns", positions.layout.shape.at(1))
    for dim in shape.indices { arguments.integer("extent\(dim)", shape.at(dim)) }
    let coordinates = shape.indices.reversed().map { dim in
      "        put_plain<int64_t>(a.positions, to + a.columns * \(dim), rest % a.extent\(dim));\n        rest /= a.extent\(dim);\n"
    }.joined()
    let body = walk.text(
      """
          int64_t before = plain<int64_t>(a.starts, piece);
          for (int64_t tile = first; tile < end; tile += \(threads)) {
            const int64_t i = tile + threadIdx.x;
            bool mine = false;
            if (i < end) {
      \(walk.read)        mine = isSet;
            }
            const uint32_t alike = lanes_alike(mine), set = mine ? alike : ~alike;
            const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
            uint32_t *counts = (uint32_t *)shared;
            if (lane == 0) counts[warp] = __popc(set);
            __syncthreads();
            int64_t to = before + __popc(set & ((1u << lane) - 1));
            for (int w = 0; w < \(threads / 32); w++) {
              if (w < warp) to += counts[w];
              before += counts[w];
            }
            __syncthreads();
            if (mine) {
              int64_t rest = i;
      \(coordinates)      }
          }

      """)
    work.launches.append(walk.launch("nonzero_positions", arguments, body, device))
  }
}

/// A block for each piece of a tensor.
private struct NonzeroWalk {
  static let threads = 256

  let pieces: Int
  private let input: Elements
  private let axes: KernelAxes

  init(_ input: Elements, pieces: Int, _ wide: Bool) {
    (self.input, self.pieces) = (input, pieces)
    axes = KernelAxes(elementwise: [input], wide: wide)
  }

  func arguments(_ starts: Elements) -> KernelArguments {
    var arguments = KernelArguments()
    arguments.address("input", input.address)
    arguments.address("starts", starts.address)
    arguments.integer("count", input.layout.elementCount)
    arguments.integer("pieces", pieces)
    axes.declare(in: &arguments)
    return arguments
  }

  /// Statements that make `isSet` whether the i-th element is not 0.
  var read: String {
    """
          \(axes.position) at = 0;
    \(axes.text("(\(axes.counter))i", ["at"]))      const bool isSet = any_lane(element<C, \(input.dtype.deviceName)>(a.input, at) != V((C)0));

    """
  }

  func text(_ body: String) -> String {
    """
      FB_SHARED(shared);
      for (int64_t piece = blockIdx.x; piece < a.pieces; piece += gridDim.x) {
        const int64_t first = piece * \(Nonzero.pieceElements);
        const int64_t end = first + \(Nonzero.pieceElements) < a.count ? first + \(Nonzero.pieceElements) : a.count;
    \(body)  }

    """
  }

  func launch(_ kind: String, _ arguments: KernelArguments, _ body: String, _ device: DeviceShape) -> KernelLaunch {
    let source = KernelSource(
      kind, arguments: arguments.declaration, parts: input.dtype.computeClass.deviceTypes, body: body)
    return KernelLaunch(
      source, grid: (device.blocks(pieces), 1), block: (NonzeroWalk.threads, 1), sharedByteCount: 256, arguments)
  }
}
