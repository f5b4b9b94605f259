import CKernels

/// Long rows, sorted digit by digit from the lowest on, 8 bits at a time, all rows together: pieces of rows count their digits, the
/// counts become places, and the pieces move their pairs of key and place there, those of one digit in their order.
struct SortDigits {
  private static let threads = 256
  private static let perThread = 8
  private static let tile = threads * perThread

  private let rows: SortRows

  init(_ rows: SortRows) { self.rows = rows }

  /// Where the workspace holds keys and places, before a pass or after it, and the counts [row, piece, digit].
  private struct Room {
    var keys: [Int]
    var places: [Int]
    let counts: Int
  }

  func append(to work: inout KernelWork, _ device: DeviceShape) {
    let total = rows.count * rows.width
    let tiles = (rows.width + SortDigits.tile - 1) / SortDigits.tile
    // As many pieces as keep the GPU busy; their counts are added up one after the other.
    let pieces = Swift.min(tiles, Swift.max(1, 4 * device.multiprocessorCount / rows.count))
    let perPiece = (tiles + pieces - 1) / pieces * SortDigits.tile
    let room = Room(
      keys: (0..<2).map { _ in work.reserve(total * rows.keyByteCount) },
      places: (0..<2).map { _ in work.reserve(total * rows.placeByteCount) },
      counts: work.reserve(rows.count * pieces * 256 * rows.placeByteCount))

    func add(
      _ kind: String, from: Int, groups: Int, block: Int = SortDigits.threads, shared: Int = 0, shift: Int? = nil, _ body: String
    ) {
      var arguments = KernelArguments()
      rows.declare(in: &arguments)
      for (i, name) in ["", "To"].enumerated() {
        arguments.workspace("keys\(name)", at: room.keys[(from + i) % 2])
        arguments.workspace("places\(name)", at: room.places[(from + i) % 2])
      }
      arguments.workspace("counts", at: room.counts)
      arguments.integer("groups", groups)
      arguments.integer("pieces", pieces)
      arguments.integer("perPiece", perPiece)
      arguments.integer("shift", shift ?? 0)
      let source = KernelSource("sort_\(kind)", arguments: arguments.declaration, parts: rows.parts, body: body)
      work.launches.append(
        KernelLaunch(source, grid: (device.blocks(groups), 1), block: (block, 1), sharedByteCount: shared, arguments))
    }

    let blocksOfAll = (total + SortDigits.threads - 1) / SortDigits.threads
    add("keys", from: 0, groups: blocksOfAll, keys)
    let groups = rows.count * pieces
    let passes = rows.task.input.dtype.byteCount
    for pass in 0..<passes {
      add("count", from: pass, groups: groups, shared: 256 * rows.placeByteCount, shift: 8 * pass, counts)
      add("places", from: pass, groups: rows.count, shared: 256 * rows.placeByteCount, shift: 8 * pass, places)
      add("move", from: pass, groups: groups, shared: 9 * 256 * rows.placeByteCount, shift: 8 * pass, moves)
    }
    let wanted = rows.count * rows.wantedCount
    add("give", from: passes, groups: (wanted + SortDigits.threads - 1) / SortDigits.threads, results)
  }

  // MARK: Text

  /// A thread for each of `count`, numbered `i` of `row`.
  private func each(_ count: String, _ body: String) -> String {
    """
      const int64_t step = (int64_t)gridDim.x * blockDim.x, all = a.rows * \(count);
      for (int64_t n = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; n < all; n += step) {
        const int64_t row = n / \(count), i = n - row * \(count);
    \(body)  }

    """
  }

  private var keys: String {
    each(
      "a.width",
      rows.read(row: "row", place: "i")
        + "    put_plain<Key>(a.keys, n, key_of(bits));\n    put_plain<Place>(a.places, n, (Place)i);\n")
  }

  /// A block for each piece.
  private func eachPiece(_ body: String) -> String {
    """
      FB_SHARED(shared);
      for (int64_t group = blockIdx.x; group < a.groups; group += gridDim.x) {
        const int64_t row = group / a.pieces, first = (group - row * a.pieces) * a.perPiece;
        const int64_t end = first + a.perPiece < a.width ? first + a.perPiece : a.width;
        const Key *keys = (const Key *)a.keys + row * a.width;
        Place *counts = (Place *)a.counts + group * 256;
    \(body)  }

    """
  }

  private var counts: String {
    eachPiece(
      """
          Place *here = (Place *)shared;
          here[threadIdx.x] = 0;
          __syncthreads();
          for (int64_t i = first + threadIdx.x; i < end; i += \(SortDigits.threads)) {
            atomicAdd(here + (plain<Key>(keys, i) >> a.shift & 255), (Place)1);
          }
          __syncthreads();
          put_plain<Place>(counts, threadIdx.x, here[threadIdx.x]);
          __syncthreads();

      """)
  }

  /// A block for each row, a thread for each digit.
  private var places: String {
    """
      FB_SHARED(shared);
      Place *totals = (Place *)shared;
      for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
        Place *counts = (Place *)a.counts + row * a.pieces * 256 + threadIdx.x;
        Place total = 0;
        for (int64_t piece = 0; piece < a.pieces; piece++) {
          total += plain<Place>(counts, piece * 256);
        }
        // Each round adds the sums of twice as many digits below.
        totals[threadIdx.x] = total;
        __syncthreads();
        for (int distance = 1; distance < 256; distance *= 2) {
          const Place below = threadIdx.x >= distance ? totals[threadIdx.x - distance] : 0;
          __syncthreads();
          totals[threadIdx.x] += below;
          __syncthreads();
        }
        Place place = totals[threadIdx.x] - total;
        for (int64_t piece = 0; piece < a.pieces; piece++) {
          const Place count = counts[piece * 256];
          counts[piece * 256] = place;
          place += count;
        }
        __syncthreads();
      }

    """
  }

  /// A warp takes neighbours, 32 at a time; a lane's place among equal digits is how many lanes below, and rounds before, have them.
  private var moves: String {
    let warps = SortDigits.threads / 32
    return eachPiece(
      """
          const Place *places = (const Place *)a.places + row * a.width;
          Key *keys_to = (Key *)a.keysTo + row * a.width;
          Place *places_to = (Place *)a.placesTo + row * a.width;
          Place *starts = (Place *)shared, *own = starts + 256 + threadIdx.x / 32 * 256;
          const uint32_t lane = threadIdx.x % 32;
          starts[threadIdx.x] = counts[threadIdx.x];
          for (int64_t tile = first; tile < end; tile += \(SortDigits.tile)) {
            for (int i = lane; i < 256; i += 32) own[i] = 0;
            __syncwarp();
            Key key[\(SortDigits.perThread)];
            Place place[\(SortDigits.perThread)], rank[\(SortDigits.perThread)];
            const int64_t mine = tile + threadIdx.x / 32 * \(32 * SortDigits.perThread) + lane;
      #pragma unroll
            for (int k = 0; k < \(SortDigits.perThread); k++) {
              const int64_t i = mine + k * 32;
              const bool exists = i < end;
              key[k] = 0, place[k] = 0;
              if (exists) key[k] = plain<Key>(keys, i), place[k] = plain<Place>(places, i);
              const uint32_t digit = exists ? (uint32_t)(key[k] >> a.shift & 255) : 256;
              const uint32_t alike = lanes_alike(digit), below = alike & ((1u << lane) - 1);
              const Place before = exists ? own[digit] : 0;
              rank[k] = before + __popc(below);
              __syncwarp();
              if (exists && below == 0) own[digit] = before + __popc(alike);
              __syncwarp();
            }
            __syncthreads();
            Place start = starts[threadIdx.x];
            for (int warp = 0; warp < \(warps); warp++) {
              Place *cell = starts + 256 + warp * 256 + threadIdx.x;
              const Place count = *cell;
              *cell = start;
              start += count;
            }
            starts[threadIdx.x] = start;
            __syncthreads();
      #pragma unroll
            for (int k = 0; k < \(SortDigits.perThread); k++) {
              if (mine + k * 32 < end) {
                const Place to = own[key[k] >> a.shift & 255] + rank[k];
                put_plain<Key>(keys_to, to, key[k]);
                put_plain<Place>(places_to, to, place[k]);
              }
            }
            __syncthreads();
          }

      """)
  }

  private var results: String {
    let read = "    const Place place = plain<Place>(a.places, row * a.width + number);\n"
    if let rank = rows.rank {
      return each(
        "1",
        "    const Key *keys = (const Key *)a.keys + row * a.width;\n" + rank + read
          + rows.give(row: "row", number: "0", place: "place"))
    }
    return each("a.wanted", "    const int64_t number = i;\n" + read + rows.give(row: "row", number: "number", place: "place"))
  }
}
