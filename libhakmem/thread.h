/* SPDX-License-Identifier: MIT */
/*
 * What a thread keeps for itself: its bins (the TinyPool), one a size class. A bin is an array of pointers to
 * free blocks, used from its end; the slot below the first holds NULL, so that an empty bin and the end of
 * the array are seen by the same load. No link is written into a block, and how many blocks a bin has is a
 * subtraction.
 *
 *   bottom[c] <= top[c] <= bottom[c] + depth[c]      bottom[c][-1] == NULL
 *
 * `room` is the one number of the hot path. A free counts it down, malloc never restores it; when it falls to
 * zero the free becomes a slow visit, at most HAK_TICK_FREES after the last one. It is granted so that a bin
 * can never overflow meanwhile. So
 *
 *   frees since the last visit   == granted[c] - room[c]
 *   mallocs since the last visit == stood[c] + frees - (top[c] - bottom[c])
 *
 * are exact, and the hot path keeps no counter. With bins off every bin is the empty one and room is always
 * one: each call is a slow visit, and the same code serves.
 *
 * Concurrency: only the owning thread touches a bin. Others read `tally` and `held_bytes`; fork's child,
 * where the owner is gone, empties what is not `busy`.
 */
#ifndef HAK_THREAD_H
#define HAK_THREAD_H

#include "heap.h"
#include "hot.h"
#include "sizeclass.h"
#include "tally.h"

enum {
	/* That bins of a thread may hold beyond their usual depth: of wide blocks, and of others, */
	HAK_BINS_DEEP_BYTES = 1 << 20,
	HAK_BINS_WIDE_BYTES = 8 << 20, /* or, of wide blocks, its part of this if that is more */
/* The sentinel, and one for the block that finds the bin full. */
#define HAK_BIN_SLOTS_OF(depth)                        (2u + (depth))
#define HAK_ADD_BIN_SLOTS(bytes, first, grown, depth) +HAK_BIN_SLOTS_OF(depth)
	HAK_BIN_SLOTS = HAK_BIN_SLOTS_OF(HAK_MOSAIC_BIN_DEPTH)
		HAK_SIZE_CLASSES(HAK_ADD_BIN_SLOTS), /* of all bins, of the usual depth */
#undef HAK_ADD_BIN_SLOTS
};

struct hak_thread {
	/* hot */
	struct hak_pagemap_view map; /* refreshed at slow visits */
	void **top[HAK_CLASS_COUNT];
	size_t room[HAK_CLASS_COUNT]; /* as wide as `top`, so that one scaled index serves both */
	uint8_t class_of[HAK_FAST_MAX_BYTES + 1]; /* hak_class_of_fast, an instruction nearer */

	/* slow visits of the owner */
	struct hak_heap *heap;             /* refills come from it; of a kept one the last owner's */
	uint16_t granted[HAK_CLASS_COUNT]; /* room at the last visit */
	uint16_t stood[HAK_CLASS_COUNT];   /* blocks in the bin then */
	uint16_t depth[HAK_CLASS_COUNT];   /* blocks that the bin may hold; 0: it has no array yet */
	uint8_t shallower;                /* bins have 1/2^shallower of their usual depth */
	bool overflowed[HAK_CLASS_COUNT]; /* since the last refill */
	size_t deep_bytes[2];             /* that bins may hold beyond their usual depth; [1]: wide blocks */
	uint32_t tended[HAK_CLASS_COUNT];  /* what a bin looked like when it was last tended */
	bool visited[HAK_CLASS_COUNT];     /* since then */
	uint8_t tend_next;                 /* class */
	uint8_t free_visits[HAK_CLASS_COUNT]; /* of this bin, as far as they decide how often to visit it */
	uint8_t want[HAK_CLASS_COUNT];        /* blocks of the next refill; doubles up to half the depth */
	void **bottom[HAK_CLASS_COUNT];       /* where the bin's first block lies */
	bool bins_on;                         /* the policy's: else all bins are the empty one */
	uint32_t hot_tended;    /* hot.uses when it was last tended */
	uint32_t policy_epoch;  /* hak_process.policy_epoch that the bins were set up for; 0: none yet */
	uint64_t purge_request; /* the last one obeyed */
	uint64_t played_frees;  /* counted as work of learning's windows */
	uint64_t visits;
	uint64_t publish_at;    /* the visit that publishes next */

	/* read by others */
	_Atomic bool active;       /* a thread owns this */
	bool kept;                 /* none does, but the bins are not empty; lock of thread.c */
	int last_cpu;              /* where its last owner ended */
	_Atomic bool busy;         /* the owner is in a slow visit */
	_Atomic size_t held_bytes; /* in the bins, at the last visit */
	struct hak_tally tally;    /* of all owners that this ever had */
	struct hak_thread *next;   /* all threads, newest first; never changes once published */
	void **slots;                     /* HAK_BIN_SLOTS: where the bins lie, in the order of first use */
	void **unused;                    /* of them, the first that no bin has */
	void **deep[HAK_CLASS_COUNT];     /* where one lies once it had to be deeper; NULL before */
	uint16_t deep_most[HAK_CLASS_COUNT]; /* how deep it may become there */
	/* The last, so that a page begins in its table, and not in what each visit stores (see meta.c). */
	struct hak_hot hot;
} HAK_ALIGNED(HAK_LINE_BYTES);

/*
 * The calling thread's bins. A thread that has none yet, or has ended, points to hak_thread_none, whose bins
 * are empty and whose view of the page map is too, so that the hot path needs no test and never writes to it.
 */
extern __thread struct hak_thread *hak_self __attribute__((tls_model("initial-exec")));
extern const struct hak_thread hak_thread_none;
extern void *hak_empty_bin[2]; /* a sentinel, and the end that `top` points to */

/**
 * hak_thread_enter() - begin a slow visit
 * @frees: it only gives back
 * Return: the caller's own bins, made now if it has none; else those of the orphan, which a thread that is
 * ending, or may be (or that no memory is left for), uses under a lock until hak_thread_leave().
 */
struct hak_thread *hak_thread_enter(bool frees);
void hak_thread_leave(struct hak_thread *thread);

/*
 * Inside a visit, or with the hot runs: a forked child leaves what it finds so alone.
 * relaxed, with a fence for the compiler: read by that child alone, which sees a stopped thread.
 */
static inline void hak_thread_set_busy(struct hak_thread *thread, bool busy)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&thread->busy, busy, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

/* Is the caller in a signal handler that interrupted its thread there? */
bool hak_thread_is_busy(void);

/* Make the bins follow the policy in force. Caller is in a visit. */
void hak_thread_set_bins(struct hak_thread *thread, bool bins_on, uint32_t epoch);

/* Empty the bins that ended threads have left. Threads: any. */
void hak_thread_flush_kept(void);

/* All threads' structures, for readers of tallies. Follow ->next. */
struct hak_thread *hak_thread_all(void);

/* How many there are: threads that lived at the same time. */
extern _Atomic unsigned hak_threads_made;

static inline unsigned hak_thread_count(void)
{
	return atomic_load_explicit(&hak_threads_made, memory_order_relaxed); /* a gauge */
}

void hak_thread_fork_prepare(void);
void hak_thread_fork_parent(void);
void hak_thread_fork_child(void);

#endif
