/* SPDX-License-Identifier: MIT */
/*
 * Sizes that the whole allocator shares, and the only place where they are written down.
 *
 * Memory from the OS comes in superslabs, cut into grains. A grain is our bookkeeping unit and the same on
 * every machine; advice to the kernel is rounded inwards to the machine's page size (hak_os_page_bytes()).
 */
#ifndef HAK_GEOMETRY_H
#define HAK_GEOMETRY_H

#include <stddef.h>
#include <stdint.h>

enum {
	HAK_ALIGN_SHIFT = 4,
	HAK_ALIGN_BYTES = 1 << HAK_ALIGN_SHIFT,
	HAK_GRAIN_SHIFT = 12,
	HAK_GRAIN_BYTES = 1 << HAK_GRAIN_SHIFT,
	HAK_SUPERSLAB_SHIFT = 21,
	HAK_SUPERSLAB_BYTES = 1 << HAK_SUPERSLAB_SHIFT,
	HAK_SUPERSLAB_GRAINS = HAK_SUPERSLAB_BYTES >> HAK_GRAIN_SHIFT,
	HAK_LINE_BYTES = 64,

	HAK_FAST_MAX_BYTES = 1024,                   /* malloc's first branch */
	HAK_SMALL_MAX_BYTES = 32768,                 /* largest size class */
	HAK_RUN_MAX_BYTES = HAK_SUPERSLAB_BYTES / 2, /* larger blocks get a mapping of their own, */
	HAK_STEP_BYTES = 64 << 10,                   /* of whole steps */

	HAK_TICK_FREES = 128, /* frees of one class between two slow visits, at most */
};

/* The window: the address range in which all blocks lie. Nothing is reserved; see pagemap.h. */
#define HAK_WINDOW_BYTES ((size_t)1 << 42)
/*
 * Where the window may begin: between where PIE programs and shared libraries lie there is a void of many TiB
 * on every 47 or 48 bit machine. ThreadSanitizer allows mappings beside the libraries only.
 */
#ifdef __SANITIZE_THREAD__
#define HAK_WINDOW_LOWEST     UINT64_C(0x7e9000000000)
#define HAK_WINDOW_SPAN_BYTES (UINT64_C(1) << 36)
#else
#define HAK_WINDOW_LOWEST     (UINT64_C(1) << 44)
#define HAK_WINDOW_SPAN_BYTES (UINT64_C(1) << 45)
#endif
#define HAK_WINDOW_UNITS (HAK_WINDOW_BYTES >> HAK_SUPERSLAB_SHIFT)

/* @amount less @part; 0 where it is no more than that. */
static inline size_t hak_less(size_t amount, size_t part)
{
	return amount > part ? amount - part : 0;
}

static inline size_t hak_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t hak_round_up(size_t value, size_t power_of_two)
{
	return (value + power_of_two - 1) & ~(power_of_two - 1);
}

#endif
