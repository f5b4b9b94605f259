// Memory pages moved without being copied.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#ifdef __linux__
enum { fb_can_move_pages = 1 };
#else
enum { fb_can_move_pages = 0 };
#endif

/// Moves the mapped pages at `from` to `to`, whose own pages are given up; `from` is unmapped then. False, with nothing changed,
/// where the system does not: where `fb_can_move_pages` is 0 it never does.
bool fb_move_pages(void *from, size_t byte_count, void *to);
