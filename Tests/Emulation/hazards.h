// What NVIDIA's memcheck, racecheck and initcheck look for, seen on emulated threads: which thread touched which byte, and what orders it
// before another's touch. Clang tells of every access of a kernel, in the way it tells its ThreadSanitizer (-fsanitize=thread without the
// library), so that kernels need say nothing.
//
// Threads of a block are ordered by __syncthreads, lanes of a warp by __syncwarp as well; neither an exchange of lanes nor the order in
// which they happen to run here orders anything, and blocks of a launch are not ordered at all. Atomic and volatile accesses do not
// disturb each other.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

// The beginning and the end of this shared object, by the linker.
extern "C" __attribute__((visibility("hidden"))) char __ehdr_start, _end;

namespace emulation {

/// Counts what orders threads; no two of these have the same time.
static uint32_t now = 1;
static uint32_t launch_time, block_time, barrier_time, warp_times[32];

enum Spread : uint8_t { one_thread, one_warp, one_block, whole_launch };

/// The latest of the accesses that nothing orders among themselves, and how far they are spread.
struct Touch {
  uint32_t time;
  uint16_t thread;
  Spread spread;
  bool is_atomic : 1, is_under_way : 1;

  bool is_synchronised() const {
    if (time < launch_time) return true;
    if (spread == whole_launch || time < block_time) return false;
    if (time < barrier_time) return true;
    return spread <= one_warp && thread / 32 == current / 32 && time < warp_times[current / 32];
  }
  bool is_own() const { return time >= block_time && spread == one_thread && thread == current; }

  void join(bool atomic) {
    if (is_synchronised()) {
      *this = {now, uint16_t(current), one_thread, atomic, false};
      return;
    }
    Spread reach = time < block_time ? whole_launch : thread / 32 != current / 32 ? one_block : thread != current ? one_warp : one_thread;
    *this = {now, uint16_t(current), reach > spread ? reach : spread, is_atomic && atomic, false};
  }
};

/// What happened to a byte.
struct Cell {
  Touch read, write;
};

/// Bytes of shared memory, and of operands by pages, of which a launch has those that it touches.
constexpr uint64_t page_bytes = 4096, most_pages = 1 << 14, most_shared_bytes = 227 << 10, most_argument_bytes = 4096;
static Cell *shared_cells, *page_cells;
static struct {
  uint64_t page;
  uint32_t time;
  int cells;
} page_table[2 * most_pages];
static int page_count;
static uint64_t last_page;
static Cell *last_cells;

template <class T> inline T *reserved(uint64_t count) {
  return (T *)mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

inline void begin_hazards_of_launch() {
  if (!shared_cells) {
    shared_cells = reserved<Cell>(most_shared_bytes);
    page_cells = reserved<Cell>(most_pages * page_bytes);
  }
  launch_time = ++now;
  page_count = 0;
  last_page = 0;
}
inline void begin_hazards_of_block() {
  block_time = barrier_time = ++now;
  for (uint32_t &time : warp_times) time = block_time;
}
inline void order_block() { barrier_time = ++now; }
inline void order_warp(int warp) { warp_times[warp] = ++now; }

/// Null where a launch touches more than is kept track of, 64 MiB.
inline Cell *cells_of_page(uint64_t page) {
  if (page == last_page) return last_cells;
  uint64_t slot = page * 0x9e3779b97f4a7c15u >> 49;
  while (page_table[slot].time >= launch_time && page_table[slot].page != page) slot = (slot + 1) % (2 * most_pages);
  if (page_table[slot].time < launch_time) {
    if (page_count == most_pages) return nullptr;
    page_table[slot] = {page, now, page_count++};
  }
  last_page = page;
  return last_cells = page_cells + page_table[slot].cells * page_bytes;
}

enum Access { reads, writes, reads_atomically, joins_atomically, begins_copy };

inline void fail_of(const char *place, const char *mine, const char *theirs, const Touch &other) {
  const char *who = other.time < block_time || other.spread == whole_launch                ? "another block"
                    : other.thread / 32 != current / 32 || other.spread == one_block ? "another warp"
                                                                                     : "another lane";
  char text[160];
  snprintf(text, sizeof text, "%s that this thread %s and %s %s, and nothing orders the two", place, mine, who, theirs);
  fail(text);
}

inline void disturb(Cell &cell, Access access, const char *place) {
  const bool is_read = access == reads || access == reads_atomically;
  const bool is_atomic = access == reads_atomically || access == joins_atomically;
  if (cell.write.is_under_way && cell.write.time >= block_time) return fail("shared memory is touched while a copy to it is under way");
  const auto is_free = [=](const Touch &other) { return other.is_own() || (is_atomic && other.is_atomic) || other.is_synchronised(); };
  if (!is_free(cell.write)) return fail_of(place, is_read ? "reads" : "writes", "writes", cell.write);
  if (is_read) return cell.read.join(is_atomic);
  if (!is_free(cell.read)) return fail_of(place, "writes", "reads", cell.read);
  cell.write.join(is_atomic);
  cell.write.is_under_way = access == begins_copy;
}

/// Bytes of the launch's that nobody has written yet, as far as they are told of.
inline void note_fresh(uint64_t from, size_t bytes, Access access) {
  if (!launch->written || from < launch->written_from || from + bytes > launch->written_end) return;
  uint8_t *const cells = launch->written + (from - launch->written_from);
  for (size_t i = 0; i < bytes; i++) {
    if (access != writes && !cells[i]) return fail("memory is read that nobody has written");
    if (access != reads && access != reads_atomically) cells[i] = 1;
  }
}

inline bool are_same(const Cell &a, const Cell &b) { return memcmp(&a, &b, sizeof a) == 0; }

/// Neighbours mostly have the same history.
inline void disturb(Cell *cells, uint64_t count, Access access, const char *place) {
  const Cell before = *cells;
  disturb(*cells, access, place);
  for (uint64_t i = 1; i < count; i++) {
    if (are_same(cells[i], before)) cells[i] = *cells;
    else disturb(cells[i], access, place);
  }
}

/// A touch of what is not the thread's own.
inline __attribute__((noinline)) void note_common(uint64_t from, size_t bytes, Access access) {
  const uint64_t in_shared = from - (uint64_t)shared;
  if (in_shared < (uint64_t)launch->shared_bytes) {
    if (in_shared + bytes > (uint64_t)launch->shared_bytes) return abandon("shared memory past its end");
    for (uint64_t i = in_shared; i < in_shared + bytes; i++) {
      Cell &cell = shared_cells[i];
      if (cell.write.time >= block_time) continue;
      if (access != writes && access != begins_copy) return fail("shared memory is read that nobody has written");
      cell = {};
    }
    return disturb(shared_cells + in_shared, bytes, access, "shared memory");
  }
  // What all are given is nobody's.
  if (from - (uint64_t)arguments < most_argument_bytes) return;
  if (!is_operand(from, bytes)) {
    // Nor are constants.
    if (from - (uint64_t)&__ehdr_start < uint64_t(&_end - &__ehdr_start)) return;
    return abandon("memory outside of the operands");
  }
  note_fresh(from, bytes, access);
  while (bytes > 0) {
    const uint64_t at = from % page_bytes, count = bytes < page_bytes - at ? bytes : page_bytes - at;
    if (Cell *const cells = cells_of_page(from / page_bytes)) disturb(cells + at, count, access, "memory");
    from += count, bytes -= count;
  }
}

inline void note(const void *address, size_t bytes, Access access) {
  if ((uint64_t)address - own_stack >= stack_bytes) note_common((uint64_t)address, bytes, access);
}

inline void note_aligned(const void *address, size_t bytes, Access access) {
  if ((uint64_t)address % bytes != 0) abandon("an access that is not aligned");
  note(address, bytes, access);
}

/// The end of a copy to shared memory.
inline void note_arrival(const void *address, size_t bytes) {
  const uint64_t in_shared = (uint64_t)address - (uint64_t)shared;
  for (uint64_t i = in_shared; i < in_shared + bytes; i++) shared_cells[i].write = {now, uint16_t(current), one_thread, false, false};
}

}  // namespace emulation

// What clang calls.
#define SEEN extern "C" __attribute__((visibility("hidden")))
#define ACCESSES(bytes)                                                                                              \
  SEEN void __tsan_read##bytes(void *p) { emulation::note_aligned(p, bytes, emulation::reads); }                     \
  SEEN void __tsan_write##bytes(void *p) { emulation::note_aligned(p, bytes, emulation::writes); }                   \
  SEEN void __tsan_unaligned_read##bytes(void *p) { emulation::note(p, bytes, emulation::reads); }                   \
  SEEN void __tsan_unaligned_write##bytes(void *p) { emulation::note(p, bytes, emulation::writes); }                 \
  SEEN void __tsan_volatile_read##bytes(void *p) { emulation::note(p, bytes, emulation::reads_atomically); }         \
  SEEN void __tsan_volatile_write##bytes(void *p) { emulation::note(p, bytes, emulation::joins_atomically); }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
SEEN void *__tsan_memcpy(void *to, const void *from, size_t bytes) {
  emulation::note(from, bytes, emulation::reads);
  emulation::note(to, bytes, emulation::writes);
  return memcpy(to, from, bytes);
}
SEEN void *__tsan_memmove(void *to, const void *from, size_t bytes) {
  emulation::note(from, bytes, emulation::reads);
  emulation::note(to, bytes, emulation::writes);
  return memmove(to, from, bytes);
}
SEEN void *__tsan_memset(void *to, int byte, size_t bytes) {
  emulation::note(to, bytes, emulation::writes);
  return memset(to, byte, bytes);
}
SEEN void __tsan_init() {}
