/* SPDX-License-Identifier: MIT */
/*
 * A heap owns slabs, by size class, and serves the bins of a thread: blocks leave it in refills and come back
 * in flushes. A new thread gets a heap of its own, that of an ended thread if there is one; where there are
 * two for each CPU, threads share. A block freed by a stranger comes back under the owner's lock, a whole
 * group at a time, so there is one kind of free list and nothing to collect later.
 *
 * Concurrency: everything in a heap is guarded by its lock. Order of locks: registry, heap, superslab, page
 * map, meta. No thread holds two heap locks but fork's prepare handler and hak_heap_take()'s reclaim, which
 * only tries.
 */
#ifndef HAK_HEAP_H
#define HAK_HEAP_H

#include "lock.h"
#include "mosaic.h"
#include "sizeclass.h"
#include "slab.h"
#include "tally.h"

struct hak_heap_class {
	struct hak_slab *current; /* refills come from it; NULL: none */
	struct hak_slab *dense;   /* slabs of which less than a quarter is free */
	struct hak_slab *sparse;  /* the others, but */
	struct hak_slab *hollow;  /* those whose free pages were given back */
	uint32_t slabs;           /* of this class in this heap, full ones included */
};

struct hak_heap {
	struct hak_lock lock;
	_Atomic uint32_t users;    /* threads; written under the registry's lock */
	struct hak_heap *next;     /* all heaps, newest first; never changes once published */
	_Atomic size_t out_bytes;  /* blocks in bins or in the program's hands; read without the lock */
	_Atomic size_t slab_bytes; /* of all slabs; read without the lock */
	size_t hollow_bytes;       /* of the hollow ones */
	size_t scavenged_idle_bytes; /* what the last look for hollow slabs left free in others */
	uint32_t scavenged_msec;     /* when that was */
	size_t scavenged_out_bytes;  /* what was out then */
	size_t regretted_bytes;      /* of hollow slabs that were refilled from or emptied after all */
	struct hak_arena_choice choice; /* where slabs come from */
	struct hak_slab *mosaics[HAK_MOSAIC_KINDS]; /* by the size that they may have room for */
	struct hak_heap_class class[HAK_CLASS_COUNT]; /* HAK_CLASS_MOSAIC: hollow ones alone */
} HAK_ALIGNED(HAK_LINE_BYTES);

/**
 * hak_heap_attach() - a heap for the calling thread
 * @last: the one that blocks in its bins are of, which it gets where nobody uses it; NULL: none
 * Else one of its own, or, where there are enough for the CPUs, that of the fewest users.
 * Threads: any; takes the registry lock. Return: never NULL: the first heap is static.
 */
struct hak_heap *hak_heap_attach(struct hak_heap *last, struct hak_tally *tally);
void hak_heap_detach(struct hak_heap *heap);

/* Is there no heap but the caller's? One load. */
bool hak_heap_is_only(void);

/**
 * hak_heap_take() - refill: move up to @want blocks of a class to the caller, all of one slab
 * @blocks: receives them in descending order of address
 * @may_map: a superslab, if that is what it takes
 * @tally:  which stage served is counted here
 * Threads: any; takes the heap's lock. Return: how many; 0: no memory.
 */
unsigned hak_heap_take(struct hak_heap *heap, unsigned size_class, void **blocks, unsigned want, bool may_map,
		       struct hak_tally *tally);

/* The owner of a block that is out, at this moment. Aborts where the block came home before. */
struct hak_heap *hak_heap_of(void *block, unsigned size_class);

/**
 * hak_heap_put() - flush: give blocks of one class back to the slabs that they came from
 * @heap:   the caller's; decides what counts as local
 * @size_class: HAK_CLASS_MOSAIC: whatever mosaics say of them; their bytes are counted as freed here
 * @blocks: overwritten
 * Aborts on a block that is free already, or is none.
 * Threads: any; takes the lock of one owner after the other.
 */
void hak_heap_put(struct hak_heap *heap, unsigned size_class, void **blocks, unsigned count,
		  struct hak_tally *tally);

/*
 * Has nearly all been freed, but for @held_bytes in the caller's bins and little more? Then they are worth
 * less than the slabs that they pin: the program may be about to sleep. Threads: any; takes the heap's lock.
 */
bool hak_heap_is_deserted(struct hak_heap *heap, size_t held_bytes);

/* Give back the free pages of slabs that are mostly free, of heaps where hak_heap_put() found it due. */
void hak_heap_scavenge_due(void);

/* Give back every slab that is wholly free, and the free pages of those that are mostly, of all heaps. */
void hak_heap_trim_all(void);

struct hak_heap_stats {
	size_t heaps, out_bytes, slab_bytes;
};
/* Takes no lock: each figure is right by itself. */
struct hak_heap_stats hak_heap_stats(void);

/* Debug: the lists and equations of every heap. */
void hak_heap_check_all(void);

void hak_heap_fork_prepare(void);
void hak_heap_fork_parent(void);
/* @mine: the forking thread's heap; all others have no user any more. */
void hak_heap_fork_child(struct hak_heap *mine);

#endif
