/* SPDX-License-Identifier: MIT */
/*
 * Mappings of their own for blocks that are too large for a superslab, side by side in the window. Freed ones
 * go to BigCache and come from there, if need be several moved together. Fresh they are whole units, cut out
 * of BigCache whole steps: two may share a unit.
 *
 * Threads: any, but only one at a time for one mapping, beside hak_mapping_give_tails(). errno is preserved.
 */
#ifndef HAK_MAPPING_H
#define HAK_MAPPING_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "base.h"
#include "pagemap.h"
#include "tally.h"

/* The page map's owner of the half unit that the block begins in, tagged. */
struct hak_mapping {
	struct hak_mapping *next; /* unused ones, and hot ones (hot.h) */
	char *base;               /* the block's start but for alignments above a superslab's */
	size_t mapped_bytes;
	char *block;
	size_t block_bytes;            /* whole pages */
	size_t stale_begin, stale_end; /* offsets; outside of them it was untouched when it was made */
	size_t fresh_begin, fresh_end; /* the longest part that was, in between or not */
	bool is_hot;                   /* its block was freed */
	uint32_t thp;                  /* enum hak_thp that its pages were advised for */
	size_t huge_bytes;             /* of its start, that need no advice any more */
	size_t waste_bytes;            /* of them beyond the block's end */
	size_t resident_end;           /* offset behind which no page is resident */
	TAILQ_ENTRY(hak_mapping) watched; /* from here on see mapping_tail.c */
	_Atomic bool is_watched;
	uint32_t watched_msec; /* since when */
	size_t tail_bytes;     /* in hak_mapping_tail_bytes */
};

/* NULL: the large block is a run in a superslab. */
struct hak_mapping *hak_mapping_of(const void *block);

/**
 * hak_mapping_make() - a mapping for a block, whose class the caller sets
 * @align: power of two
 * @use: HAK_USE_GROWING is for pages that exist: it takes nothing from BigCache
 * Return: NULL: no memory.
 */
struct hak_mapping *hak_mapping_make(size_t bytes, size_t align, enum hak_pagemap_use use,
				     struct hak_tally *tally);

/* Like it, but only of what BigCache keeps in one piece: resident, not zero. Return: NULL: it has none. */
struct hak_mapping *hak_mapping_reuse(size_t bytes, struct hak_tally *tally);

/* Change the block's size where it lies. Return: false: it cannot grow there. */
bool hak_mapping_resize(struct hak_mapping *mapping, size_t bytes);

/* Pages of another flavour were moved in. */
void hak_mapping_advise_again(struct hak_mapping *mapping);

/* To BigCache, if it may keep it. */
void hak_mapping_free(struct hak_mapping *mapping, struct hak_tally *tally);

/* Superslabs grew by @bytes: what BigCache holds unearned makes room for them. */
void hak_mapping_yield(size_t bytes, struct hak_tally *tally);

/* To the OS. */
void hak_mapping_drop(struct hak_mapping *mapping);

/*
 * What lies behind blocks that have lived for @period_msec goes back, and of what BigCache has beyond what it
 * may hold now what nobody took for so long. To be called now and then.
 */
void hak_mapping_age(uint32_t period_msec, struct hak_tally *tally);

/* Empty BigCache down to @keep_bytes. @reason: the counter of evictions for it. */
void hak_mapping_trim(size_t keep_bytes, enum hak_counter reason, struct hak_tally *tally);

/* What BigCache has lazily free there goes back for good. */
void hak_mapping_purge_lazy(uintptr_t base);

/* Live or kept. */
size_t hak_mapping_bytes(void);

/* Of them: behind the ends of live blocks, 64 KiB or more, and perhaps resident. */
extern _Atomic size_t hak_mapping_tail_bytes;

/**
 * hak_mapping_give_tails() - give back what lies behind blocks that have lived for @lived_msec
 * Threads: any, while the blocks are used, changed and freed. Return: how many bytes.
 */
size_t hak_mapping_give_tails(uint32_t lived_msec);

void hak_mapping_fork_prepare(void);
void hak_mapping_fork_parent(void);
void hak_mapping_fork_child(void);

#endif
