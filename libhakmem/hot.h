/* SPDX-License-Identifier: MIT */
/*
 * The runs of large blocks that a thread freed last, for the thread's next large blocks: BigCache's part that
 * needs no lock. To the page map they are large blocks still; the descriptor says that they were freed
 * (size_class). Only the owner touches it; others read `bytes`.
 */
#ifndef HAK_HOT_H
#define HAK_HOT_H

#include <stdatomic.h>

#include "superslab.h"

enum {
	HAK_HOT_GRAINS_MOST = 64, /* of a run; a lock is nothing to the touching of more */
	HAK_HOT_BYTES_MOST = 1 << 20,
};

struct hak_hot {
	uint64_t lengths; /* bit g: there are runs of g + 1 grains */
	struct hak_slab *newest[HAK_HOT_GRAINS_MOST]; /* by length as above; linked by `next` */
	unsigned evict_from; /* a length: which goes first is their turn */
	uint32_t uses; /* puts and takes: has it been used since somebody looked? */
	_Atomic size_t bytes;
};
_Static_assert(HAK_HOT_GRAINS_MOST <= 64, "a bit each in `lengths`");

static inline size_t hak_hot_bytes(const struct hak_hot *hot)
{
	return atomic_load_explicit(&hot->bytes, memory_order_relaxed); /* a gauge */
}

/* Of large blocks that are out, or hot. A gauge. */
extern _Atomic size_t hak_hot_and_out_bytes;

static inline void hak_hot_and_out_add(size_t bytes) /* wraps, so that a negated size subtracts */
{
	atomic_fetch_add_explicit(&hak_hot_and_out_bytes, bytes, memory_order_relaxed);
}

static inline bool hak_hot_is(const struct hak_slab *slab)
{
	return slab->size_class == HAK_CLASS_FREED;
}

/*
 * Return: the newest of the shortest runs of @grains to at most an eighth more; NULL: there is none, or it
 * does not begin at a multiple of @align_bytes, a power of two.
 */
struct hak_slab *hak_hot_take(struct hak_hot *hot, unsigned grains, size_t align_bytes);

/* Could this run be kept without giving another back? */
static inline bool hak_hot_has_room(const struct hak_hot *hot, const struct hak_slab *slab)
{
	return slab->grains <= HAK_HOT_GRAINS_MOST &&
	       hak_hot_bytes(hot) + ((size_t)slab->grains << HAK_GRAIN_SHIFT) <= HAK_HOT_BYTES_MOST;
}

/* Keep a run and give older ones back, as far as there is too much. Return: true where a purge is due. */
bool hak_hot_put(struct hak_hot *hot, struct hak_slab *slab);

/* Give all back. Return: true where a purge is due. */
bool hak_hot_flush(struct hak_hot *hot);

#endif
