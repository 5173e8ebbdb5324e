/* SPDX-License-Identifier: MIT */
#include "bigcache.h"

#include <string.h>

#include "geometry.h"
#include "ghost.h"
#include "hold.h"
#include "knobs.h"
#include "lock.h"
#include "os.h"

enum { GATHER_PART = 4 }; /* less of what is wanted is not worth the calls, and may never be touched */

static struct {
	struct hak_lock lock;
	unsigned count;
	uint32_t puts;
	size_t held_bytes; /* but what is lazily free */
	size_t lazy_bytes;
	size_t live_bytes;
	struct hak_hold hold;                                  /* in bytes */
	size_t ghost_bytes;                                    /* evicted and not asked for again since */
	struct hak_bigcache_entry entry[HAK_BIGCACHE_ENTRIES]; /* by address */
} cache;

static size_t *total_of(const struct hak_bigcache_entry *entry)
{
	return entry->lazy ? &cache.lazy_bytes : &cache.held_bytes;
}

static struct hak_bigcache_entry remove_at(unsigned index)
{
	struct hak_bigcache_entry entry = cache.entry[index];

	cache.count--;
	memmove(&cache.entry[index], &cache.entry[index + 1], (cache.count - index) * sizeof(entry));
	*total_of(&entry) -= entry.bytes;
	return entry;
}

/* It leaves the cache: nothing is to be collected of it. */
static void note_left(const struct hak_bigcache_entry *entry)
{
	if (entry->lazy)
		hak_lazy_take(entry->base, entry->bytes);
}

/* It will be used again. */
static void note_taken(const struct hak_bigcache_entry *entry)
{
	if (entry->lazy)
		hak_hold_regret(&cache.hold, entry->bytes);
	note_left(entry);
}

static void grow_live(size_t bytes)
{
	cache.live_bytes += bytes;
	hak_hold_note(&cache.hold, cache.live_bytes);
	hak_ghost_used(HAK_GHOST_LARGE, bytes, cache.live_bytes);
}

/* Return: how much of @bytes had been there. */
static size_t forget_ghosts(size_t bytes)
{
	size_t ghost_bytes = bytes < cache.ghost_bytes ? bytes : cache.ghost_bytes;

	cache.ghost_bytes -= ghost_bytes;
	return ghost_bytes;
}

static bool is_better(unsigned left, unsigned right)
{
	const struct hak_bigcache_entry *l = &cache.entry[left], *r = &cache.entry[right];

	return l->lazy != r->lazy ? r->lazy : l->bytes < r->bytes;
}

bool hak_bigcache_take(size_t bytes, struct hak_bigcache_entry *ret_entry)
{
	unsigned best = HAK_BIGCACHE_ENTRIES;

	hak_lock_acquire(&cache.lock);
	for (unsigned i = 0; i < cache.count; i++)
		if (cache.entry[i].bytes >= bytes && (best == HAK_BIGCACHE_ENTRIES || is_better(i, best)))
			best = i;
	if (best < HAK_BIGCACHE_ENTRIES) {
		struct hak_bigcache_entry *from = &cache.entry[best];

		*ret_entry = *from;
		ret_entry->bytes = bytes;
		if (from->bytes == bytes) {
			(void)remove_at(best);
		} else {
			from->base += bytes;
			from->bytes -= bytes;
			*total_of(from) -= bytes;
		}
		note_taken(ret_entry);
		grow_live(bytes);
	}
	hak_lock_release(&cache.lock);
	return best < HAK_BIGCACHE_ENTRIES;
}

static bool joins(const struct hak_bigcache_entry *low, const struct hak_bigcache_entry *high)
{
	return low->base + low->bytes == high->base && low->thp == high->thp && low->lazy == high->lazy;
}

/* Insert by address and merge with what touches. There is room for one more. */
static void insert(struct hak_bigcache_entry entry)
{
	unsigned at = 0;

	*total_of(&entry) += entry.bytes;
	while (at < cache.count && cache.entry[at].base < entry.base)
		at++;
	if (at > 0 && joins(&cache.entry[at - 1], &entry)) {
		at--;
		cache.entry[at].bytes += entry.bytes;
		cache.entry[at].stamp = entry.stamp;
	} else {
		memmove(&cache.entry[at + 1], &cache.entry[at], (cache.count - at) * sizeof(entry));
		cache.entry[at] = entry;
		cache.count++;
	}
	if (at + 1 < cache.count && joins(&cache.entry[at], &cache.entry[at + 1])) {
		size_t bytes = cache.entry[at + 1].bytes;

		(void)remove_at(at + 1);
		cache.entry[at].bytes += bytes;
		*total_of(&cache.entry[at]) += bytes;
	}
}

/* The largest of one policy; cache.count where there is none. */
static unsigned largest(uint32_t thp)
{
	unsigned largest = cache.count;

	for (unsigned i = 0; i < cache.count; i++)
		if (cache.entry[i].thp == thp &&
		    (largest == cache.count || cache.entry[i].bytes > cache.entry[largest].bytes))
			largest = i;
	return largest;
}

unsigned hak_bigcache_gather(size_t bytes, uint32_t thp, struct hak_bigcache_entry *pieces, unsigned most)
{
	size_t gathered_bytes = 0;
	unsigned count = 0, index;

	hak_lock_acquire(&cache.lock);
	while (gathered_bytes < bytes && count < most &&
	       cache.held_bytes + cache.lazy_bytes + gathered_bytes >= bytes / GATHER_PART &&
	       (index = largest(thp)) < cache.count) {
		pieces[count] = remove_at(index);
		gathered_bytes += pieces[count++].bytes;
	}
	if (gathered_bytes > bytes) {
		struct hak_bigcache_entry rest = pieces[count - 1];

		pieces[count - 1].bytes -= gathered_bytes - bytes;
		rest.base += pieces[count - 1].bytes;
		rest.bytes -= pieces[count - 1].bytes;
		insert(rest);
		gathered_bytes = bytes;
	}
	for (unsigned i = 0; i < count; i++)
		note_taken(&pieces[i]);
	/* A larger cache would have served the rest. */
	hak_hold_regret(&cache.hold, forget_ghosts(bytes - gathered_bytes));
	hak_lock_release(&cache.lock);
	return count;
}

static size_t allowed_bytes(void)
{
	struct hak_hold_limits limits = {
		.base = hak_knob(cache_base_bytes),
		.unearned = hak_lazy_is(&hak_lazy.allowed) ? 0 : hak_knob(hold_unearned_bytes),
		.earned_percent = hak_knob(hold_earned_percent),
		.share_percent = hak_knob(hold_share_percent),
		.above_part = HAK_HOLD_ABOVE_PART,
	};

	return hak_hold_allowed(&cache.hold, cache.live_bytes, limits);
}

static size_t allowed_lazy_bytes(void)
{
	return hak_lazy_is(&hak_lazy.allowed) ? hak_hold_excess(&cache.hold, cache.live_bytes) : 0;
}

/* The entry that came first, of those that are lazily free or of the others; cache.count: there is none. */
static unsigned oldest(bool lazy)
{
	unsigned oldest = cache.count;

	for (unsigned i = 0; i < cache.count; i++)
		if (cache.entry[i].lazy == lazy &&
		    (oldest == cache.count ||
		     cache.puts - cache.entry[i].stamp > cache.puts - cache.entry[oldest].stamp))
			oldest = i;
	return oldest;
}

/* Cut the upper end off the oldest entry: no more than is too much. */
static struct hak_bigcache_entry evict_one(size_t excess_bytes, bool lazy)
{
	struct hak_bigcache_entry *from = &cache.entry[oldest(lazy)], evicted;

	excess_bytes = hak_round_up(excess_bytes, HAK_SUPERSLAB_BYTES);
	if (from->bytes <= excess_bytes)
		return remove_at((unsigned)(from - cache.entry));
	evicted = *from;
	from->bytes -= excess_bytes;
	evicted.base += from->bytes;
	evicted.bytes = excess_bytes;
	*total_of(from) -= excess_bytes;
	return evicted;
}

static void add_evicted(struct hak_bigcache_evicted *evicted, struct hak_bigcache_entry entry)
{
	evicted->entry[evicted->count++] = entry;
	note_left(&entry);
	cache.ghost_bytes += entry.bytes;
}

static void evict_down_to(size_t keep_bytes, size_t keep_lazy_bytes, struct hak_bigcache_evicted *evicted)
{
	while (evicted->count < HAK_BIGCACHE_EVICT_MOST && cache.lazy_bytes > keep_lazy_bytes)
		add_evicted(evicted, evict_one(cache.lazy_bytes - keep_lazy_bytes, true));
	while (evicted->count < HAK_BIGCACHE_EVICT_MOST && cache.held_bytes > keep_bytes)
		add_evicted(evicted, evict_one(cache.held_bytes - keep_bytes, false));
}

/* Room for one more. */
static bool is_full(void)
{
	return cache.count == HAK_BIGCACHE_ENTRIES;
}

void hak_bigcache_put(struct hak_bigcache_entry entry, struct hak_bigcache_evicted *evicted)
{
	evicted->count = evicted->full = 0;
	hak_lock_acquire(&cache.lock);
	cache.live_bytes -= entry.bytes;
	entry.stamp = ++cache.puts;
	hak_ghost_freed(HAK_GHOST_LARGE, entry.bytes, cache.live_bytes);
	hak_hold_fade(&cache.hold, cache.live_bytes, hak_os_coarse_msec());
	if (is_full()) {
		add_evicted(evicted, remove_at(oldest(cache.held_bytes == 0)));
		evicted->full = 1;
	}
	insert(entry);
	evict_down_to(allowed_bytes(), allowed_lazy_bytes(), evicted);
	hak_lock_release(&cache.lock);
}

void hak_bigcache_evict(size_t keep_bytes, struct hak_bigcache_evicted *evicted)
{
	evicted->count = evicted->full = 0;
	hak_lock_acquire(&cache.lock);
	evict_down_to(keep_bytes, keep_bytes ? SIZE_MAX : 0, evicted);
	hak_lock_release(&cache.lock);
}

void hak_bigcache_yield(size_t bytes, struct hak_bigcache_evicted *evicted)
{
	evicted->count = evicted->full = 0;
	hak_lock_acquire(&cache.lock);
	hak_hold_yield(&cache.hold, cache.live_bytes, bytes);
	evict_down_to(allowed_bytes(), allowed_lazy_bytes(), evicted);
	hak_lock_release(&cache.lock);
}

bool hak_bigcache_put_lazily(struct hak_bigcache_entry entry)
{
	bool keep;

	hak_lock_acquire(&cache.lock);
	keep = !is_full() && cache.lazy_bytes + entry.bytes <= allowed_lazy_bytes();
	if (keep) {
		entry.lazy = true;
		insert(entry);
		(void)forget_ghosts(entry.bytes); /* it is here yet */
		hak_lazy_set(&hak_lazy.given, true);
	}
	hak_lock_release(&cache.lock);
	return keep;
}

bool hak_bigcache_take_lazy(uintptr_t base, struct hak_bigcache_entry *ret_entry)
{
	bool found = false;

	hak_lock_acquire(&cache.lock);
	for (unsigned i = 0; i < cache.count && !found; i++) {
		found = cache.entry[i].lazy && (uintptr_t)cache.entry[i].base == base;
		if (found)
			*ret_entry = remove_at(i);
	}
	if (found) {
		cache.ghost_bytes += ret_entry->bytes;
		note_left(ret_entry);
	}
	hak_lock_release(&cache.lock);
	return found;
}

void hak_bigcache_add_lazy(struct hak_lazy_ranges *ranges)
{
	hak_lock_acquire(&cache.lock);
	for (unsigned i = 0; i < cache.count; i++)
		if (cache.entry[i].lazy)
			hak_lazy_add(ranges, cache.entry[i].base, cache.entry[i].bytes);
	hak_lock_release(&cache.lock);
}

void hak_bigcache_live_add(size_t bytes)
{
	hak_lock_acquire(&cache.lock);
	grow_live(bytes);
	hak_lock_release(&cache.lock);
}

void hak_bigcache_live_sub(size_t bytes)
{
	hak_lock_acquire(&cache.lock);
	cache.live_bytes -= bytes;
	hak_lock_release(&cache.lock);
}

size_t hak_bigcache_held_bytes(void)
{
	size_t bytes;

	hak_lock_acquire(&cache.lock);
	bytes = cache.held_bytes;
	hak_lock_release(&cache.lock);
	return bytes;
}

size_t hak_bigcache_lazy_bytes(void)
{
	size_t bytes;

	hak_lock_acquire(&cache.lock);
	bytes = cache.lazy_bytes;
	hak_lock_release(&cache.lock);
	return bytes;
}

void hak_bigcache_fork_prepare(void)
{
	hak_lock_acquire(&cache.lock);
}

void hak_bigcache_fork_parent(void)
{
	hak_lock_release(&cache.lock);
}

void hak_bigcache_fork_child(void)
{
	hak_lock_reset(&cache.lock);
}
