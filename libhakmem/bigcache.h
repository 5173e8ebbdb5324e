/* SPDX-License-Identifier: MIT */
/*
 * BigCache: mappings of large blocks that were freed a moment ago, still resident. Neighbours are merged,
 * larger ones split at superslab boundaries, the best fit is taken, and the oldest goes first when there is
 * too much.
 *
 * How much may be held is a base and what reuse has earned (hold.h; the ghost list is how many bytes left the
 * cache and were not asked for again).
 *
 * What is evicted may come back lazily free (lazy.h): it is held no more, but still here to be taken.
 *
 * (Large blocks within superslabs need no cache of their own: their grains stay dirty, see superslab.h.)
 *
 * One lock. Threads: any. No system call is made here: what is evicted is handed to the caller.
 */
#ifndef HAK_BIGCACHE_H
#define HAK_BIGCACHE_H

#include "base.h"
#include "lazy.h"

enum {
	HAK_BIGCACHE_ENTRIES = 128,
	HAK_BIGCACHE_EVICT_MOST = 16, /* at once */
};

/* A mapping in whole superslab sizes, aligned to one. */
struct hak_bigcache_entry {
	char *base;
	size_t bytes;
	uint32_t stamp; /* of the put; the oldest goes first */
	uint16_t thp;   /* enum hak_thp of the policy that it was mapped under; only equal neighbours merge */
	bool lazy;      /* its pages are lazily free; the same */
};

/* Mappings that left the cache. */
struct hak_bigcache_evicted {
	unsigned count;
	unsigned full; /* of them because there was no place for another; the rest was too much to hold */
	struct hak_bigcache_entry entry[HAK_BIGCACHE_EVICT_MOST];
};

/**
 * hak_bigcache_take() - the smallest kept mapping that holds @bytes, cut to them
 * @bytes: a multiple of HAK_SUPERSLAB_BYTES
 * Return: true and the mapping, of exactly @bytes; false: a miss.
 */
bool hak_bigcache_take(size_t bytes, struct hak_bigcache_entry *ret_entry);

/**
 * hak_bigcache_gather() - after a miss: kept mappings that together hold @bytes, or at least a quarter of
 * them, for a caller that moves their pages into a mapping of its own, which is far cheaper than to fault
 * fresh ones in
 * @bytes: a multiple of HAK_SUPERSLAB_BYTES
 * @thp: only mappings of this policy
 * @pieces: receives them, of @bytes in all at most
 * Return: how many; 0: less is held.
 */
unsigned hak_bigcache_gather(size_t bytes, uint32_t thp, struct hak_bigcache_entry *pieces, unsigned most);

/* A mapping was freed: keep it, if it may be held. @evicted is for the OS, perhaps @entry among it. */
void hak_bigcache_put(struct hak_bigcache_entry entry, struct hak_bigcache_evicted *evicted);

/**
 * hak_bigcache_put_lazily() - a mapping that was evicted has been freed lazily: keep it as that
 * Return: false: it would be more than the recent peak, or there are too many; the caller unmaps it.
 */
bool hak_bigcache_put_lazily(struct hak_bigcache_entry entry);

/* A mapping that begins there and is lazily free leaves the cache. Return: false: none such is kept. */
bool hak_bigcache_take_lazy(uintptr_t base, struct hak_bigcache_entry *ret_entry);

/* What is lazily free, in order of address. */
void hak_bigcache_add_lazy(struct hak_lazy_ranges *ranges);

/*
 * Take mappings out until at most @keep_bytes are held, oldest first, then what is lazily free if that is 0.
 * None is left to take when @evicted is empty.
 */
void hak_bigcache_evict(size_t keep_bytes, struct hak_bigcache_evicted *evicted);

/* Superslabs grew by @bytes: what is held without having been earned makes room for them. */
void hak_bigcache_yield(size_t bytes, struct hak_bigcache_evicted *evicted);

/* The program's mappings grew or shrank by other ways than a take or a put, which count themselves. */
void hak_bigcache_live_add(size_t bytes);
void hak_bigcache_live_sub(size_t bytes);

size_t hak_bigcache_held_bytes(void);
size_t hak_bigcache_lazy_bytes(void);

void hak_bigcache_fork_prepare(void);
void hak_bigcache_fork_parent(void);
void hak_bigcache_fork_child(void);

#endif
