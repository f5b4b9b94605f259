// cuBLASLt without a GPU: products of the emulated driver's memory (driver.cpp), computed when the stream comes to them. Descriptions that
// do not fit together, and what the real library crashes on, are noted.
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef FLAMBEAU_CHECK_DECLARATIONS
// NVIDIA's own header, against which the definitions below are held.
#include <cublasLt.h>
static_assert(
  CUDA_R_32F == 0 && CUDA_R_64F == 1 && CUDA_R_16F == 2 && CUDA_R_16BF == 14 && CUBLAS_COMPUTE_32F == 68 &&
    CUBLAS_COMPUTE_32F_FAST_TF32 == 77 && CUBLAS_COMPUTE_64F == 70 && CUBLAS_OP_T == 1 && CUBLASLT_EPILOGUE_BIAS == 4 &&
    CUBLASLT_EPILOGUE_DEFAULT == 1 && CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT == 5 && CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET == 6 &&
    CUBLASLT_MATMUL_DESC_TRANSA == 3 && CUBLASLT_MATMUL_DESC_TRANSB == 4 && CUBLASLT_MATMUL_DESC_EPILOGUE == 7 &&
    CUBLASLT_MATMUL_DESC_BIAS_POINTER == 8 && CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER == 11 &&
    CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD == 12 && CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES == 1 &&
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES == 5 && CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES == 8,
  "values of enumerations");
static_assert(
  CUBLASLT_EPILOGUE_RELU == 2 && CUBLASLT_EPILOGUE_RELU_BIAS == (2 | 4) && CUBLASLT_EPILOGUE_RELU_AUX == (2 | 128) &&
    CUBLASLT_EPILOGUE_RELU_AUX_BIAS == (2 | 4 | 128) && CUBLASLT_EPILOGUE_GELU == 32 && CUBLASLT_EPILOGUE_GELU_BIAS == (32 | 4) &&
    CUBLASLT_EPILOGUE_GELU_AUX == (32 | 128) && CUBLASLT_EPILOGUE_GELU_AUX_BIAS == (32 | 4 | 128) && CUBLASLT_EPILOGUE_DRELU == (8 | 128) &&
    CUBLASLT_EPILOGUE_DRELU_BGRAD == (8 | 16 | 128) && CUBLASLT_EPILOGUE_DGELU == (64 | 128) && CUBLASLT_EPILOGUE_DGELU_BGRAD == (64 | 16 | 128),
  "what is done to sums");
static_assert(
  sizeof(cublasLtMatmulAlgo_t) == 64 && sizeof(cublasLtMatmulHeuristicResult_t) == 96 &&
    offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize) == 64 && offsetof(cublasLtMatmulHeuristicResult_t, state) == 72,
  "what a choice consists of");
static_assert(CUBLAS_STATUS_ALLOC_FAILED == 3 && CUBLAS_STATUS_NOT_SUPPORTED == 15, "statuses");
#else
typedef int cublasStatus_t, cudaDataType, cudaDataType_t, cublasComputeType_t;
typedef int cublasLtMatrixLayoutAttribute_t, cublasLtMatmulDescAttributes_t, cublasLtMatmulPreferenceAttributes_t;
typedef struct cublasLtContext *cublasLtHandle_t;
typedef struct cublasLtMatrixLayoutOpaque *cublasLtMatrixLayout_t;
typedef struct cublasLtMatmulDescOpaque *cublasLtMatmulDesc_t;
typedef struct cublasLtMatmulPreferenceOpaque *cublasLtMatmulPreference_t;
typedef struct CUstream_st *cudaStream_t;
typedef struct {
  uint64_t data[8];
} cublasLtMatmulAlgo_t;
typedef struct {
  cublasLtMatmulAlgo_t algo;
  size_t workspaceSize;
  cublasStatus_t state;
  float wavesCount;
  int reserved[4];
} cublasLtMatmulHeuristicResult_t;
#endif

namespace {
enum Status { success = 0, invalid_value = 7, execution_failed = 13, not_supported = 15 };
typedef cublasStatus_t Result;
const Result misused = (Result)invalid_value;
}  // namespace
#include "library.h"

namespace {

struct Object {
  virtual ~Object() {}
};
struct Context : Object {};
struct Layout : Object {
  int type;
  int64_t rows, columns, leading, step = 0;
  int32_t batches = 1;
};
struct Product : Object {
  int compute, scale, transposes_a = 0, transposes_b = 0;
  uint32_t epilogue = 1;
  // A slope's sums of columns are written where a bias would lie, and what an activation notes to the auxiliary matrix.
  void *bias = nullptr, *auxiliary = nullptr;
  int64_t leading = 0;

  bool has(uint32_t bits) const { return epilogue != 1 && (epilogue & bits) == bits; }
};
struct Preference : Object {
  uint64_t workspace = 0;
  uint32_t alignments[4] = {256, 256, 256, 256};
};

long products;
long least_alignment = 1 << 30;
long last_epilogue;
bool used[1024];

template <class T, class H> T *object(H handle) {
  return live.count((const void *)handle) ? dynamic_cast<T *>((Object *)handle) : nullptr;
}

template <class H> cublasStatus_t made(H *handle, Object *object) {
  live.insert(object);
  *handle = (H)object;
  return (cublasStatus_t)success;
}

template <class T, class H> cublasStatus_t destroyed(H handle) {
  T *found = object<T>(handle);
  if (!found) return misuse("something is destroyed that is not there");
  live.erase(found);
  delete found;
  return (cublasStatus_t)success;
}

template <class V> cublasStatus_t set(V &value, const void *from, size_t bytes) {
  if (bytes != sizeof value) return misuse("an attribute of %zu bytes, not %zu", bytes, sizeof value);
  memcpy(&value, from, bytes);
  return (cublasStatus_t)success;
}

double gelu(double x) { return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))); }

double gelu_slope(double x) {
  double t = tanh(0.7978845608028654 * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608028654 * (1 + 3 * 0.044715 * x * x);
}

struct Work {
  Product product;
  Layout a, b, c, d;
  const void *from_a, *from_b, *from_c;
  void *to;
  double alpha, beta;

  static int64_t place(const Layout &layout, int transposes, int64_t row, int64_t column) {
    return transposes ? row * layout.leading + column : column * layout.leading + row;
  }

  /// What the epilogue makes of a sum.
  double finished(double sum, int64_t i, int64_t j) const {
    const int64_t at = j * product.leading + i;
    uint8_t *signs = (uint8_t *)product.auxiliary + at / 8;
    const uint8_t bit = uint8_t(1 << at % 8);
    if (product.has(4)) sum += read(product.bias, i, d.type);
    if (product.has(2) && product.has(128)) *signs = uint8_t(sum > 0 ? *signs | bit : *signs & ~bit);
    if (product.has(32) && product.has(128)) write(product.auxiliary, at, d.type, sum);
    if (product.has(2)) return sum < 0 ? 0 : sum;
    if (product.has(32)) return gelu(sum);
    if (product.has(8)) return *signs & bit ? sum : 0;
    if (product.has(64)) return sum * gelu_slope(read(product.auxiliary, at, d.type));
    return sum;
  }

  void run() const {
    std::vector<double> sums(size_t(d.rows));
    int64_t depth = product.transposes_a ? a.rows : a.columns;
    for (int64_t batch = 0; batch < d.batches; batch++) {
      for (int64_t j = 0; j < d.columns; j++) {
        for (int64_t i = 0; i < d.rows; i++) {
          double sum = 0;
          for (int64_t k = 0; k < depth; k++) {
            sum += read(from_a, batch * a.step + place(a, product.transposes_a, i, k), a.type) *
                   read(from_b, batch * b.step + place(b, product.transposes_b, k, j), b.type);
          }
          sum *= alpha;
          if (beta != 0) sum += beta * read(from_c, batch * c.step + j * c.leading + i, c.type);
          sum = finished(sum, i, j);
          sums[size_t(i)] += sum;
          write(to, batch * d.step + j * d.leading + i, d.type, sum);
        }
      }
    }
    for (int64_t i = 0; product.has(16) && i < d.rows; i++) write(product.bias, i, d.type, sums[size_t(i)]);
  }
};

/// What an algorithm is good for.
uint64_t digest(const Product &product, const Layout *const (&layouts)[4]) {
  uint64_t hash = 0xcbf29ce484222325;
  auto take = [&](int64_t word) { hash = (hash ^ uint64_t(word)) * 0x100000001b3; };
  take(product.compute), take(product.transposes_a), take(product.transposes_b), take(product.epilogue), take(product.leading);
  for (const Layout *l : layouts) take(l->type), take(l->rows), take(l->columns), take(l->leading), take(l->step), take(l->batches);
  return hash;
}

cublasStatus_t check(const Product *product, const Layout *const (&l)[4]) {
  if (!product) return misuse("a product that is not described");
  for (const Layout *layout : l) {
    if (!layout) return misuse("a matrix that is not described");
    if (layout->rows < 1 || layout->columns < 1 || layout->leading < layout->rows) {
      return misuse("a matrix of %ld x %ld with columns at distances of %ld", layout->rows, layout->columns, layout->leading);
    }
    if (layout->type != l[0]->type || layout->batches != l[3]->batches) return misuse("matrices of different types or batches");
  }
  bool is_double = l[0]->type == 1;
  if (product->scale != (is_double ? 1 : 0) || product->compute != (is_double ? 70 : product->compute == 77 ? 77 : 68)) {
    return misuse("type %d computed in %d with factors of %d", l[0]->type, product->compute, product->scale);
  }
  int64_t m = product->transposes_a ? l[0]->columns : l[0]->rows, k = product->transposes_a ? l[0]->rows : l[0]->columns;
  int64_t depth = product->transposes_b ? l[1]->columns : l[1]->rows, n = product->transposes_b ? l[1]->rows : l[1]->columns;
  if (k != depth || l[2]->rows != m || l[3]->rows != m || l[2]->columns != n || l[3]->columns != n) {
    return misuse("%ld x %ld times %ld x %ld into %ld x %ld", m, k, depth, n, l[3]->rows, l[3]->columns);
  }
  const std::set<uint32_t> known = {1, 2, 4, 2 | 4, 2 | 128, 2 | 4 | 128, 32, 32 | 4, 32 | 128, 32 | 4 | 128, 8 | 128, 8 | 16 | 128, 64 | 128, 64 | 16 | 128};
  if (!known.count(product->epilogue)) return misuse("epilogue %u", product->epilogue);
  if ((product->has(4) || product->has(16)) && !product->bias) return misuse("an epilogue without its operand");
  if (product->has(128)) {
    bool is_bits = product->has(2) || product->has(8);
    if (!product->auxiliary || uintptr_t(product->auxiliary) % 16) return misuse("an epilogue whose matrix does not begin where 16 bytes do");
    if (product->leading < m || product->leading % (is_bits ? 128 : 8)) return misuse("an epilogue's matrix with columns at distances of %ld", product->leading);
  }
  if ((product->epilogue & ~uint32_t(1 | 4)) && (is_double || l[3]->batches > 1)) return (cublasStatus_t)not_supported;
  return (cublasStatus_t)success;
}

}  // namespace

extern "C" {
EXPORTED long fake_products() { return products; }
/// What addresses and distances of columns of all matrices were multiples of.
EXPORTED long fake_least_alignment() { return least_alignment; }
/// The epilogue of the last product, and whether one had this.
EXPORTED long fake_last_epilogue() { return last_epilogue; }
EXPORTED long fake_has_used(int epilogue) { return used[epilogue & 1023]; }

EXPORTED const char *cublasLtGetStatusString(cublasStatus_t status) {
  return int(status) == execution_failed ? "the function failed to launch on the GPU" : "an unsupported value or parameter was passed";
}

EXPORTED cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) { return made(handle, new Context()); }
EXPORTED cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return destroyed<Context>(handle); }

EXPORTED cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *handle, cublasComputeType_t compute, cudaDataType_t scale) {
  Product *product = new Product();
  product->compute = int(compute), product->scale = int(scale);
  return made(handle, product);
}
EXPORTED cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t handle) { return destroyed<Product>(handle); }
EXPORTED cublasStatus_t cublasLtMatmulDescSetAttribute(
  cublasLtMatmulDesc_t handle, cublasLtMatmulDescAttributes_t attribute, const void *from, size_t bytes) {
  Product *product = object<Product>(handle);
  if (!product) return misuse("an attribute of no product");
  switch (int(attribute)) {
    case 3: return set(product->transposes_a, from, bytes);
    case 4: return set(product->transposes_b, from, bytes);
    case 7: return set(product->epilogue, from, bytes);
    case 8: return set(product->bias, from, bytes);
    case 11: return set(product->auxiliary, from, bytes);
    case 12: return set(product->leading, from, bytes);
    default: return misuse("attribute %d of a product", int(attribute));
  }
}

EXPORTED cublasStatus_t cublasLtMatrixLayoutCreate(
  cublasLtMatrixLayout_t *handle, cudaDataType type, uint64_t rows, uint64_t columns, int64_t leading) {
  Layout *layout = new Layout();
  layout->type = int(type), layout->rows = int64_t(rows), layout->columns = int64_t(columns), layout->leading = leading;
  return made(handle, layout);
}
EXPORTED cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t handle) { return destroyed<Layout>(handle); }
EXPORTED cublasStatus_t cublasLtMatrixLayoutSetAttribute(
  cublasLtMatrixLayout_t handle, cublasLtMatrixLayoutAttribute_t attribute, const void *from, size_t bytes) {
  Layout *layout = object<Layout>(handle);
  if (!layout) return misuse("an attribute of no matrix");
  switch (int(attribute)) {
    case 5: return set(layout->batches, from, bytes);
    case 6: return set(layout->step, from, bytes);
    default: return misuse("attribute %d of a matrix", int(attribute));
  }
}

EXPORTED cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *handle) { return made(handle, new Preference()); }
EXPORTED cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t handle) { return destroyed<Preference>(handle); }
EXPORTED cublasStatus_t cublasLtMatmulPreferenceSetAttribute(
  cublasLtMatmulPreference_t handle, cublasLtMatmulPreferenceAttributes_t attribute, const void *from, size_t bytes) {
  Preference *preference = object<Preference>(handle);
  if (!preference) return misuse("an attribute of no preference");
  int number = int(attribute);
  if (number == 1) return set(preference->workspace, from, bytes);
  if (number >= 5 && number <= 8) return set(preference->alignments[number - 5], from, bytes);
  return misuse("attribute %d of a preference", number);
}

EXPORTED cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
  cublasLtHandle_t handle, cublasLtMatmulDesc_t description, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
  cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference, int wanted,
  cublasLtMatmulHeuristicResult_t *results, int *count) {
  const Layout *const layouts[] = {object<Layout>(a), object<Layout>(b), object<Layout>(c), object<Layout>(d)};
  Product *product = object<Product>(description);
  Preference *preferred = object<Preference>(preference);
  if (!object<Context>(handle) || !preferred || wanted < 1) return misuse("a choice without a handle or a preference");
  if (cublasStatus_t status = check(product, layouts)) return status;
  *count = 0;
  // Told 2, it knows products, but no activations.
  if (!knows || (knows == 2 && (product->epilogue & ~uint32_t(1 | 4)))) return (cublasStatus_t)not_supported;
  memset(results, 0, sizeof *results);
  results->algo.data[0] = digest(*product, layouts);
  memcpy(&results->algo.data[1], preferred->alignments, sizeof preferred->alignments);
  results->workspaceSize = size_t(layouts[3]->rows * layouts[3]->columns);
  if (results->workspaceSize > preferred->workspace) results->workspaceSize = 0;
  *count = 1;
  return (cublasStatus_t)success;
}

EXPORTED cublasStatus_t cublasLtMatmul(
  cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void *alpha, const void *from_a, cublasLtMatrixLayout_t a,
  const void *from_b, cublasLtMatrixLayout_t b, const void *beta, const void *from_c, cublasLtMatrixLayout_t c, void *to,
  cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *algorithm, void *workspace, size_t bytes, cudaStream_t stream) {
  if (int failure = next_failure) return next_failure = 0, (cublasStatus_t)failure;
  const Layout *const layouts[] = {object<Layout>(a), object<Layout>(b), object<Layout>(c), object<Layout>(d)};
  Product *product = object<Product>(description);
  if (!object<Context>(handle)) return misuse("a product without a handle");
  if (cublasStatus_t status = check(product, layouts)) return status;
  if (algorithm->data[0] != digest(*product, layouts)) return misuse("an algorithm that was chosen for another product");
  uint32_t alignments[4];
  memcpy(alignments, &algorithm->data[1], sizeof alignments);
  const void *const addresses[] = {from_a, from_b, from_c, to};
  for (int i = 0; i < 4; i++) {
    if (uintptr_t(addresses[i]) % alignments[i]) return misuse("operand %d is not as aligned as was said", i);
  }
  for (int i = 0; i < 4; i++) {
    const uintptr_t size = layouts[i]->type == 1 ? 8 : layouts[i]->type == 0 ? 4 : 2, bits = uintptr_t(addresses[i]) | uintptr_t(layouts[i]->leading) * size;
    if (long(bits & -bits) < least_alignment) least_alignment = long(bits & -bits);
  }
  size_t needed = size_t(layouts[3]->rows * layouts[3]->columns);
  if (bytes != needed && bytes != 0) return misuse("a workspace of %zu bytes, not %zu", bytes, needed);
  // What is in a workspace afterwards is anybody's guess.
  Work *work = new Work{*product, *layouts[0], *layouts[1], *layouts[2], *layouts[3], from_a, from_b, from_c, to, 0, 0};
  bool is_double = product->scale == 1;
  work->alpha = is_double ? *(const double *)alpha : *(const float *)alpha;
  work->beta = is_double ? *(const double *)beta : *(const float *)beta;
  products++;
  last_epilogue = product->epilogue;
  used[product->epilogue & 1023] = true;
  struct Job {
    Work *work;
    void *workspace;
    size_t bytes;
  };
  Job *job = new Job{work, workspace, bytes};
  return (cublasStatus_t)(enqueue((void *)stream, [](void *data) {
    Job *job = (Job *)data;
    if (job->bytes) memset(job->workspace, 0xf7, job->bytes);
    job->work->run();
  }, job) ? execution_failed : success);
}

}  // extern "C"
