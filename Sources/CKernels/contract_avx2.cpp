#include "conv.h"
#include "gemm.h"
#include "pool.h"
#if defined(__x86_64__)
#define FB_ISA fb_isa_avx2
#define FB_BYTES 32
#define FB_FUSED 1
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
namespace fb_contract_avx2 {
#include "contract/lanes.inc"
#include "contract/gemm.inc"
#include "contract/gemm_thin.inc"
#include "contract/gemm_table.inc"
#include "contract/conv.inc"
#include "contract/winograd.inc"
#include "contract/conv_table.inc"
#include "contract/pool.inc"
}
#pragma clang attribute pop
#endif
