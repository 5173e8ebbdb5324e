/* SPDX-License-Identifier: MIT */
#include "bigcache.h"

#include <string.h>

#include "lock.h"

enum {
	BASE_BYTES = 4 << 20,
	DECAY_FREES = 512, /* so many frees take an eighth off the distance between peak and live */
};

/* Oldest first. Small enough that a walk costs less than the page fault that a hit saves. */
static struct {
	struct hak_lock lock;
	unsigned count;
	unsigned frees;
	size_t held_bytes;
	size_t live_bytes;
	size_t peak_bytes;
	struct hak_bigcache_entry entry[HAK_BIGCACHE_ENTRIES];
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

bool hak_bigcache_take(size_t bytes, size_t align, struct hak_bigcache_entry *ret_entry)
{
	size_t best_bytes = bytes + bytes / 8;
	unsigned best = HAK_BIGCACHE_ENTRIES;

	hak_lock_acquire(&cache.lock);
	/* From the newest: of equals it is the one whose pages are warm. */
	for (unsigned i = cache.count; i-- > 0;) {
		const struct hak_bigcache_entry *entry = &cache.entry[i];

		if (entry->bytes < bytes || entry->bytes > best_bytes || ((uintptr_t)entry->block & (align - 1)))
			continue;
		if (best == HAK_BIGCACHE_ENTRIES || entry->bytes < best_bytes) {
			best = i;
			best_bytes = entry->bytes;
		}
		if (best_bytes == bytes)
			break;
	}
	if (best < HAK_BIGCACHE_ENTRIES) {
		*ret_entry = remove_at(best);
		grow_live(ret_entry->bytes);
	}
	hak_lock_release(&cache.lock);
	return best < HAK_BIGCACHE_ENTRIES;
}

static size_t allowed_bytes(void)
{
	size_t headroom = cache.peak_bytes > cache.live_bytes ? cache.peak_bytes - cache.live_bytes : 0;

	return headroom > BASE_BYTES ? headroom : BASE_BYTES;
}

static unsigned evict_down_to(size_t keep_bytes, struct hak_bigcache_entry *evicted, unsigned most)
{
	unsigned count = 0;

	while (count < most && cache.count && cache.held_bytes > keep_bytes)
		evicted[count++] = remove_at(0);
	return count;
}

unsigned hak_bigcache_put(struct hak_bigcache_entry entry, struct hak_bigcache_entry *evicted, unsigned most)
{
	unsigned count = 0;

	hak_lock_acquire(&cache.lock);
	cache.live_bytes -= entry.bytes;
	if (++cache.frees % DECAY_FREES == 0 && cache.peak_bytes > cache.live_bytes)
		cache.peak_bytes -= (cache.peak_bytes - cache.live_bytes) / 8;

	size_t allowed = allowed_bytes();

	if (entry.bytes > allowed) {
		evicted[count++] = entry;
	} else {
		count = evict_down_to(allowed - entry.bytes, evicted, most - 1);
		if (cache.count == HAK_BIGCACHE_ENTRIES)
			evicted[count++] = remove_at(0);
		cache.entry[cache.count++] = entry;
		cache.held_bytes += entry.bytes;
	}
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
