/* SPDX-License-Identifier: MIT */
/*
 * The runs of large blocks that a thread freed last, for the thread's next large blocks: BigCache's part that
 * needs no lock. To the page map they are large blocks still; the descriptor says that they were freed
 * (size_class). Only the owner touches it; others read `bytes`.
 *
 * More may be hot once others went home for want of room and then were missed. All but a MiB goes home before
 * a superslab is mapped, so what is hot makes no process larger. Long ones are hot only beside many times as
 * much that is out: what lies here until its length is asked for drives other memory out of the processor's
 * caches, and that costs more than it saves unless these hold little of what is out anyway.
 *
 * Beside them mappings of one size, the one that the thread got last, so far as they came out of BigCache:
 * those of who takes the same large buffer for each request. They go home when it gets another size.
 */
#ifndef HAK_HOT_H
#define HAK_HOT_H

#include <stdatomic.h>

#include "mapping.h"
#include "run_length.h"
#include "superslab.h"

enum {
	HAK_HOT_RUN_PART = 4,          /* no run takes more of what may be hot, or it would drive out many, */
	HAK_HOT_RUN_BYTES = 256 << 10, /* nor more than this, or its part of what is out: */
	HAK_HOT_RUN_OUT_PART = 64,     /* of the two, the larger */
	HAK_HOT_BYTES = 1 << 20,       /* of runs, in each thread; */
	HAK_HOT_BYTES_MOST = 8 << 20,  /* or its part of this, where it wants them back; mappings likewise */
};

struct hak_hot {
	uint64_t lengths; /* bit i: there are runs of the length with that index */
	struct hak_slab *newest[HAK_RUN_LENGTHS]; /* by index; linked by `next` */
	unsigned evict_from; /* an index: which goes first is their turn */
	uint32_t uses; /* puts and takes: has it been used since somebody looked? */
	bool overflowed;   /* some went home for want of room, */
	bool missed;       /* and then none was there for a block */
	size_t most_bytes; /* at the last look; 0: none yet */
	size_t longest_bytes; /* that a run may have, */
	size_t part_bytes; /* and the owner's of HAK_HOT_BYTES_MOST, then; */
	_Atomic size_t bytes;
	struct hak_arena_choice choice; /* where runs come from that are not hot */

	struct hak_mapping *mapping; /* newest; linked by `next` */
	size_t wanted_bytes;         /* of the block in each: as in the mapping that it got last */
	_Atomic size_t mapping_bytes;
	_Atomic size_t and_out_bytes;
};
_Static_assert(HAK_RUN_LENGTHS <= 64, "a bit each in `lengths`");

/* Of runs. */
static inline size_t hak_hot_bytes(const struct hak_hot *hot)
{
	return atomic_load_explicit(&hot->bytes, memory_order_relaxed); /* a gauge */
}

/* Of the blocks in mappings. */
static inline size_t hak_hot_mapping_bytes(const struct hak_hot *hot)
{
	return atomic_load_explicit(&hot->mapping_bytes, memory_order_relaxed); /* a gauge */
}

/* Of large blocks that are out, or hot, those that came to this thread less those that went. Wraps: the sum
 * of all threads is a gauge. */
static inline size_t hak_hot_and_out(const struct hak_hot *hot)
{
	return atomic_load_explicit(&hot->and_out_bytes, memory_order_relaxed);
}

/* A block of @bytes came. */
static inline void hak_hot_and_out_add(struct hak_hot *hot, size_t bytes)
{
	/* relaxed: one writer */
	atomic_store_explicit(&hot->and_out_bytes, hak_hot_and_out(hot) + bytes, memory_order_relaxed);
}

/* One went, to be neither. */
static inline void hak_hot_and_out_sub(struct hak_hot *hot, size_t bytes)
{
	hak_hot_and_out_add(hot, -bytes);
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
static inline struct hak_slab *hak_hot_remove(struct hak_hot *hot, unsigned index)
{
	struct hak_slab *slab = hot->newest[index];

	hot->newest[index] = slab->next;
	if (!slab->next)
		hot->lengths &= ~(UINT64_C(1) << index);
	slab->next = NULL;
	hak_hot_add_bytes(hot, -((size_t)slab->grains << HAK_GRAIN_SHIFT));
	return slab;
}

/*
 * Return: the newest run of the length for @grains or, if there is none, of the next; NULL: there is none, or
 * it does not begin at a multiple of @align_bytes, a power of two.
 */
static inline struct hak_slab *hak_hot_take(struct hak_hot *hot, unsigned grains, size_t align_bytes)
{
	struct hak_slab *slab;
	unsigned index;
	uint64_t fits;

	if (grains > HAK_RUN_MAX_GRAINS)
		return NULL;
	fits = hot->lengths & UINT64_C(3) << hak_run_length_index(hak_run_length(grains));
	if (!fits)
		return NULL;
	index = (unsigned)__builtin_ctzll(fits);
	if ((uintptr_t)hot->newest[index]->base & (align_bytes - 1))
		return NULL;
	slab = hak_hot_remove(hot, index);
	slab->size_class = HAK_CLASS_LARGE;
	hot->uses++;
	return slab;
}

/* May this run be hot, by the last look? */
static inline bool hak_hot_may_keep(const struct hak_hot *hot, const struct hak_slab *slab)
{
	return slab->grains <= HAK_RUN_MAX_GRAINS &&
	       (size_t)slab->grains << HAK_GRAIN_SHIFT <= hot->longest_bytes;
}

/* Without giving another back? */
static inline bool hak_hot_has_room(const struct hak_hot *hot, const struct hak_slab *slab)
{
	return hak_hot_bytes(hot) + ((size_t)slab->grains << HAK_GRAIN_SHIFT) <= hot->most_bytes;
}

/* How much may be hot now? @threads: that lived at the same time, the owner among them. */
void hak_hot_look(struct hak_hot *hot, unsigned threads);

/* None may be, until the next look. */
static inline void hak_hot_forget_look(struct hak_hot *hot)
{
	hot->most_bytes = hot->longest_bytes = hot->part_bytes = 0;
}

/* So much that it should go home before a superslab is mapped? */
static inline bool hak_hot_is_much(const struct hak_hot *hot)
{
	return hak_hot_bytes(hot) > HAK_HOT_BYTES;
}

/* Keep a run that may be kept and for which there is room. */
static inline void hak_hot_keep(struct hak_hot *hot, struct hak_slab *slab)
{
	unsigned index = hak_run_length_index(slab->grains);

	slab->size_class = HAK_CLASS_FREED;
	slab->next = hot->newest[index];
	hot->newest[index] = slab;
	hot->lengths |= UINT64_C(1) << index;
	hot->uses++;
	hak_hot_add_bytes(hot, (size_t)slab->grains << HAK_GRAIN_SHIFT);
}

/* Keep a run that may be, and give others back where there is too much. */
void hak_hot_put(struct hak_hot *hot, struct hak_slab *slab);

/* Give all runs back. */
void hak_hot_flush_runs(struct hak_hot *hot);

/* ---- mappings ---------------------------------------------------------------------------------------- */

static inline void hak_hot_add_mapping_bytes(struct hak_hot *hot, size_t bytes) /* wraps */
{
	/* relaxed: one writer */
	atomic_store_explicit(&hot->mapping_bytes, hak_hot_mapping_bytes(hot) + bytes, memory_order_relaxed);
}

/* May this mapping be hot, by the last look, and is all of it resident? */
static inline bool hak_hot_may_keep_mapping(const struct hak_hot *hot, const struct hak_mapping *mapping)
{
	return mapping->block_bytes == hot->wanted_bytes &&
	       hak_hot_mapping_bytes(hot) + mapping->mapped_bytes <= hot->part_bytes &&
	       mapping->stale_begin == 0 && mapping->stale_end == mapping->mapped_bytes;
}

static inline void hak_hot_keep_mapping(struct hak_hot *hot, struct hak_mapping *mapping)
{
	mapping->is_hot = true;
	mapping->next = hot->mapping;
	hot->mapping = mapping;
	hot->uses++;
	hak_hot_add_mapping_bytes(hot, mapping->block_bytes);
}

/* The newest. @bytes: whole pages. Return: NULL: there is none, or its block is of another size. */
static inline struct hak_mapping *hak_hot_take_mapping(struct hak_hot *hot, size_t bytes)
{
	struct hak_mapping *mapping = hot->mapping;

	if (!mapping || bytes != hot->wanted_bytes)
		return NULL;
	hot->mapping = mapping->next;
	mapping->is_hot = false;
	hot->uses++;
	hak_hot_add_mapping_bytes(hot, -bytes);
	return mapping;
}

/* Give all mappings back; and all that is hot. */
void hak_hot_flush_mappings(struct hak_hot *hot, struct hak_tally *tally);
void hak_hot_flush(struct hak_hot *hot, struct hak_tally *tally);

#endif
