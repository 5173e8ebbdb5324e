/* SPDX-License-Identifier: MIT */
/*
 * Learning inside the process: which strategy costs this program least?
 *
 * A policy that learns goes through the phases of enum hak_game_phase. WATCH: ghosts count what each strategy
 * would do, windows of work are measured until they are quiet, and the cost model names who plays. PLAY:
 * matches (match.h) between them, one strategy at a time for the whole process, until the contest is decided.
 * FROZEN: the winner is in force; CANARY: now and then it plays one more pair, and what has changed goes back
 * to WATCH. Where the daemon has a schedule for us, that is played instead, and the daemon decides.
 *
 * Work is counted in ticks: 128 frees, or one large one. Outside the ends of windows a slow visit that plays
 * costs a few instructions, one that does not a branch; the hot path knows nothing of it.
 *
 * Concurrency: the thread that completes a window turns everything over, under one lock that others only
 * try. Order of locks: games, process, and then as in lifecycle.c.
 */
#ifndef HAK_GAMES_H
#define HAK_GAMES_H

#include <stdatomic.h>

#include "process.h"
#include "thread.h"

enum {
	HAK_GAMES_TICK_FREES = 128,
	HAK_GAMES_BUDGET_BYTES = 32 << 20, /* a window may end with so much held, */
	HAK_GAMES_BUDGET_PERCENT = 50,     /* and so much of what is live */
	HAK_GAMES_LOOK_MSEC = 500,         /* from one look at a frozen program to the next */
	HAK_GAMES_CANARY_WINDOWS = 300,    /* from one canary to the next; it takes five: less than 2 % */
};

struct hak_games {
	_Atomic bool on;
	_Atomic uint64_t ticks;
	_Atomic uint64_t due_ticks; /* somebody should turn over */
	_Atomic uint32_t followed;  /* hak_process.policy_epoch that this is for */
};
extern struct hak_games hak_games;

static inline bool hak_games_are_on(void)
{
	return atomic_load_explicit(&hak_games.on, memory_order_relaxed); /* a hint */
}

/* Count the caller's work since its last visit; end a window that it completes. Caller is in a visit. */
void hak_games_tick(struct hak_thread *thread);

/* Now and then: does the program still do what was decided about? Caller is in a visit. */
void hak_games_probe(void);

/* A policy was put in force, or our entry has changed. Threads: any, in a visit; who finds the lock taken
 * leaves it to the next tick. */
void hak_games_adopt(void);

/* relaxed: the lock orders what belongs to them */
static inline bool hak_games_are_behind(void)
{
	return atomic_load_explicit(&hak_games.followed, memory_order_relaxed) !=
	       atomic_load_explicit(&hak_process.policy_epoch, memory_order_relaxed);
}

static inline void hak_games_follow(void)
{
	/*
	 * relaxed: as above. Where nobody learns, and did not before, no page of the learner's text is
	 * touched.
	 */
	if (hak_unlikely(hak_games_are_behind()) &&
	    (atomic_load_explicit(&hak_process.plays, memory_order_relaxed) || hak_games_are_on()))
		hak_games_adopt();
}

void hak_games_fork_prepare(void);
void hak_games_fork_parent(void);
void hak_games_fork_child(void);

#endif
