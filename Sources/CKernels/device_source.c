#include "device_source.h"

#define FB_PART(name) static const char name[] = {
#define FB_END , 0};

FB_PART(target)
#embed "device/target.inc"
FB_END
FB_PART(classes)
#embed "include/classes.h"
FB_END
FB_PART(special)
#embed "include/special.h"
FB_END
FB_PART(lane)
#embed "device/lane.inc"
FB_END
FB_PART(math64)
#embed "isa/math64.inc"
FB_END
FB_PART(single)
#embed "isa/special.inc"
FB_END
FB_PART(special64)
#embed "isa/special64.inc"
FB_END
FB_PART(math32)
#embed "isa/math32.inc"
FB_END
FB_PART(activations)
#embed "isa/activations.inc"
FB_END
FB_PART(operations)
#embed "isa/operations.inc"
FB_END
FB_PART(elements)
#embed "isa/elements.inc"
FB_END
FB_PART(folds)
#embed "isa/folds.inc"
FB_END
FB_PART(threads)
#embed "device/threads.inc"
FB_END
FB_PART(tiles)
#embed "device/tiles.inc"
FB_END
FB_PART(attention)
#embed "device/attention.inc"
FB_END
FB_PART(attention_gradients)
#embed "device/attention_gradients.inc"
FB_END
FB_PART(fragments)
#embed "device/fragments.inc"
FB_END
FB_PART(tensor_attention)
#embed "device/tensor_attention.inc"
FB_END
FB_PART(tensor_attention_gradients)
#embed "device/tensor_attention_gradients.inc"
FB_END
FB_PART(steps)
#embed "include/step_numbers.h"
,
#embed "isa/optimizers.inc"
FB_END

static const char *const parts[] = {target, classes,    special,    lane,     math64, single, special64,
                                    math32, activations, operations, elements, folds,  threads, steps};
_Static_assert(sizeof parts / sizeof *parts == fb_device_part_count + 1, "a part is missing");

const char *fb_device_part(int part) { return parts[part]; }

static const char *const extras[] = {tiles, attention, attention_gradients, fragments, tensor_attention, tensor_attention_gradients};
_Static_assert(sizeof extras / sizeof *extras == fb_device_extra_count, "a part is missing");

const char *fb_device_extra(int extra) { return extras[extra]; }
