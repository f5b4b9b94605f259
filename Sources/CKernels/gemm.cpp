#include "gemm.h"

namespace fb_gemm_baseline { extern const fb_gemm_table table; }
#if defined(__x86_64__)
namespace fb_gemm_avx2 { extern const fb_gemm_table table; }
namespace fb_gemm_avx512 { extern const fb_gemm_table table; }
#endif

extern "C" const fb_gemm_table *fb_gemm(fb_isa isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (isa == fb_isa_avx2)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &fb_gemm_avx2::table : nullptr;
  if (isa == fb_isa_avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl")
               ? &fb_gemm_avx512::table
               : nullptr;
#endif
  return isa == fb_isa_baseline ? &fb_gemm_baseline::table : nullptr;
}
