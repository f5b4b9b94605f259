#include "png_files.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

typedef void *png_ptr;
typedef void (*message_fn)(png_ptr, const char *);
typedef void (*bytes_fn)(png_ptr, uint8_t *, size_t);
typedef void (*flush_fn)(png_ptr);

// What is used of png.h, each in its own words.
static struct {
  const char *(*get_libpng_ver)(png_ptr);
  png_ptr (*create_read_struct)(const char *version, void *context, message_fn error, message_fn warning);
  png_ptr (*create_write_struct)(const char *version, void *context, message_fn error, message_fn warning);
  png_ptr (*create_info_struct)(png_ptr);
  void (*destroy_read_struct)(png_ptr *png, png_ptr *info, png_ptr *end);
  void (*destroy_write_struct)(png_ptr *png, png_ptr *info);
  void *(*get_error_ptr)(png_ptr);
  void *(*get_io_ptr)(png_ptr);
  void (*error)(png_ptr, const char *);
  void (*set_read_fn)(png_ptr, void *context, bytes_fn);
  void (*set_write_fn)(png_ptr, void *context, bytes_fn, flush_fn);
  void (*set_keep_unknown_chunks)(png_ptr, int keep, const uint8_t *names, int count);
  void (*set_user_limits)(png_ptr, uint32_t width, uint32_t height);
  void (*set_expand)(png_ptr);
  void (*set_swap)(png_ptr);
  int (*set_interlace_handling)(png_ptr);
  void (*read_info)(png_ptr, png_ptr info);
  void (*read_update_info)(png_ptr, png_ptr info);
  void (*read_row)(png_ptr, uint8_t *row, uint8_t *display);
  uint32_t (*get_image_width)(png_ptr, png_ptr info);
  uint32_t (*get_image_height)(png_ptr, png_ptr info);
  uint8_t (*get_color_type)(png_ptr, png_ptr info);
  uint32_t (*get_valid)(png_ptr, png_ptr info, uint32_t what);
  uint8_t (*get_bit_depth)(png_ptr, png_ptr info);
  size_t (*get_rowbytes)(png_ptr, png_ptr info);
  void (*set_IHDR)(png_ptr, png_ptr info, uint32_t width, uint32_t height, int bits, int color, int interlace, int compression,
                   int filter);
  void (*set_compression_level)(png_ptr, int level);
  void (*write_info)(png_ptr, png_ptr info);
  void (*write_row)(png_ptr, const uint8_t *row);
  void (*write_end)(png_ptr, png_ptr info);
} png;

static const struct {
  const char *name;
  void *place;
} symbols[] = {
#define SYMBOL(name) {"png_" #name, &png.name}
    SYMBOL(get_libpng_ver),
    SYMBOL(create_read_struct),
    SYMBOL(create_write_struct),
    SYMBOL(create_info_struct),
    SYMBOL(destroy_read_struct),
    SYMBOL(destroy_write_struct),
    SYMBOL(get_error_ptr),
    SYMBOL(get_io_ptr),
    SYMBOL(error),
    SYMBOL(set_read_fn),
    SYMBOL(set_write_fn),
    SYMBOL(set_keep_unknown_chunks),
    SYMBOL(set_user_limits),
    SYMBOL(set_expand),
    SYMBOL(set_swap),
    SYMBOL(set_interlace_handling),
    SYMBOL(read_info),
    SYMBOL(read_update_info),
    SYMBOL(read_row),
    SYMBOL(get_image_width),
    SYMBOL(get_image_height),
    SYMBOL(get_color_type),
    SYMBOL(get_valid),
    SYMBOL(get_bit_depth),
    SYMBOL(get_rowbytes),
    SYMBOL(set_IHDR),
    SYMBOL(set_compression_level),
    SYMBOL(write_info),
    SYMBOL(write_row),
    SYMBOL(write_end),
#undef SYMBOL
};

bool fb_png_open(const char *name) {
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) return false;
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
    void *symbol = dlsym(library, symbols[i].name);
    if (!symbol) return false;
    memcpy(symbols[i].place, &symbol, sizeof symbol);
  }
  return true;
}

struct fb_png {
  png_ptr png;
  png_ptr info;
  // Of a reader: what is left of the file. Of a writer: what there is of it.
  uint8_t *bytes;
  size_t count;
  size_t capacity;
  fb_png_size size;
  char *message;
  jmp_buf failed;
};

// png.h's numbers.
enum { color_rgb = 2, color_alpha = 4, valid_transparency = 0x10 };

static void fail(png_ptr handle, const char *message) {
  fb_png *state = png.get_error_ptr(handle);
  strncpy(state->message, message, fb_png_message_bytes - 1);
  state->message[fb_png_message_bytes - 1] = 0;
  longjmp(state->failed, 1);
}

static void ignore(png_ptr handle, const char *message) {
  (void)handle;
  (void)message;
}

static void take(png_ptr handle, uint8_t *target, size_t count) {
  fb_png *state = png.get_io_ptr(handle);
  if (count > state->count) png.error(handle, "the file ends early");
  memcpy(target, state->bytes, count);
  state->bytes += count;
  state->count -= count;
}

static void give(png_ptr handle, uint8_t *source, size_t count) {
  fb_png *state = png.get_io_ptr(handle);
  if (state->capacity - state->count < count) {
    size_t capacity = state->capacity * 2 + count + 4096;
    uint8_t *bytes = realloc(state->bytes, capacity);
    if (!bytes) png.error(handle, "no memory");
    state->bytes = bytes;
    state->capacity = capacity;
  }
  memcpy(state->bytes + state->count, source, count);
  state->count += count;
}

static void flush(png_ptr handle) { (void)handle; }

void fb_png_end(fb_png *state) {
  png.destroy_read_struct(&state->png, &state->info, NULL);
  free(state);
}

fb_png *fb_png_begin(const uint8_t *bytes, size_t count, fb_png_size *size, char message[fb_png_message_bytes]) {
  fb_png *state = calloc(1, sizeof *state);
  if (!state) {
    strcpy(message, "no memory");
    return NULL;
  }
  state->bytes = (uint8_t *)bytes;
  state->count = count;
  state->message = message;
  if (setjmp(state->failed)) {
    fb_png_end(state);
    return NULL;
  }
  state->png = png.create_read_struct(png.get_libpng_ver(NULL), state, fail, ignore);
  if (!state->png || !(state->info = png.create_info_struct(state->png))) {
    strcpy(message, "libpng cannot start");
    fb_png_end(state);
    return NULL;
  }
  png_ptr handle = state->png;
  png.set_read_fn(handle, state, take);
  png.set_user_limits(handle, 0x7fffffff, 0x7fffffff);
  // Nothing but IHDR, PLTE, tRNS, IDAT and IEND is looked at: what else there is changes no pixel here, and can unfold to much.
  png.set_keep_unknown_chunks(handle, 1, NULL, -1);
  png.read_info(handle, state->info);
  state->size.width = png.get_image_width(handle, state->info);
  state->size.height = png.get_image_height(handle, state->info);
  state->size.stored_row_bytes = png.get_rowbytes(handle, state->info);
  const int color = png.get_color_type(handle, state->info);
  const bool has_alpha = (color & color_alpha) || png.get_valid(handle, state->info, valid_transparency);
  state->size.channels = (color & color_rgb ? 3 : 1) + has_alpha;
  state->size.bits = png.get_bit_depth(handle, state->info) == 16 ? 16 : 8;
  *size = state->size;
  return state;
}

bool fb_png_pixels(fb_png *state, uint8_t *out, char message[fb_png_message_bytes]) {
  state->message = message;
  if (setjmp(state->failed)) return false;
  png.set_expand(state->png);
  const uint16_t one = 1;
  if (state->size.bits == 16 && *(const uint8_t *)&one == 1) png.set_swap(state->png);
  const int passes = png.set_interlace_handling(state->png);
  // Here libpng makes room for rows, so the size must have been found sensible.
  png.read_update_info(state->png, state->info);
  const size_t row_bytes = (size_t)state->size.width * state->size.channels * (state->size.bits / 8);
  if (png.get_rowbytes(state->png, state->info) != row_bytes) png.error(state->png, "libpng gives rows of another size");
  for (int pass = 0; pass < passes; pass++)
    for (uint32_t row = 0; row < state->size.height; row++) png.read_row(state->png, out + row * row_bytes, NULL);
  return true;
}

uint8_t *fb_png_write(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, int level, size_t *count,
                      char message[fb_png_message_bytes]) {
  static const int colors[] = {0, 0, 4, 2, 6};
  fb_png *state = calloc(1, sizeof *state);
  if (!state) {
    strcpy(message, "no memory");
    return NULL;
  }
  state->message = message;
  if (setjmp(state->failed)) {
    png.destroy_write_struct(&state->png, &state->info);
    free(state->bytes);
    free(state);
    return NULL;
  }
  state->png = png.create_write_struct(png.get_libpng_ver(NULL), state, fail, ignore);
  if (!state->png || !(state->info = png.create_info_struct(state->png))) {
    strcpy(message, "libpng cannot start");
    png.destroy_write_struct(&state->png, &state->info);
    free(state);
    return NULL;
  }
  png.set_write_fn(state->png, state, give, flush);
  png.set_compression_level(state->png, level);
  png.set_IHDR(state->png, state->info, width, height, 8, colors[channels], 0, 0, 0);
  png.write_info(state->png, state->info);
  for (uint32_t row = 0; row < height; row++) png.write_row(state->png, pixels + (size_t)row * width * channels);
  png.write_end(state->png, state->info);
  png.destroy_write_struct(&state->png, &state->info);
  uint8_t *bytes = state->bytes;
  *count = state->count;
  free(state);
  return bytes;
}

void fb_png_free(uint8_t *bytes) { free(bytes); }
