/* SPDX-License-Identifier: MIT */
#include "large.h"

#include <string.h>

#include "fatal.h"
#include "knobs.h"
#include "mapping.h"
#include "os.h"
#include "superslab.h"

enum {
	COPY_MAX_BYTES = 128 << 10, /* below, copying a run is cheaper than giving it a mapping */
};

/* ---- allocate ---------------------------------------------------------------------------------------- */

/*
 * What was given back out of a huge page comes back in one call: the page would have come with one fault, and
 * what is left of it takes one for each page.
 */
static void take_back(const struct hak_slab *slab)
{
	if (slab->regretted_grains > slab->grains / 2 && hak_knob(populate_bytes))
		(void)hak_os_populate(slab->base, (size_t)slab->grains << HAK_GRAIN_SHIFT); /* or not */
}

static struct hak_slab *acquire_run(size_t bytes, size_t align, struct hak_hot *hot)
{
	unsigned grains = hak_run_length((unsigned)(bytes >> HAK_GRAIN_SHIFT));
	unsigned align_grains = align > HAK_GRAIN_BYTES ? (unsigned)(align >> HAK_GRAIN_SHIFT) : 1;
	struct hak_slab *slab = hak_hot_take(hot, grains, align);

	if (slab) {
		slab->dirty = slab->warm = 1;
		return slab;
	}
	hot->missed = hot->overflowed;
	if (hak_hot_is_much(hot)) {
		slab = hak_superslab_acquire(&hot->choice, grains, align_grains, false);
		if (!slab)
			hak_hot_flush_runs(hot);
	}
	if (!slab)
		slab = hak_superslab_acquire(&hot->choice, grains, align_grains, true);
	if (slab) {
		hak_hot_and_out_add(hot, (size_t)grains << HAK_GRAIN_SHIFT);
		slab->size_class = HAK_CLASS_LARGE;
		take_back(slab);
	}
	return slab;
}

static void *malloc_run(size_t bytes, size_t align, bool zero, struct hak_hot *hot, struct hak_tally *tally)
{
	struct hak_slab *slab = acquire_run(bytes, align, hot);

	if (!slab)
		return NULL;
	if (hak_knob(bigcache))
		hak_tally_add(tally, slab->warm ? HAK_COUNTER_bigcache_hits : HAK_COUNTER_bigcache_misses, 1);
	if (zero && slab->dirty) {
		memset(slab->base, 0, bytes);
		hak_tally_add(tally, HAK_COUNTER_calloc_cleared_bytes, bytes);
	}
	return slab->base;
}

static struct hak_mapping *take_hot_mapping(struct hak_hot *hot, size_t bytes, struct hak_tally *tally)
{
	struct hak_mapping *mapping = hak_hot_take_mapping(hot, hak_round_up(bytes, hak_os_page_bytes()));

	if (mapping)
		hak_tally_add(tally, HAK_COUNTER_bigcache_hits, 1);
	return mapping;
}

static void clear_stale(const struct hak_mapping *mapping, size_t bytes, struct hak_tally *tally)
{
	size_t end = mapping->stale_end < bytes ? mapping->stale_end : bytes;

	if (mapping->stale_begin >= end)
		return;
	memset(mapping->block + mapping->stale_begin, 0, end - mapping->stale_begin);
	hak_tally_add(tally, HAK_COUNTER_calloc_cleared_bytes, end - mapping->stale_begin);
}

static struct hak_mapping *acquire_mapping(size_t bytes, size_t align, struct hak_hot *hot,
					   struct hak_tally *tally)
{
	struct hak_mapping *mapping = align <= HAK_GRAIN_BYTES ? take_hot_mapping(hot, bytes, tally) : NULL;

	if (mapping)
		return mapping;
	hak_hot_flush_mappings(hot, tally); /* what it is to be made of, perhaps */
	mapping = hak_mapping_make(bytes, align, HAK_USE_BLOCK, tally);
	if (!mapping)
		return NULL;
	hot->wanted_bytes = mapping->block_bytes;
	hak_hot_and_out_add(hot, mapping->block_bytes);
	return mapping;
}

static void *malloc_mapping(size_t bytes, size_t align, bool zero, struct hak_hot *hot,
			    struct hak_tally *tally)
{
	struct hak_mapping *mapping = acquire_mapping(bytes, align, hot, tally);

	if (!mapping)
		return NULL;
	if (zero)
		clear_stale(mapping, bytes, tally);
	return mapping->block;
}

void *hak_large_malloc(size_t bytes, size_t align, bool zero, struct hak_hot *hot, struct hak_tally *tally)
{
	void *block;

	bytes = hak_round_up(bytes, HAK_GRAIN_BYTES);
	if (bytes <= HAK_RUN_MAX_BYTES && align <= HAK_SUPERSLAB_BYTES)
		block = malloc_run(bytes, align, zero, hot, tally);
	else
		block = malloc_mapping(bytes, align, zero, hot, tally);
	if (!block)
		return NULL;
	hak_pagemap_set_class(block, HAK_CLASS_LARGE);
	hak_tally_mallocs(tally, 1, hak_large_usable(block));
	return block;
}

size_t hak_large_usable(const void *block)
{
	const struct hak_mapping *mapping = hak_mapping_of(block);

	return mapping ? mapping->block_bytes : (size_t)hak_superslab_run(block)->grains << HAK_GRAIN_SHIFT;
}

/* ---- free -------------------------------------------------------------------------------------------- */

/* Do policy and strategy keep it? */
static bool is_kept(size_t bytes)
{
	return hak_knob(bigcache) && bytes >= hak_knob(cache_smallest_bytes);
}

static bool is_for_hot(const struct hak_slab *slab, const struct hak_hot *hot)
{
	return hak_hot_may_keep(hot, slab) && is_kept((size_t)slab->grains << HAK_GRAIN_SHIFT);
}

static bool keep_mapping_hot(struct hak_mapping *mapping, struct hak_hot *hot)
{
	if (!hak_hot_may_keep_mapping(hot, mapping) || !is_kept(mapping->block_bytes))
		return false;
	hak_hot_keep_mapping(hot, mapping);
	return true;
}

/* Kept warm among the dirty grains; without BigCache and batches given back here and now. */
static void release_run(struct hak_slab *slab)
{
	size_t bytes = (size_t)slab->grains << HAK_GRAIN_SHIFT;
	bool keep = hak_knob(bigcache) || hak_knob(batch);
	bool gone = !keep && hak_os_page_bytes() == HAK_GRAIN_BYTES &&
		    hak_os_dontneed(slab->base, bytes) == 0;

	hak_superslab_release(slab, gone ? 0 : slab->grains);
}

static void count_free(size_t bytes, struct hak_tally *tally)
{
	hak_tally_add(tally, HAK_COUNTER_early_large, 1);
	hak_tally_frees(tally, 1, bytes);
	hak_tally_add(tally, HAK_COUNTER_free_large, 1);
}

static void refuse_hot(bool is_hot, const void *block)
{
	if (hak_unlikely(is_hot))
		hak_fatal("free", block, "double free");
}

void hak_large_free(void *block, struct hak_hot *hot, struct hak_tally *tally)
{
	struct hak_mapping *mapping = hak_mapping_of(block);
	struct hak_slab *slab = mapping ? NULL : hak_superslab_run(block);
	size_t bytes = hak_large_usable(block);

	refuse_hot(slab ? hak_hot_is(slab) : mapping->is_hot, block);
	count_free(bytes, tally);
	if (slab && is_for_hot(slab, hot)) {
		hak_hot_put(hot, slab);
		return;
	}
	if (!slab && keep_mapping_hot(mapping, hot))
		return;
	hak_hot_and_out_sub(hot, bytes);
	hak_pagemap_set_class(block, HAK_CLASS_FREED);
	if (slab)
		release_run(slab);
	else
		hak_mapping_free(mapping, tally);
}

bool hak_large_is_free(const void *block)
{
	const struct hak_mapping *mapping = hak_mapping_of(block);

	return mapping ? mapping->is_hot : hak_hot_is(hak_superslab_run(block));
}

/* ---- without a visit --------------------------------------------------------------------------------- */

static void *malloc_mapping_hot(size_t bytes, struct hak_hot *hot, struct hak_tally *tally)
{
	struct hak_mapping *mapping = take_hot_mapping(hot, bytes, tally);

	if (!mapping)
		return NULL;
	hak_tally_add(tally, HAK_COUNTER_early_large, 1);
	hak_tally_mallocs(tally, 1, mapping->block_bytes);
	return mapping->block;
}

void *hak_large_malloc_hot(size_t bytes, struct hak_hot *hot, struct hak_tally *tally)
{
	unsigned grains = (unsigned)((bytes + HAK_GRAIN_BYTES - 1) >> HAK_GRAIN_SHIFT);
	struct hak_slab *slab;

	if (bytes > HAK_RUN_MAX_BYTES)
		return malloc_mapping_hot(bytes, hot, tally);
	slab = hak_hot_take(hot, grains, HAK_GRAIN_BYTES);
	if (!slab)
		return NULL;
	hak_tally_add(tally, HAK_COUNTER_early_large, 1);
	hak_tally_add(tally, HAK_COUNTER_bigcache_hits, 1);
	hak_tally_mallocs(tally, 1, (size_t)slab->grains << HAK_GRAIN_SHIFT);
	return slab->base;
}

static bool free_mapping_hot(struct hak_mapping *mapping, struct hak_hot *hot, struct hak_tally *tally)
{
	refuse_hot(mapping->is_hot, mapping->block);
	if (!keep_mapping_hot(mapping, hot))
		return false;
	count_free(mapping->block_bytes, tally);
	return true;
}

bool hak_large_free_hot(void *block, struct hak_hot *hot, struct hak_tally *tally)
{
	void *unit = hak_pagemap_owner(block);
	struct hak_slab *slab;

	if ((uintptr_t)unit & HAK_PAGEMAP_MAPPING_TAG)
		return free_mapping_hot(hak_mapping_of(block), hot, tally);
	slab = hak_superslab_run_at(unit, block);
	refuse_hot(hak_hot_is(slab), block);
	if (!hak_hot_has_room(hot, slab) || !is_for_hot(slab, hot))
		return false;
	count_free((size_t)slab->grains << HAK_GRAIN_SHIFT, tally);
	hak_hot_keep(hot, slab);
	return true;
}

/* ---- realloc ----------------------------------------------------------------------------------------- */

static void count_resize(size_t old_bytes, size_t new_bytes, enum hak_counter how, struct hak_hot *hot,
			 struct hak_tally *tally)
{
	/* For the ledger a block that changed its size was freed and allocated. */
	hak_tally_frees(tally, 1, old_bytes);
	hak_tally_mallocs(tally, 1, new_bytes);
	hak_hot_and_out_sub(hot, old_bytes);
	hak_hot_and_out_add(hot, new_bytes);
	hak_tally_add(tally, how, 1);
}

/* A mapping that has room, and the old block's pages moved into it. */
static void *move_to_mapping(void *block, size_t old_bytes, size_t bytes, struct hak_tally *tally)
{
	struct hak_mapping *old = hak_mapping_of(block), *mapping;

	if (old_bytes % hak_os_page_bytes() != 0 || (uintptr_t)block % hak_os_page_bytes() != 0)
		return NULL;
	mapping = hak_mapping_make(bytes, HAK_ALIGN_BYTES, HAK_USE_GROWING, tally);
	if (!mapping)
		return NULL;
	if (!hak_os_move_pages(block, old_bytes, mapping->base)) {
		hak_mapping_drop(mapping);
		return NULL;
	}
	hak_mapping_advise_again(mapping); /* the moved part has the flags of where it came from */
	hak_pagemap_set_class(block, HAK_CLASS_FREED);
	if (old)
		hak_mapping_drop(old);
	else
		hak_superslab_release(hak_superslab_run(block), 0); /* its pages have moved */
	hak_pagemap_set_class(mapping->block, HAK_CLASS_LARGE);
	return mapping->block;
}

static bool resize_run(struct hak_slab *slab, size_t bytes)
{
	size_t grains = bytes >> HAK_GRAIN_SHIFT;

	if (grains > HAK_SUPERSLAB_GRAINS)
		return false;
	if (grains >= slab->grains)
		return hak_superslab_extend(slab, (unsigned)grains);
	hak_superslab_shorten(slab, (unsigned)grains);
	return true;
}

/*
 * A run that has become too large for its place moves to a mapping, where it can grow. If BigCache has one,
 * it is resident, and to copy is far cheaper than to move pages: those would be missed, and faulted in, where
 * the run was.
 */
static void *copy_to_mapping(void *block, size_t old_bytes, size_t bytes, struct hak_tally *tally)
{
	struct hak_mapping *mapping = hak_mapping_reuse(bytes, tally);

	if (!mapping)
		return NULL;
	memcpy(mapping->block, block, old_bytes);
	hak_tally_add(tally, HAK_COUNTER_realloc_copied_bytes, old_bytes);
	hak_pagemap_set_class(block, HAK_CLASS_FREED);
	release_run(hak_superslab_run(block));
	hak_pagemap_set_class(mapping->block, HAK_CLASS_LARGE);
	return mapping->block;
}

void *hak_large_realloc(void *block, size_t bytes, struct hak_hot *hot, struct hak_tally *tally)
{
	size_t old_bytes = hak_large_usable(block);
	struct hak_mapping *mapping = hak_mapping_of(block);
	bool in_place;
	void *moved;

	bytes = hak_round_up(bytes, HAK_GRAIN_BYTES);
	if (bytes <= old_bytes && bytes + bytes / 2 >= old_bytes) {
		hak_tally_add(tally, HAK_COUNTER_realloc_in_place, 1);
		return block;
	}
	if (mapping && bytes < HAK_RUN_MAX_BYTES / 2 && bytes < old_bytes)
		return NULL; /* it has become a small thing; a run serves it better */
	in_place = mapping ? hak_mapping_resize(mapping, bytes) : resize_run(hak_superslab_run(block), bytes);
	if (in_place) {
		count_resize(old_bytes, hak_large_usable(block), HAK_COUNTER_realloc_in_place, hot, tally);
		return block;
	}
	if (bytes < old_bytes || old_bytes <= COPY_MAX_BYTES)
		return NULL;
	moved = mapping ? NULL : copy_to_mapping(block, old_bytes, bytes, tally);
	if (!moved)
		moved = move_to_mapping(block, old_bytes, bytes, tally);
	if (moved)
		count_resize(old_bytes, hak_large_usable(moved), HAK_COUNTER_realloc_remapped, hot, tally);
	return moved;
}
