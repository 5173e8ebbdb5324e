/* SPDX-License-Identifier: MIT */
/*
 * The runs of large blocks that a thread freed last, for the thread's next large blocks: BigCache's part that
 * needs no lock. To the page map they are large blocks still; the descriptor says that they were freed
 * (size_class). Only the owner touches it; others read `bytes`.
 *
 * How much may be hot follows how much of such blocks there is: where a thousand of them have twenty lengths,
 * a dozen hot ones miss one time in four. They go home before a superslab is mapped, so what is hot makes no
 * process larger.
 */
#ifndef HAK_HOT_H
#define HAK_HOT_H

#include <stdatomic.h>

#include "superslab.h"

enum {
	HAK_HOT_GRAINS_MOST = HAK_RUN_MAX_BYTES >> HAK_GRAIN_SHIFT, /* of a run, and */
	HAK_HOT_RUN_PART = 4,          /* no run takes more of what may be hot, or it would drive out many */
	HAK_HOT_BYTES = 1 << 20,       /* of runs, in each thread */
	HAK_HOT_BYTES_MOST = 8 << 20,  /* where there is more than that of such blocks: */
	HAK_HOT_PART = 4,              /* of one thread's that is alone a quarter; together less */
};

struct hak_hot {
	uint64_t lengths[HAK_HOT_GRAINS_MOST / 64]; /* bit g: there are runs of g + 1 grains */
	struct hak_slab *newest[HAK_HOT_GRAINS_MOST]; /* by length as above; linked by `next` */
	unsigned evict_from; /* a length: which goes first is their turn */
	uint32_t uses; /* puts and takes: has it been used since somebody looked? */
	bool is_wanted;    /* this thread allocates such blocks; else it keeps no more than HAK_HOT_BYTES */
	size_t most_bytes; /* at the last look at what the process has; 0: none yet */
	_Atomic size_t bytes;
};
_Static_assert(HAK_HOT_GRAINS_MOST % 64 == 0, "a bit each in `lengths`");

static inline size_t hak_hot_bytes(const struct hak_hot *hot)
{
	return atomic_load_explicit(&hot->bytes, memory_order_relaxed); /* a gauge */
}

/* Of large blocks that are out, or hot: [1] such as may become hot, [0] longer ones. Gauges. */
extern _Atomic size_t hak_hot_and_out_bytes[2];

static inline bool hak_hot_is_short(size_t bytes)
{
	return bytes <= HAK_HOT_GRAINS_MOST << HAK_GRAIN_SHIFT;
}

/* A block of @bytes came. */
static inline void hak_hot_and_out_add(size_t bytes)
{
	atomic_fetch_add_explicit(&hak_hot_and_out_bytes[hak_hot_is_short(bytes)], bytes,
				  memory_order_relaxed);
}

/* One went, to be neither. */
static inline void hak_hot_and_out_sub(size_t bytes)
{
	atomic_fetch_sub_explicit(&hak_hot_and_out_bytes[hak_hot_is_short(bytes)], bytes,
				  memory_order_relaxed);
}

static inline size_t hak_hot_and_out(void)
{
	return atomic_load_explicit(&hak_hot_and_out_bytes[false], memory_order_relaxed) +
	       atomic_load_explicit(&hak_hot_and_out_bytes[true], memory_order_relaxed);
}

static inline bool hak_hot_is(const struct hak_slab *slab)
{
	return slab->size_class == HAK_CLASS_FREED;
}

static inline void hak_hot_add_bytes(struct hak_hot *hot, size_t bytes) /* wraps: a negated size subtracts */
{
	/* relaxed: one writer */
	atomic_store_explicit(&hot->bytes, hak_hot_bytes(hot) + bytes, memory_order_relaxed);
}

/* The newest run of that length, of which there is one. */
static inline struct hak_slab *hak_hot_remove(struct hak_hot *hot, unsigned length)
{
	struct hak_slab *slab = hot->newest[length];

	hot->newest[length] = slab->next;
	if (!slab->next)
		hot->lengths[length / 64] &= ~(UINT64_C(1) << length % 64);
	slab->next = NULL;
	hak_hot_add_bytes(hot, -((size_t)slab->grains << HAK_GRAIN_SHIFT));
	return slab;
}

/*
 * Return: the newest of the shortest runs of @grains to at most an eighth more; NULL: there is none, or it
 * does not begin at a multiple of @align_bytes, a power of two.
 */
static inline struct hak_slab *hak_hot_take(struct hak_hot *hot, unsigned grains, size_t align_bytes)
{
	struct hak_slab *slab;
	unsigned word = (grains - 1) / 64, length;
	uint64_t fits;

	if (grains > HAK_HOT_GRAINS_MOST)
		return NULL;
	fits = hot->lengths[word] & UINT64_MAX << (grains - 1) % 64;
	if (!fits && ++word < HAK_HOT_GRAINS_MOST / 64) /* an eighth more reaches no further */
		fits = hot->lengths[word];
	if (!fits)
		return NULL;
	length = word * 64 + (unsigned)__builtin_ctzll(fits);
	if (length + 1 > grains + grains / 8 || (uintptr_t)hot->newest[length]->base & (align_bytes - 1))
		return NULL;
	slab = hak_hot_remove(hot, length);
	slab->size_class = HAK_CLASS_LARGE;
	hot->uses++;
	return slab;
}

/* May this run be hot, by the last look at what the process has? */
static inline bool hak_hot_may_keep(const struct hak_hot *hot, const struct hak_slab *slab)
{
	return slab->grains <= HAK_HOT_GRAINS_MOST &&
	       (size_t)slab->grains << HAK_GRAIN_SHIFT <= hot->most_bytes / HAK_HOT_RUN_PART;
}

/* Without giving another back? */
static inline bool hak_hot_has_room(const struct hak_hot *hot, const struct hak_slab *slab)
{
	return hak_hot_bytes(hot) + ((size_t)slab->grains << HAK_GRAIN_SHIFT) <= hot->most_bytes;
}

/* To look at what the process has. @threads: that lived at the same time, the owner among them. */
void hak_hot_look(struct hak_hot *hot, unsigned threads);

/* So much that it should go home before a superslab is mapped? */
static inline bool hak_hot_is_much(const struct hak_hot *hot)
{
	return hak_hot_bytes(hot) > HAK_HOT_BYTES;
}

/* Keep a run that may be kept and for which there is room. */
static inline void hak_hot_keep(struct hak_hot *hot, struct hak_slab *slab)
{
	unsigned length = slab->grains - 1u;

	slab->size_class = HAK_CLASS_FREED;
	slab->next = hot->newest[length];
	hot->newest[length] = slab;
	hot->lengths[length / 64] |= UINT64_C(1) << length % 64;
	hot->uses++;
	hak_hot_add_bytes(hot, (size_t)slab->grains << HAK_GRAIN_SHIFT);
}

/* Keep a run that may be, and give others back where there is too much. */
void hak_hot_put(struct hak_hot *hot, struct hak_slab *slab);

/* Give all back. */
void hak_hot_flush(struct hak_hot *hot);

#endif
