// CUDA's driver without a GPU: memory is the CPU's, a module is a shared object of kernels on emulated threads (cuda.h), and what is
// queued on a stream runs when somebody waits for it, so that a missing wait is seen. Calls are noted, and so is what a real driver
// would let pass or crash on. Tests open a copy of the library each, and set it up by the functions named fake_.
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#ifdef FLAMBEAU_CHECK_DECLARATIONS
// NVIDIA's own header, against which the definitions below are held.
#include <cuda.h>
#undef cuEventElapsedTime
#else
typedef unsigned long long CUdeviceptr;
typedef int CUdevice;
typedef int CUresult, CUdevice_attribute, CUfunction_attribute;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphExec_st *CUgraphExec;
typedef int CUstreamCaptureMode;
#endif

#include "launch.h"

namespace {

enum Code {
  success = 0, invalid_value = 1, out_of_memory = 2, not_initialised = 3, no_device = 100, invalid_device = 101, invalid_image = 200,
  invalid_context = 201, invalid_handle = 400, not_found = 500, not_ready = 600, illegal_address = 700, launch_timeout = 702,
  misaligned_address = 716, launch_failed = 719, capture_unsupported = 900, capture_invalidated = 901,
  capture_unmatched = 903, capture_isolation = 905, captured_event = 907,
};

struct Op {
  uint64_t ticket;
  std::function<void()> run;
};

/// What was queued on a stream while it was captured.
struct Graph {
  std::vector<std::function<void()>> work;
  bool is_valid = true, is_live = true;
};

struct Stream {
  int device;
  bool is_live = true;
  std::deque<Op> queue = {};
  Graph *capture = nullptr;
};

struct Context {
  int device;
  int retained = 0, fault = 0;
  Stream null_stream;
};

struct Event {
  int device;
  bool is_timed, is_live = true, is_captured = false;
  Stream *stream = nullptr;
  uint64_t ticket = 0, done = 0;
  double time = 0;
};

struct Module {
  int device;
  void *library;
  bool is_live = true;
};

typedef const char *(*Run)(const emulated_launch *, const void *, int64_t);

struct Function {
  Module *module;
  Run run;
  int64_t argument_bytes;
  int shared_limit = 48 << 10;
};

struct Memory {
  uint64_t bytes;
  int device;
};

const int most_shared = 227 << 10;

std::mutex mutex;
int device_count = 1, version = 13000;
int64_t capacity = 1 << 30;
bool is_deferred = true, is_initialised = false;
std::vector<std::string> calls, misuses;
std::map<std::string, int> failures;
std::vector<Context *> contexts;
std::map<uint64_t, Memory> memory, pinned;
std::set<Stream *> streams;
std::set<Event *> events;
std::set<Module *> modules;
std::set<Function *> functions;
std::set<Graph *> graphs, executables;
uint64_t ticket = 0;
thread_local Context *current;

__attribute__((format(printf, 1, 2))) void misuse(const char *format, ...) {
  char text[512];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  misuses.push_back(text);
}

/// Notes a call; not success where a test wants it to fail.
__attribute__((format(printf, 2, 3))) int note(const char *name, const char *format, ...) {
  char text[512];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  calls.push_back(std::string(name) + " " + text);
  auto failure = failures.find(name);
  if (failure == failures.end()) return success;
  int code = failure->second;
  failures.erase(failure);
  return code;
}

/// The context is there and has no fault.
int context_status(const char *name) {
  if (!current) {
    misuse("%s without a context", name);
    return invalid_context;
  }
  return current->fault;
}

#define ENTER(name, ...)                                          \
  std::lock_guard<std::mutex> guard(mutex);                       \
  if (int failure = note(name, __VA_ARGS__)) return (CUresult)failure; \
  if (int fault = context_status(name)) return (CUresult)fault
#define FAIL(code, ...) return misuse(__VA_ARGS__), (CUresult)(code)

/// The allocation that has all of a range; null if there is none.
const std::pair<const uint64_t, Memory> *find(const std::map<uint64_t, Memory> &all, uint64_t address, uint64_t bytes) {
  auto after = all.upper_bound(address);
  if (after == all.begin()) return nullptr;
  auto found = std::prev(after);
  return address + bytes <= found->first + found->second.bytes ? &*found : nullptr;
}

bool is_device_range(uint64_t address, uint64_t bytes) {
  auto found = find(memory, address, bytes);
  return found && found->second.device == current->device;
}

/// Runs what was queued on a stream before or at a ticket.
void run_until(Stream *stream, uint64_t last) {
  while (!stream->queue.empty() && stream->queue.front().ticket <= last) {
    Op op = std::move(stream->queue.front());
    stream->queue.pop_front();
    if (!contexts[stream->device]->fault) op.run();
  }
}

void run_all(int device) {
  run_until(&contexts[device]->null_stream, UINT64_MAX);
  for (Stream *stream : streams) {
    if (stream->device == device) run_until(stream, UINT64_MAX);
  }
}

uint64_t enqueue(Stream *stream, std::function<void()> run) {
  if (stream->capture) return stream->capture->work.push_back(std::move(run)), 0;
  stream->queue.push_back({++ticket, std::move(run)});
  uint64_t own = ticket;
  if (!is_deferred) run_until(stream, own);
  return own;
}

Stream *stream_of(CUstream handle) {
  if (!handle) return &current->null_stream;
  Stream *stream = (Stream *)handle;
  return streams.count(stream) && stream->is_live && stream->device == current->device ? stream : nullptr;
}

Event *event_of(CUevent handle) {
  Event *event = (Event *)handle;
  return events.count(event) && event->is_live ? event : nullptr;
}

#define STREAM(name, handle) \
  Stream *stream = stream_of(handle); \
  if (!stream) FAIL(invalid_handle, "%s on a stream that is not there, or another GPU's", name)
/// What cannot happen to a stream that is captured, and ends the capture.
#define REFUSE_CAPTURE(stream)                                                                   \
  if ((stream)->capture) {                                                                      \
    (stream)->capture->is_valid = false;                                                        \
    return (CUresult)capture_unsupported;                                                       \
  }
#define EVENT(name, handle) \
  Event *event = event_of(handle); \
  if (!event) FAIL(invalid_handle, "%s of an event that is not there", name)

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return double(time.tv_sec) * 1e3 + double(time.tv_nsec) * 1e-6;
}

void release(std::map<uint64_t, Memory> &all, std::map<uint64_t, Memory>::iterator place) {
  munmap((void *)place->first, place->second.bytes);
  all.erase(place);
}

/// Fresh memory, which may hold anything; 0 if there is none.
uint64_t map(std::map<uint64_t, Memory> &all, uint64_t bytes) {
  void *address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return 0;
  if (bytes <= 2 << 20) memset(address, 0xf7, bytes);
  all[(uint64_t)address] = {bytes, current->device};
  return (uint64_t)address;
}

int64_t used(const std::map<uint64_t, Memory> &all, int device) {
  int64_t sum = 0;
  for (auto &entry : all) sum += entry.second.device == device ? int64_t(entry.second.bytes) : 0;
  return sum;
}

void fault(int device, const char *what, Function *function) {
  // What only may go wrong (hazards.h) ends as loudly as what does.
  const bool is_hazard = strstr(what, "nothing orders") || strstr(what, "nobody has") || strstr(what, "under way");
  contexts[device]->fault = is_hazard                  ? launch_failed
                            : strstr(what, "aligned") ? misaligned_address
                            : strstr(what, "memory") ? illegal_address
                            : strstr(what, "wait")   ? launch_timeout
                                                     : launch_failed;
  calls.push_back(std::string("fault ") + what);
}

}  // namespace

extern "C" {

#define EXPORTED __attribute__((visibility("default")))

// For tests.

EXPORTED void fake_configure(int devices, int64_t bytes, int deferred, int driver_version) {
  device_count = devices;
  capacity = bytes;
  is_deferred = deferred;
  version = driver_version;
}
EXPORTED int64_t fake_call_count() { return std::lock_guard<std::mutex>(mutex), int64_t(calls.size()); }
EXPORTED const char *fake_call(int64_t i) { return std::lock_guard<std::mutex>(mutex), calls[i].c_str(); }
EXPORTED int64_t fake_misuse_count() { return std::lock_guard<std::mutex>(mutex), int64_t(misuses.size()); }
EXPORTED const char *fake_misuse(int64_t i) { return std::lock_guard<std::mutex>(mutex), misuses[i].c_str(); }
/// The next call of a function returns this.
EXPORTED void fake_fail(const char *name, int code) {
  std::lock_guard<std::mutex> guard(mutex);
  failures[name] = code;
}
/// Runs the next so many things of a stream; a GPU does so by itself.
EXPORTED void fake_advance(void *handle, int64_t count) {
  std::lock_guard<std::mutex> guard(mutex);
  Stream *stream = handle ? (Stream *)handle : &contexts[0]->null_stream;
  while (count-- > 0 && !stream->queue.empty()) run_until(stream, stream->queue.front().ticket);
}
EXPORTED int64_t fake_device_bytes() { return std::lock_guard<std::mutex>(mutex), used(memory, 0) + used(memory, 1); }
/// The next block of a GPU's memory from an address on.
EXPORTED uint64_t fake_block(uint64_t from, int64_t *bytes) {
  std::lock_guard<std::mutex> guard(mutex);
  auto place = memory.lower_bound(from);
  if (place == memory.end()) return 0;
  return *bytes = int64_t(place->second.bytes), place->first;
}
EXPORTED int64_t fake_pinned_bytes() { return std::lock_guard<std::mutex>(mutex), used(pinned, 0) + used(pinned, 1); }
/// Streams, events, modules and contexts that nobody has destroyed.
EXPORTED int64_t fake_live_objects() {
  std::lock_guard<std::mutex> guard(mutex);
  int64_t count = 0;
  for (Stream *stream : streams) count += stream->is_live;
  for (Event *event : events) count += event->is_live;
  for (Module *module : modules) count += module->is_live;
  for (Graph *graph : graphs) count += graph->is_live;
  for (Graph *executable : executables) count += executable->is_live;
  for (Context *context : contexts) count += context->retained;
  return count;
}

// Devices and contexts.

EXPORTED CUresult cuGetErrorString(CUresult code, const char **text) {
  static const std::map<int, const char *> texts = {
      {invalid_value, "invalid argument"}, {out_of_memory, "out of memory"}, {not_initialised, "initialization error"},
      {no_device, "no CUDA-capable device is detected"}, {invalid_device, "invalid device ordinal"},
      {invalid_image, "device kernel image is invalid"}, {invalid_context, "invalid device context"},
      {invalid_handle, "invalid resource handle"}, {not_found, "named symbol not found"}, {not_ready, "device not ready"},
      {illegal_address, "an illegal memory access was encountered"},
      {launch_timeout, "the launch timed out and was terminated"}, {misaligned_address, "misaligned address"},
      {launch_failed, "unspecified launch failure"},
      {capture_unsupported, "operation not permitted when stream is capturing"},
      {capture_invalidated, "operation failed due to a previous error during capture"},
      {capture_isolation, "dependency created on uncaptured work in another stream"},
      {capture_unmatched, "capture was not initiated in this stream"}};
  auto found = texts.find(code);
  if (found == texts.end()) return (CUresult)invalid_value;
  *text = found->second;
  return (CUresult)success;
}

EXPORTED CUresult cuInit(unsigned flags) {
  std::lock_guard<std::mutex> guard(mutex);
  if (device_count == 0) return (CUresult)no_device;
  if (!is_initialised) {
    for (int i = 0; i < device_count; i++) contexts.push_back(new Context{i, 0, 0, Stream{i}});
  }
  is_initialised = true;
  return (CUresult)(flags ? invalid_value : success);
}

EXPORTED CUresult cuDriverGetVersion(int *result) { return *result = version, (CUresult)success; }

EXPORTED CUresult cuDeviceGetCount(int *count) {
  if (!is_initialised) return (CUresult)not_initialised;
  return *count = device_count, (CUresult)success;
}

EXPORTED CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  if (ordinal < 0 || ordinal >= device_count) return (CUresult)invalid_device;
  // Not the ordinal: who takes one for the other gets an error.
  return *device = ordinal + 40, (CUresult)success;
}

EXPORTED CUresult cuDeviceGetName(char *name, int count, CUdevice device) {
  if (device < 40 || device >= 40 + device_count) return (CUresult)invalid_device;
  snprintf(name, count, "Emulated GPU");
  return (CUresult)success;
}

EXPORTED CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  if (device < 40 || device >= 40 + device_count) return (CUresult)invalid_device;
  return *bytes = capacity, (CUresult)success;
}

EXPORTED CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  static const std::map<int, int> values = {{1, 1024}, {16, 2}, {75, 9}, {76, 0}, {97, most_shared}};
  auto found = values.find(attribute);
  if (device < 40 || device >= 40 + device_count || found == values.end()) return (CUresult)invalid_value;
  return *value = found->second, (CUresult)success;
}

EXPORTED CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  std::lock_guard<std::mutex> guard(mutex);
  if (device < 40 || device >= 40 + device_count) return (CUresult)invalid_device;
  contexts[device - 40]->retained++;
  return *context = (CUcontext)contexts[device - 40], (CUresult)success;
}

EXPORTED CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  std::lock_guard<std::mutex> guard(mutex);
  if (device < 40 || device >= 40 + device_count) return (CUresult)invalid_device;
  if (contexts[device - 40]->retained-- <= 0) FAIL(invalid_context, "a context that was released too often");
  return (CUresult)success;
}

EXPORTED CUresult cuCtxSetCurrent(CUcontext context) {
  std::lock_guard<std::mutex> guard(mutex);
  for (Context *known : contexts) {
    if ((void *)known == (void *)context && known->retained) return current = known, (CUresult)success;
  }
  FAIL(invalid_context, "cuCtxSetCurrent of a context that is not there");
}

EXPORTED CUresult cuCtxSynchronize() {
  ENTER("cuCtxSynchronize", "%s", "");
  for (Stream *stream : streams) {
    if (stream->device == current->device) REFUSE_CAPTURE(stream);
  }
  run_all(current->device);
  return (CUresult)current->fault;
}

// Memory.

EXPORTED CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  ENTER("cuMemGetInfo", "%s", "");
  *total = capacity;
  *free = capacity - used(memory, current->device);
  return (CUresult)success;
}

EXPORTED CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  ENTER("cuMemAlloc", "%zu", bytes);
  if (bytes == 0) FAIL(invalid_value, "cuMemAlloc of nothing");
  if (int64_t(bytes) > capacity - used(memory, current->device)) return (CUresult)out_of_memory;
  *address = map(memory, bytes);
  return (CUresult)(*address ? success : out_of_memory);
}

EXPORTED CUresult cuMemFree_v2(CUdeviceptr address) {
  ENTER("cuMemFree", "%llx", address);
  auto place = memory.find(address);
  if (place == memory.end()) FAIL(invalid_value, "cuMemFree of what is no block, or was freed before");
  if (place->second.device != current->device) FAIL(invalid_value, "cuMemFree of another GPU's memory");
  run_all(current->device);
  release(memory, place);
  return (CUresult)success;
}

EXPORTED CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned flags) {
  ENTER("cuMemHostAlloc", "%zu %u", bytes, flags);
  *address = (void *)map(pinned, bytes);
  return (CUresult)(*address ? success : out_of_memory);
}

EXPORTED CUresult cuMemFreeHost(void *address) {
  ENTER("cuMemFreeHost", "%p", address);
  auto place = pinned.find((uint64_t)address);
  if (place == pinned.end()) FAIL(invalid_value, "cuMemFreeHost of what is no block, or was freed before");
  release(pinned, place);
  return (CUresult)success;
}

EXPORTED CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr target, const void *source, size_t bytes, CUstream handle) {
  ENTER("cuMemcpyHtoDAsync", "%zu", bytes);
  STREAM("cuMemcpyHtoDAsync", handle);
  REFUSE_CAPTURE(stream);
  if (!is_device_range(target, bytes)) FAIL(invalid_value, "cuMemcpyHtoDAsync of %zu bytes to where there are not so many", bytes);
  bool is_pinned = find(pinned, (uint64_t)source, bytes);
  std::string copy = is_pinned ? "" : std::string((const char *)source, bytes);
  enqueue(stream, [=] {
    if (!find(memory, target, bytes)) return misuse("a copy to memory that has been freed");
    if (is_pinned && !find(pinned, (uint64_t)source, bytes)) return misuse("a copy from pinned memory that has been freed");
    memcpy((void *)target, is_pinned ? source : copy.data(), bytes);
  });
  return (CUresult)success;
}

EXPORTED CUresult cuMemcpyDtoHAsync_v2(void *target, CUdeviceptr source, size_t bytes, CUstream handle) {
  ENTER("cuMemcpyDtoHAsync", "%zu", bytes);
  STREAM("cuMemcpyDtoHAsync", handle);
  REFUSE_CAPTURE(stream);
  if (!is_device_range(source, bytes)) FAIL(invalid_value, "cuMemcpyDtoHAsync of %zu bytes from where there are not so many", bytes);
  bool is_pinned = find(pinned, (uint64_t)target, bytes);
  enqueue(stream, [=] {
    if (!find(memory, source, bytes)) return misuse("a copy from memory that has been freed");
    if (is_pinned && !find(pinned, (uint64_t)target, bytes)) return misuse("a copy to pinned memory that has been freed");
    memcpy(target, (void *)source, bytes);
  });
  if (!is_pinned) run_until(stream, UINT64_MAX);
  return (CUresult)current->fault;
}

EXPORTED CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream handle) {
  ENTER("cuMemcpyDtoDAsync", "%zu", bytes);
  STREAM("cuMemcpyDtoDAsync", handle);
  if (!is_device_range(source, bytes) || !is_device_range(target, bytes)) {
    FAIL(invalid_value, "cuMemcpyDtoDAsync of %zu bytes where there are not so many", bytes);
  }
  enqueue(stream, [=] {
    if (!find(memory, source, bytes) || !find(memory, target, bytes)) return misuse("a copy of memory that has been freed");
    memmove((void *)target, (void *)source, bytes);
  });
  return (CUresult)success;
}

EXPORTED CUresult cuMemsetD8Async(CUdeviceptr target, unsigned char byte, size_t bytes, CUstream handle) {
  ENTER("cuMemsetD8Async", "%zu", bytes);
  STREAM("cuMemsetD8Async", handle);
  if (!is_device_range(target, bytes)) FAIL(invalid_value, "cuMemsetD8Async of %zu bytes where there are not so many", bytes);
  enqueue(stream, [=] {
    if (!find(memory, target, bytes)) return misuse("a fill of memory that has been freed");
    memset((void *)target, byte, bytes);
  });
  return (CUresult)success;
}

// Streams and events.

EXPORTED CUresult cuStreamCreateWithPriority(CUstream *handle, unsigned flags, int) {
  ENTER("cuStreamCreateWithPriority", "%u", flags);
  if (flags != 1) FAIL(invalid_value, "a stream that waits for the default one");
  Stream *stream = new Stream{current->device};
  streams.insert(stream);
  return *handle = (CUstream)stream, (CUresult)success;
}

EXPORTED CUresult cuStreamDestroy_v2(CUstream handle) {
  ENTER("cuStreamDestroy", "%p", (void *)handle);
  STREAM("cuStreamDestroy", handle);
  if (!handle) FAIL(invalid_handle, "cuStreamDestroy of the default stream");
  run_until(stream, UINT64_MAX);
  stream->is_live = false;
  return (CUresult)success;
}

EXPORTED CUresult cuStreamSynchronize(CUstream handle) {
  ENTER("cuStreamSynchronize", "%p", (void *)handle);
  STREAM("cuStreamSynchronize", handle);
  REFUSE_CAPTURE(stream);
  run_until(stream, UINT64_MAX);
  return (CUresult)current->fault;
}

EXPORTED CUresult cuStreamQuery(CUstream handle) {
  ENTER("cuStreamQuery", "%p", (void *)handle);
  STREAM("cuStreamQuery", handle);
  REFUSE_CAPTURE(stream);
  return (CUresult)(stream->queue.empty() ? success : not_ready);
}

EXPORTED CUresult cuStreamWaitEvent(CUstream handle, CUevent waited, unsigned flags) {
  ENTER("cuStreamWaitEvent", "%p %p", (void *)handle, (void *)waited);
  STREAM("cuStreamWaitEvent", handle);
  EVENT("cuStreamWaitEvent", waited);
  if (flags) FAIL(invalid_value, "cuStreamWaitEvent with flags %u", flags);
  if (event->is_captured != !!stream->capture) {
    if (stream->capture) stream->capture->is_valid = false;
    return (CUresult)capture_isolation;
  }
  // What it has recorded now, not what it will have recorded then.
  Stream *recorded = event->stream;
  uint64_t last = event->ticket;
  enqueue(stream, [=] { if (recorded) run_until(recorded, last); });
  return (CUresult)success;
}

EXPORTED CUresult cuEventCreate(CUevent *handle, unsigned flags) {
  ENTER("cuEventCreate", "%u", flags);
  Event *event = new Event{current->device, !(flags & 2)};
  events.insert(event);
  return *handle = (CUevent)event, (CUresult)success;
}

EXPORTED CUresult cuEventDestroy_v2(CUevent handle) {
  ENTER("cuEventDestroy", "%p", (void *)handle);
  EVENT("cuEventDestroy", handle);
  event->is_live = false;
  return (CUresult)success;
}

EXPORTED CUresult cuEventRecord(CUevent handle, CUstream stream_handle) {
  ENTER("cuEventRecord", "%p %p", (void *)handle, (void *)stream_handle);
  STREAM("cuEventRecord", stream_handle);
  EVENT("cuEventRecord", handle);
  if (event->device != stream->device) FAIL(invalid_handle, "an event recorded on another GPU's stream");
  event->is_captured = stream->capture;
  if (event->is_captured) return (CUresult)success;
  event->stream = stream;
  event->ticket = ticket + 1;
  enqueue(stream, [event, own = event->ticket] {
    event->done = own;
    event->time = now();
  });
  return (CUresult)success;
}

EXPORTED CUresult cuEventQuery(CUevent handle) {
  ENTER("cuEventQuery", "%p", (void *)handle);
  EVENT("cuEventQuery", handle);
  if (event->is_captured) FAIL(captured_event, "a query of an event that is part of a graph");
  return (CUresult)(event->done >= event->ticket ? success : not_ready);
}

EXPORTED CUresult cuEventSynchronize(CUevent handle) {
  ENTER("cuEventSynchronize", "%p", (void *)handle);
  EVENT("cuEventSynchronize", handle);
  if (event->is_captured) FAIL(captured_event, "a wait for an event that is part of a graph");
  if (event->stream) run_until(event->stream, event->ticket);
  return (CUresult)current->fault;
}

EXPORTED CUresult cuEventElapsedTime(float *milliseconds, CUevent first, CUevent second) {
  ENTER("cuEventElapsedTime", "%p %p", (void *)first, (void *)second);
  Event *start = event_of(first), *end = event_of(second);
  if (!start || !end || !start->is_timed || !end->is_timed || !start->ticket || !end->ticket) {
    FAIL(invalid_handle, "a time between events that do not note it");
  }
  if (start->done < start->ticket || end->done < end->ticket) return (CUresult)not_ready;
  return *milliseconds = float(end->time - start->time), (CUresult)success;
}

// Kernels.

EXPORTED CUresult cuModuleLoadData(CUmodule *handle, const void *image) {
  ENTER("cuModuleLoadData", "%s", "");
  // Code may stand in a file, of which the image is the path.
  if (*(const char *)image == '/') {
    void *library = dlopen((const char *)image, RTLD_NOW | RTLD_LOCAL);
    if (!library) return (CUresult)invalid_image;
    Module *module = new Module{current->device, library};
    modules.insert(module);
    return *handle = (CUmodule)module, (CUresult)success;
  }
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
  if (memcmp(image, ELFMAG, SELFMAG) != 0) return (CUresult)invalid_image;
  // The table of sections is the last of a file.
  size_t bytes = header->e_shoff + size_t(header->e_shnum) * header->e_shentsize;
  char path[] = "/tmp/flambeau-module-XXXXXX";
  int file = mkstemp(path);
  bool is_written = file >= 0 && write(file, image, bytes) == ssize_t(bytes);
  void *library = is_written ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (file >= 0) {
    close(file);
    unlink(path);
  }
  if (!library) return (CUresult)invalid_image;
  Module *module = new Module{current->device, library};
  modules.insert(module);
  return *handle = (CUmodule)module, (CUresult)success;
}

EXPORTED CUresult cuModuleUnload(CUmodule handle) {
  ENTER("cuModuleUnload", "%p", (void *)handle);
  Module *module = (Module *)handle;
  if (!modules.count(module) || !module->is_live) FAIL(invalid_handle, "cuModuleUnload of what is not loaded");
  run_all(module->device);
  dlclose(module->library);
  module->is_live = false;
  return (CUresult)success;
}

EXPORTED CUresult cuModuleGetFunction(CUfunction *handle, CUmodule module_handle, const char *name) {
  ENTER("cuModuleGetFunction", "%s", name);
  Module *module = (Module *)module_handle;
  if (!modules.count(module) || !module->is_live) FAIL(invalid_handle, "a function of a module that is not loaded");
  Run run = (Run)dlsym(module->library, (std::string("run_") + name).c_str());
  const int64_t *bytes = (const int64_t *)dlsym(module->library, (std::string("bytes_") + name).c_str());
  if (!run || !bytes) return (CUresult)not_found;
  Function *function = new Function{module, run, *bytes};
  functions.insert(function);
  return *handle = (CUfunction)function, (CUresult)success;
}

EXPORTED CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
  ENTER("cuFuncSetAttribute", "%d %d", int(attribute), value);
  Function *function = (Function *)handle;
  if (!functions.count(function) || !function->module->is_live) FAIL(invalid_handle, "cuFuncSetAttribute of no function");
  if (attribute != 8 || value > most_shared) return (CUresult)invalid_value;
  function->shared_limit = value;
  return (CUresult)success;
}

EXPORTED CUresult cuLaunchKernel(
  CUfunction handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
  unsigned shared, CUstream stream_handle, void **parameters, void **extra) {
  ENTER("cuLaunchKernel", "%u %u, %u %u, %u", grid_x, grid_y, block_x, block_y, shared);
  STREAM("cuLaunchKernel", stream_handle);
  Function *function = (Function *)handle;
  if (!functions.count(function) || !function->module->is_live || function->module->device != current->device) {
    FAIL(invalid_handle, "a launch of a function that is not loaded on this GPU");
  }
  if (grid_z != 1 || block_z != 1 || extra) FAIL(invalid_value, "a launch in three dimensions, or with extra options");
  if (!grid_x || grid_x > INT32_MAX || !grid_y || grid_y > 65535 || !block_x || !block_y || block_x * block_y > 1024 ||
      shared > unsigned(function->shared_limit)) {
    return (CUresult)invalid_value;
  }
  std::string arguments((const char *)parameters[0], function->argument_bytes);
  enqueue(stream, [=] {
    if (!function->module->is_live) return misuse("a kernel whose module was unloaded before it ran");
    std::vector<uint64_t> ranges;
    for (auto &entry : memory) {
      if (entry.second.device == stream->device) ranges.insert(ranges.end(), {entry.first, entry.first + entry.second.bytes});
    }
    // Pinned memory is everybody's.
    for (auto &entry : pinned) ranges.insert(ranges.end(), {entry.first, entry.first + entry.second.bytes});
    emulated_launch launch = {grid_x, grid_y, block_x, block_y, shared, ranges.data(), int64_t(ranges.size() / 2), 1, nullptr, 0, 0};
    const char *failure = function->run(&launch, arguments.data(), int64_t(arguments.size()));
    if (failure) fault(stream->device, failure, function);
  });
  return (CUresult)success;
}

/// Work of another library on emulated streams; `data` stays its own.
EXPORTED CUresult fake_enqueue(CUstream stream_handle, void (*run)(void *), void *data) {
  ENTER("fake_enqueue", "%p", data);
  STREAM("fake_enqueue", stream_handle);
  enqueue(stream, [=] { run(data); });
  return (CUresult)success;
}

// Graphs.

EXPORTED CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
  ENTER("cuStreamBeginCapture", "%p %d", (void *)handle, int(mode));
  STREAM("cuStreamBeginCapture", handle);
  if (!handle || stream->capture) return (CUresult)capture_unsupported;
  graphs.insert(stream->capture = new Graph());
  return (CUresult)success;
}

EXPORTED CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph) {
  ENTER("cuStreamEndCapture", "%p", (void *)handle);
  STREAM("cuStreamEndCapture", handle);
  Graph *captured = stream->capture;
  if (!captured) return (CUresult)capture_unmatched;
  stream->capture = nullptr;
  captured->is_live = captured->is_valid;
  *graph = captured->is_valid ? (CUgraph)captured : nullptr;
  return (CUresult)(captured->is_valid ? success : capture_invalidated);
}

EXPORTED CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long flags) {
  ENTER("cuGraphInstantiate", "%llu", flags);
  if (!graphs.count((Graph *)graph) || !((Graph *)graph)->is_live) FAIL(invalid_value, "a graph that is not there");
  Graph *copy = new Graph(*(Graph *)graph);
  executables.insert(copy);
  return *executable = (CUgraphExec)copy, (CUresult)success;
}

EXPORTED CUresult cuGraphLaunch(CUgraphExec executable, CUstream handle) {
  ENTER("cuGraphLaunch", "%p", (void *)handle);
  STREAM("cuGraphLaunch", handle);
  Graph *graph = (Graph *)executable;
  if (!executables.count(graph) || !graph->is_live) FAIL(invalid_value, "cuGraphLaunch of a graph that is not there");
  enqueue(stream, [graph] {
    for (auto &work : graph->work) work();
  });
  return (CUresult)success;
}

EXPORTED CUresult cuGraphExecDestroy(CUgraphExec executable) {
  ENTER("cuGraphExecDestroy", "%p", (void *)executable);
  if (!executables.count((Graph *)executable) || !((Graph *)executable)->is_live) FAIL(invalid_value, "a graph that is not there");
  ((Graph *)executable)->is_live = false;
  return (CUresult)success;
}

EXPORTED CUresult cuGraphDestroy(CUgraph graph) {
  ENTER("cuGraphDestroy", "%p", (void *)graph);
  if (!graphs.count((Graph *)graph) || !((Graph *)graph)->is_live) FAIL(invalid_value, "a graph that is not there");
  ((Graph *)graph)->is_live = false;
  return (CUresult)success;
}

}  // extern "C"
