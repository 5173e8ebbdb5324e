/* SPDX-License-Identifier: MIT */
/*
 * Memory given back lazily: by MADV_FREE, so that its pages stay resident until the kernel or, from outside,
 * the daemon's helper takes them, and cost no fault where they are wanted again before. It is done only while
 * somebody will collect, which process.c finds out; superslab.c and bigcache.c say which ranges they
 * are, ranges.c publishes them.
 *
 * A range that is wanted again must not stay published: who takes one says so here, and the visit that took
 * it withdraws it before it returns to the program.
 */
#ifndef HAK_LAZY_H
#define HAK_LAZY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HAK_LAZY_RANGES = 96,
	HAK_LAZY_LEFT = 32, /* that found no place, and are remembered to be given back */
	HAK_LAZY_TAKEN = 4,
};

struct hak_lazy_state {
	_Atomic bool allowed; /* somebody collects */
	_Atomic bool taken;   /* something was taken into use: it must be withdrawn */
	_Atomic bool given;   /* there is one more: to be published before this visit ends */
	_Atomic bool stale;   /* more could be published than is: the next publish brings it */
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

struct hak_lazy_range {
	uintptr_t start;
	size_t bytes;
};

/* The largest ranges of those that were added, and some of the others. */
struct hak_lazy_ranges {
	unsigned count, left_count;
	struct hak_lazy_range range[HAK_LAZY_RANGES];
	struct hak_lazy_range left[HAK_LAZY_LEFT];
};

/* One more. What touches the range that was added last is merged with it. */
void hak_lazy_add(struct hak_lazy_ranges *ranges, const void *start, size_t bytes);

/*
 * Take out what touches [@start, @start + @bytes): of a range that only overlaps the larger rest stays.
 * Return: true where there was any.
 */
bool hak_lazy_cut(struct hak_lazy_ranges *ranges, uintptr_t start, size_t bytes);

/* Memory that was lazily free is no more: it was taken into use, or went for good. Threads: any; a lock of
 * its own, the last in order. */
void hak_lazy_take(const void *start, size_t bytes);

/* What was taken since the last call, a little more perhaps. Return: how many of @ret_taken. */
unsigned hak_lazy_taken(struct hak_lazy_range ret_taken[HAK_LAZY_TAKEN]);

void hak_lazy_fork_child(void);

#endif
