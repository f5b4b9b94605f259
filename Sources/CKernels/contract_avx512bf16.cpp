// What is added to the tables of AVX-512 where the processor multiplies pairs of bfloat16.
#include "gemm.h"
#if defined(__x86_64__)
#define FB_BYTES 64
#define FB_FUSED 1
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16"))), apply_to = function)
namespace fb_contract_avx512bf16 {
#include "contract/lanes.inc"
#include "contract/gemm.inc"
#include "contract/gemm_pairs.inc"
}
#pragma clang attribute pop
#endif
