/* SPDX-License-Identifier: MIT */
/*
 * Allocation as the public functions want it. The hot path is here: load, test, pop, return. Everything else
 * is a slow visit (alloc.c), reached by a tail call.
 */
#ifndef HAK_ALLOC_H
#define HAK_ALLOC_H

#include "base.h"
#include "pagemap.h"
#include "thread.h"

void *hak_alloc_malloc_slow(size_t bytes);
void hak_alloc_free_slow(void *block); /* not NULL */

/* Return: the newest block of a bin; NULL: it is empty, or the thread has none. */
static inline void *hak_alloc_pop(struct hak_thread *self, size_t c)
{
	void **top = self->top[c];
	void *block = top[-1];

	hak_settle(block);
	if (hak_likely(block != NULL))
		self->top[c] = top - 1;
	return block;
}

/*
 * Return: NULL and ENOMEM where memory is short, or @bytes are more than the window. 0 bytes give a unique
 * block.
 */
static inline void *hak_alloc_malloc(size_t bytes)
{
	if (hak_likely(bytes <= HAK_FAST_MAX_BYTES)) {
		struct hak_thread *self = hak_self;
		void *block = hak_alloc_pop(self, self->class_of[bytes]);

		if (hak_likely(block != NULL))
			return block;
	}
	return hak_alloc_malloc_slow(bytes);
}

/*
 * Any pointer at all: what is not the start of a grain or block of ours has a class without room. Preserves
 * errno. The block is stored before `top` moves, so that a bin is whole whenever the thread is not in a
 * visit.
 */
static inline void hak_alloc_free(void *block)
{
	struct hak_thread *self = hak_self;
	uintptr_t place = hak_pagemap_place(&self->map, block);

	if (hak_likely(place < self->map.limit)) {
		size_t c = hak_pagemap_byte(&self->map, place);

		if (hak_likely(--self->room[c] != 0)) {
			/* Not added in memory: that takes some processors half as long again. */
			void **top = self->top[c];

			*top = block;
			atomic_signal_fence(memory_order_release);
			self->top[c] = top + 1;
			return;
		}
	} else if (!block) { /* programs do it often: counted, but no visit */
		if (self != &hak_thread_none)
			hak_tally_add(&self->tally, HAK_COUNTER_early_free_null, 1);
		return;
	}
	hak_alloc_free_slow(block);
}

void *hak_alloc_calloc(size_t count, size_t bytes);

/* Like realloc; @block NULL allocates. The block is untouched on failure. */
void *hak_alloc_realloc(void *block, size_t bytes);

/* @align: a power of two; the caller has checked. Return: NULL and ENOMEM. */
void *hak_alloc_aligned(size_t align, size_t bytes);

/* Aborts, naming @function, where @block is none of ours, or inside a large one. NULL gives 0. */
size_t hak_alloc_usable(const char *function, const void *block);

/* Give everything back that can be, leaving @keep_bytes of free memory. Return: was anything given back? */
bool hak_alloc_trim(size_t keep_bytes);

struct hak_stats;

/* Statistics that count the caller's own calls up to now. */
void hak_alloc_stats(struct hak_stats *ret_stats);

#endif
