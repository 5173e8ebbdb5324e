/* SPDX-License-Identifier: MIT */
#include "large.h"

#include <errno.h>
#include <string.h>

#include "bigcache.h"
#include "meta.h"
#include "os.h"
#include "policy.h"
#include "superslab.h"

enum {
	EVICT_AT_ONCE = 16,
	GATHER_PIECES = 8,
	COPY_MAX_BYTES = 128 << 10, /* below, copying a run is cheaper than giving it a mapping */
};

struct hak_large_policy hak_large_policy = {.bigcache = true, .batch = true, .huge = HAK_THP_AUTO};

/*
 * A mapping of its own, whole superslabs in size; the page map's unit entry of the block points here, tagged.
 */
struct mapping {
	struct mapping *next; /* unused ones */
	char *base;           /* of the mapping; the block's start but for alignments above a superslab's */
	size_t mapped_bytes;
	char *block;
	size_t block_bytes; /* whole pages */
	uint32_t thp;       /* enum hak_thp that its pages were advised for */
	size_t huge_bytes;  /* of its start, that need no advice any more */
};

static struct {
	struct hak_lock lock;
	struct mapping *unused;
	size_t mapped_bytes; /* live and kept */
} mappings;

static _Atomic size_t out_bytes;

static void add_out(size_t bytes)
{
	atomic_fetch_add_explicit(&out_bytes, bytes, memory_order_relaxed); /* a gauge */
}

static void sub_out(size_t bytes)
{
	atomic_fetch_sub_explicit(&out_bytes, bytes, memory_order_relaxed); /* a gauge */
}

static bool policy_has(_Atomic bool *flag)
{
	return atomic_load_explicit(flag, memory_order_relaxed);
}

/* ---- mappings ---------------------------------------------------------------------------------------- */

enum { TAG = 1 };

static struct mapping *mapping_of(const void *block)
{
	uintptr_t entry = (uintptr_t)hak_pagemap_unit(block);

	return entry & TAG ? (struct mapping *)(entry - TAG) : NULL;
}

static struct mapping *take_descriptor(void)
{
	struct mapping *mapping;

	hak_lock_acquire(&mappings.lock);
	mapping = mappings.unused;
	if (mapping)
		mappings.unused = mapping->next;
	hak_lock_release(&mappings.lock);
	return mapping ? mapping : hak_meta_alloc(sizeof(*mapping));
}

static void drop_descriptor(struct mapping *mapping)
{
	hak_lock_acquire(&mappings.lock);
	mapping->next = mappings.unused;
	mappings.unused = mapping;
	hak_lock_release(&mappings.lock);
}

/* Wraps, so that a negated size subtracts. */
static void add_mapped(size_t bytes)
{
	hak_lock_acquire(&mappings.lock);
	mappings.mapped_bytes += bytes;
	hak_lock_release(&mappings.lock);
}

static uint32_t thp_in_force(void)
{
	return atomic_load_explicit(&hak_large_policy.huge, memory_order_relaxed);
}

/* THP auto: huge pages for all of a block but its end, if that would waste more than an eighth of it. */
static size_t wanted_huge_bytes(const struct mapping *mapping)
{
	size_t end_bytes = (size_t)(mapping->block - mapping->base) + mapping->block_bytes;
	size_t slack_bytes = mapping->mapped_bytes - end_bytes;

	if (mapping->thp == HAK_THP_OFF)
		return 0;
	if (mapping->thp == HAK_THP_ON || slack_bytes <= mapping->mapped_bytes / 8)
		return mapping->mapped_bytes;
	return end_bytes & ~(size_t)(HAK_SUPERSLAB_BYTES - 1);
}

/* Said either way: the system's default may be "always". */
static void advise(struct mapping *mapping)
{
	size_t huge_bytes;

	mapping->thp = thp_in_force();
	huge_bytes = wanted_huge_bytes(mapping);
	if (huge_bytes)
		hak_os_advise_huge(mapping->base, huge_bytes, true);
	if (huge_bytes < mapping->mapped_bytes)
		hak_os_advise_huge(mapping->base + huge_bytes, mapping->mapped_bytes - huge_bytes, false);
	mapping->huge_bytes = huge_bytes;
}

static bool map_fresh(struct mapping *mapping, enum hak_pagemap_use use)
{
	void *memory;

	if (hak_pagemap_map(mapping->mapped_bytes, use, &memory) < 0)
		return false;
	add_mapped(mapping->mapped_bytes);
	hak_bigcache_live_add(mapping->mapped_bytes);
	mapping->base = memory;
	return true;
}

static bool take_kept(struct mapping *mapping)
{
	struct hak_bigcache_entry entry;

	if (!hak_bigcache_take(mapping->mapped_bytes, &entry))
		return false;
	mapping->base = entry.base;
	mapping->thp = entry.thp;
	mapping->huge_bytes = mapping->mapped_bytes;
	return true;
}

/* A block that grew may be several mappings to the kernel; where they meet is found by halving. */
static size_t move_piece(char *source, size_t bytes, char *target)
{
	size_t page_bytes = hak_os_page_bytes();
	int result;

	while ((result = hak_os_move_pages(source, bytes, target)) == -EFAULT && bytes > page_bytes)
		bytes = hak_round_up(bytes / 2, page_bytes);
	return result == 0 ? bytes : 0;
}

static bool move_pages(char *source, size_t bytes, char *target)
{
	size_t moved = 0, piece;

	while (moved < bytes) {
		piece = move_piece(source + moved, bytes - moved, target + moved);
		if (piece == 0)
			break;
		moved += piece;
	}
	if (moved == bytes)
		return true;
	/* Back again: what went one way goes the other, or the bytes would be lost. */
	for (size_t back = 0; back < moved; back += piece) {
		piece = move_piece(target + back, moved - back, source + back);
		hak_verify(piece != 0);
	}
	return false;
}

static void unmap(char *base, size_t bytes)
{
	hak_pagemap_unmap(base, bytes);
	add_mapped(-bytes);
}

/* BigCache has enough, but in pieces: their pages move side by side into the fresh @mapping. */
static bool gather_kept(struct mapping *mapping)
{
	struct hak_bigcache_entry pieces[GATHER_PIECES];
	unsigned count = hak_bigcache_gather(mapping->mapped_bytes, thp_in_force(), pieces, GATHER_PIECES);
	char *target = mapping->base;

	for (unsigned i = 0; i < count; i++) {
		(void)move_pages(pieces[i].base, pieces[i].bytes, target); /* else fresh pages serve */
		target += pieces[i].bytes;
		unmap(pieces[i].base, pieces[i].bytes);
	}
	mapping->thp = thp_in_force();
	mapping->huge_bytes = mapping->mapped_bytes;
	return count != 0;
}

/*
 * @use: HAK_USE_GROWING is for pages that exist: it takes nothing from BigCache
 * @ret_fresh: the pages are zero. The block's class is not set yet.
 */
static struct mapping *make_mapping(size_t bytes, size_t align, enum hak_pagemap_use use,
				    struct hak_tally *tally, bool *ret_fresh)
{
	size_t slack = align > HAK_SUPERSLAB_BYTES ? align - HAK_SUPERSLAB_BYTES : 0;
	bool cached = use == HAK_USE_BLOCK && !slack && policy_has(&hak_large_policy.bigcache);
	struct mapping *mapping;
	bool kept;

	if (bytes > HAK_WINDOW_BYTES || slack > HAK_WINDOW_BYTES)
		return NULL;
	mapping = take_descriptor();
	if (!mapping)
		return NULL;
	mapping->block_bytes = hak_round_up(bytes, hak_os_page_bytes());
	mapping->mapped_bytes = hak_round_up(mapping->block_bytes + slack, HAK_SUPERSLAB_BYTES);
	kept = cached && take_kept(mapping);
	if (!kept && !map_fresh(mapping, use)) {
		drop_descriptor(mapping);
		return NULL;
	}
	kept = kept || (cached && gather_kept(mapping));
	if (cached)
		hak_tally_add(tally, kept ? HAK_COUNTER_bigcache_hits : HAK_COUNTER_bigcache_misses, 1);
	*ret_fresh = !kept;
	mapping->block = (char *)hak_round_up((uintptr_t)mapping->base, align);
	/* What was kept is resident: advice would be late, unless the policy has changed. */
	if (!kept || mapping->thp != thp_in_force())
		advise(mapping);
	hak_pagemap_set_unit(mapping->block, (char *)mapping + TAG);
	return mapping;
}

/* The block's pages go back to the OS, or it has none. */
static void drop_mapping(struct mapping *mapping)
{
	hak_pagemap_set_unit(mapping->block, NULL);
	hak_bigcache_live_sub(mapping->mapped_bytes);
	unmap(mapping->base, mapping->mapped_bytes);
	drop_descriptor(mapping);
}

static void free_mapping(struct mapping *mapping, struct hak_tally *tally)
{
	struct hak_bigcache_entry entry = {
		.base = mapping->base, .bytes = mapping->mapped_bytes, .thp = mapping->thp};
	struct hak_bigcache_entry evicted[EVICT_AT_ONCE];
	unsigned count;

	if (!policy_has(&hak_large_policy.bigcache)) {
		drop_mapping(mapping);
		return;
	}
	hak_pagemap_set_unit(mapping->block, NULL);
	drop_descriptor(mapping);
	count = hak_bigcache_put(entry, evicted, EVICT_AT_ONCE);
	hak_tally_add(tally, HAK_COUNTER_bigcache_evictions, count);
	for (unsigned i = 0; i < count; i++)
		unmap(evicted[i].base, evicted[i].bytes);
}

/* ---- allocate ---------------------------------------------------------------------------------------- */

static struct hak_slab *acquire_run(unsigned grains, size_t align, struct hak_hot *hot)
{
	unsigned align_grains = align > HAK_GRAIN_BYTES ? (unsigned)(align >> HAK_GRAIN_SHIFT) : 1;
	struct hak_slab *slab = align_grains == 1 ? hak_hot_take(hot, grains) : NULL;

	if (slab) {
		slab->dirty = slab->warm = 1;
		return slab;
	}
	slab = hak_superslab_acquire(grains, align_grains);
	if (slab) {
		slab->size_class = HAK_CLASS_LARGE;
		hak_pagemap_set_class(slab->base, grains, HAK_CLASS_FOREIGN);
	}
	return slab;
}

static void *malloc_run(size_t bytes, size_t align, bool zero, struct hak_hot *hot, struct hak_tally *tally)
{
	struct hak_slab *slab = acquire_run((unsigned)(bytes >> HAK_GRAIN_SHIFT), align, hot);

	if (!slab)
		return NULL;
	if (policy_has(&hak_large_policy.bigcache))
		hak_tally_add(tally, slab->warm ? HAK_COUNTER_bigcache_hits : HAK_COUNTER_bigcache_misses, 1);
	if (zero && slab->dirty) {
		memset(slab->base, 0, bytes);
		hak_tally_add(tally, HAK_COUNTER_calloc_cleared_bytes, bytes);
	}
	return slab->base;
}

static void *malloc_mapping(size_t bytes, size_t align, bool zero, struct hak_tally *tally)
{
	bool fresh;
	struct mapping *mapping = make_mapping(bytes, align, HAK_USE_BLOCK, tally, &fresh);

	if (!mapping)
		return NULL;
	if (zero && !fresh) {
		memset(mapping->block, 0, bytes);
		hak_tally_add(tally, HAK_COUNTER_calloc_cleared_bytes, bytes);
	}
	return mapping->block;
}

static void count_malloc(size_t bytes, struct hak_tally *tally)
{
	add_out(bytes);
	hak_tally_add(tally, HAK_COUNTER_alloc_count, 1);
	hak_tally_add(tally, HAK_COUNTER_alloc_bytes, bytes);
}

void *hak_large_malloc(size_t bytes, size_t align, bool zero, struct hak_hot *hot, struct hak_tally *tally)
{
	void *block;

	bytes = hak_round_up(bytes, HAK_GRAIN_BYTES);
	if (bytes <= HAK_RUN_MAX_BYTES && align <= HAK_SUPERSLAB_BYTES)
		block = malloc_run(bytes, align, zero, hot, tally);
	else
		block = malloc_mapping(bytes, align, zero, tally);
	if (!block)
		return NULL;
	hak_pagemap_set_class(block, 1, HAK_CLASS_LARGE);
	count_malloc(hak_large_usable(block), tally);
	return block;
}

size_t hak_large_usable(const void *block)
{
	const struct mapping *mapping = mapping_of(block);

	return mapping ? mapping->block_bytes : (size_t)hak_superslab_run(block)->grains << HAK_GRAIN_SHIFT;
}

/* ---- free -------------------------------------------------------------------------------------------- */

/* Kept warm among the dirty grains; without BigCache and batches given back here and now. */
static bool free_run(struct hak_slab *slab, struct hak_hot *hot)
{
	size_t bytes = (size_t)slab->grains << HAK_GRAIN_SHIFT;
	bool keep = policy_has(&hak_large_policy.bigcache) || policy_has(&hak_large_policy.batch);

	if (!keep && hak_os_page_bytes() == HAK_GRAIN_BYTES && hak_os_dontneed(slab->base, bytes) == 0)
		return hak_superslab_release(slab, 0);
	return hot && policy_has(&hak_large_policy.bigcache) ? hak_hot_put(hot, slab)
							     : hak_superslab_release(slab, slab->grains);
}

static bool free_block(void *block, struct hak_hot *hot, struct hak_tally *tally)
{
	struct mapping *mapping = mapping_of(block);

	hak_pagemap_set_class(block, 1, HAK_CLASS_FREED);
	if (!mapping)
		return free_run(hak_superslab_run(block), hot);
	free_mapping(mapping, tally);
	return false;
}

bool hak_large_free(void *block, struct hak_hot *hot, struct hak_tally *tally)
{
	size_t bytes = hak_large_usable(block);

	sub_out(bytes);
	hak_tally_add(tally, HAK_COUNTER_free_count, 1);
	hak_tally_add(tally, HAK_COUNTER_free_bytes, bytes);
	hak_tally_add(tally, HAK_COUNTER_free_large, 1);
	return free_block(block, hot, tally);
}

void hak_large_trim(size_t keep_bytes, struct hak_tally *tally)
{
	struct hak_bigcache_entry evicted[EVICT_AT_ONCE];
	unsigned count;

	while ((count = hak_bigcache_evict(keep_bytes, evicted, EVICT_AT_ONCE)) > 0) {
		hak_tally_add(tally, HAK_COUNTER_bigcache_evictions, count);
		for (unsigned i = 0; i < count; i++)
			unmap(evicted[i].base, evicted[i].bytes);
	}
}

/* ---- realloc ----------------------------------------------------------------------------------------- */

static void count_resize(size_t old_bytes, size_t new_bytes, enum hak_counter how, struct hak_tally *tally)
{
	/* For the ledger a block that changed its size was freed and allocated. */
	hak_tally_add(tally, HAK_COUNTER_free_count, 1);
	hak_tally_add(tally, HAK_COUNTER_free_bytes, old_bytes);
	sub_out(old_bytes);
	count_malloc(new_bytes, tally);
	hak_tally_add(tally, how, 1);
}

static void shrink_mapping(struct mapping *mapping, size_t mapped_bytes)
{
	size_t tail_bytes = mapping->mapped_bytes - mapped_bytes;

	hak_os_unmap(mapping->base + mapped_bytes, tail_bytes);
	hak_pagemap_shrunk(mapping->base, mapping->mapped_bytes, mapped_bytes);
	mapping->mapped_bytes = mapped_bytes;
	if (mapping->huge_bytes > mapped_bytes)
		mapping->huge_bytes = mapped_bytes;
	add_mapped(-tail_bytes);
	hak_bigcache_live_sub(tail_bytes);
}

/* What grows once grows again: an eighth more address space than asked for, of which no page is touched. */
static bool grow_mapping(struct mapping *mapping, size_t bytes)
{
	size_t old_bytes = mapping->mapped_bytes;
	size_t mapped_bytes = hak_round_up(bytes + bytes / 8, HAK_SUPERSLAB_BYTES);

	if (hak_pagemap_grow(mapping->base, old_bytes, mapped_bytes) < 0)
		return false;
	mapping->mapped_bytes = mapped_bytes;
	add_mapped(mapped_bytes - old_bytes);
	hak_bigcache_live_add(mapped_bytes - old_bytes);
	return true;
}

static bool resize_mapping(struct mapping *mapping, size_t bytes)
{
	bytes = hak_round_up(bytes, hak_os_page_bytes());
	if (mapping->base != mapping->block)
		return false;
	if (bytes > mapping->mapped_bytes && !grow_mapping(mapping, bytes))
		return false;
	if (hak_round_up(bytes, HAK_SUPERSLAB_BYTES) < mapping->mapped_bytes && bytes < mapping->block_bytes)
		shrink_mapping(mapping, hak_round_up(bytes, HAK_SUPERSLAB_BYTES));
	mapping->block_bytes = bytes;
	if (wanted_huge_bytes(mapping) > mapping->huge_bytes)
		advise(mapping);
	return true;
}

/* A mapping that has room, and the old block's pages moved into it. */
static void *move_to_mapping(void *block, size_t old_bytes, size_t bytes, struct hak_tally *tally)
{
	struct mapping *old = mapping_of(block), *mapping;
	bool fresh;

	if (old_bytes % hak_os_page_bytes() != 0 || (uintptr_t)block % hak_os_page_bytes() != 0)
		return NULL;
	mapping = make_mapping(bytes, HAK_ALIGN_BYTES, HAK_USE_GROWING, tally, &fresh);
	if (!mapping)
		return NULL;
	if (!move_pages(block, old_bytes, mapping->base)) {
		drop_mapping(mapping);
		return NULL;
	}
	advise(mapping); /* the kernel gave the moved part the flags of where it came from */
	hak_pagemap_set_class(block, 1, HAK_CLASS_FREED);
	if (old)
		drop_mapping(old);
	else
		(void)hak_superslab_release(hak_superslab_run(block), 0); /* no pages: no purge is due */
	hak_pagemap_set_class(mapping->block, 1, HAK_CLASS_LARGE);
	return mapping->block;
}

static bool resize_run(struct hak_slab *slab, size_t bytes)
{
	unsigned grains = (unsigned)(bytes >> HAK_GRAIN_SHIFT);

	if (grains < slab->grains) {
		(void)hak_superslab_shorten(slab, grains); /* a due purge waits for the next release */
		return true;
	}
	return grains <= HAK_SUPERSLAB_GRAINS && hak_superslab_extend(slab, grains);
}

void *hak_large_realloc(void *block, size_t bytes, struct hak_tally *tally)
{
	size_t old_bytes = hak_large_usable(block);
	struct mapping *mapping = mapping_of(block);
	bool in_place;
	void *moved;

	bytes = hak_round_up(bytes, HAK_GRAIN_BYTES);
	if (bytes <= old_bytes && bytes + bytes / 2 >= old_bytes) {
		hak_tally_add(tally, HAK_COUNTER_realloc_in_place, 1);
		return block;
	}
	if (mapping && bytes < HAK_RUN_MAX_BYTES / 2 && bytes < old_bytes)
		return NULL; /* it has become a small thing; a run serves it better */
	in_place = mapping ? resize_mapping(mapping, bytes) : resize_run(hak_superslab_run(block), bytes);
	if (in_place) {
		count_resize(old_bytes, hak_large_usable(block), HAK_COUNTER_realloc_in_place, tally);
		return block;
	}
	if (bytes < old_bytes || old_bytes <= COPY_MAX_BYTES)
		return NULL;
	moved = move_to_mapping(block, old_bytes, bytes, tally);
	if (moved)
		count_resize(old_bytes, hak_large_usable(moved), HAK_COUNTER_realloc_remapped, tally);
	return moved;
}

/* ---- gauges, fork ------------------------------------------------------------------------------------ */

size_t hak_large_mapped_bytes(void)
{
	size_t bytes;

	hak_lock_acquire(&mappings.lock);
	bytes = mappings.mapped_bytes;
	hak_lock_release(&mappings.lock);
	return bytes;
}

size_t hak_large_out_bytes(void)
{
	return atomic_load_explicit(&out_bytes, memory_order_relaxed); /* a gauge */
}

void hak_large_fork_prepare(void)
{
	hak_bigcache_fork_prepare();
	hak_lock_acquire(&mappings.lock);
}

void hak_large_fork_parent(void)
{
	hak_lock_release(&mappings.lock);
	hak_bigcache_fork_parent();
}

void hak_large_fork_child(void)
{
	hak_lock_reset(&mappings.lock);
	hak_bigcache_fork_child();
}
