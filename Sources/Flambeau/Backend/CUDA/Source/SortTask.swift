import CKernels

/// Sorting, or the first or one of a rank in order, along a dimension: as ``Sort`` orders, position for position.
struct SortTask: KernelTask {
  enum Wanted: Hashable, Sendable {
    case all
    /// So many; in any order unless `sorted`.
    case first(Int, sorted: Bool)
    case rank(Sort.Rank)
  }

  /// Nothing is empty.
  private(set) var input: Elements
  /// Nil: all elements are one row.
  let dim: Int?
  let descending: Bool
  let wanted: Wanted
  private(set) var values: Elements?
  private(set) var indices: Elements?

  init(_ input: Elements, dim: Int?, descending: Bool, _ wanted: Wanted, values: Elements?, indices: Elements?) {
    (self.input, self.dim, self.descending, self.wanted) = (input, dim, descending, wanted)
    (self.values, self.indices) = (values, indices)
  }

  var operands: [Elements] { [input] + results }
  var results: [Elements] { [values, indices].compactMap { $0 } }
  /// The kernels give the first ones sorted, whether that is asked for or not.
  var isUnordered: Bool { if case .first(_, sorted: false) = wanted { true } else { false } }

  func mapOperands(_ f: (Elements) -> Elements) -> SortTask {
    var copy = self
    (copy.input, copy.values, copy.indices) = (f(input), values.map(f), indices.map(f))
    return copy
  }

  struct Attributes: Hashable {
    let dim: Int?
    let descending: Bool
    let wanted: Wanted
    let givesValues: Bool
    let givesIndices: Bool
  }

  var attributes: Attributes {
    Attributes(
      dim: dim, descending: descending, wanted: wanted, givesValues: values != nil, givesIndices: indices != nil)
  }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let rows = SortRows(self, wide)
    if rows.width <= SortBlocks.longest {
      SortBlocks(rows).append(to: &work, device)
    } else {
      SortDigits(rows).append(to: &work, device)
    }
  }
}

/// The rows of a task, and how kernels read elements, order them and give results.
struct SortRows {
  let task: SortTask
  let count: Int
  let width: Int
  /// Where a row begins in input, values and indices, and where an element lies in a row of the input.
  let rows: KernelAxes
  let elements: KernelAxes
  let isWide: Bool

  init(_ task: SortTask, _ wide: Bool) {
    self.task = task
    let layout = task.input.layout
    let own = task.dim.map { layout.rank == 0 ? [] : [$0] } ?? Array(0..<layout.rank)
    let others = (0..<layout.rank).filter { !own.contains($0) && layout.shape.at($0) != 1 }
    isWide = wide || KernelAxes.needsWide(layout.elementCount, task.operands)
    width = own.reduce(1) { $0 * layout.shape.at($1) }
    count = layout.elementCount / width
    let results: [Elements?] = [task.input, task.values, task.indices]
    rows = KernelAxes(
      name: "row", sizes: others.map { layout.shape.at($0) },
      strides: results.map { operand in others.map { operand?.layout.strides.at($0) ?? 0 } }, isWide: isWide)
    elements = KernelAxes(
      name: "element", sizes: own.map { layout.shape.at($0) }, strides: [own.map { layout.strides.at($0) }], isWide: isWide)
  }

  var counter: String { rows.counter }
  var position: String { rows.position }
  /// Bytes of a key and of a position in a row.
  var keyByteCount: Int { task.input.dtype.byteCount == 8 ? 8 : 4 }
  var placeByteCount: Int { isWide ? 8 : 4 }

  /// How many of a row are given.
  var wantedCount: Int {
    switch task.wanted {
    case .all: width
    case .first(let k, _): k
    case .rank: 1
    }
  }

  func declare(in arguments: inout KernelArguments) {
    arguments.address("input", task.input.address)
    arguments.integer("rows", count)
    arguments.integer("width", width)
    rows.declare(in: &arguments)
    elements.declare(in: &arguments)
    for (name, result) in [("values", task.values), ("indices", task.indices)] {
      guard let result else { continue }
      arguments.address(name, result.address)
      let step = task.dim.flatMap { result.layout.rank == 0 ? nil : result.layout.strides.at($0) } ?? 1
      arguments.integer("\(name)Step", step)
    }
    arguments.integer("wanted", wantedCount)
    if case .rank(.at(let k)) = task.wanted { arguments.integer("rank", k) }
  }

  // MARK: Text

  /// Types, and the order of elements: −0 and 0 have one key, and all NaNs the largest.
  var parts: String {
    let dtype = task.input.dtype
    let bits = dtype.byteCount * 8
    let word = "uint\(bits)_t"
    let sign = "(\(word))((\(word))1 << \(bits - 1))"
    let key: String
    if dtype.isFloatingPoint {
      let infinity = [DType.float16: "0x7c00", .bfloat16: "0x7f80", .float32: "0x7f800000u"][dtype] ?? "0x7ff0000000000000ull"
      key = """
          const \(word) magnitude = x & (\(word))~\(sign);
          \(word) key = x & \(sign) ? (\(word))~x : (\(word))(x | \(sign));
          if (magnitude == 0) key = \(sign);
          if (magnitude > \(infinity)) key = (\(word))~(\(word))0;

        """
    } else {
      key = "  \(word) key = \(dtype == .bool || dtype == .uint8 ? "x" : "x ^ \(sign)");\n"
    }
    return """
      typedef uint\(keyByteCount * 8)_t Key;
      typedef uint\(placeByteCount * 8)_t Place;
      FB_INLINE Key key_of(\(word) x) {
      \(key)  return (\(word))\(task.descending ? "~key" : "key");
      }


      """
  }

  /// A statement that reads the bits of an element into `bits`.
  func read(row: String, place: String) -> String {
    """
        \(position) at0 = 0;
    \(rows.text("(\(counter))\(row)", ["at0", nil, nil]))\(elements.text("(\(counter))\(place)", ["at0"]))
        const auto bits = plain<uint\(task.input.dtype.byteCount * 8)_t>(a.input, at0);

    """
  }

  /// Statements that give the element at `place` of a row as its `number`-th.
  func give(row: String, number: String, place: String) -> String {
    let (values, indices) = (task.values != nil, task.indices != nil)
    let word = "uint\(task.input.dtype.byteCount * 8)_t"
    var text = "    {\n    \(position) at0 = 0, at1 = 0, at2 = 0;\n"
    text += rows.text("(\(counter))\(row)", ["at0", values ? "at1" : nil, indices ? "at2" : nil])
    if values {
      text += elements.text("(\(counter))\(place)", ["at0"])
      text +=
        "    put_plain<\(word)>(a.values, at1 + (\(position))\(number) * (\(position))a.valuesStep, plain<\(word)>(a.input, at0));\n"
    }
    if indices {
      text += "    put_plain<int64_t>(a.indices, at2 + (\(position))\(number) * (\(position))a.indicesStep, \(place));\n"
    }
    return text + "    }\n"
  }

  /// A statement that makes `number` the place, in order, of what is wanted of a row whose keys are at `keys`.
  var rank: String? {
    guard case .rank(let rank) = task.wanted else { return nil }
    if case .at = rank { return "    const int64_t number = a.rank;\n" }
    let word = "uint\(task.input.dtype.byteCount * 8)_t"
    var text = "    int64_t numbers = a.width;\n"
    if task.input.dtype.isFloatingPoint {
      // The first NaN, if there is one.
      text += """
            for (int64_t low = 0; low < numbers;) {
              const int64_t middle = (low + numbers) / 2;
              if (plain<Key>(keys, middle) == (Key)(\(word))~(\(word))0) numbers = middle;
              else low = middle + 1;
            }

        """
    }
    if case .middle = rank {
      return text + "    const int64_t number = numbers < a.width ? numbers : (a.width - 1) / 2;\n"
    }
    return text + "    const int64_t number = numbers > 0 ? (numbers - 1) / 2 : 0;\n"
  }
}

/// Rows that fit into a block's shared memory, several at a time if they are short: a bitonic network over pairs of key and place, which
/// are all different, so that its order is the stable one (Batcher, 1968).
struct SortBlocks {
  static let longest = 2048
  private static let threads = 256

  private let rows: SortRows
  /// The row with what fills it up to a power of two, and how many a block sorts together.
  private let padded: Int
  private let together: Int

  init(_ rows: SortRows) {
    self.rows = rows
    padded = 1 << (Int.bitWidth - (rows.width - 1).leadingZeroBitCount)
    together = Swift.max(1, 2 * SortBlocks.threads / padded)
  }

  func append(to work: inout KernelWork, _ device: DeviceShape) {
    var arguments = KernelArguments()
    rows.declare(in: &arguments)
    let groups = (rows.count + together - 1) / together
    arguments.integer("groups", groups)
    let source = KernelSource("sort_block", arguments: arguments.declaration, parts: rows.parts, body: body)
    work.launches.append(
      KernelLaunch(
        source, grid: (device.blocks(groups), 1), block: (SortBlocks.threads, 1),
        sharedByteCount: padded * together * (rows.keyByteCount + rows.placeByteCount), arguments))
  }

  private var body: String {
    let all = padded * together
    let given: String
    if let rank = rows.rank {
      given = """
          if (i % \(padded) == 0 && row < a.rows) {
            const Key *keys = all_keys + i;
        \(rank)\(rows.give(row: "row", number: "0", place: "places[i + number]"))    }

        """
    } else {
      given = """
          const int number = i % \(padded);
          if (row < a.rows && number < a.wanted) {
        \(rows.give(row: "row", number: "number", place: "places[i]"))    }

        """
    }
    return """
        FB_SHARED(shared);
        Key *all_keys = (Key *)shared;
        Place *places = (Place *)(all_keys + \(all));
        for (int64_t group = blockIdx.x; group < a.groups; group += gridDim.x) {
          for (int i = threadIdx.x; i < \(all); i += \(SortBlocks.threads)) {
            const int64_t row = group * \(together) + i / \(padded);
            const int place = i % \(padded);
            // What fills a row up comes last.
            all_keys[i] = ~(Key)0;
            places[i] = ~(Place)0;
            if (row < a.rows && place < a.width) {
      \(rows.read(row: "row", place: "place"))        all_keys[i] = key_of(bits);
              places[i] = place;
            }
          }
          __syncthreads();
          for (int run = 2; run <= \(padded); run *= 2) {
            for (int distance = run / 2; distance > 0; distance /= 2) {
              for (int t = threadIdx.x; t < \(all / 2); t += \(SortBlocks.threads)) {
                const int low = 2 * t - (t & (distance - 1)), high = low + distance;
                const Key k0 = all_keys[low], k1 = all_keys[high];
                const Place p0 = places[low], p1 = places[high];
                const bool wrong = k1 < k0 || (k1 == k0 && p1 < p0), rises = (low & \(padded - 1) & run) == 0;
                if (wrong == rises) {
                  all_keys[low] = k1, all_keys[high] = k0;
                  places[low] = p1, places[high] = p0;
                }
              }
              __syncthreads();
            }
          }
          for (int i = threadIdx.x; i < \(all); i += \(SortBlocks.threads)) {
            const int64_t row = group * \(together) + i / \(padded);
      \(given)    }
          __syncthreads();
        }

      """
  }
}
