#include "conv.h"
#include "gemm.h"
#include "pool.h"
#if defined(__x86_64__)
#define FB_ISA fb_isa_avx2
#define FB_BYTES 32
#define FB_FUSED 1
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
namespace fb_contract_avx2 {
#include "lanes.inc"
#include "gemm.inc"
#include "gemm_thin.inc"
#include "gemm_table.inc"
#include "conv.inc"
#include "pool.inc"
}
#pragma clang attribute pop
#endif
