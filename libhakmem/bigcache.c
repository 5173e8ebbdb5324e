/* SPDX-License-Identifier: MIT */
#include "bigcache.h"

#include <string.h>

#include "geometry.h"
#include "lock.h"

enum {
	BASE_BYTES = 4 << 20,
	DECAY_PUTS = 256, /* so many frees take a share off what was earned */
	GHOSTS = 64,
};

static struct {
	struct hak_lock lock;
	unsigned count;
	uint32_t puts;
	size_t held_bytes;
	size_t live_bytes;
	size_t peak_bytes;    /* recent most of live */
	size_t earned_bytes;  /* evicted, then wanted back */
	size_t ghost[GHOSTS]; /* sizes evicted last, a ring; 0: none */
	unsigned next_ghost;
	struct hak_bigcache_entry entry[HAK_BIGCACHE_ENTRIES]; /* by address */
} cache;

static struct hak_bigcache_entry remove_at(unsigned index)
{
	struct hak_bigcache_entry entry = cache.entry[index];

	cache.count--;
	memmove(&cache.entry[index], &cache.entry[index + 1], (cache.count - index) * sizeof(entry));
	cache.held_bytes -= entry.bytes;
	return entry;
}

static void grow_live(size_t bytes)
{
	cache.live_bytes += bytes;
	if (cache.live_bytes > cache.peak_bytes)
		cache.peak_bytes = cache.live_bytes;
}

/* A miss that a larger cache would have served earns its size. */
static void ask_ghosts(size_t bytes)
{
	for (unsigned i = 0; i < GHOSTS; i++) {
		if (cache.ghost[i] >= bytes) {
			cache.ghost[i] = 0;
			cache.earned_bytes += bytes;
			return;
		}
	}
}

bool hak_bigcache_take(size_t bytes, struct hak_bigcache_entry *ret_entry)
{
	unsigned best = HAK_BIGCACHE_ENTRIES;

	hak_lock_acquire(&cache.lock);
	for (unsigned i = 0; i < cache.count; i++)
		if (cache.entry[i].bytes >= bytes &&
		    (best == HAK_BIGCACHE_ENTRIES || cache.entry[i].bytes < cache.entry[best].bytes))
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
			cache.held_bytes -= bytes;
		}
		grow_live(bytes);
	} else {
		ask_ghosts(bytes);
	}
	hak_lock_release(&cache.lock);
	return best < HAK_BIGCACHE_ENTRIES;
}

static size_t allowed_bytes(void)
{
	size_t earned = cache.peak_bytes > cache.live_bytes ? cache.peak_bytes - cache.live_bytes : 0;

	if (cache.earned_bytes > cache.peak_bytes)
		cache.earned_bytes = cache.peak_bytes;
	if (earned < cache.earned_bytes)
		earned = cache.earned_bytes;
	return BASE_BYTES + earned;
}

static unsigned oldest(void)
{
	unsigned oldest = 0;

	for (unsigned i = 1; i < cache.count; i++)
		if (cache.puts - cache.entry[i].stamp > cache.puts - cache.entry[oldest].stamp)
			oldest = i;
	return oldest;
}

static unsigned evict_down_to(size_t keep_bytes, struct hak_bigcache_entry *evicted, unsigned most)
{
	unsigned count = 0;

	while (count < most && cache.count && cache.held_bytes > keep_bytes) {
		evicted[count] = remove_at(oldest());
		cache.ghost[cache.next_ghost++ % GHOSTS] = evicted[count].bytes;
		count++;
	}
	return count;
}

static bool joins(const struct hak_bigcache_entry *low, const struct hak_bigcache_entry *high)
{
	return low->base + low->bytes == high->base && low->huge == high->huge;
}

/* Insert by address and merge with what touches. There is room for one more. */
static void insert(struct hak_bigcache_entry entry)
{
	unsigned at = 0;

	cache.held_bytes += entry.bytes;
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
		cache.held_bytes += bytes;
	}
}

static void decay(void)
{
	if (cache.puts % DECAY_PUTS != 0)
		return;
	if (cache.peak_bytes > cache.live_bytes)
		cache.peak_bytes -= (cache.peak_bytes - cache.live_bytes) / 8;
	cache.earned_bytes -= cache.earned_bytes / 16;
}

unsigned hak_bigcache_put(struct hak_bigcache_entry entry, struct hak_bigcache_entry *evicted, unsigned most)
{
	unsigned count = 0;

	hak_lock_acquire(&cache.lock);
	cache.live_bytes -= entry.bytes;
	entry.stamp = ++cache.puts;
	decay();
	if (cache.count == HAK_BIGCACHE_ENTRIES)
		evicted[count++] = remove_at(oldest());
	insert(entry);
	count += evict_down_to(allowed_bytes(), evicted + count, most - count);
	hak_lock_release(&cache.lock);
	return count;
}

unsigned hak_bigcache_evict(size_t keep_bytes, struct hak_bigcache_entry *evicted, unsigned most)
{
	unsigned count;

	hak_lock_acquire(&cache.lock);
	count = evict_down_to(keep_bytes, evicted, most);
	hak_lock_release(&cache.lock);
	return count;
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
