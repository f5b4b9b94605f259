// cuDNN without a GPU: convolutions of the emulated driver's memory (driver.cpp), computed when the stream comes to them. Descriptors that are
// read before they are finished, written to afterwards or destroyed too soon, and pointers that are not as was said, are noted.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include <map>
#include <set>
#include <vector>

#ifdef FLAMBEAU_CHECK_DECLARATIONS
// NVIDIA's own header, against which the definitions below are held.
#include <cudnn_graph.h>
static_assert(
  CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR == 1 && CUDNN_BACKEND_ENGINE_DESCRIPTOR == 2 && CUDNN_BACKEND_ENGINECFG_DESCRIPTOR == 3 &&
    CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR == 4 && CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR == 5 &&
    CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR == 10 &&
    CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR == 11 &&
    CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR == 12 && CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR == 15 &&
    CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR == 16 && CUDNN_BACKEND_TENSOR_DESCRIPTOR == 17,
  "kinds of descriptors");
static_assert(
  CUDNN_TYPE_HANDLE == 0 && CUDNN_TYPE_DATA_TYPE == 1 && CUDNN_TYPE_INT64 == 3 && CUDNN_TYPE_FLOAT == 4 && CUDNN_TYPE_DOUBLE == 5 &&
    CUDNN_TYPE_VOID_PTR == 6 && CUDNN_TYPE_CONVOLUTION_MODE == 7 && CUDNN_TYPE_HEUR_MODE == 8 && CUDNN_TYPE_NUMERICAL_NOTE == 11 &&
    CUDNN_TYPE_BACKEND_DESCRIPTOR == 15,
  "types of attributes");
static_assert(
  CUDNN_ATTR_CONVOLUTION_COMP_TYPE == 100 && CUDNN_ATTR_CONVOLUTION_CONV_MODE == 101 && CUDNN_ATTR_CONVOLUTION_DILATIONS == 102 &&
    CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES == 103 && CUDNN_ATTR_CONVOLUTION_POST_PADDINGS == 104 &&
    CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS == 105 && CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS == 106 && CUDNN_ATTR_ENGINEHEUR_MODE == 200 &&
    CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH == 201 && CUDNN_ATTR_ENGINEHEUR_RESULTS == 202 && CUDNN_ATTR_ENGINECFG_ENGINE == 300 &&
    CUDNN_ATTR_EXECUTION_PLAN_HANDLE == 400 && CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG == 401 &&
    CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE == 402 && CUDNN_ATTR_OPERATIONGRAPH_HANDLE == 800 &&
    CUDNN_ATTR_OPERATIONGRAPH_OPS == 801 && CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT == 900 && CUDNN_ATTR_TENSOR_DATA_TYPE == 901 &&
    CUDNN_ATTR_TENSOR_DIMENSIONS == 902 && CUDNN_ATTR_TENSOR_STRIDES == 903 && CUDNN_ATTR_TENSOR_UNIQUE_ID == 906 &&
    CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS == 1000 && CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS == 1001 &&
    CUDNN_ATTR_VARIANT_PACK_WORKSPACE == 1003 && CUDNN_ATTR_ENGINE_NUMERICAL_NOTE == 1303,
  "attributes");
static_assert(
  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA == 700 && CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA == 701 &&
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC == 702 && CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W == 703 &&
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X == 704 && CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y == 705 &&
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA == 706 && CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA == 707 &&
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC == 708 && CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W == 709 &&
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX == 710 && CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY == 711 &&
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA == 712 && CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA == 713 &&
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC == 714 && CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW == 715 &&
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X == 716 && CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY == 717,
  "attributes of operations");
static_assert(
  CUDNN_DATA_FLOAT == 0 && CUDNN_DATA_DOUBLE == 1 && CUDNN_DATA_HALF == 2 && CUDNN_DATA_BFLOAT16 == 9 &&
    CUDNN_CROSS_CORRELATION == 1 && CUDNN_HEUR_MODE_A == 3 && CUDNN_HEUR_MODE_FALLBACK == 2 && CUDNN_NUMERICAL_NOTE_TENSOR_CORE == 0 &&
    CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS == 1 && sizeof(cudnnBackendNumericalNote_t) == 4 &&
    CUDNN_STATUS_BAD_PARAM == 2000 && CUDNN_STATUS_NOT_SUPPORTED == 3000 && CUDNN_STATUS_INTERNAL_ERROR == 4000 &&
    CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED == 4003 && CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED == 4004 &&
    CUDNN_STATUS_EXECUTION_FAILED == 5000,
  "values of enumerations");
#else
typedef int cudnnStatus_t, cudnnBackendDescriptorType_t, cudnnBackendAttributeName_t, cudnnBackendAttributeType_t;
typedef struct cudnnContext *cudnnHandle_t;
typedef void *cudnnBackendDescriptor_t;
typedef struct CUstream_st *cudaStream_t;
#endif

namespace {
enum Status { success = 0, bad_param = 2000, not_supported = 3000, execution_failed = 5000 };
typedef cudnnStatus_t Result;
const Result misused = (Result)bad_param;
}  // namespace
#include "library.h"

namespace {
enum Kind { convolution = 1, engine, configuration, heuristic, plan, forward = 10, weight_gradient, input_gradient, graph = 15, pack, tensor };
enum Type { handle_type = 0, data_type, int64_type = 3, float_type, double_type, pointer_type, mode_type, heuristic_type, note_type = 11, descriptor_type = 15 };

struct Descriptor;
struct Attribute {
  Type type;
  std::vector<int64_t> words;
  std::vector<double> numbers;
};
struct Descriptor {
  Kind kind;
  bool is_finished = false;
  std::map<int, Attribute> attributes;
  /// What an engine or a configuration is of, and which one.
  Descriptor *of = nullptr;
  int number = -1;
};
struct Context {
  void *stream = nullptr;
};

long convolutions, plans;

size_t size_of(Type type) {
  switch (type) {
    case data_type: case float_type: case mode_type: case heuristic_type: case note_type: return 4;
    default: return 8;
  }
}

/// The type of a kind's attribute, and how many values it has, 0 for any number; `is_read`: it is asked for.
bool rule(Kind kind, int name, bool is_read, Type &type, int &count) {
  auto is = [&](Type t, int c) { return type = t, count = c, true; };
  if (is_read) {
    switch (name) {
      case 202: return kind == heuristic && is(descriptor_type, 0);
      case 300: return kind == configuration && is(descriptor_type, 1);
      case 402: return kind == plan && is(int64_type, 1);
      case 1303: return kind == engine && is(note_type, 0);
      default: return false;
    }
  }
  switch (kind) {
    case convolution:
      if (name == 100) return is(data_type, 1);
      if (name == 101) return is(mode_type, 1);
      if (name == 106) return is(int64_type, 1);
      return name >= 102 && name <= 105 && is(int64_type, 2);
    case heuristic:
      if (name == 200) return is(heuristic_type, 1);
      return name == 201 && is(descriptor_type, 1);
    case plan:
      if (name == 400) return is(handle_type, 1);
      return name == 401 && is(descriptor_type, 1);
    case forward: case input_gradient: case weight_gradient: {
      const int first = kind == forward ? 700 : kind == input_gradient ? 706 : 712;
      if (name < first || name >= first + 6) return false;
      // Factors are in float, or in double with what is computed so.
      if (name < first + 2) return count = 1, type == float_type || type == double_type;
      return is(descriptor_type, 1);
    }
    case graph:
      if (name == 800) return is(handle_type, 1);
      return name == 801 && is(descriptor_type, 1);
    case pack:
      if (name == 1000) return is(int64_type, 3);
      if (name == 1001) return is(pointer_type, 3);
      return name == 1003 && is(pointer_type, 1);
    case tensor:
      if (name == 900 || name == 906) return is(int64_type, 1);
      if (name == 901) return is(data_type, 1);
      return (name == 902 || name == 903) && is(int64_type, 4);
    default: return false;
  }
}

/// How many attributes one needs before it is finished.
size_t needed(Kind kind) {
  switch (kind) {
    case convolution: return 7;
    case heuristic: case plan: case graph: return 2;
    case pack: return 3;
    case tensor: return 5;
    default: return 6;
  }
}

const std::vector<int64_t> &words(const Descriptor *d, int name) { return d->attributes.at(name).words; }
int64_t word(const Descriptor *d, int name) { return words(d, name)[0]; }
const Descriptor *part(const Descriptor *d, int name) { return (const Descriptor *)word(d, name); }

/// Something that one was made of, or of what it was made, is not there any more.
bool misses(const Descriptor *d) {
  if (!live.count(d)) return true;
  if (d->of && misses(d->of)) return true;
  for (auto &attribute : d->attributes) {
    if (attribute.second.type != descriptor_type) continue;
    for (int64_t word : attribute.second.words) if (misses((const Descriptor *)word)) return true;
  }
  return false;
}

int first_name(const Descriptor *operation) { return operation->kind == forward ? 700 : operation->kind == input_gradient ? 706 : 712; }
/// Input, weight and output.
const Descriptor *tensor_of(const Descriptor *operation, int i) {
  static const int names[3][3] = {{704, 703, 705}, {710, 709, 711}, {716, 715, 717}};
  return part(operation, names[(first_name(operation) - 700) / 6][i]);
}

cudnnStatus_t check_tensor(const Descriptor *t) {
  auto &sizes = words(t, 902), &strides = words(t, 903);
  for (int i = 0; i < 4; i++) {
    if (sizes[i] < 1 || strides[i] < 1) return misuse("a tensor of size %ld with stride %ld", sizes[i], strides[i]);
  }
  const int64_t alignment = word(t, 900), size = word(t, 901) == 0 ? 4 : word(t, 901) == 1 ? 8 : 2;
  if (alignment % size || (alignment & (alignment - 1))) return misuse("elements of %ld bytes aligned by %ld", size, alignment);
  // Formats are known by strides, of dimensions of one position too.
  const bool rows = strides[3] == 1 && strides[2] == sizes[3] && strides[1] == sizes[2] * sizes[3] && strides[0] == sizes[1] * strides[1];
  const bool last =
    strides[1] == 1 && strides[3] == sizes[1] && strides[2] == sizes[3] * sizes[1] && strides[0] == sizes[2] * strides[2];
  return rows || last ? (cudnnStatus_t)success : misuse("a tensor of no format");
}

cudnnStatus_t check_operation(const Descriptor *o) {
  const Descriptor *c = part(o, first_name(o) + 2), *x = tensor_of(o, 0), *w = tensor_of(o, 1), *y = tensor_of(o, 2);
  if (c->kind != convolution || x->kind != tensor || w->kind != tensor || y->kind != tensor) return misuse("an operation of other things");
  auto &in = words(x, 902), &k = words(w, 902), &out = words(y, 902);
  if (in[0] != out[0] || k[0] != out[1] || in[1] % k[1] || out[1] % (in[1] / k[1])) return misuse("channels that do not fit");
  for (int i = 0; i < 2; i++) {
    const int64_t reach = words(c, 102)[i] * (k[i + 2] - 1) + 1, room = in[i + 2] + words(c, 104)[i] + words(c, 105)[i] - reach;
    if (room < 0 || room / words(c, 103)[i] + 1 != out[i + 2]) return misuse("an output of %ld for an input of %ld", out[i + 2], in[i + 2]);
  }
  const int64_t type = word(x, 901);
  if (word(w, 901) != type || word(y, 901) != type || word(c, 100) != (type == 1 ? 1 : 0)) return misuse("types that do not fit");
  if (word(c, 101) != 1) return misuse("not a cross correlation");
  std::set<int64_t> ids = {word(x, 906), word(w, 906), word(y, 906)};
  if (ids.size() != 3) return misuse("tensors with one number");
  const Attribute &alpha = o->attributes.at(first_name(o)), &beta = o->attributes.at(first_name(o) + 1);
  if (alpha.type != (type == 1 ? double_type : float_type) || beta.type != alpha.type) return misuse("factors of another type");
  if (alpha.numbers[0] != 1 || beta.numbers[0] != 0) return misuse("factors other than 1 and 0");
  return (cudnnStatus_t)success;
}

// The engines: one that needs more memory than there is, one that no plan is finished with, one that rounds operands,
// one that works in memory, and one that is only there to fall back on.
enum Engine { greedy, refusing, rounding, working, plain };

struct Work {
  Kind kind;
  int64_t type;
  std::vector<int64_t> sizes[3], strides[3], dilation, stride, padding;
  char *data[3];
  char *workspace;
  int64_t workspace_bytes;
  bool rounds;

  double operand(int i, int64_t at) const {
    const double x = read(data[i], at, type);
    return rounds ? ldexp(rint(ldexp(x, 2)), -2) : x;
  }

  void run() const {
    // What is in a workspace afterwards is anybody's guess.
    if (workspace_bytes) memset(workspace, 0xf7, workspace_bytes);
    const int result = kind == forward ? 2 : kind == input_gradient ? 0 : 1;
    auto &in = sizes[0], &k = sizes[1], &out = sizes[2];
    const int64_t groups = in[1] / k[1], each = out[1] / groups;
    std::map<int64_t, double> sums;
    auto place = [&](int i, int64_t a, int64_t b, int64_t c, int64_t d) {
      return a * strides[i][0] + b * strides[i][1] + c * strides[i][2] + d * strides[i][3];
    };
    for (int64_t a = 0; a < sizes[result][0]; a++)
      for (int64_t b = 0; b < sizes[result][1]; b++)
        for (int64_t c = 0; c < sizes[result][2]; c++)
          for (int64_t d = 0; d < sizes[result][3]; d++) sums[place(result, a, b, c, d)] = 0;
    for (int64_t n = 0; n < out[0]; n++)
      for (int64_t o = 0; o < out[1]; o++)
        for (int64_t y = 0; y < out[2]; y++)
          for (int64_t x = 0; x < out[3]; x++)
            for (int64_t c = 0; c < k[1]; c++)
              for (int64_t u = 0; u < k[2]; u++)
                for (int64_t v = 0; v < k[3]; v++) {
                  const int64_t row = y * stride[0] + u * dilation[0] - padding[0], column = x * stride[1] + v * dilation[1] - padding[1];
                  if (row < 0 || row >= in[2] || column < 0 || column >= in[3]) continue;
                  const int64_t at[] = {place(0, n, o / each * k[1] + c, row, column), place(1, o, c, u, v), place(2, n, o, y, x)};
                  const int first = result == 0 ? 1 : 0, second = result == 2 ? 1 : 2;
                  sums[at[result]] += operand(first, at[first]) * operand(second, at[second]);
                }
    for (auto &sum : sums) write(data[result], sum.first, type, sum.second);
  }
};

const Descriptor *operation_of(const Descriptor *configuration) { return part(part(configuration->of, 201), 801); }

int64_t workspace_of(const Descriptor *plan) {
  const int number = part(plan, 401)->number;
  return number == greedy ? int64_t(1) << 45 : number == working ? 1000 : 0;
}

Descriptor *descriptor(cudnnBackendDescriptor_t handle) { return live.count(handle) ? (Descriptor *)handle : nullptr; }

}  // namespace

extern "C" {
EXPORTED long fake_convolutions() { return convolutions; }
EXPORTED long fake_plans() { return plans; }

EXPORTED const char *cudnnGetErrorString(cudnnStatus_t status) {
  return int(status) == execution_failed ? "CUDNN_STATUS_EXECUTION_FAILED" : "CUDNN_STATUS_BAD_PARAM";
}

EXPORTED cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
  Context *context = new Context();
  live.insert(context);
  *handle = (cudnnHandle_t)context;
  return (cudnnStatus_t)success;
}
// The memory of what is destroyed is kept, so that no new one is taken for an old one.
EXPORTED cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  return live.erase(handle) ? (cudnnStatus_t)success : misuse("a handle is destroyed that is not there");
}
EXPORTED cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  if (!live.count(handle)) return misuse("a stream for no handle");
  ((Context *)handle)->stream = stream;
  return (cudnnStatus_t)success;
}

EXPORTED cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t kind, cudnnBackendDescriptor_t *to) {
  Descriptor *made = new Descriptor();
  made->kind = (Kind)kind;
  live.insert(made);
  *to = (cudnnBackendDescriptor_t)made;
  return (cudnnStatus_t)success;
}
EXPORTED cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t handle) {
  return live.erase(handle) ? (cudnnStatus_t)success : misuse("a descriptor is destroyed that is not there");
}

EXPORTED cudnnStatus_t cudnnBackendSetAttribute(
  cudnnBackendDescriptor_t handle, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t given, int64_t count, const void *from) {
  Descriptor *d = descriptor(handle);
  if (!d) return misuse("an attribute of no descriptor");
  if (d->is_finished) return misuse("attribute %d of a finished descriptor", int(name));
  Type type = (Type)given;
  int wanted = 0;
  if (!rule(d->kind, int(name), false, type, wanted)) return misuse("attribute %d of kind %d", int(name), int(d->kind));
  if (int(type) != int(given) || count != wanted) return misuse("%ld values of type %d for attribute %d", count, int(given), int(name));
  Attribute attribute{type, {}, {}};
  for (int64_t i = 0; i < count; i++) {
    int64_t word = 0;
    memcpy(&word, (const char *)from + i * size_of(type), size_of(type));
    attribute.words.push_back(word);
    float f;
    double g;
    memcpy(&f, &word, 4), memcpy(&g, &word, 8);
    attribute.numbers.push_back(type == double_type ? g : f);
    if (type == descriptor_type) {
      Descriptor *part = descriptor((cudnnBackendDescriptor_t)word);
      if (!part || !part->is_finished) return misuse("attribute %d is a descriptor that is not finished", int(name));
    }
    if (type == handle_type && !live.count((void *)word)) return misuse("attribute %d is no handle", int(name));
  }
  d->attributes[int(name)] = attribute;
  return (cudnnStatus_t)success;
}

EXPORTED cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t handle) {
  Descriptor *d = descriptor(handle);
  if (!d || d->is_finished) return misuse("a descriptor is finished twice, or is none");
  if (d->attributes.size() != needed(d->kind)) return misuse("%zu attributes of kind %d", d->attributes.size(), int(d->kind));
  if (misses(d)) return misuse("kind %d is finished without its parts", int(d->kind));
  d->is_finished = true;
  switch (d->kind) {
    case tensor: return check_tensor(d);
    case forward: case input_gradient: case weight_gradient: return check_operation(d);
    case graph: {
      const Kind kind = part(d, 801)->kind;
      return kind >= forward && kind <= input_gradient ? (cudnnStatus_t)success : misuse("a graph of no operation");
    }
    case plan:
      if (part(d, 401)->number == refusing) return (cudnnStatus_t)not_supported;
      plans++;
      return (cudnnStatus_t)success;
    default: return (cudnnStatus_t)success;
  }
}

EXPORTED cudnnStatus_t cudnnBackendGetAttribute(
  cudnnBackendDescriptor_t const handle, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t given, int64_t wanted, int64_t *count,
  void *to) {
  Descriptor *d = descriptor((cudnnBackendDescriptor_t)handle);
  Type type = (Type)given;
  int most = 0;
  if (!d || !d->is_finished) return misuse("attribute %d of what is not finished", int(name));
  if (misses(d)) return misuse("kind %d is read without its parts", int(d->kind));
  if (!rule(d->kind, int(name), true, type, most)) return misuse("attribute %d of kind %d is asked for", int(name), int(d->kind));
  if (int(type) != int(given) || (most && wanted != most)) return misuse("%ld values of type %d of attribute %d", wanted, int(given), int(name));
  auto fill = [&](int64_t i, Kind kind, int number) {
    Descriptor *made = descriptor(((cudnnBackendDescriptor_t *)to)[i]);
    if (!made || made->is_finished || made->kind != kind) return misuse("no fresh descriptor for kind %d", int(kind));
    made->of = d, made->number = number, made->is_finished = true;
    return (cudnnStatus_t)success;
  };
  switch (int(name)) {
    case 202: {
      // Told 1, it knows all engines; 2, those to fall back on.
      std::vector<int> engines;
      if (word(d, 200) == 2 && knows) engines = {plain};
      if (word(d, 200) == 3 && knows == 1) engines = {greedy, refusing, rounding, working};
      *count = wanted == 0 ? int64_t(engines.size()) : wanted < int64_t(engines.size()) ? wanted : int64_t(engines.size());
      for (int64_t i = 0; wanted && i < *count; i++) {
        if (cudnnStatus_t status = fill(i, configuration, engines[i])) return status;
      }
      return (cudnnStatus_t)success;
    }
    case 300: *count = 1; return fill(0, engine, d->number);
    case 402: *count = 1, *(int64_t *)to = workspace_of(d); return (cudnnStatus_t)success;
    default: {
      // Float32 is rounded to what tensor cores take, anything else to less than its own.
      const bool is_float = word(tensor_of(operation_of(d->of), 0), 901) == 0;
      *count = d->number == rounding ? 1 : 0;
      if (*count) *(int32_t *)to = is_float ? 0 : 1;
      return (cudnnStatus_t)success;
    }
  }
}

EXPORTED cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan_handle, cudnnBackendDescriptor_t pack_handle) {
  Descriptor *p = descriptor(plan_handle), *v = descriptor(pack_handle);
  if (!live.count(handle) || !p || !v || !p->is_finished || !v->is_finished || p->kind != plan || v->kind != pack) {
    return misuse("something is executed that is no plan");
  }
  if (misses(p)) return misuse("a plan is executed without its parts");
  if (word(p, 400) != (int64_t)handle) return misuse("a plan is executed with another handle");
  if (int failure = next_failure) return next_failure = 0, (cudnnStatus_t)failure;
  const Descriptor *way = part(p, 401), *operation = operation_of(way), *c = part(operation, first_name(operation) + 2);
  Work *work = new Work{operation->kind, word(tensor_of(operation, 0), 901), {}, {}, words(c, 102), words(c, 103), words(c, 105), {}, nullptr, 0, false};
  work->rounds = way->number == rounding;
  for (int i = 0; i < 3; i++) {
    const Descriptor *t = tensor_of(operation, i);
    work->sizes[i] = words(t, 902), work->strides[i] = words(t, 903);
    for (int j = 0; j < 3; j++) {
      if (words(v, 1000)[j] == word(t, 906)) work->data[i] = (char *)words(v, 1001)[j];
    }
    if (!work->data[i]) return misuse("tensor %d is not in the pack", i);
    if (uintptr_t(work->data[i]) % word(t, 900)) return misuse("tensor %d is not as aligned as was said", i);
  }
  work->workspace = (char *)word(v, 1003), work->workspace_bytes = workspace_of(p);
  if (work->workspace_bytes && (!work->workspace || uintptr_t(work->workspace) % 256)) return misuse("no workspace, or none that is aligned");
  convolutions++;
  const int status = enqueue(((Context *)handle)->stream, [](void *data) { ((Work *)data)->run(); }, work);
  return (cudnnStatus_t)(status ? execution_failed : success);
}

}  // extern "C"
