import Testing

@testable import Flambeau

/// What emulated threads report (Tests/Emulation/hazards.h): kernels that each do one thing that a GPU forgives at times, and the same
/// kernels mended, whatever the order that threads run in.
@Suite(.enabled(if: EmulatedKernels.compiler != nil, "no clang++")) struct HazardTests {
  struct Kernel: Sendable, CustomTestStringConvertible {
    let name: String
    var blocks = 1, threads = 64
    /// Statements on `mine` (this thread's number), `cells` (shared) and `numbers` (64 of the operand, 64 of fresh workspace in `fresh`).
    let wrong: String, right: String
    let report: String

    var testDescription: String { name }
  }

  static let kernels: [Kernel] = [
    Kernel(
      name: "read of what another warp wrote",
      wrong: "cells[mine] = 0; __syncthreads(); cells[mine] = mine; __syncwarp(); numbers[mine] = cells[mine & 31];",
      right: "cells[mine] = mine; __syncthreads(); numbers[mine] = cells[mine & 31];",
      report: "another warp"),
    Kernel(
      name: "read of what another lane wrote", threads: 32,
      wrong: "cells[mine] = 0; __syncwarp(); cells[mine] = mine; numbers[mine] = cells[mine / 2];",
      right: "cells[mine] = mine; __syncwarp(); numbers[mine] = cells[mine / 2];",
      report: "another lane"),
    Kernel(
      name: "lanes that only exchange", threads: 32,
      wrong: "cells[mine] = mine; int other = from_lane(mine, 1); numbers[mine] = cells[other];",
      right: "cells[mine] = mine; int other = from_lane(mine, 1); __syncwarp(); numbers[mine] = cells[other];",
      report: "another lane"),
    Kernel(
      name: "write over what another warp reads",
      wrong: "cells[mine] = mine; __syncthreads(); int x = cells[mine ^ 32]; cells[mine] = x; numbers[mine] = cells[mine];",
      right:
        "cells[mine] = mine; __syncthreads(); int x = cells[mine ^ 32]; __syncthreads(); cells[mine] = x; numbers[mine] = x;",
      report: "another warp"),
    Kernel(
      name: "write over what another lane reads", threads: 32,
      wrong: "cells[mine] = mine; __syncwarp(); int x = cells[mine ^ 1]; cells[mine] = x; numbers[mine] = x;",
      right: "cells[mine] = mine; __syncwarp(); int x = cells[mine ^ 1]; __syncwarp(); cells[mine] = x; numbers[mine] = x;",
      report: "another lane"),
    Kernel(
      name: "write over what many read, of whom the last is ordered", threads: 64,
      wrong: """
        if (mine == 0) cells[0] = 7;
        __syncthreads();
        int x = cells[0];
        if (mine < 32) __syncwarp(); 
        if (mine == 0) cells[0] = x + 1;
        numbers[mine] = x;
        """,
      right: """
        if (mine == 0) cells[0] = 7;
        __syncthreads();
        int x = cells[0];
        __syncthreads();
        if (mine == 0) cells[0] = x + 1;
        numbers[mine] = x;
        """,
      report: "another warp"),
    Kernel(
      name: "two writers", threads: 32,
      wrong: "numbers[0] = mine;",
      right: "if (mine == 0) numbers[0] = mine;",
      report: "another lane"),
    Kernel(
      name: "the operands' memory inside a block",
      wrong: "numbers[mine] = mine; __syncwarp(); int x = numbers[63 - mine]; __syncthreads(); numbers[mine] = x;",
      right: "numbers[mine] = mine; __syncthreads(); int x = numbers[63 - mine]; __syncthreads(); numbers[mine] = x;",
      report: "another warp"),
    Kernel(
      name: "bytes of a word", threads: 32,
      wrong: "cells[mine] = 0; __syncwarp(); ((uint8_t *)cells)[mine] = 1; numbers[mine] = ((uint8_t *)cells)[mine / 2];",
      right: "((uint8_t *)cells)[mine] = 1; numbers[mine] = ((uint8_t *)cells)[mine];",
      report: "another lane"),
    Kernel(
      name: "one block's result in another", blocks: 4, threads: 1,
      wrong: "numbers[blockIdx.x] = numbers[(blockIdx.x + 1) % 4] + 1;",
      right: "numbers[blockIdx.x] = numbers[blockIdx.x] + numbers[8] + 1;",
      report: "another block"),
    Kernel(
      name: "blocks that write the same place", blocks: 4, threads: 32,
      wrong: "numbers[mine] = mine;",
      right: "if (mine < 16) numbers[blockIdx.x * 16 + mine] = mine;",
      report: "another block"),
    Kernel(
      name: "sums that are not atomic", blocks: 2,
      wrong: "numbers[mine] += 1;",
      right: "atomicAdd(numbers + mine, 1);",
      report: "another block"),
    Kernel(
      name: "a look at an atomic sum",
      wrong: "atomicAdd(numbers, 1); if (mine == 0) numbers[1] = numbers[0];",
      right: "atomicAdd(numbers, 1); __syncthreads(); if (mine == 0) numbers[1] = numbers[0];",
      report: "another"),
    Kernel(
      name: "a beginning of an atomic sum",
      wrong: "if (mine == 0) cells[0] = 0; atomicAdd(cells, 1);",
      right: "if (mine == 0) cells[0] = 0; __syncthreads(); atomicAdd(cells, 1);",
      report: "shared memory"),
    Kernel(
      name: "shared memory as it was",
      wrong: "numbers[mine] = cells[mine] & 0;",
      right: "cells[mine] = 1; numbers[mine] = cells[mine] & 0;",
      report: "shared memory is read that nobody has written"),
    Kernel(
      name: "shared memory as the block before left it", blocks: 2,
      wrong: "if (blockIdx.x == 0) { cells[mine] = 1; numbers[mine] = cells[mine]; } else { fresh[mine] = cells[mine]; }",
      right: "cells[mine] = 1; if (blockIdx.x == 0) numbers[mine] = cells[mine];",
      report: "shared memory is read that nobody has written"),
    Kernel(
      name: "past the end of shared memory", threads: 64,
      wrong: "cells[mine + 64] = 1; numbers[mine] = cells[mine + 65];",
      right: "cells[mine + 64] = 1; numbers[mine] = cells[mine + 64];",
      report: "memory"),
    Kernel(
      name: "past the end of an operand",
      wrong: "fresh[mine] = numbers[mine + 1];",
      right: "fresh[mine] = numbers[mine] + 1;",
      report: "memory outside of the operands"),
    Kernel(
      name: "a word that is not aligned",
      wrong: "fresh[mine] = *(int *)((char *)numbers + 2 * (mine & 31));",
      right: "fresh[mine] = *(short *)((char *)numbers + 2 * mine);",
      report: "an access that is not aligned"),
    Kernel(
      name: "fresh memory",
      wrong: "numbers[mine] = fresh[mine] & 0;",
      right: "fresh[mine] = 5; numbers[mine] = fresh[mine] & 0;",
      report: "memory is read that nobody has written"),
    Kernel(
      name: "a copy that is under way", threads: 8,
      wrong:
        "FB_COPY_LATER(cells + 4 * mine, numbers + 4 * mine, 16); int x = cells[4 * mine]; FB_AWAIT_COPIES(); fresh[mine] = x;",
      right: "FB_COPY_LATER(cells + 4 * mine, numbers + 4 * mine, 16); FB_AWAIT_COPIES(); fresh[mine] = cells[4 * mine];",
      report: "while a copy to it is under way"),
    Kernel(
      name: "a copy that another thread waited for", threads: 8,
      wrong:
        "FB_COPY_LATER(cells + 4 * mine, numbers + 4 * mine, 16); FB_AWAIT_COPIES(); from_lane(0, 0); fresh[mine] = cells[31 - mine];",
      right:
        "FB_COPY_LATER(cells + 4 * mine, numbers + 4 * mine, 16); FB_AWAIT_COPIES(); __syncthreads(); fresh[mine] = cells[31 - mine];",
      report: "another lane"),
    Kernel(
      name: "a copy over what is read", threads: 8,
      wrong: """
        cells[mine] = mine;
        __syncthreads();
        numbers[mine] = cells[7 - mine];
        FB_COPY_LATER(cells + 4 * mine, numbers + 32, 16);
        FB_AWAIT_COPIES();
        """,
      right: """
        cells[mine] = mine;
        __syncthreads();
        numbers[mine] = cells[7 - mine];
        __syncthreads();
        FB_COPY_LATER(cells + 4 * mine, numbers + 32, 16);
        FB_AWAIT_COPIES();
        """,
      report: "another lane"),
    Kernel(
      name: "barriers in two branches",
      wrong: "if (mine % 2) { __syncthreads(); numbers[mine] = 1; } else { __syncthreads(); }",
      right: "if (mine % 2) { numbers[mine] = 1; } __syncthreads();",
      report: "in different places"),
    Kernel(
      name: "lanes that exchange in two branches",
      wrong: "if (mine % 2) { numbers[mine] = from_lane(mine, 1); } else { __syncwarp(); }",
      right: "int x = from_lane(mine, 1); if (mine % 2) { numbers[mine] = x; } else { numbers[mine] = 0; } __syncwarp();",
      report: "threads wait for others that do not come"),
    Kernel(
      name: "a barrier that some do not reach",
      wrong: "if (mine < 32) __syncthreads();",
      right: "__syncthreads();",
      report: "threads wait for others that do not come"),
  ]

  static let orders: [EmulatedKernels.Order] = [.forward, .backward, .shuffled(1), .shuffled(77)]

  private static func source(_ body: String, _ arguments: KernelArguments) -> KernelSource {
    KernelSource(
      "hazard", arguments: arguments.declaration,
      body: """
          FB_SHARED(shared);
          int *const cells = (int *)shared, *const numbers = (int *)a.p, *const fresh = (int *)a.q;
          const int mine = threadIdx.x;
          \(body)

        """)
  }

  /// A launch of each text, and the operand that they work on.
  private static func works(_ bodies: [String], blocks: Int, threads: Int, on numbers: Tensor) -> [KernelWork] {
    bodies.map { body in
      var work = KernelWork()
      var arguments = KernelArguments()
      arguments.address("p", numbers.body.elements.address)
      arguments.workspace("q", at: work.reserve(256))
      work.launches = [
        KernelLaunch(source(body, arguments), grid: (blocks, 1), block: (threads, 1), sharedByteCount: 512, arguments)
      ]
      return work
    }
  }

  /// All kernels, compiled together.
  private static let emulated = Result {
    var known: Set<String> = []
    let sources = kernels.flatMap { kernel in
      works([kernel.wrong, kernel.right], blocks: 1, threads: 1, on: Tensor.zeros([64], dtype: .int32)).map {
        $0.launches[0].source
      }
    }
    return try EmulatedKernels(sources.filter { known.insert($0.name).inserted })
  }

  private static func memory(_ numbers: Tensor) -> [UnsafeRawBufferPointer] {
    [UnsafeRawBufferPointer(start: numbers.body.elements.address, count: 4 * numbers.shape.elementCount)]
  }

  @Test(arguments: kernels) func whatNothingOrdersIsReportedAndWhatIsOrderedIsNot(_ kernel: Kernel) throws {
    let numbers = Tensor.zeros([64], dtype: .int32)
    let works = Self.works([kernel.wrong, kernel.right], blocks: kernel.blocks, threads: kernel.threads, on: numbers)
    let emulated = try Self.emulated.get()
    for order in Self.orders {
      let failure = emulated.run(works[0], memory: Self.memory(numbers), order: order)
      #expect(failure?.contains(kernel.report) == true, "\(order): \(failure ?? "nothing")")
      #expect(emulated.run(works[1], memory: Self.memory(numbers), order: order) == nil, "\(order)")
    }
  }

  /// What one launch has written the next may read.
  @Test func launchesAreOrdered() throws {
    let numbers = Tensor.zeros([64], dtype: .int32)
    let works = Self.works(["fresh[mine] = mine;", "numbers[63 - mine] = fresh[mine ^ 7];"], blocks: 1, threads: 64, on: numbers)
    let emulated = try EmulatedKernels(works.map { $0.launches[0].source })
    var both = works[0]
    both.launches += works[1].launches
    #expect(emulated.run(both, memory: Self.memory(numbers)) == nil)
    #expect(emulated.run(works[1], memory: Self.memory(numbers))?.contains("nobody has written") == true)
  }

  /// Threads do run in the order that is asked for: the places that they take one after the other.
  @Test func threadsBlocksAndLanesRunInAnotherOrder() throws {
    let numbers = Tensor.zeros([64], dtype: .int32)
    let body = "const int place = 1 + atomicAdd(numbers, 1); numbers[place] = blockIdx.x * 20 + mine;"
    for body in [body, body + " __syncthreads();"] {
      let work = Self.works([body], blocks: 3, threads: 20, on: numbers)[0]
      let emulated = try EmulatedKernels([work.launches[0].source])
      var places: [[Int32]] = []
      for order in Self.orders {
        numbers.fill_(0)
        #expect(emulated.run(work, memory: Self.memory(numbers), order: order) == nil)
        places.append(Array(numbers.array(of: Int32.self)[1...60]))
        #expect(places.last!.sorted() == Array(0..<60))
      }
      #expect(places[0] == Array(0..<60) && places[1] == Array((0..<60).reversed()))
      #expect(Set(places).count == 4)
    }
  }
}
