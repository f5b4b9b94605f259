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
#include "contract/lanes.inc"
#include "contract/gemm.inc"
#include "contract/gemm_thin.inc"
#include "contract/gemm_table.inc"
#include "contract/conv.inc"
#include "contract/winograd.inc"
#include "contract/conv_table.inc"
#include "contract/pool.inc"
}
