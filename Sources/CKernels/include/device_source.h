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

/// Parts that stand after all others where a kernel needs them, in this order.
enum {
  fb_device_tiles,
  fb_device_attention,
  fb_device_attention_gradients,
  fb_device_fragments,
  fb_device_tensor_attention,
  fb_device_tensor_attention_gradients,
  fb_device_extra_count
};

/// Their texts, ended by 0.
const char *fb_device_extra(int extra);

#ifdef __cplusplus
}
#endif
