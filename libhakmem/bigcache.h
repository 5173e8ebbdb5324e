/* SPDX-License-Identifier: MIT */
/*
 * BigCache: mappings of large blocks that were freed a moment ago, still resident. Neighbours are merged,
 * what is asked for is cut out of one or several that touch, the best fit is taken, and the oldest goes first
 * when there is too much.
 *
 * How much may be held is a base and what reuse has earned (hold.h; the ghost list is how many bytes left the
 * cache and were not asked for again).
 *
 * What is evicted may come back, held no more, but still here to be taken: lazily free (lazy.h), or clean.
 * The latter has no pages and saves the calls that unmap it and map it again; there is at most as much of it
 * as of live large blocks.
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
	HAK_BIGCACHE_ENTRIES = 512,
	HAK_BIGCACHE_EVICT_MOST = 16, /* at once */
};

enum hak_bigcache_state {
	HAK_BIGCACHE_KEPT,  /* resident */
	HAK_BIGCACHE_LAZY,  /* lazily free: resident until the kernel wants it */
	HAK_BIGCACHE_CLEAN, /* no pages: address space */
	HAK_BIGCACHE_STATES,
};

/* Whole steps of a mapping. Neighbours merge that are equal in all but stamp. */
struct hak_bigcache_entry {
	char *base;
	size_t bytes;
	uint32_t stamp; /* of the put; the oldest goes first */
	uint16_t thp;   /* enum hak_thp of the policy that it was mapped under */
	uint8_t state;  /* enum hak_bigcache_state */
};

enum { HAK_BIGCACHE_MIXED = UINT16_MAX, HAK_BIGCACHE_GAPS = 8 };

struct hak_bigcache_gap {
	size_t begin, end; /* offsets */
};

/* What was taken. */
struct hak_bigcache_range {
	char *base;
	size_t bytes;
	size_t clean_bytes; /* of them; the caller advises about huge pages anew where there are any */
	unsigned gaps;
	struct hak_bigcache_gap gap[HAK_BIGCACHE_GAPS]; /* the first parts that are clean */
	uint32_t thp;                                   /* as above; HAK_BIGCACHE_MIXED */
};

/* Mappings that left the cache. */
struct hak_bigcache_evicted {
	unsigned count;
	unsigned full;  /* of them because there was no place for another; the rest was too much to hold */
	unsigned clean; /* of them: nothing of it was held */
	struct hak_bigcache_entry entry[HAK_BIGCACHE_EVICT_MOST];
};

/**
 * hak_bigcache_take_resident() - @bytes of one mapping that is resident, the smallest that holds them
 * @bytes: whole steps
 * Return: false: a miss.
 */
bool hak_bigcache_take_resident(size_t bytes, struct hak_bigcache_range *ret_range);

/* Whole units of whatever is here, the least of it clean. @bytes: of them. Return: false: a miss. */
bool hak_bigcache_take(size_t bytes, struct hak_bigcache_range *ret_range);

/* What begins at @base, where a mapping ends: up to @most_bytes of it. Return: false: nothing does. */
bool hak_bigcache_take_at(const char *base, size_t most_bytes, struct hak_bigcache_entry *ret_part);

/**
 * hak_bigcache_gather() - resident units that together hold @bytes, or at least a quarter of them, for a
 * caller that moves their pages into clean ones of its own, which is far cheaper than to fault fresh ones in
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

/* Might an evicted mapping of @bytes be kept when it has been cleaned? A hint. */
bool hak_bigcache_wants_clean(size_t bytes);

/* It has been. Return: false: there is too much of that; the caller unmaps it. */
bool hak_bigcache_put_clean(struct hak_bigcache_entry entry);

/* A clean mapping that lies in the way of one that grows leaves the cache. Return: false: there is none. */
bool hak_bigcache_take_clean_at(const char *base, size_t bytes, struct hak_bigcache_entry *ret_entry);

/* A mapping that begins there and is lazily free leaves the cache. Return: false: none such is kept. */
bool hak_bigcache_take_lazy(uintptr_t base, struct hak_bigcache_entry *ret_entry);

/* What is lazily free, in order of address. */
void hak_bigcache_add_lazy(struct hak_lazy_ranges *ranges);

/*
 * Take mappings out until at most @keep_bytes are held, oldest first; what is lazily free or clean, too, if
 * that is 0. None is left to take when @evicted is empty.
 */
void hak_bigcache_evict(size_t keep_bytes, struct hak_bigcache_evicted *evicted);

/**
 * hak_bigcache_age() - begin a new period, if the present one has lasted for @period_msec
 * Return: whether it has: then what is held fades, and hak_bigcache_evict_aged() may find something.
 */
bool hak_bigcache_age(uint32_t now_msec, uint32_t period_msec);

/*
 * Take out what is more than may be held: units, and of what lay here for all of the last period all that is
 * not less than half of its unit. None is left to take when @evicted is empty.
 */
void hak_bigcache_evict_aged(struct hak_bigcache_evicted *evicted);

/* Superslabs grew by @bytes: what is held without having been earned makes room for them. */
void hak_bigcache_yield(size_t bytes, struct hak_bigcache_evicted *evicted);

/* The program's mappings grew or shrank by other ways than a take or a put, which count themselves. */
void hak_bigcache_live_add(size_t bytes);
void hak_bigcache_live_sub(size_t bytes);

size_t hak_bigcache_bytes(enum hak_bigcache_state state);

void hak_bigcache_fork_prepare(void);
void hak_bigcache_fork_parent(void);
void hak_bigcache_fork_child(void);

#endif
