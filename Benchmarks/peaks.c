// What the processor's multiplications can do at most, from registers alone: float32 in AVX-512 and pairs of bfloat16.
// cc -O2 -mavx512f -mavx512bf16 -pthread Benchmarks/peaks.c -o peaks && ./peaks
#include <immintrin.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

enum { sums = 12, rounds = 20000000, attempts = 5 };

// Said in assembly, so that nothing is hoisted or merged; twelve sums hide the latency.
#define LOOP(name, instruction) \
  static void *name(void *unused) { \
    __m512 sum[sums], a = _mm512_set1_ps(1), b = _mm512_set1_ps(0.5f); \
    for (int k = 0; k < sums; k++) sum[k] = _mm512_setzero_ps(); \
    for (long i = 0; i < rounds; i++) \
      for (int k = 0; k < sums; k++) __asm__ volatile(instruction " %1, %2, %0" : "+v"(sum[k]) : "v"(a), "v"(b)); \
    return unused; \
  }
LOOP(float32, "vfmadd231ps")
LOOP(bfloat16, "vdpbf16ps")

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

static void measure(const char *name, void *(*loop)(void *), int threads, double operations) {
  double best = 1e30;
  for (int i = 0; i < attempts; i++) {
    pthread_t thread[2];
    double start = seconds();
    for (int k = 0; k < threads; k++) pthread_create(&thread[k], NULL, loop, NULL);
    for (int k = 0; k < threads; k++) pthread_join(thread[k], NULL);
    double taken = seconds() - start;
    if (taken < best) best = taken;
  }
  printf("%s, %d thread%s: %.0f GFLOP/s\n", name, threads, threads > 1 ? "s" : "", operations * sums * rounds * threads / best / 1e9);
}

int main(void) {
  for (int threads = 1; threads <= 2; threads++) {
    measure("float32 vfmadd231ps", float32, threads, 2 * 16);
    measure("bfloat16 vdpbf16ps", bfloat16, threads, 4 * 16);
  }
}
