// What the thread pool and the allocator need and Swift cannot say.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/// The number of cores this process may run on.
int fb_usable_cores(void);

/// The small blocks this thread has at hand; null at first. Cheaper to reach than a pthread key behind a Swift global.
void *fb_thread_blocks(void);
void fb_set_thread_blocks(void *blocks);

/// Multiplications and additions of products and convolutions that this thread has started since it began.
double fb_operations_counted(void);
void fb_count_operations(double operations);
/// An address no other living thread has.
void *fb_thread_identity(void);

/// Tells the core that this is a spinning loop, so that it saves power and leaves its sibling the execution units.
static inline void fb_spin_hint(void) {
#if defined(__x86_64__) || defined(__i386__)
  __asm__ volatile("pause");
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

#ifdef __cplusplus
}
#endif
