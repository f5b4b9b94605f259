#include "conv.h"
#include "gemm.h"
#include "pool.h"
#if defined(__x86_64__)
#define FB_ISA fb_isa_avx512
#define FB_BYTES 64
#define FB_FUSED 1
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
namespace fb_contract_avx512 {
#include "lanes.inc"
#include "gemm.inc"
#include "gemm_thin.inc"
#include "gemm_table.inc"
#include "conv.inc"
#include "pool.inc"
}
#pragma clang attribute pop
#endif
