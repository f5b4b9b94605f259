// Picks the tables of contractions by instruction set.
#include "gemm.h"

#include "CKernels.h"
#include "conv.h"
#include "pool.h"

#define TABLES \
  extern const fb_gemm_table table; \
  extern const fb_conv_table conv_table; \
  extern const fb_pool_table pool_table;
namespace fb_contract_baseline { TABLES }
#if defined(__x86_64__)
namespace fb_contract_avx2 { TABLES }
namespace fb_contract_avx512 { TABLES }
namespace fb_contract_avx512bf16 { extern const fb_gemm_pairs pairs; }
#endif

#if defined(__x86_64__)
#define PICK(isa, name) \
  if (isa > fb_best_isa()) return nullptr; \
  if (isa == fb_isa_avx512) return &fb_contract_avx512::name; \
  if (isa == fb_isa_avx2) return &fb_contract_avx2::name; \
  return &fb_contract_baseline::name;
#else
#define PICK(isa, name) return isa == fb_isa_baseline ? &fb_contract_baseline::name : nullptr;
#endif

extern "C" const fb_gemm_table *fb_gemm(fb_isa isa) { PICK(isa, table) }
extern "C" const fb_conv_table *fb_conv(fb_isa isa) { PICK(isa, conv_table) }
extern "C" const fb_pool_table *fb_pooling(fb_isa isa) { PICK(isa, pool_table) }

extern "C" const fb_gemm_pairs *fb_gemm_bfloat16_pairs(fb_isa isa) {
#if defined(__x86_64__)
  if (isa == fb_isa_avx512 && fb_best_isa() >= isa && __builtin_cpu_supports("avx512bf16")) return &fb_contract_avx512bf16::pairs;
#endif
  return nullptr;
}
