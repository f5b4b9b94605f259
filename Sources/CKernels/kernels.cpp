#include "CKernels.h"

static const fb_primitive_info infos[] = {
#define FB_X(name, arity) {#name, arity},
    FB_PRIMITIVES(FB_X)
#undef FB_X
};

extern "C" fb_primitive_info fb_primitive_describe(fb_primitive primitive) { return infos[primitive]; }
