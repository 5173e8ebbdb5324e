/* SPDX-License-Identifier: MIT */
#include "mapping_private.h"

#include "bigcache.h"
#include "knobs.h"
#include "meta.h"
#include "os.h"
#include "superslab.h"

enum {
	GATHER_PIECES = 8,
	WASTE_PART = 4, /* of a block: if more would be left of its last unit, others may have the rest */
	TAG = HAK_PAGEMAP_MAPPING_TAG,
};

struct hak_mappings hak_mappings;

struct hak_mapping *hak_mapping_of(const void *block)
{
	uintptr_t entry = (uintptr_t)hak_pagemap_owner(block);

	return entry & TAG ? (struct hak_mapping *)(entry - TAG) : NULL;
}

static struct hak_mapping *take_descriptor(void)
{
	struct hak_mapping *mapping;

	hak_lock_acquire(&hak_mappings.lock);
	mapping = hak_mappings.unused;
	if (mapping)
		hak_mappings.unused = mapping->next;
	hak_lock_release(&hak_mappings.lock);
	return mapping ? mapping : hak_meta_alloc(sizeof(*mapping));
}

static void drop_descriptor(struct hak_mapping *mapping)
{
	hak_lock_acquire(&hak_mappings.lock);
	mapping->next = hak_mappings.unused;
	hak_mappings.unused = mapping;
	hak_lock_release(&hak_mappings.lock);
}

/* Wraps, so that a negated size subtracts. */
static void add_mapped(size_t bytes)
{
	hak_lock_acquire(&hak_mappings.lock);
	if (hak_mappings.mapped_bytes == 0 && hak_mappings.touch.fresh == 0)
		hak_touch_begin(&hak_mappings.touch, 0);
	hak_mappings.mapped_bytes += bytes;
	/* relaxed: a hint; the lock orders those who store */
	atomic_store_explicit(&hak_superslabs_beside_bytes, hak_mappings.mapped_bytes, memory_order_relaxed);
	hak_lock_release(&hak_mappings.lock);
}

static bool map_fresh(struct hak_mapping *mapping, enum hak_pagemap_use use)
{
	void *memory;

	if (hak_pagemap_map(mapping->mapped_bytes, use, &memory) < 0)
		return false;
	add_mapped(mapping->mapped_bytes);
	hak_bigcache_live_add(mapping->mapped_bytes);
	mapping->base = memory;
	mapping->stale_begin = mapping->stale_end = 0;
	mapping->fresh_begin = mapping->fresh_end = 0;
	return true;
}

static void unmap(char *base, size_t bytes)
{
	hak_pagemap_unmap(base, bytes);
	add_mapped(-bytes);
}

/*
 * Where BigCache has whole units, their pages move into a clean @gap side by side, which is far cheaper than
 * to fault fresh ones in: to the end of it, where small pages do the least harm, as whole units are filled by
 * a fault each if they are fresh. What they leave is clean. Return: where they begin.
 */
static size_t fill(const struct hak_mapping *mapping, struct hak_bigcache_gap gap)
{
	struct hak_bigcache_entry pieces[GATHER_PIECES];
	unsigned count = hak_bigcache_gather(gap.end - gap.begin, hak_mapping_thp(), pieces, GATHER_PIECES);
	char *target = mapping->base + gap.end;

	for (unsigned i = 0; i < count; i++) {
		target -= pieces[i].bytes;
		if (hak_os_move_pages(pieces[i].base, pieces[i].bytes, target) &&
		    hak_bigcache_put_clean(pieces[i]))
			add_mapped(-pieces[i].bytes);
		else
			unmap(pieces[i].base, pieces[i].bytes); /* fresh pages serve */
	}
	return (size_t)(target - mapping->base);
}

static void fill_gaps(struct hak_mapping *mapping, const struct hak_bigcache_gap *gap, unsigned gaps)
{
	mapping->stale_begin = mapping->fresh_begin = mapping->fresh_end = 0;
	mapping->stale_end = mapping->mapped_bytes;
	for (unsigned i = 0; i < gaps; i++) {
		size_t begin = fill(mapping, gap[i]);

		if (gap[i].begin == 0)
			mapping->stale_begin = begin;
		if (gap[i].end == mapping->mapped_bytes && begin == gap[i].end)
			mapping->stale_end = gap[i].begin;
		if (begin - gap[i].begin > mapping->fresh_end - mapping->fresh_begin) {
			mapping->fresh_begin = gap[i].begin;
			mapping->fresh_end = begin;
		}
	}
}

static void begin_in(struct hak_mapping *mapping, const struct hak_bigcache_range *range)
{
	mapping->base = range->base;
	mapping->thp = range->thp;
	mapping->mapped_bytes = mapping->huge_bytes = range->bytes;
	if (range->clean_bytes)
		add_mapped(range->clean_bytes);
	fill_gaps(mapping, range->gap, range->gaps);
}

/* Would much of the last unit be left, for its size? What is shorter than half a unit has one of its own. */
static bool wastes_much(const struct hak_mapping *mapping)
{
	return mapping->block_bytes > HAK_OWNER_BYTES &&
	       mapping->mapped_bytes - mapping->block_bytes > mapping->block_bytes / WASTE_PART;
}

/* Of one place that is resident: what is left of it serves others. */
static bool take_resident(struct hak_mapping *mapping, size_t bytes)
{
	struct hak_bigcache_range range;

	if (!hak_bigcache_take_resident(bytes, &range))
		return false;
	begin_in(mapping, &range);
	return true;
}

/* Or units, of which some may not be resident: what is left of the last stays with the block. */
static bool take_kept(struct hak_mapping *mapping, size_t align, bool *ret_whole)
{
	struct hak_bigcache_range range;

	*ret_whole = align <= HAK_STEP_BYTES && wastes_much(mapping) &&
		     take_resident(mapping, hak_round_up(mapping->block_bytes, HAK_STEP_BYTES));
	if (*ret_whole)
		return true;
	if (!hak_bigcache_take(mapping->mapped_bytes, &range))
		return false;
	*ret_whole = range.clean_bytes == 0;
	begin_in(mapping, &range);
	return true;
}

/* It leaves BigCache for good; the books have not had what is clean since it was made so. */
static void discard(const struct hak_bigcache_entry *entry)
{
	if (entry->state == HAK_BIGCACHE_CLEAN)
		hak_pagemap_unmap(entry->base, entry->bytes);
	else
		unmap(entry->base, entry->bytes);
}

static bool is_in_units(const struct hak_bigcache_entry *entry)
{
	return ((uintptr_t)entry->base | entry->bytes) % HAK_SUPERSLAB_BYTES == 0;
}

static bool free_lazily(const struct hak_bigcache_entry *entry)
{
	return entry->state == HAK_BIGCACHE_KEPT && hak_lazy_is(&hak_lazy.allowed) &&
	       hak_os_free_lazily(entry->base, entry->bytes) == 0 && hak_bigcache_put_lazily(*entry);
}

/* Units alone: of others a part is in use, and they might become huge pages again. */
static bool clean(const struct hak_bigcache_entry *entry)
{
	if (entry->state == HAK_BIGCACHE_CLEAN || !is_in_units(entry) ||
	    !hak_bigcache_wants_clean(entry->bytes) ||
	    hak_os_dontneed(entry->base, entry->bytes) != 0 || !hak_bigcache_put_clean(*entry))
		return false;
	add_mapped(-entry->bytes);
	return true;
}

/* What BigCache does not hold any more: lazily free, if somebody collects. */
static void let_go_evicted(const struct hak_bigcache_evicted *evicted, struct hak_tally *tally)
{
	unsigned held = evicted->count - evicted->clean;

	hak_tally_add(tally, HAK_COUNTER_bigcache_evictions, held);
	hak_tally_add(tally, HAK_COUNTER_bigcache_evicted_full, evicted->full);
	hak_tally_add(tally, HAK_COUNTER_bigcache_evicted_excess, held - evicted->full);
	for (unsigned i = 0; i < evicted->count; i++)
		if (!free_lazily(&evicted->entry[i]) && !clean(&evicted->entry[i]))
			discard(&evicted->entry[i]);
}

void hak_mapping_yield(size_t bytes, struct hak_tally *tally)
{
	struct hak_bigcache_evicted evicted;

	hak_bigcache_yield(bytes, &evicted);
	let_go_evicted(&evicted, tally);
}

void hak_mapping_age(uint32_t period_msec, struct hak_tally *tally)
{
	struct hak_bigcache_evicted evicted;

	/* relaxed: a gauge */
	if (atomic_load_explicit(&hak_mapping_tail_bytes, memory_order_relaxed))
		(void)hak_mapping_give_tails(period_msec);
	if (!hak_bigcache_age(hak_os_coarse_msec(), period_msec))
		return;
	do {
		hak_bigcache_evict_aged(&evicted);
		let_go_evicted(&evicted, tally);
	} while (evicted.count);
}

static void set_owner(struct hak_mapping *mapping)
{
	hak_pagemap_set_owner(mapping->block, HAK_OWNER_BYTES, (char *)mapping + TAG);
}

static void clear_owner(const struct hak_mapping *mapping)
{
	hak_pagemap_set_owner(mapping->block, HAK_OWNER_BYTES, NULL);
}

struct hak_mapping *hak_mapping_make(size_t bytes, size_t align, enum hak_pagemap_use use,
				     struct hak_tally *tally)
{
	size_t slack = align > HAK_SUPERSLAB_BYTES ? align - HAK_SUPERSLAB_BYTES : 0;
	bool cached = use == HAK_USE_BLOCK && !slack && hak_knob(bigcache);
	struct hak_mapping *mapping;
	bool whole = false;

	if (bytes > HAK_WINDOW_BYTES || slack > HAK_WINDOW_BYTES)
		return NULL;
	mapping = take_descriptor();
	if (!mapping)
		return NULL;
	mapping->block_bytes = hak_round_up(bytes, hak_os_page_bytes());
	mapping->mapped_bytes = hak_round_up(mapping->block_bytes + slack, HAK_SUPERSLAB_BYTES);
	if (!cached || !take_kept(mapping, align, &whole)) {
		if (!map_fresh(mapping, use)) {
			drop_descriptor(mapping);
			return NULL;
		}
		if (cached)
			fill_gaps(mapping, &(struct hak_bigcache_gap){0, mapping->mapped_bytes}, 1);
	}
	if (cached)
		hak_tally_add(tally, whole ? HAK_COUNTER_bigcache_hits : HAK_COUNTER_bigcache_misses, 1);
	if (cached && !whole)
		hak_mapping_yield(0, tally); /* more is in use now: so much less may be held */
	mapping->block = (char *)hak_round_up((uintptr_t)mapping->base, align);
	mapping->resident_end = mapping->stale_begin < mapping->stale_end ? mapping->stale_end : 0;
	if (!whole)
		hak_mapping_note_made(mapping->mapped_bytes);
	/* What was kept is resident: advice would be late, unless the policy has changed. */
	if (!whole || mapping->thp != hak_mapping_thp())
		hak_mapping_advise(mapping);
	set_owner(mapping);
	hak_mapping_watch_tail(mapping);
	return mapping;
}

void hak_mapping_advise_again(struct hak_mapping *mapping)
{
	hak_mapping_forget_tail(mapping);
	hak_mapping_advise(mapping);
	hak_mapping_watch_tail(mapping);
}

void hak_mapping_drop(struct hak_mapping *mapping)
{
	hak_mapping_forget_tail(mapping);
	hak_mapping_note_freed(mapping);
	clear_owner(mapping);
	hak_bigcache_live_sub(mapping->mapped_bytes);
	unmap(mapping->base, mapping->mapped_bytes);
	drop_descriptor(mapping);
}

void hak_mapping_free(struct hak_mapping *mapping, struct hak_tally *tally)
{
	struct hak_bigcache_entry entry = {
		.base = mapping->base, .bytes = mapping->mapped_bytes, .thp = (uint16_t)mapping->thp};
	struct hak_bigcache_evicted evicted;

	if (!hak_knob(bigcache) ||
	    mapping->block_bytes < hak_knob(cache_smallest_bytes)) {
		hak_mapping_drop(mapping);
		return;
	}
	hak_mapping_forget_tail(mapping);
	hak_mapping_note_freed(mapping);
	clear_owner(mapping);
	drop_descriptor(mapping);
	hak_bigcache_put(entry, &evicted);
	let_go_evicted(&evicted, tally);
}

void hak_mapping_trim(size_t keep_bytes, enum hak_counter reason, struct hak_tally *tally)
{
	struct hak_bigcache_evicted evicted;

	for (;;) {
		hak_bigcache_evict(keep_bytes, &evicted);
		if (!evicted.count)
			return;
		hak_tally_add(tally, HAK_COUNTER_bigcache_evictions, evicted.count - evicted.clean);
		hak_tally_add(tally, reason, evicted.count - evicted.clean);
		for (unsigned i = 0; i < evicted.count; i++)
			discard(&evicted.entry[i]);
	}
}

void hak_mapping_purge_lazy(uintptr_t base)
{
	struct hak_bigcache_entry entry;

	if (hak_bigcache_take_lazy(base, &entry))
		unmap(entry.base, entry.bytes);
}

struct hak_mapping *hak_mapping_reuse(size_t bytes, struct hak_tally *tally)
{
	struct hak_mapping *mapping = take_descriptor();

	if (!mapping)
		return NULL;
	mapping->block_bytes = hak_round_up(bytes, hak_os_page_bytes());
	if (!hak_knob(bigcache) ||
	    !take_resident(mapping, hak_round_up(mapping->block_bytes, HAK_SUPERSLAB_BYTES))) {
		drop_descriptor(mapping);
		return NULL;
	}
	hak_tally_add(tally, HAK_COUNTER_bigcache_hits, 1);
	mapping->block = mapping->base;
	mapping->resident_end = mapping->mapped_bytes;
	if (mapping->thp != hak_mapping_thp())
		hak_mapping_advise(mapping);
	set_owner(mapping);
	hak_mapping_watch_tail(mapping);
	return mapping;
}

/* ---- resize ------------------------------------------------------------------------------------------ */

/* Of a mapping of which so much is needed: up to the end of a unit. */
static size_t end_of_unit(const struct hak_mapping *mapping, size_t bytes)
{
	return hak_round_up((uintptr_t)mapping->base + bytes, HAK_SUPERSLAB_BYTES) - (uintptr_t)mapping->base;
}

static void shrink_mapping(struct hak_mapping *mapping, size_t mapped_bytes)
{
	size_t tail_bytes = mapping->mapped_bytes - mapped_bytes;

	unmap(mapping->base + mapped_bytes, tail_bytes);
	mapping->mapped_bytes = mapped_bytes;
	mapping->huge_bytes = hak_least(mapping->huge_bytes, mapped_bytes);
	mapping->resident_end = hak_least(mapping->resident_end, mapped_bytes);
	hak_bigcache_live_sub(tail_bytes);
}

/* Over what BigCache has right behind it. */
static void absorb(struct hak_mapping *mapping, size_t mapped_bytes)
{
	struct hak_bigcache_entry part;

	while (mapping->mapped_bytes < mapped_bytes &&
	       hak_bigcache_take_at(mapping->base + mapping->mapped_bytes,
				    mapped_bytes - mapping->mapped_bytes, &part)) {
		mapping->mapped_bytes += part.bytes;
		if (part.state == HAK_BIGCACHE_CLEAN)
			add_mapped(part.bytes);
		else
			mapping->resident_end = mapping->mapped_bytes;
	}
}

/* What grows once grows again: an eighth more address space than asked for, of which no page is touched. */
static bool grow_mapping(struct hak_mapping *mapping, size_t bytes)
{
	size_t mapped_bytes = end_of_unit(mapping, bytes + bytes / 8), grown_bytes;
	struct hak_bigcache_entry in_the_way;
	char *end;

	absorb(mapping, mapped_bytes);
	end = mapping->base + mapping->mapped_bytes;
	grown_bytes = mapped_bytes - mapping->mapped_bytes;
	while (grown_bytes && hak_pagemap_grow(end, mapping->base + mapped_bytes) < 0) {
		/* What is clean there has nothing to lose. */
		if (!hak_bigcache_take_clean_at(end, grown_bytes, &in_the_way))
			return bytes <= mapping->mapped_bytes;
		discard(&in_the_way);
	}
	mapping->mapped_bytes = mapped_bytes;
	add_mapped(grown_bytes);
	hak_bigcache_live_add(grown_bytes);
	return true;
}

static bool resize(struct hak_mapping *mapping, size_t bytes)
{
	if (mapping->base != mapping->block)
		return false;
	if (bytes > mapping->mapped_bytes && !grow_mapping(mapping, bytes))
		return false;
	if (mapping->resident_end < mapping->block_bytes)
		mapping->resident_end = mapping->block_bytes;
	if (end_of_unit(mapping, bytes) < mapping->mapped_bytes && bytes < mapping->block_bytes)
		shrink_mapping(mapping, end_of_unit(mapping, bytes));
	mapping->block_bytes = bytes;
	hak_mapping_note_resized(mapping);
	return true;
}

bool hak_mapping_resize(struct hak_mapping *mapping, size_t bytes)
{
	bool resized;

	hak_mapping_forget_tail(mapping);
	resized = resize(mapping, hak_round_up(bytes, hak_os_page_bytes()));
	hak_mapping_watch_tail(mapping);
	return resized;
}

/* ---- gauge, fork ------------------------------------------------------------------------------------- */

size_t hak_mapping_bytes(void)
{
	size_t bytes;

	hak_lock_acquire(&hak_mappings.lock);
	bytes = hak_mappings.mapped_bytes;
	hak_lock_release(&hak_mappings.lock);
	return bytes;
}

void hak_mapping_fork_prepare(void)
{
	hak_bigcache_fork_prepare();
	hak_lock_acquire(&hak_mappings.lock);
}

void hak_mapping_fork_parent(void)
{
	hak_lock_release(&hak_mappings.lock);
	hak_bigcache_fork_parent();
}

void hak_mapping_fork_child(void)
{
	hak_lock_reset(&hak_mappings.lock);
	hak_touch_begin(&hak_mappings.touch, hak_mappings.mapped_bytes / hak_os_page_bytes());
	hak_bigcache_fork_child();
}
