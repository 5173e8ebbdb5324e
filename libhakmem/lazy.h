/* SPDX-License-Identifier: MIT */
/*
 * Memory given back lazily: by MADV_FREE, so that its pages stay resident until the kernel or, from outside,
 * the daemon's helper takes them, and cost no fault where they are wanted again before. It is done only while
 * somebody will collect, which process.c finds out; superslab.c and bigcache.c say which ranges they
 * are, stats.c publishes them.
 *
 * A range that is wanted again must not stay published: who takes one sets `taken`, and the visit that took
 * it withdraws what is published before it returns to the program.
 */
#ifndef HAK_LAZY_H
#define HAK_LAZY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HAK_LAZY_RANGES = 96 };

struct hak_lazy_state {
	_Atomic bool allowed; /* somebody collects */
	_Atomic bool taken;   /* a range was taken into use: what is published must be withdrawn */
	_Atomic bool given;   /* there is one more: to be published before this visit ends */
	_Atomic bool stale;   /* nothing is published: the next publish brings it again */
};
extern struct hak_lazy_state hak_lazy;

/* relaxed, all: hints; the madvise and the reuse are ordered by the lock of whoever keeps the range */
static inline bool hak_lazy_is(_Atomic bool *flag)
{
	return atomic_load_explicit(flag, memory_order_relaxed);
}

static inline void hak_lazy_set(_Atomic bool *flag, bool value)
{
	atomic_store_explicit(flag, value, memory_order_relaxed);
}

/* The largest ranges of those that were added. */
struct hak_lazy_ranges {
	unsigned count;
	struct hak_lazy_range {
		uintptr_t start;
		size_t bytes;
	} range[HAK_LAZY_RANGES];
};

/* One more. What touches the range that was added last is merged with it. */
void hak_lazy_add(struct hak_lazy_ranges *ranges, const void *start, size_t bytes);

#endif
