/* SPDX-License-Identifier: MIT */
/* Slow visits count their work, and see that what is due is done: under the lock, by one. See games.h. */
#include "games.h"

#include "games_private.h"
#include "os.h"

enum {
	LARGE_FREES = HAK_GAMES_TICK_FREES, /* small ones that a large one counts for */
	RESYNC_TICKS = 64,                  /* more at once is what was freed before anybody counted */
};

static HAK_NOINLINE void turn(void)
{
	struct hak_games_state *state = &hak_games_state;
	struct hak_match_sample now;

	if (!hak_lock_try(&state->lock))
		return; /* somebody is at it */
	/* relaxed, both: hints until the lock is held */
	if (atomic_load_explicit(&hak_games.ticks, memory_order_relaxed) >=
	    atomic_load_explicit(&hak_games.due_ticks, memory_order_relaxed)) {
		hak_games_sample(&now);
		hak_games_turn(&now);
	}
	hak_lock_release(&state->lock);
}

void hak_games_probe(void)
{
	static _Atomic uint32_t probed_msec;
	uint32_t now_msec = hak_os_coarse_msec();
	struct hak_match_sample now;

	/* relaxed: who comes first looks */
	if (now_msec - atomic_load_explicit(&probed_msec, memory_order_relaxed) < HAK_GAMES_LOOK_MSEC ||
	    !hak_lock_try(&hak_games_state.lock))
		return;
	atomic_store_explicit(&probed_msec, now_msec, memory_order_relaxed);
	if (hak_games_state.phase == HAK_GAME_FROZEN) {
		hak_games_sample(&now);
		hak_games_look(&now);
	}
	hak_lock_release(&hak_games_state.lock);
}

void hak_games_adopt(void)
{
	if (!hak_lock_try(&hak_games_state.lock)) {
		/* release [G1]: who has just decided that nobody plays finds the epoch that we saw */
		atomic_store_explicit(&hak_games.on, true, memory_order_release);
		return;
	}
	hak_games_follow_locked();
	hak_lock_release(&hak_games_state.lock);
}

void hak_games_tick(struct hak_thread *thread)
{
	uint64_t frees = hak_tally_get(&thread->tally, HAK_COUNTER_free_count) +
			 hak_tally_get(&thread->tally, HAK_COUNTER_free_large) * (LARGE_FREES - 1);
	uint64_t ticks = (frees - thread->played_frees) / HAK_GAMES_TICK_FREES;

	hak_games_follow();
	if (hak_likely(ticks == 0))
		return;
	thread->played_frees += ticks * HAK_GAMES_TICK_FREES;
	if (ticks > RESYNC_TICKS)
		return;
	ticks += atomic_fetch_add_explicit(&hak_games.ticks, ticks, memory_order_relaxed);
	if (hak_unlikely(ticks >= atomic_load_explicit(&hak_games.due_ticks, memory_order_relaxed)))
		turn();
}

/* ---- fork -------------------------------------------------------------------------------------------- */

void hak_games_fork_prepare(void)
{
	hak_lock_acquire(&hak_games_state.lock);
}

void hak_games_fork_parent(void)
{
	hak_lock_release(&hak_games_state.lock);
}

/* The child begins anew: the parent's windows are not its own. */
void hak_games_fork_child(void)
{
	hak_lock_reset(&hak_games_state.lock);
	hak_games_state.begin_anew = true;
	atomic_store_explicit(&hak_games.followed, 0, memory_order_relaxed);
}
