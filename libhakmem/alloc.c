/* SPDX-License-Identifier: MIT */
/* What malloc and its family do beyond the hot path: in most cases a slow visit. */
#include "alloc.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "bins.h"
#include "fatal.h"
#include "large.h"
#include "mapping.h"
#include "mosaic.h"
#include "process.h"
#include "stats.h"
#include "visit.h"

/* @c: of the page map. */
static inline bool is_small(unsigned c)
{
	return c >= 1 && c <= HAK_CLASS_SMALL_COUNT;
}

/* The same: it is that of the grain, at the start of which the block begins. */
static inline bool is_large(unsigned c, const void *block)
{
	return c == HAK_CLASS_LARGE && ((uintptr_t)block & (HAK_GRAIN_BYTES - 1)) == 0;
}

/* ---- malloc ------------------------------------------------------------------------------------------ */

static void *try_malloc(size_t bytes, size_t align, bool zero, struct hak_thread *thread)
{
	void *block;

	if (bytes <= HAK_SMALL_MAX_BYTES && align <= HAK_ALIGN_BYTES) {
		block = hak_bins_malloc(thread, hak_class_of(bytes));
		if (block && zero)
			memset(block, 0, bytes);
		return block;
	}
	hak_tally_add(&thread->tally, HAK_COUNTER_early_large, 1);
	return hak_large_malloc(bytes ? bytes : 1, align, zero, &thread->hot, &thread->tally);
}

static void *malloc_visit(size_t bytes, size_t align, bool zero)
{
	struct hak_thread *thread;
	void *block = NULL;

	if (bytes > HAK_WINDOW_BYTES) { /* to give all back would not help */
		errno = ENOMEM;
		return NULL;
	}
	thread = hak_visit_begin(false);
	block = try_malloc(bytes, align, zero, thread);
	if (hak_unlikely(!block)) {
		(void)hak_visit_release(thread, 0, HAK_COUNTER_bigcache_evicted_short);
		block = try_malloc(bytes, align, zero, thread);
	}
	if (hak_unlikely(!block))
		hak_tally_add(&thread->tally, HAK_COUNTER_alloc_failed, 1);
	hak_visit_end(thread);
	if (hak_unlikely(!block))
		errno = ENOMEM;
	return block;
}

enum { HOT_USES = 16 }; /* of hot runs and mappings, to one visit */

/* What a thread has hot may be used without a visit. A child that is forked meanwhile leaves them alone. */
static bool begin_hot(struct hak_thread *thread)
{
	if (!thread->bins_on || thread->hot.uses % HOT_USES == 0 || hak_unlikely(hak_process_is_behind()))
		return false;
	hak_thread_set_busy(thread, true);
	return true;
}

static void *malloc_hot(size_t bytes)
{
	struct hak_thread *thread = hak_self;
	void *block;

	if (!begin_hot(thread))
		return NULL;
	block = hak_large_malloc_hot(bytes, &thread->hot, &thread->tally);
	hak_thread_set_busy(thread, false);
	return block;
}

static inline bool free_hot(void *block)
{
	struct hak_thread *thread = hak_self;
	bool done;

	if (!begin_hot(thread))
		return false;
	thread->room[HAK_CLASS_LARGE] = 1; /* there never is any: the hot path counted it down */
	done = hak_large_free_hot(block, &thread->hot, &thread->tally);
	hak_thread_set_busy(thread, false);
	return done;
}

__attribute__((noinline)) void *hak_alloc_malloc_slow(size_t bytes)
{
	if (bytes > HAK_FAST_MAX_BYTES && bytes <= HAK_SMALL_MAX_BYTES) {
		/* The same pop as malloc's first branch, after a little arithmetic. */
		void *block = hak_alloc_pop(hak_self, hak_class_of(bytes));

		if (hak_likely(block != NULL))
			return block;
	} else if (bytes > HAK_SMALL_MAX_BYTES) {
		void *block = malloc_hot(bytes);

		if (hak_likely(block != NULL))
			return block;
	}
	return malloc_visit(bytes, 1, false);
}

void *hak_alloc_calloc(size_t count, size_t size)
{
	size_t bytes;

	if (hak_unlikely(__builtin_mul_overflow(count, size, &bytes))) {
		errno = ENOMEM;
		return NULL;
	}
	if (hak_likely(bytes <= HAK_SMALL_MAX_BYTES)) {
		void *block = hak_alloc_malloc(bytes);

		return block ? memset(block, 0, bytes) : NULL;
	}
	return malloc_visit(bytes, 1, true);
}

/*
 * Slabs begin on a grain, so blocks are aligned to what divides their size and a grain. @align does, in the
 * class of a multiple of it: either that is a class itself, or classes there lie a multiple of @align apart.
 */
static void *aligned_from_bin(size_t align, size_t bytes)
{
	void *block = hak_alloc_malloc(hak_round_up(bytes, align));

	if (hak_likely(((uintptr_t)block & (align - 1)) == 0))
		return block;
	/* From a mosaic, where blocks are aligned to a cache line at most. */
	hak_alloc_free(block);
	return malloc_visit(bytes, align, false);
}

void *hak_alloc_aligned(size_t align, size_t bytes)
{
	if (align <= HAK_ALIGN_BYTES)
		return hak_alloc_malloc(bytes);
	if (align <= HAK_GRAIN_BYTES && bytes <= HAK_SMALL_MAX_BYTES)
		return aligned_from_bin(align, bytes ? bytes : 1);
	return malloc_visit(bytes, align, false);
}

/* ---- free -------------------------------------------------------------------------------------------- */

/* No live block begins there: say what is known of the place. */
static _Noreturn void refuse_pointer(const char *function, const void *block)
{
	if (hak_pagemap_covers(block)) {
		const void *aligned = (const void *)((uintptr_t)block & ~(uintptr_t)(HAK_ALIGN_BYTES - 1));
		unsigned c = hak_pagemap_class(aligned);

		if ((c == HAK_CLASS_FREED && block == aligned) ||
		    (c == HAK_CLASS_MOSAIC && hak_mosaic_is_free(aligned)))
			hak_fatal(function, block, "double free");
		if (c != HAK_CLASS_FOREIGN && block != aligned)
			hak_fatal(function, block, "misaligned pointer into a block");
		if (hak_pagemap_owner(block))
			hak_fatal(function, block, "not the start of a block");
	}
	hak_fatal(function, block, "not a block of this allocator");
}

/*
 * The hot path took the last of a class's room, but did not free. Who came here otherwise had room. It was of
 * another class than @c where the slab has become a mosaic since: without room it would count down from zero,
 * and the bin overflow into its neighbour.
 */
static HAK_NOINLINE void give_room_back(struct hak_thread *thread, unsigned c)
{
	if (hak_unlikely(thread == &hak_thread_none))
		return;
	if (hak_likely(thread->room[c] == 0)) {
		thread->room[c] = 1;
		return;
	}
	for (unsigned other = 0; c == HAK_CLASS_MOSAIC && other < HAK_CLASS_COUNT; other++)
		if (thread->room[other] == 0)
			thread->room[other] = 1;
}

static HAK_NOINLINE void free_visit(void *block, unsigned c)
{
	struct hak_thread *thread;

	give_room_back(hak_self, c);
	thread = hak_visit_begin(true);
	if (hak_likely(is_small(c) || c == HAK_CLASS_MOSAIC)) {
		hak_bins_free(thread, c, block);
	} else if (is_large(c, block)) {
		if (thread->bins_on)
			hak_hot_look(&thread->hot, hak_thread_count());
		hak_large_free(block, &thread->hot, &thread->tally);
	} else {
		refuse_pointer("free", block);
	}
	hak_visit_end(thread);
}

__attribute__((noinline)) void hak_alloc_free_slow(void *block)
{
	unsigned c = hak_pagemap_class(block);

	if (is_large(c, block) && free_hot(block))
		return;
	free_visit(block, c);
}

/* ---- what asks about a block ------------------------------------------------------------------------- */

/* The class of a live block's start; aborts otherwise. */
static unsigned class_of_block(const char *function, const void *block)
{
	unsigned c = hak_pagemap_class(block);

	if (is_large(c, block)) {
		if (hak_large_is_free(block))
			hak_fatal(function, block, "block is free");
		return c;
	}
	if (c == HAK_CLASS_MOSAIC && (c = hak_mosaic_class_of(block)))
		return c;
	if (!is_small(c))
		refuse_pointer(function, block);

	/* Unlocked: the slab of a live block stays; for another the answer may be wrong, but is safe. */
	enum hak_slab_fault fault = hak_slab_fault_of(hak_superslab_run(block), block);

	if (hak_unlikely(fault != HAK_SLAB_OK))
		hak_fatal(function, block,
			  fault == HAK_SLAB_DOUBLE_FREE ? "block is free" : "not the start of a block");
	return c;
}

static HAK_NOINLINE size_t usable_of_other(const char *function, const void *block)
{
	unsigned c;

	if (!block)
		return 0;
	c = class_of_block(function, block);
	return c == HAK_CLASS_LARGE ? hak_large_usable(block) : hak_size_class[c].block_bytes;
}

/* Some programs ask at each call, as redis does: of a block in a slab, alive or not, its class tells. */
size_t hak_alloc_usable(const char *function, const void *block)
{
	unsigned c = hak_pagemap_class(block);

	if (hak_likely(is_small(c)))
		return hak_size_class[c].block_bytes;
	return usable_of_other(function, block);
}

static void *realloc_large(void *block, size_t bytes)
{
	struct hak_thread *thread = hak_visit_begin(false);
	void *resized = hak_large_realloc(block, bytes, &thread->hot, &thread->tally);

	hak_visit_end(thread);
	return resized;
}

static void *realloc_by_copy(void *block, size_t old_bytes, size_t bytes)
{
	void *copy = hak_alloc_malloc(bytes);
	size_t kept_bytes = old_bytes < bytes ? old_bytes : bytes;
	struct hak_thread *thread;

	if (!copy)
		return NULL;
	memcpy(copy, block, kept_bytes);
	hak_alloc_free(block);
	if (kept_bytes > HAK_FAST_MAX_BYTES) { /* counting small copies would cost more than they do */
		thread = hak_visit_begin(false);
		hak_tally_add(&thread->tally, HAK_COUNTER_realloc_copied_bytes, kept_bytes);
		hak_visit_end(thread);
	}
	return copy;
}

/* A block stays unless it would waste half of itself, or of more than a page a quarter. */
static bool still_fits(size_t old_bytes, size_t bytes)
{
	size_t spare_bytes = old_bytes > HAK_GRAIN_BYTES ? old_bytes / 4 : old_bytes / 2;

	return bytes <= old_bytes && (bytes >= old_bytes - spare_bytes || old_bytes <= HAK_LINE_BYTES);
}

void *hak_alloc_realloc(void *block, size_t bytes)
{
	size_t old_bytes;
	unsigned c;

	if (!block)
		return hak_alloc_malloc(bytes);
	if (hak_unlikely(bytes > HAK_WINDOW_BYTES)) {
		errno = ENOMEM;
		return NULL;
	}
	c = class_of_block("realloc", block);
	if (c == HAK_CLASS_LARGE) {
		old_bytes = hak_large_usable(block);
		if (bytes > HAK_SMALL_MAX_BYTES) {
			void *resized = realloc_large(block, bytes);

			if (resized)
				return resized;
		}
		return realloc_by_copy(block, old_bytes, bytes);
	}
	old_bytes = hak_size_class[c].block_bytes;
	if (still_fits(old_bytes, bytes))
		return block;
	return realloc_by_copy(block, old_bytes, bytes);
}

/* ---- whole process ----------------------------------------------------------------------------------- */

bool hak_alloc_trim(size_t keep_bytes)
{
	struct hak_thread *thread = hak_visit_begin(false);
	uint64_t before = hak_superslab_stats().mapped_bytes + hak_mapping_bytes(), after;
	size_t given_bytes;

	given_bytes = hak_visit_release(thread, keep_bytes, HAK_COUNTER_bigcache_evicted_asked);
	after = hak_superslab_stats().mapped_bytes + hak_mapping_bytes();
	hak_visit_end(thread);
	return given_bytes || after < before;
}

void hak_alloc_stats(struct hak_stats *ret_stats)
{
	struct hak_thread *thread = hak_visit_begin(false);

	hak_bins_settle(thread);
	hak_stats_collect(ret_stats);
	hak_visit_end(thread);
}
