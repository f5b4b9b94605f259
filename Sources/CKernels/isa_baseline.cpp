// What every machine of the architecture has: SSE2 on x86-64, NEON on arm64.
#include "CKernels.h"

#define FB_ISA baseline
#define FB_NAMESPACE fb_baseline
#define FB_WIDTH 16
#ifdef __aarch64__
#define FB_HAS_FMA 1
#define FB_HAS_ROUNDING 1
#else
#define FB_HAS_FMA 0
#define FB_HAS_ROUNDING 0
#endif
#define FB_HAS_SCALE 0
#define FB_HAS_F16C 0

#include "isa/kernels.inc"
