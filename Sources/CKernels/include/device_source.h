// The functions GPUs compute by, as source text: those of this library's kernels, and what CUDA's language needs for them.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/// Parts in the order of inclusion, after which every primitive `p` is `op_p::of`, for `Lanes<float>`, `Lanes<double>` and `Lanes<int64_t>`.
enum { fb_device_part_count = 13 };
/// The part that steps of optimizers need besides.
enum { fb_device_steps = fb_device_part_count };

/// The text of a part, ended by 0.
const char *fb_device_part(int part);

#ifdef __cplusplus
}
#endif
