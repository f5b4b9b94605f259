#include "CUnicode.h"

static const uint8_t table[] = {
#embed "data/decompositions.bin"
};

_Static_assert(sizeof table % 4 == 0, "decompositions.bin ends inside a number");

const uint8_t *fb_decompositions(void) { return table; }
size_t fb_decompositions_count(void) { return sizeof table / 4; }
