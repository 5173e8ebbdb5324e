/* SPDX-License-Identifier: MIT */
/*
 * The runs of large blocks that a thread freed last, for the thread's next large blocks: BigCache's part that
 * needs no lock. The page map says of each that it was freed. Only the owner touches it; others read `bytes`.
 */
#ifndef HAK_HOT_H
#define HAK_HOT_H

#include <stdatomic.h>

#include "superslab.h"

enum {
	HAK_HOT_RUNS = 8,
	HAK_HOT_GRAINS_MOST = 64, /* of a run; a lock is nothing to the touching of more */
	HAK_HOT_BYTES_MOST = 1 << 20,
};

struct hak_hot {
	struct hak_slab *run[HAK_HOT_RUNS]; /* oldest first */
	unsigned count;
	uint32_t uses; /* puts and takes: has it been used since somebody looked? */
	_Atomic size_t bytes;
};

/* Return: a run of @grains to at most an eighth more, newest first; NULL: none. */
struct hak_slab *hak_hot_take(struct hak_hot *hot, unsigned grains);

/* Keep a run and give older ones back, as far as there is too much. Return: true where a purge is due. */
bool hak_hot_put(struct hak_hot *hot, struct hak_slab *slab);

/* Give all back. Return: true where a purge is due. */
bool hak_hot_flush(struct hak_hot *hot);

static inline size_t hak_hot_bytes(const struct hak_hot *hot)
{
	return atomic_load_explicit(&hot->bytes, memory_order_relaxed); /* a gauge */
}

#endif
