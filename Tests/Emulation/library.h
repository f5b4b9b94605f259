// What NVIDIA's libraries without a GPU have in common: what tests connect, count and tell them, notes of misuse, and numbers of any type.
// Whoever includes it has defined `Result`, the type of the library's statuses, and which of them is `misused`.
#pragma once
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <set>
#include <string>
#include <vector>

#define EXPORTED __attribute__((visibility("default")))

namespace {

/// What was made and not destroyed.
std::set<const void *> live;
std::vector<std::string> misuses;
int next_failure, knows = 1;
typedef int (*Enqueue)(void *stream, void (*run)(void *), void *data);
Enqueue enqueue;

__attribute__((format(printf, 1, 2))) Result misuse(const char *format, ...) {
  char text[512];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  misuses.push_back(text);
  return misused;
}

float wide(uint16_t bits, bool is_half) {
  if (is_half) {
    _Float16 x;
    memcpy(&x, &bits, 2);
    return (float)x;
  }
  uint32_t word = uint32_t(bits) << 16;
  float x;
  memcpy(&x, &word, 4);
  return x;
}

uint16_t narrow(float x, bool is_half) {
  uint16_t bits;
  if (is_half) {
    _Float16 h = (_Float16)x;
    memcpy(&bits, &h, 2);
    return bits;
  }
  uint32_t word;
  memcpy(&word, &x, 4);
  return x == x ? uint16_t((word + 0x7fff + (word >> 16 & 1)) >> 16) : uint16_t(0x7fc0);
}

/// An element: 0 is float32, 1 float64, 2 float16, any other bfloat16.
double read(const void *from, int64_t at, int64_t type) {
  switch (type) {
    case 0: return ((const float *)from)[at];
    case 1: return ((const double *)from)[at];
    default: return wide(((const uint16_t *)from)[at], type == 2);
  }
}

void write(void *to, int64_t at, int64_t type, double x) {
  switch (type) {
    case 0: ((float *)to)[at] = float(x); break;
    case 1: ((double *)to)[at] = x; break;
    default: ((uint16_t *)to)[at] = narrow(float(x), type == 2);
  }
}

}  // namespace

extern "C" {
EXPORTED void fake_connect(Enqueue function) { enqueue = function; }
EXPORTED long fake_live_objects() { return long(live.size()); }
EXPORTED long fake_misuse_count() { return long(misuses.size()); }
EXPORTED const char *fake_misuse(long i) { return misuses[i].c_str(); }
/// What it is asked to queue next fails so.
EXPORTED void fake_fail(int status) { next_failure = status; }
/// How much it knows how to do; 0 is nothing.
EXPORTED void fake_knows(int what) { knows = what; }
}
