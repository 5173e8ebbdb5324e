/* SPDX-License-Identifier: MIT */
/* One writer's counters, readable by anybody at any time. */
#ifndef HAK_TALLY_H
#define HAK_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

#include "counters.h"

struct hak_tally {
	_Atomic uint64_t n[HAK_COUNTER_COUNT];
};

/* relaxed, both: a single writer, and readers who want a number, not an order */
static inline void hak_tally_add(struct hak_tally *tally, enum hak_counter counter, uint64_t n)
{
	uint64_t old = atomic_load_explicit(&tally->n[counter], memory_order_relaxed);

	atomic_store_explicit(&tally->n[counter], old + n, memory_order_relaxed);
}

/* So many blocks, of so many bytes in all, were handed out, or came back. */
static inline void hak_tally_mallocs(struct hak_tally *tally, uint64_t count, uint64_t bytes)
{
	hak_tally_add(tally, HAK_COUNTER_alloc_count, count);
	hak_tally_add(tally, HAK_COUNTER_alloc_bytes, bytes);
}

static inline void hak_tally_frees(struct hak_tally *tally, uint64_t count, uint64_t bytes)
{
	hak_tally_add(tally, HAK_COUNTER_free_count, count);
	hak_tally_add(tally, HAK_COUNTER_free_bytes, bytes);
}

static inline uint64_t hak_tally_get(const struct hak_tally *tally, enum hak_counter counter)
{
	return atomic_load_explicit(&tally->n[counter], memory_order_relaxed);
}

#endif
