#include "conv.h"
#include "gemm.h"
#include "pool.h"
#define FB_ISA fb_isa_baseline
#define FB_BYTES 16
#if defined(__aarch64__)
#define FB_FUSED 1
#else
#define FB_FUSED 0
#endif
namespace fb_contract_baseline {
#include "lanes.inc"
#include "gemm.inc"
#include "gemm_thin.inc"
#include "gemm_table.inc"
#include "conv.inc"
#include "pool.inc"
}
