/* SPDX-License-Identifier: MIT */
/*
 * Ghosts: what each strategy would have kept of the memory that this process used and freed, although just
 * one is in force. The keepers (superslabs for runs, BigCache for large blocks) tell what was taken and
 * freed; each ghost does the books of hold.h with its own limits over bytes that it does not have, and
 * counts exactly what it would have had to fault in, for the first time or again, and what it would have
 * given back. Free memory is one amount to a ghost, of which any part serves any use: it knows no fragments.
 *
 * Concurrency: the ghosts of a keeper are guarded by that keeper's lock. `watching` is a hint.
 */
#ifndef HAK_GHOST_H
#define HAK_GHOST_H

#include <stdatomic.h>

#include "base.h"
#include "cost.h"

enum hak_ghost_keeper { HAK_GHOST_RUNS, HAK_GHOST_LARGE, HAK_GHOST_KEEPERS };

struct hak_ghost_watch {
	_Atomic bool watching;
};
extern struct hak_ghost_watch hak_ghost_watch;

static inline bool hak_ghosts_watch(void)
{
	return atomic_load_explicit(&hak_ghost_watch.watching, memory_order_relaxed);
}

HAK_NOINLINE void hak_ghost_note_used(enum hak_ghost_keeper keeper, size_t bytes, size_t used_bytes);
HAK_NOINLINE void hak_ghost_note_freed(enum hak_ghost_keeper keeper, size_t bytes, size_t used_bytes);

/* @bytes were taken into use, of which now @used_bytes are. Caller holds the keeper's lock. */
static inline void hak_ghost_used(enum hak_ghost_keeper keeper, size_t bytes, size_t used_bytes)
{
	if (hak_unlikely(hak_ghosts_watch()))
		hak_ghost_note_used(keeper, bytes, used_bytes);
}

/* @bytes that were touched became free. The same. */
static inline void hak_ghost_freed(enum hak_ghost_keeper keeper, size_t bytes, size_t used_bytes)
{
	if (hak_unlikely(hak_ghosts_watch()))
		hak_ghost_note_freed(keeper, bytes, used_bytes);
}

/* Begin anew, with nothing free, and watch. */
void hak_ghost_start(void);

/* Watch no more. What was counted stays. */
void hak_ghost_stop(void);

/* What strategy @strategy would have done since the start. Numbers of a moment: no lock is taken. */
struct hak_cost_work hak_ghost_work(unsigned strategy);

#endif
