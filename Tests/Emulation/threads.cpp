// CUDA's threads on a CPU, one after the other. A thread is a fiber that gives way where it has to wait; what no GPU would do (barriers
// that not all threads reach, memory outside of the operands), and what a GPU might do otherwise (hazards.h), is reported.
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "cuda.h"

#define HIDDEN __attribute__((visibility("hidden")))

HIDDEN emulated_index threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

enum State : uint8_t { runnable, at_barrier, at_warp_barrier, at_exchange, finished };

constexpr int most_threads = 1024, stack_bytes = 64 << 10, canary_bytes = 64, most_copies = 256;

/// To shared memory, of what `from` holds when it is made; zeros where it is null.
struct Copy {
  void *to;
  const void *from;
  int bytes;
};

struct Fiber {
  ucontext_t context;
  bool is_there, is_begun;
  /// Where it begins a block, and where it gave way.
  jmp_buf start, here;
  emulated_index index;
  unsigned exchanges;
  int copy_count;
  Copy copies[most_copies];
};

static Fiber fibers[most_threads];
static State states[most_threads];
/// The statements that they wait in.
static const void *places[most_threads];
static unsigned char *stacks;
static jmp_buf scheduler;
static int current, thread_count;
/// Where the current thread's begins.
static uint64_t own_stack;
HIDDEN unsigned char *shared;
static int slots[2][most_threads];
static uint32_t words[2][most_threads][6];
static char failure[256];
static const emulated_launch *launch;
static void (*kernel)(const void *);
static const void *arguments;
static bool on_fibers;
static jmp_buf outside;

static void fail(const char *what) {
  if (failure[0]) return;
  snprintf(failure, sizeof failure, "%s (block %u %u, thread %u %u)", what, blockIdx.x, blockIdx.y, threadIdx.x, threadIdx.y);
}

/// Ends the thread before it does what it should not.
static void abandon(const char *what) {
  fail(what);
  if (!on_fibers) _longjmp(outside, 1);
  states[current] = finished;
  _longjmp(scheduler, 1);
}

/// Whether some operand has all of a range.
static bool is_operand(uint64_t from, size_t bytes) {
  static int64_t last;
  const uint64_t *const ranges = launch->ranges, end = from + bytes;
  if (last < launch->range_count && from >= ranges[2 * last] && end <= ranges[2 * last + 1]) return true;
  for (int64_t i = 0; i < launch->range_count; i++) {
    if (from >= ranges[2 * i] && end <= ranges[2 * i + 1]) return last = i, true;
  }
  return false;
}

}  // namespace emulation

#include "hazards.h"

namespace emulation {

HIDDEN void touch(const void *address, size_t bytes) {
  uint64_t from = (uint64_t)address, end = from + bytes;
  if (from % (bytes < 16 ? bytes : 16) != 0) abandon("an access that is not aligned");
  if (from >= (uint64_t)shared && end <= (uint64_t)shared + launch->shared_bytes) return;
  if (!is_operand(from, bytes)) abandon("memory outside of the operands");
}

HIDDEN void touch_atomically(const void *cell, size_t bytes) { note(cell, bytes, joins_atomically); }

static void give_way(State state, const void *place) {
  if (!on_fibers) abandon("a wait in a kernel that is taken for one without");
  states[current] = state;
  places[current] = place;
  if (!_setjmp(fibers[current].here)) _longjmp(scheduler, 1);
}

static int exchange(int value, int source_lane, const void *place) {
  int thread = current, warp = thread / 32 * 32;
  unsigned turn = fibers[thread].exchanges++ & 1;
  slots[turn][thread] = value;
  give_way(at_exchange, place);
  int source = warp + source_lane;
  if (source_lane < 0 || source_lane > 31) return value;
  if (source >= thread_count) {
    fail("a lane that is not there");
    return value;
  }
  return slots[turn][source];
}

HIDDEN const uint32_t (*gathered(const uint32_t (&own)[6]))[6] {
  int thread = current;
  unsigned turn = fibers[thread].exchanges++ & 1;
  memcpy(words[turn][thread], own, sizeof own);
  give_way(at_exchange, __builtin_return_address(0));
  return words[turn] + thread / 32 * 32;
}

HIDDEN void copy_later(void *to, const void *from, int bytes) {
  Fiber &self = fibers[current];
  if (self.copy_count == most_copies) return abandon("more copies on their way than emulation has room for");
  if (from) note(from, bytes, reads);
  note(to, bytes, begins_copy);
  self.copies[self.copy_count++] = {to, from, bytes};
}

HIDDEN void await_copies() {
  Fiber &self = fibers[current];
  for (int i = 0; i < self.copy_count; i++) {
    const Copy &copy = self.copies[i];
    note_arrival(copy.to, copy.bytes);
    if (copy.from) memcpy(copy.to, copy.from, copy.bytes);
    else memset(copy.to, 0, copy.bytes);
  }
  self.copy_count = 0;
}

static void run_thread() {
  fibers[current].exchanges = fibers[current].copy_count = 0;
  kernel(arguments);
  if (fibers[current].copy_count > 0) fail("a copy that nobody waits for");
}

static void entry() {
  _setjmp(fibers[current].start);
  run_thread();
  states[current] = finished;
  _longjmp(scheduler, 1);
}

static void resume(int thread) {
  current = thread;
  Fiber &fiber = fibers[thread];
  threadIdx = fiber.index;
  own_stack = (uint64_t)stacks + (uint64_t)thread * stack_bytes;
  if (_setjmp(scheduler)) return;
  if (fiber.is_begun) _longjmp(fiber.here, 1);
  fiber.is_begun = true;
  if (fiber.is_there) _longjmp(fiber.start, 1);
  fiber.is_there = true;
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = (void *)own_stack;
  fiber.context.uc_stack.ss_size = stack_bytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
  setcontext(&fiber.context);
}

/// Frees the waiting threads from..<to if all that are not finished wait in the same way.
static bool release(int from, int to, State state) {
  int waiting = 0;
  for (int t = from; t < to; t++) waiting += states[t] == state;
  if (waiting == 0 || waiting != to - from) return false;
  for (int t = from; t < to; t++) {
    if (places[t] != places[from]) fail("threads wait for each other in different places");
    states[t] = runnable;
  }
  if (state == at_barrier) order_block();
  else if (state == at_warp_barrier) order_warp(from / 32);
  return true;
}

/// The numbers below `count`, each once, in the order that a launch asks for.
struct Order {
  uint64_t count, at, step;

  Order(uint64_t count, uint64_t turn) : count(count), at(0), step(1) {
    if (launch->order == 0) return;
    if (launch->order == 1) {
      at = step = count - 1;
    } else {
      const uint64_t bits = (uint64_t(launch->order) + turn) * 0x9e3779b97f4a7c15u;
      at = (bits >> 32) % count;
      step = (bits >> 8 & 0xffff) % count;
      while (greatest_divisor(step, count) != 1) step++;
    }
  }
  static uint64_t greatest_divisor(uint64_t a, uint64_t b) { return b ? greatest_divisor(b, a % b) : a; }
  int64_t next() {
    const uint64_t number = at;
    at = (at + step) % count;
    return int64_t(number);
  }
};

static void run_block_of_fibers() {
  for (int t = 0; t < thread_count; t++) {
    Fiber &fiber = fibers[t];
    states[t] = runnable;
    fiber.is_begun = false;
    fiber.index = {unsigned(t % blockDim.x), unsigned(t / blockDim.x), 0};
  }
  const int warps = (thread_count + 31) / 32;
  while (true) {
    bool moved = false;
    int done = 0;
    Order warp_order(warps, 1);
    for (int w = 0; w < warps; w++) {
      const int warp = int(warp_order.next()), first = 32 * warp, count = thread_count - first < 32 ? thread_count - first : 32;
      // A warp that has exchanged goes on while it is warm.
      do {
        Order lanes(count, 2 + warp);
        for (int i = 0; i < count; i++) {
          const int thread = first + int(lanes.next());
          if (states[thread] != runnable) continue;
          resume(thread);
          moved = true;
        }
      } while (release(first, first + count, at_exchange) || release(first, first + count, at_warp_barrier));
    }
    for (int t = 0; t < thread_count; t++) done += states[t] == finished;
    if (done == thread_count) return;
    if (release(0, thread_count, at_barrier)) continue;
    if (!moved) return fail("threads wait for others that do not come");
  }
}

static void run_block_directly() {
  if (_setjmp(outside)) return;
  own_stack = (uint64_t)__builtin_frame_address(0) - stack_bytes;
  Order threads(thread_count, 1);
  for (int i = 0; i < thread_count; i++) {
    current = int(threads.next());
    threadIdx = {unsigned(current % blockDim.x), unsigned(current / blockDim.x), 0};
    run_thread();
  }
}

/// Threads of the process that run kernels of one library take turns: what a kernel's threads share is there once.
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
struct Turn {
  Turn() { pthread_mutex_lock(&turn); }
  ~Turn() { pthread_mutex_unlock(&turn); }
};

HIDDEN const char *run(const emulated_launch *l, void (*function)(const void *), const void *a, bool waits) {
  static thread_local char result[sizeof failure];
  Turn mine;
  failure[0] = 0;
  launch = l;
  kernel = function;
  arguments = a;
  thread_count = int(l->block_x * l->block_y);
  if (thread_count > most_threads) return "a block has at most 1024 threads";
  if (uint64_t(l->shared_bytes) > most_shared_bytes) return "a block has at most 227 KiB of shared memory";
  blockDim = {unsigned(l->block_x), unsigned(l->block_y), 1};
  gridDim = {unsigned(l->grid_x), unsigned(l->grid_y), 1};
  if (!stacks) stacks = (unsigned char *)malloc((size_t)most_threads * stack_bytes);
  unsigned char *memory = (unsigned char *)aligned_alloc(64, (size_t(l->shared_bytes) + canary_bytes + 63) / 64 * 64);
  shared = memory;
  on_fibers = waits;
  begin_hazards_of_launch();
  const int64_t blocks = l->grid_x * l->grid_y;
  Order order(blocks, 0);
  for (int64_t i = 0; i < blocks && !failure[0]; i++) {
    const int64_t block = order.next();
    blockIdx = {unsigned(block % l->grid_x), unsigned(block / l->grid_x), 0};
    // Shared memory begins as anything.
    memset(shared, 0xf7, l->shared_bytes + canary_bytes);
    begin_hazards_of_block();
    if (waits) run_block_of_fibers();
    else run_block_directly();
    for (int j = 0; j < canary_bytes; j++) {
      if (shared[l->shared_bytes + j] != 0xf7) fail("shared memory past its end");
    }
  }
  free(memory);
  memcpy(result, failure, sizeof failure);
  return result[0] ? result : nullptr;
}

}  // namespace emulation

// Each names the place that it is called from: all threads that wait together should be there.
#define HERE __builtin_return_address(0)
HIDDEN void __syncthreads() { emulation::give_way(emulation::at_barrier, HERE); }
HIDDEN void __syncwarp() { emulation::give_way(emulation::at_warp_barrier, HERE); }
HIDDEN int __shfl_xor_sync(unsigned, int value, int distance) { return emulation::exchange(value, emulation::current % 32 ^ distance, HERE); }
HIDDEN int __shfl_up_sync(unsigned, int value, int distance) { return emulation::exchange(value, emulation::current % 32 - distance, HERE); }
HIDDEN uint32_t __match_any_sync(unsigned, uint32_t value) {
  emulation::exchange(int(value), emulation::current % 32, HERE);
  int warp = emulation::current / 32 * 32, turn = (emulation::fibers[emulation::current].exchanges - 1) & 1;
  uint32_t lanes = 0;
  for (int lane = 0; lane < 32 && warp + lane < emulation::thread_count; lane++) {
    lanes |= uint32_t(emulation::slots[turn][warp + lane] == int(value)) << lane;
  }
  return lanes;
}
