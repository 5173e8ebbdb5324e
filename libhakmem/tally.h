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

static inline uint64_t hak_tally_get(const struct hak_tally *tally, enum hak_counter counter)
{
	return atomic_load_explicit(&tally->n[counter], memory_order_relaxed);
}

#endif
