#include "digits.h"

static const uint8_t records[] = {
#embed "data/digits.bin"
};

_Static_assert(sizeof records % fb_digits_record == 0, "digits.bin ends inside a record");

const uint8_t *fb_digits(void) { return records; }
size_t fb_digits_count(void) { return sizeof records / fb_digits_record; }
