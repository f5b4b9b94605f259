#include "CKernels.h"

static const fb_primitive_info infos[] = {
#define FB_X(name, arity) {#name, arity},
    FB_PRIMITIVES(FB_X)
#undef FB_X
};

extern "C" fb_primitive_info fb_primitive_describe(fb_primitive primitive) { return infos[primitive]; }

namespace fb_baseline {
extern const fb_table table;
}

#ifdef __x86_64__
namespace fb_avx2 {
extern const fb_table table;
}
namespace fb_avx512 {
extern const fb_table table;
}

static bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

static bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

extern "C" fb_isa fb_best_isa(void) { return has_avx512() ? fb_isa_avx512 : has_avx2() ? fb_isa_avx2 : fb_isa_baseline; }

extern "C" const fb_table *fb_kernels(fb_isa isa) {
  switch (isa) {
  case fb_isa_baseline: return &fb_baseline::table;
  case fb_isa_avx2: return has_avx2() ? &fb_avx2::table : nullptr;
  case fb_isa_avx512: return has_avx512() ? &fb_avx512::table : nullptr;
  default: return nullptr;
  }
}
#else
extern "C" fb_isa fb_best_isa(void) { return fb_isa_baseline; }

extern "C" const fb_table *fb_kernels(fb_isa isa) { return isa == fb_isa_baseline ? &fb_baseline::table : nullptr; }
#endif
