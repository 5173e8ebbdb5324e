/* SPDX-License-Identifier: MIT */
#include "large.h"

#include <string.h>

#include "bigcache.h"
#include "meta.h"
#include "os.h"
#include "policy.h"
#include "superslab.h"

enum {
	EVICT_AT_ONCE = 16,
	HUGE_PAGE_BYTES = HAK_SUPERSLAB_BYTES,
	COPY_MAX_BYTES = 128 << 10, /* below, copying a run is cheaper than giving it a mapping */
};

struct hak_large_policy hak_large_policy = {.bigcache = true, .batch = true, .huge = HAK_THP_AUTO};

/* A mapping of its own; the page map's unit entry of the block points here, tagged. */
struct mapping {
	struct mapping *next; /* unused ones */
	char *base;           /* of the mapping; the block's start but for alignments above a superslab's */
	size_t bytes;         /* of the mapping */
	char *block;
};

static struct {
	struct hak_lock lock;
	struct mapping *unused;
	size_t mapped_bytes;
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

/* ---- mappings -------------------------------------------------------------------------------------------------- */

enum { TAG = 1 };

static struct mapping *mapping_of(const void *block)
{
	uintptr_t entry = (uintptr_t)hak_pagemap_unit(block);

	return entry & TAG ? (struct mapping *)(entry - TAG) : NULL;
}

static struct mapping *take_descriptor(size_t bytes)
{
	struct mapping *mapping;

	hak_lock_acquire(&mappings.lock);
	mapping = mappings.unused;
	if (mapping)
		mappings.unused = mapping->next;
	mappings.mapped_bytes += bytes;
	hak_lock_release(&mappings.lock);
	if (mapping)
		return mapping;
	mapping = hak_meta_alloc(sizeof(*mapping));
	if (!mapping) {
		hak_lock_acquire(&mappings.lock);
		mappings.mapped_bytes -= bytes;
		hak_lock_release(&mappings.lock);
	}
	return mapping;
}

static void drop_descriptor(struct mapping *mapping, size_t bytes)
{
	hak_lock_acquire(&mappings.lock);
	mapping->next = mappings.unused;
	mappings.unused = mapping;
	mappings.mapped_bytes -= bytes;
	hak_lock_release(&mappings.lock);
}

static void resize_mapping(struct mapping *mapping, size_t bytes)
{
	hak_lock_acquire(&mappings.lock);
	mappings.mapped_bytes += bytes - mapping->bytes;
	mapping->bytes = bytes;
	hak_lock_release(&mappings.lock);
}

static void advise(void *memory, size_t bytes)
{
	uint32_t thp = atomic_load_explicit(&hak_large_policy.huge, memory_order_relaxed);
	size_t whole = bytes & ~(size_t)(HUGE_PAGE_BYTES - 1);

	if (thp != HAK_THP_OFF && whole)
		hak_os_advise_huge(memory, whole, true);
}

static struct mapping *make_mapping(size_t bytes, size_t align)
{
	size_t slack = align > HAK_SUPERSLAB_BYTES ? align - HAK_SUPERSLAB_BYTES : 0;
	struct mapping *mapping;
	void *memory;

	if (bytes > HAK_WINDOW_BYTES || slack > HAK_WINDOW_BYTES)
		return NULL;
	bytes = hak_round_up(bytes, hak_os_page_bytes());
	mapping = take_descriptor(bytes + slack);
	if (!mapping)
		return NULL;
	if (hak_pagemap_map(bytes + slack, slack ? 0 : bytes, &memory) < 0) {
		drop_descriptor(mapping, bytes + slack);
		return NULL;
	}
	mapping->base = memory;
	mapping->bytes = bytes + slack;
	mapping->block = (char *)hak_round_up((uintptr_t)memory, align > HAK_ALIGN_BYTES ? align : HAK_ALIGN_BYTES);
	hak_pagemap_set_unit(mapping->block, (char *)mapping + TAG);
	return mapping;
}

static size_t usable_of_mapping(const struct mapping *mapping)
{
	return mapping->bytes - (size_t)(mapping->block - mapping->base);
}

static void free_mapping(struct mapping *mapping)
{
	hak_pagemap_set_unit(mapping->block, NULL);
	hak_pagemap_unmap(mapping->base, mapping->bytes);
	drop_descriptor(mapping, mapping->bytes);
}

/* ---- allocate ---------------------------------------------------------------------------------------------------- */

static void *malloc_run(size_t bytes, size_t align, bool zero, struct hak_tally *tally)
{
	unsigned grains = (unsigned)(bytes >> HAK_GRAIN_SHIFT);
	unsigned align_grains = align > HAK_GRAIN_BYTES ? (unsigned)(align >> HAK_GRAIN_SHIFT) : 1;
	struct hak_slab *slab = hak_superslab_acquire(grains, align_grains);

	if (!slab)
		return NULL;
	slab->size_class = HAK_CLASS_LARGE;
	hak_pagemap_set_class(slab->base, grains, HAK_CLASS_FOREIGN);
	hak_pagemap_set_class(slab->base, 1, HAK_CLASS_LARGE);
	if (zero && slab->dirty) {
		memset(slab->base, 0, bytes);
		hak_tally_add(tally, HAK_COUNTER_calloc_cleared_bytes, bytes);
	}
	return slab->base;
}

static void *malloc_fresh(size_t bytes, size_t align, bool zero, struct hak_tally *tally)
{
	struct mapping *mapping;

	if (bytes <= HAK_RUN_MAX_BYTES && align <= HAK_SUPERSLAB_BYTES)
		return malloc_run(bytes, align, zero, tally);
	mapping = make_mapping(bytes, align);
	if (!mapping)
		return NULL;
	advise(mapping->block, usable_of_mapping(mapping));
	hak_pagemap_set_class(mapping->block, 1, HAK_CLASS_LARGE);
	return mapping->block;
}

static void count_malloc(size_t bytes, struct hak_tally *tally)
{
	add_out(bytes);
	hak_tally_add(tally, HAK_COUNTER_alloc_count, 1);
	hak_tally_add(tally, HAK_COUNTER_alloc_bytes, bytes);
}

void *hak_large_malloc(size_t bytes, size_t align, bool zero, struct hak_tally *tally)
{
	struct hak_bigcache_entry entry;
	void *block;

	bytes = hak_round_up(bytes, HAK_GRAIN_BYTES);
	if (policy_has(&hak_large_policy.bigcache)) {
		if (hak_bigcache_take(bytes, align, &entry)) {
			hak_pagemap_set_class(entry.block, 1, HAK_CLASS_LARGE);
			hak_tally_add(tally, HAK_COUNTER_bigcache_hits, 1);
			count_malloc(entry.bytes, tally);
			if (zero) {
				memset(entry.block, 0, entry.bytes);
				hak_tally_add(tally, HAK_COUNTER_calloc_cleared_bytes, entry.bytes);
			}
			return entry.block;
		}
		hak_tally_add(tally, HAK_COUNTER_bigcache_misses, 1);
	}
	block = malloc_fresh(bytes, align, zero, tally);
	if (!block)
		return NULL;
	bytes = hak_large_usable(block);
	hak_bigcache_live_add(bytes);
	count_malloc(bytes, tally);
	return block;
}

size_t hak_large_usable(const void *block)
{
	const struct mapping *mapping = mapping_of(block);

	return mapping ? usable_of_mapping(mapping) : (size_t)hak_superslab_run(block)->grains << HAK_GRAIN_SHIFT;
}

/* ---- free ---------------------------------------------------------------------------------------------------------- */

static bool give_back(void *block)
{
	struct mapping *mapping = mapping_of(block);
	struct hak_slab *slab;
	unsigned touched;

	if (mapping) {
		free_mapping(mapping);
		return false;
	}
	slab = hak_superslab_run(block);
	touched = slab->grains;
	if (!policy_has(&hak_large_policy.batch) && hak_os_page_bytes() == HAK_GRAIN_BYTES &&
	    hak_os_dontneed(block, (size_t)touched << HAK_GRAIN_SHIFT) == 0)
		touched = 0;
	return hak_superslab_release(slab, touched);
}

bool hak_large_free(void *block, struct hak_tally *tally)
{
	struct hak_bigcache_entry entry = {block, hak_large_usable(block)}, evicted[EVICT_AT_ONCE];
	bool purge_due = false;
	unsigned count;

	sub_out(entry.bytes);
	hak_tally_add(tally, HAK_COUNTER_free_count, 1);
	hak_tally_add(tally, HAK_COUNTER_free_bytes, entry.bytes);
	hak_tally_add(tally, HAK_COUNTER_free_large, 1);
	hak_pagemap_set_class(block, 1, HAK_CLASS_FREED);
	if (!policy_has(&hak_large_policy.bigcache)) {
		hak_bigcache_live_sub(entry.bytes);
		return give_back(block);
	}
	count = hak_bigcache_put(entry, evicted, EVICT_AT_ONCE);
	hak_tally_add(tally, HAK_COUNTER_bigcache_evictions, count);
	for (unsigned i = 0; i < count; i++)
		purge_due |= give_back(evicted[i].block);
	return purge_due;
}

bool hak_large_trim(size_t keep_bytes, struct hak_tally *tally)
{
	struct hak_bigcache_entry evicted[EVICT_AT_ONCE];
	bool purge_due = false;
	unsigned count;

	while ((count = hak_bigcache_evict(keep_bytes, evicted, EVICT_AT_ONCE)) > 0) {
		hak_tally_add(tally, HAK_COUNTER_bigcache_evictions, count);
		for (unsigned i = 0; i < count; i++)
			purge_due |= give_back(evicted[i].block);
	}
	return purge_due;
}

/* ---- realloc ------------------------------------------------------------------------------------------------------- */

static void count_resize(size_t old_bytes, size_t new_bytes, enum hak_counter how, struct hak_tally *tally)
{
	/* For the ledger a block that changed its size was freed and allocated. */
	hak_tally_add(tally, HAK_COUNTER_free_count, 1);
	hak_tally_add(tally, HAK_COUNTER_free_bytes, old_bytes);
	sub_out(old_bytes);
	count_malloc(new_bytes, tally);
	hak_tally_add(tally, how, 1);
	if (new_bytes > old_bytes)
		hak_bigcache_live_add(new_bytes - old_bytes);
	else
		hak_bigcache_live_sub(old_bytes - new_bytes);
}

static bool resize_mapping_in_place(struct mapping *mapping, size_t bytes)
{
	size_t old_bytes = mapping->bytes;

	if (mapping->base != mapping->block)
		return false;
	bytes = hak_round_up(bytes, hak_os_page_bytes());
	if (bytes < old_bytes) {
		hak_os_unmap(mapping->base + bytes, old_bytes - bytes);
		hak_pagemap_shrunk(mapping->base, old_bytes, bytes);
	} else if (bytes > old_bytes && hak_pagemap_grow(mapping->base, old_bytes, bytes) < 0) {
		return false;
	}
	resize_mapping(mapping, bytes);
	return true;
}

/* A mapping that has room, and the old block's pages moved into it. */
static void *move_to_mapping(void *block, size_t old_bytes, size_t bytes)
{
	struct mapping *old = mapping_of(block), *mapping;
	struct hak_slab *slab;

	if (old_bytes % hak_os_page_bytes() != 0 || (uintptr_t)block % hak_os_page_bytes() != 0)
		return NULL;
	mapping = make_mapping(bytes, HAK_ALIGN_BYTES);
	if (!mapping)
		return NULL;
	if (hak_os_move_pages(block, old_bytes, mapping->base, true) < 0) {
		free_mapping(mapping);
		return NULL;
	}
	advise(mapping->block, mapping->bytes);
	hak_pagemap_set_class(block, 1, HAK_CLASS_FREED);
	if (old) {
		free_mapping(old);
	} else {
		slab = hak_superslab_run(block);
		(void)hak_superslab_release(slab, 0); /* its pages are gone, so it adds nothing to purge */
	}
	hak_pagemap_set_class(mapping->block, 1, HAK_CLASS_LARGE);
	return mapping->block;
}

void *hak_large_realloc(void *block, size_t bytes, struct hak_tally *tally)
{
	size_t old_bytes = hak_large_usable(block);
	struct mapping *mapping = mapping_of(block);
	void *moved;

	bytes = hak_round_up(bytes, HAK_GRAIN_BYTES);
	if (bytes <= old_bytes && bytes + bytes / 2 >= old_bytes) {
		hak_tally_add(tally, HAK_COUNTER_realloc_in_place, 1);
		return block;
	}
	if (mapping && bytes > HAK_RUN_MAX_BYTES) {
		if (resize_mapping_in_place(mapping, bytes)) {
			count_resize(old_bytes, hak_large_usable(block), HAK_COUNTER_realloc_in_place, tally);
			return block;
		}
	} else if (!mapping && bytes <= HAK_SUPERSLAB_BYTES) {
		struct hak_slab *slab = hak_superslab_run(block);
		unsigned grains = (unsigned)(bytes >> HAK_GRAIN_SHIFT);

		if (bytes < old_bytes)
			(void)hak_superslab_shorten(slab, grains);
		if (bytes < old_bytes || hak_superslab_extend(slab, grains)) {
			count_resize(old_bytes, bytes, HAK_COUNTER_realloc_in_place, tally);
			return block;
		}
	}
	if (bytes < old_bytes || old_bytes <= COPY_MAX_BYTES)
		return NULL;
	moved = move_to_mapping(block, old_bytes, bytes);
	if (moved)
		count_resize(old_bytes, hak_large_usable(moved), HAK_COUNTER_realloc_remapped, tally);
	return moved;
}

/* ---- gauges, fork ---------------------------------------------------------------------------------------------------- */

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
