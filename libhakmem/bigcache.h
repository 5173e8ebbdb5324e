/* SPDX-License-Identifier: MIT */
/*
 * BigCache: large blocks that were freed a moment ago, still mapped and resident. What it holds and what large
 * blocks are live never exceed together the recent peak of the latter, or a small base.
 *
 * One lock. Threads: any.
 */
#ifndef HAK_BIGCACHE_H
#define HAK_BIGCACHE_H

#include <stdatomic.h>

#include "base.h"

enum { HAK_BIGCACHE_ENTRIES = 128 };

struct hak_bigcache_entry {
	void *block;
	size_t bytes;
};

/**
 * hak_bigcache_take() - the smallest kept block of @bytes to @bytes * 1.125
 * @align: the block's address is a multiple of it
 * Return: true and the block; false: a miss.
 */
bool hak_bigcache_take(size_t bytes, size_t align, struct hak_bigcache_entry *ret_entry);

/**
 * hak_bigcache_put() - a block was freed: keep it, if it may be held
 * @evicted: receives up to HAK_BIGCACHE_ENTRIES entries to give back to the OS, @entry itself where it is not kept
 * Return: how many.
 */
unsigned hak_bigcache_put(struct hak_bigcache_entry entry, struct hak_bigcache_entry *evicted, unsigned most);

/* Take entries out until at most @keep_bytes are held, oldest first. Return: how many, at most @most. */
unsigned hak_bigcache_evict(size_t keep_bytes, struct hak_bigcache_entry *evicted, unsigned most);

/*
 * The program has @bytes more (or fewer) in large blocks, by other ways than a hit or a put, which count
 * themselves. The peak follows, and decays as blocks are freed.
 */
void hak_bigcache_live_add(size_t bytes);
void hak_bigcache_live_sub(size_t bytes);

size_t hak_bigcache_held_bytes(void);

void hak_bigcache_fork_prepare(void);
void hak_bigcache_fork_parent(void);
void hak_bigcache_fork_child(void);

#endif
