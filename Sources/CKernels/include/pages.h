// Memory pages moved without being copied.
#pragma once
#include <stdbool.h>
#include <stddef.h>

/// Moves the mapped pages at `from` to `to`, whose own pages are given up; `from` is unmapped then. False, with nothing changed,
/// where the system cannot: outside Linux it never can.
bool fb_move_pages(void *from, size_t byte_count, void *to);
