/* SPDX-License-Identifier: MIT */
/* What bigcache.c and bigcache_take.c share. All of it under the cache's lock. */
#ifndef HAK_BIGCACHE_PRIVATE_H
#define HAK_BIGCACHE_PRIVATE_H

#include "bigcache.h"
#include "hold.h"
#include "lock.h"

struct hak_bigcache {
	struct hak_lock lock;
	unsigned count;                    /* of entries */
	uint32_t puts;                     /* ever: the newest stamp */
	uint32_t aged_at_msec;             /* when the present period began */
	uint32_t period_puts;              /* stamp of then */
	uint32_t aged_puts;                /* and of when the period before it began */
	size_t bytes[HAK_BIGCACHE_STATES]; /* sums of the entries */
	size_t live_bytes;                 /* of mappings that the program has */
	struct hak_hold hold;              /* in bytes */
	size_t ghost_bytes;                /* evicted and not asked for again since */
	struct hak_bigcache_entry entry[HAK_BIGCACHE_ENTRIES]; /* by address */
};
extern struct hak_bigcache hak_bigcache;

static inline char *hak_bigcache_end(const struct hak_bigcache_entry *entry)
{
	return entry->base + entry->bytes;
}

struct hak_bigcache_entry hak_bigcache_remove(unsigned index);

/* The whole units in an entry; none: it has no bytes. */
struct hak_bigcache_entry hak_bigcache_units_of(const struct hak_bigcache_entry *entry);

/* Cut @part out of its entry. What is left on both sides stays; there is room for one more. */
void hak_bigcache_cut(unsigned index, const struct hak_bigcache_entry *part);

static inline bool hak_bigcache_is_full(void)
{
	return hak_bigcache.count == HAK_BIGCACHE_ENTRIES;
}

/* Insert by address and merge with what touches. There is room for one more. */
void hak_bigcache_insert(struct hak_bigcache_entry entry);

/* It leaves the cache: nothing is to be collected of it. */
void hak_bigcache_note_left(const struct hak_bigcache_entry *entry);

/* The program has @bytes more. */
void hak_bigcache_note_live(size_t bytes);

/* So many bytes that had been evicted are asked for, or here again. Return: how many there had been. */
size_t hak_bigcache_forget_ghosts(size_t bytes);

#endif
