/* SPDX-License-Identifier: MIT */
#include "games_fixture.h"

#include <check.h>
#include <string.h>

#include "ghost.h"
#include "os.h"
#include "suite.h"
#include "superslab.h"

/* ---- the process ------------------------------------------------------------------------------------- */

struct hak_process hak_process = {.policy_epoch = 1};
_Atomic uint64_t hak_os_counter[HAK_COUNTER_COUNT];

struct games_process process;

void hak_process_play(struct hak_process_play *ret_play)
{
	*ret_play = process.play;
	ret_play->epoch = hak_process.policy_epoch;
	if (process.on_play)
		process.on_play();
}

static void put_in_force(enum hak_mode row, uint8_t strategy, bool frozen)
{
	process.play.policy = hak_policy_of_mode(row);
	process.play.policy.mode = HAK_MODE_LEARNING;
	process.play.policy.strategy = strategy;
	process.play.frozen = frozen;
	hak_process.plays = true;
	hak_process.policy_epoch++;
}

void hak_process_freeze(uint8_t strategy)
{
	process.freezes++;
	put_in_force(HAK_MODE_BALANCED, strategy, true);
}

void hak_process_thaw(void)
{
	process.thaws++;
	put_in_force(HAK_MODE_LEARNING, SAFE, false);
}

void hak_process_tally(uint8_t strategy_a, uint8_t strategy_b, const struct hak_score *score)
{
	ck_assert_uint_ne(strategy_a, strategy_b);
	process.tallied += hak_score_pairs(score);
}

void hak_process_log(enum hak_log level, const char *line)
{
	(void)level;
	strncpy(process.said, line, sizeof(process.said) - 1);
}

void hak_stats_collect(struct hak_stats *ret_stats)
{
	process.samples++;
	memset(ret_stats, 0, sizeof(*ret_stats));
	/* Each tick is an operation of the learned layer. */
	ret_stats->counter[HAK_COUNTER_refill_new_slab] = hak_games.ticks;
	ret_stats->counter[HAK_COUNTER_alloc_bytes] = hak_games.ticks << 16;
	ret_stats->gauge[HAK_GAUGE_live_bytes] = 64 << 20;
	ret_stats->gauge[HAK_GAUGE_resident_free_bytes] = process.held_bytes;
}

struct hak_superslab_stats hak_superslab_stats(void)
{
	return (struct hak_superslab_stats){.mapped_bytes = 64 << 20};
}

struct hak_ghost_watch hak_ghost_watch;
static uint64_t ghosts_since; /* ticks */

void hak_ghost_start(void)
{
	ghosts_since = hak_games.ticks;
	hak_ghost_watch.watching = true;
}

void hak_ghost_stop(void)
{
	hak_ghost_watch.watching = false;
}

struct hak_cost_work hak_ghost_work(unsigned strategy)
{
	return (struct hak_cost_work){.large_fresh_bytes = (hak_games.ticks - ghosts_since) *
							   process.tick_bytes[strategy],
				      .most_held_bytes = process.most_held_bytes[strategy]};
}

uint64_t hak_os_faults(void)
{
	return process.faults;
}

uint64_t hak_os_cpu_nsec(void)
{
	return process.cpu_nsec;
}

uint32_t hak_os_coarse_msec(void)
{
	return process.msec;
}

/* There is one thread: it never waits for itself. */
void hak_lock_wait(struct hak_lock *lock)
{
	ck_abort_msg("the lock is taken: %p", (void *)lock);
}

void hak_lock_wake(struct hak_lock *lock)
{
	ck_abort_msg("nobody waits: %p", (void *)lock);
}

/* ---- its work ---------------------------------------------------------------------------------------- */

static uint64_t tick_cost(void)
{
	uint64_t cost = process.tick_nsec[hak_games_state.in_force];
	int64_t spread = (int64_t)(cost * process.noise_percent / 100);

	return spread ? (uint64_t)((int64_t)cost - spread +
				   (int64_t)(next_random(&process.random) % (uint64_t)(2 * spread)))
		      : cost;
}

void work(unsigned ticks)
{
	while (ticks--) {
		process.cpu_nsec += tick_cost();
		process.faults += process.faults_a_tick;
		process.msec += MSEC_A_TICK;
		hak_tally_add(&process.thread.tally, HAK_COUNTER_free_count, HAK_GAMES_TICK_FREES);
		hak_games_tick(&process.thread);
	}
}

void work_until_frozen(unsigned most)
{
	while (!process.freezes && most--)
		work(1);
	ck_assert_msg(process.freezes, "in vain, phase %d, %u pairs", hak_games_state.phase,
		      hak_games_state.pairs);
}

void games_set_up(void)
{
	memset(&process, 0, sizeof(process));
	process.random = 7;
	process.faults_a_tick = 4;
	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++)
		process.tick_nsec[i] = TICK_NSEC;
	process.tick_bytes[SAFE] = TICK_BYTES; /* all others would save that: they play */
	put_in_force(HAK_MODE_LEARNING, SAFE, false);
	process.play.costs = (struct hak_machine_costs){1000, 50000, 200, 100, 300, {0}};
}

void come_late(void)
{
	hak_lock_acquire(&hak_games_state.lock);
	hak_games_adopt();
	hak_lock_release(&hak_games_state.lock);
}
