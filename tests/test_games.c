/* SPDX-License-Identifier: MIT */
/*
 * Learning inside a process, with an injected process: its work, clocks, books and policy are made here, and
 * each tick costs what the strategy in force says; ghosts count what it says that each would do. libhakmem's
 * games.c, games_watch.c, games_learn.c are real.
 */
#include <check.h>
#include <inttypes.h>
#include <string.h>

#include "games.h"
#include "games_private.h"
#include "ghost.h"
#include "os.h"
#include "suite.h"
#include "superslab.h"

enum { SAFE = 0, KEEP = 6, HUGE = 8, TICK_NSEC = 100000, TICK_BYTES = 1 << 20, MSEC_A_TICK = 1 };

/* ---- the process ------------------------------------------------------------------------------------- */

struct hak_process hak_process = {.policy_epoch = 1};
_Atomic uint64_t hak_os_counter[HAK_COUNTER_COUNT];

static struct {
	struct hak_thread thread;
	struct hak_process_play play;
	uint64_t cpu_nsec, faults, random;
	uint64_t tick_nsec[HAK_STRATEGY_COUNT];  /* by strategy in force */
	uint64_t tick_bytes[HAK_STRATEGY_COUNT]; /* that it would fault in, of large blocks */
	uint64_t most_held_bytes[HAK_STRATEGY_COUNT];
	unsigned noise_percent;                 /* of a tick, either way */
	unsigned faults_a_tick;
	uint32_t msec;
	uint64_t held_bytes;
	unsigned freezes, thaws;
	uint64_t tallied; /* pairs */
	unsigned samples;
	void (*on_play)(void); /* what another thread does while the policy is read */
	char said[HAK_TELEMETRY_LOG_CHARS];
} process;

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

static void work(unsigned ticks)
{
	while (ticks--) {
		process.cpu_nsec += tick_cost();
		process.faults += process.faults_a_tick;
		process.msec += MSEC_A_TICK;
		hak_tally_add(&process.thread.tally, HAK_COUNTER_free_count, HAK_GAMES_TICK_FREES);
		hak_games_tick(&process.thread);
	}
}

static void work_until_frozen(unsigned most)
{
	while (!process.freezes && most--)
		work(1);
	ck_assert_msg(process.freezes, "in vain, phase %d, %u pairs", hak_games_state.phase,
		      hak_games_state.pairs);
}

static void set_up(void)
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

static void all_but_safe_cost(unsigned percent)
{
	for (unsigned i = 1; i < HAK_STRATEGY_COUNT; i++)
		process.tick_nsec[i] = TICK_NSEC / 100 * percent;
}

/* ---- tests ------------------------------------------------------------------------------------------- */

START_TEST(cheaper_strategy_of_the_same_layout_is_frozen)
{
	all_but_safe_cost(80);
	process.noise_percent = 10;
	work_until_frozen(20000);
	ck_assert_uint_ne(hak_games_state.winner, SAFE);
	ck_assert_uint_ne(hak_games_state.winner, HUGE);
	ck_assert_uint_eq(hak_games_state.in_force, hak_games_state.winner);
	ck_assert_uint_eq(process.tallied, hak_games_state.pairs);
	ck_assert_uint_ge(process.tallied, 8);
	ck_assert_uint_eq(strncmp(process.said, "learning: frozen: ", 18), 0);
}
END_TEST

START_TEST(dearer_strategies_leave_the_safe_one)
{
	all_but_safe_cost(120);
	process.noise_percent = 10;
	work_until_frozen(20000);
	ck_assert_uint_eq(hak_games_state.winner, SAFE);
	ck_assert_uint_eq(hak_games_state.in_force, SAFE);
	ck_assert_uint_eq(strncmp(process.said, "learning: none is better: ", 26), 0);
}
END_TEST

START_TEST(program_that_hardly_asks_the_kernel_plays_nothing)
{
	all_but_safe_cost(80);
	process.faults_a_tick = 0;
	work_until_frozen(20000);
	ck_assert_uint_eq(hak_games_state.winner, SAFE);
	ck_assert_uint_eq(process.tallied, 0);
}
END_TEST

/* By exact counts none of them would ask the kernel for less: no game is played, no quiet window awaited. */
START_TEST(strategies_that_do_the_same_play_nothing)
{
	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++)
		process.tick_bytes[i] = TICK_BYTES;
	process.noise_percent = 100;
	work_until_frozen(20000);
	ck_assert_uint_eq(hak_games_state.winner, SAFE);
	ck_assert_uint_eq(process.tallied, 0);
	ck_assert_uint_eq(strncmp(process.said, "learning: nothing to gain: ", 27), 0);
	ck_assert_uint_le(hak_games_operations(), 2048);
}
END_TEST

/* Faulting in 1 MiB takes a quarter of a tick here: 4 % of that are worth a game, 1 % of it are not. */
START_TEST(only_who_should_save_enough_plays)
{
	for (unsigned i = 1; i < HAK_STRATEGY_COUNT; i++)
		process.tick_bytes[i] = TICK_BYTES / 100 * 99;
	process.tick_bytes[KEEP] = TICK_BYTES / 100 * 96;
	process.tick_nsec[KEEP] = TICK_NSEC / 100 * 80;
	process.noise_percent = 10;
	work_until_frozen(20000);
	ck_assert_uint_eq(hak_games_state.contest.players, 2);
	ck_assert_uint_eq(hak_games_state.winner, KEEP);
}
END_TEST

START_TEST(decision_takes_2048_operations_at_most_where_a_winner_is_clear)
{
	for (unsigned i = 1; i < HAK_STRATEGY_COUNT; i++) /* and no two are the same */
		process.tick_nsec[i] = TICK_NSEC / 100 * (95 - 4 * i);
	process.noise_percent = 10;
	work_until_frozen(20000);
	ck_assert_uint_ne(hak_games_state.winner, SAFE);
	ck_assert_uint_le(hak_games_operations(), 2048);
}
END_TEST

START_TEST(canary_that_the_rival_wins_thaws)
{
	all_but_safe_cost(80);
	work_until_frozen(20000);
	/* Slowly enough for the look at the cost a tick: half as much again would be another load. */
	process.tick_nsec[hak_games_state.winner] = TICK_NSEC;
	process.tick_nsec[hak_games_state.rival] = TICK_NSEC / 100 * 70;
	for (unsigned i = 0; i < 400000 && !process.thaws; i++)
		work(1);
	ck_assert_uint_eq(process.thaws, 1);
	ck_assert_uint_eq(hak_games_state.phase, HAK_GAME_WATCH);
}
END_TEST

/* What the other side held pays for all that it does: its cost is the least there is. */
START_TEST(canary_that_costs_nothing_ends)
{
	all_but_safe_cost(80);
	work_until_frozen(20000);
	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++)
		process.tick_nsec[i] = 0;
	work(50 * HAK_GAMES_CANARY_WINDOWS * 16);
	ck_assert_uint_gt(hak_games_state.rest_windows, HAK_GAMES_CANARY_WINDOWS);
	ck_assert_uint_le(hak_games_state.rest_windows, HAK_GAMES_CANARY_WINDOWS << 8);
}
END_TEST

START_TEST(another_load_thaws_and_the_same_load_does_not)
{
	all_but_safe_cost(80);
	work_until_frozen(20000);
	for (unsigned i = 0; i < 20; i++) {
		work(HAK_GAMES_LOOK_MSEC / MSEC_A_TICK + 1);
		hak_games_probe();
	}
	ck_assert_uint_eq(process.thaws, 0);
	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++)
		process.tick_nsec[i] *= 3;
	for (unsigned i = 0; i < 5; i++) {
		work(HAK_GAMES_LOOK_MSEC / MSEC_A_TICK + 1);
		hak_games_probe();
	}
	ck_assert_uint_eq(process.thaws, 1);
	ck_assert_uint_eq(strncmp(process.said, "learning: another load than with: ", 34), 0);
}
END_TEST

START_TEST(schedule_is_played_and_decides_nothing)
{
	process.play.schedule = (struct hak_schedule){
		.game_id = 9, .strategy_a = SAFE, .strategy_b = KEEP, .window_ticks = 16};
	process.tick_nsec[KEEP] = TICK_NSEC / 2;
	hak_process.policy_epoch++;
	work(10000);
	ck_assert_uint_eq(hak_games_state.phase, HAK_GAME_PLAY);
	ck_assert_uint_ge(process.tallied, 50);
	ck_assert_uint_eq(process.freezes, 0);
}
END_TEST

START_TEST(schedule_of_two_layouts_is_refused)
{
	process.play.schedule = (struct hak_schedule){
		.game_id = 9, .strategy_a = SAFE, .strategy_b = HUGE, .window_ticks = 16};
	hak_process.policy_epoch++;
	work(5000);
	ck_assert(!hak_games_are_on());
	ck_assert_uint_eq(process.tallied, 0);
}
END_TEST

START_TEST(forked_child_begins_anew)
{
	all_but_safe_cost(80);
	work(700);
	ck_assert_int_eq(hak_games_state.phase, HAK_GAME_PLAY);
	hak_games_fork_prepare();
	hak_games_fork_child();
	work(1);
	ck_assert_int_eq(hak_games_state.phase, HAK_GAME_WATCH);
	ck_assert_uint_eq(hak_games_state.in_force, SAFE);
	work_until_frozen(20000);
}
END_TEST

/* The parent's clock was at an hour, the child's is at nothing: that is no other load. */
START_TEST(forked_child_looks_at_its_own_clock)
{
	all_but_safe_cost(80);
	process.cpu_nsec = UINT64_C(3600) * 1000000000;
	work_until_frozen(20000);
	hak_games_fork_prepare();
	hak_games_fork_child();
	process.cpu_nsec = 0;
	for (unsigned i = 0; i < 20; i++) {
		work(HAK_GAMES_LOOK_MSEC / MSEC_A_TICK + 1);
		hak_games_probe();
	}
	ck_assert_uint_eq(process.thaws, 0);
	ck_assert_int_eq(hak_games_state.phase, HAK_GAME_FROZEN);
}
END_TEST

static void play_no_more(void)
{
	process.play.policy.evolution = HAK_EVO_FROZEN;
	process.play.frozen = false;
	hak_process.plays = false;
	hak_process.policy_epoch++;
}

/* Another thread saw that we were behind, finds the lock taken, and goes on. */
static void come_late(void)
{
	hak_lock_acquire(&hak_games_state.lock);
	hak_games_adopt();
	hak_lock_release(&hak_games_state.lock);
}

START_TEST(who_comes_late_to_the_end_of_the_games_costs_one_sample)
{
	work(700);
	play_no_more();
	work(1);
	ck_assert(!hak_games_are_on());
	come_late();
	process.samples = 0;
	work(1);
	ck_assert(!hak_games_are_on());
	ck_assert_uint_le(process.samples, 1);
}
END_TEST

static void learn_again(void)
{
	process.on_play = NULL;
	process.play.policy.evolution = HAK_EVO_LEARN;
	hak_process.plays = true;
	hak_process.policy_epoch++;
	hak_games_adopt(); /* by another thread, which finds the lock taken */
}

START_TEST(policy_that_comes_while_the_games_end_is_followed)
{
	work(700);
	play_no_more();
	process.on_play = learn_again;
	hak_games_follow();
	ck_assert(hak_games_are_on()); /* or no visit would count ticks any more */
	work(1);
	ck_assert_int_eq(hak_games_state.phase, HAK_GAME_WATCH);
}
END_TEST

/* A tick that was counted before the watch began is looked at after it. */
START_TEST(window_without_work_is_not_measured)
{
	work(1);
	ck_assert_int_eq(hak_games_state.phase, HAK_GAME_WATCH);
	come_late();
	hak_games.ticks = hak_games_state.watched_from.ticks - 1;
	work(1);
	ck_assert_uint_eq(hak_games_state.sizing.windows, 0);
	work(HAK_SIZING_FIRST_TICKS);
	ck_assert_uint_eq(hak_games_state.sizing.windows, 1);
}
END_TEST

static void let_no_other_hold(uint64_t *most_held_bytes)
{
	for (unsigned i = 1; i < HAK_STRATEGY_COUNT; i++)
		most_held_bytes[i] = UINT64_C(1) << 40;
}

START_TEST(who_has_no_rival_plays_no_canary)
{
	let_no_other_hold(process.most_held_bytes);
	work_until_frozen(20000);
	work(3 * HAK_GAMES_CANARY_WINDOWS * HAK_SIZING_MOST_TICKS / 64);
	ck_assert_uint_eq(process.tallied, 0);
	ck_assert_uint_eq(process.thaws, 0);
	ck_assert_int_eq(hak_games_state.phase, HAK_GAME_FROZEN);
}
END_TEST

/* ---- anything goes ----------------------------------------------------------------------------------- */

static uint64_t roll(uint64_t sides)
{
	return next_random(&process.random) % sides;
}

/* As often small as large, and nothing now and then. */
static uint64_t roll_any(unsigned bits)
{
	return next_random(&process.random) >> 1 >> (63 - roll(bits));
}

/* What the machine and the program do next; most of the time something that can be learned. */
static void change_load(void)
{
	bool tame = roll(4);

	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++) {
		process.tick_nsec[i] = tame ? TICK_NSEC / 2 + roll(TICK_NSEC) : roll_any(48);
		process.tick_bytes[i] = tame ? roll(2 * TICK_BYTES) : roll_any(48);
		process.most_held_bytes[i] = roll_any(40);
	}
	process.noise_percent = roll(2) ? 10 : (unsigned)roll(100);
	process.faults_a_tick = (unsigned)(tame ? 4 : roll_any(24));
}

static void change_policy(void)
{
	enum hak_mode mode = (enum hak_mode)roll(HAK_MODE_COUNT);

	process.play.policy = hak_policy_of_mode(roll(2) ? HAK_MODE_LEARNING : mode);
	process.play.frozen = false;
	process.play.schedule = (struct hak_schedule){0};
	process.play.costs = (struct hak_machine_costs){.fault_small_ns = (uint32_t)roll_any(32),
							.madvise_page_ns = (uint32_t)roll_any(32),
							.syscall_ns = (uint32_t)roll_any(32)};
	if (roll(8) == 0)
		process.play.schedule = (struct hak_schedule){.game_id = 1 + roll(9),
							      .strategy_a = (uint8_t)roll(HAK_STRATEGY_COUNT),
							      .strategy_b = (uint8_t)roll(HAK_STRATEGY_COUNT),
							      .window_ticks = (uint32_t)roll_any(16)};
	hak_process.plays = process.play.policy.evolution >= HAK_EVO_LEARN;
	hak_process.policy_epoch++;
}

static void fork_once(void)
{
	hak_games_fork_prepare();
	hak_games_fork_child();
	process.cpu_nsec = 0;
	process.faults = 0;
}

/* One tick of anything, as a visit counts it. */
static void tick_of_anything(void)
{
	uint64_t event = roll(1 << 16);

	if (event < 64)
		change_load();
	else if (event < 66)
		change_policy();
	else if (event < 68)
		fork_once();
	else if (event < 80)
		come_late();
	else if (event < 96)
		process.msec += (uint32_t)roll_any(32);
	else if (event < 1024)
		process.held_bytes = roll_any(36);
	else if (event < 1100)
		hak_process.policy_epoch++; /* of others */
	if (hak_games_are_on() || hak_process.plays)
		work(1);
	if (event % 64 == 0 && hak_games_are_on())
		hak_games_probe();
}

/* Whatever costs, clocks, books and policies say, each turn ends, and sets the next. */
START_TEST(anything_goes)
{
	struct hak_games_state *state = &hak_games_state;
	uint64_t canaries = 0;

	process.random = (uint64_t)_i * UINT64_C(0x9e3779b97f4a7c15) + 1;
	change_load();
	for (unsigned i = 0; i < 400000; i++) {
		bool was_canary = state->phase == HAK_GAME_CANARY;

		tick_of_anything();
		canaries += state->phase == HAK_GAME_CANARY && !was_canary;
		ck_assert_uint_lt(state->in_force, HAK_STRATEGY_COUNT);
		ck_assert(!hak_games_are_on() || hak_games.due_ticks > hak_games.ticks ||
			  hak_games_are_behind());
	}
	ck_assert_msg(process.tallied && process.freezes && process.thaws && canaries,
		      "%" PRIu64 " pairs, %u freezes, %u thaws, %" PRIu64 " canaries", process.tallied,
		      process.freezes, process.thaws, canaries);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("games");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, cheaper_strategy_of_the_same_layout_is_frozen);
	tcase_add_test(tcase, dearer_strategies_leave_the_safe_one);
	tcase_add_test(tcase, program_that_hardly_asks_the_kernel_plays_nothing);
	tcase_add_test(tcase, strategies_that_do_the_same_play_nothing);
	tcase_add_test(tcase, only_who_should_save_enough_plays);
	tcase_add_test(tcase, decision_takes_2048_operations_at_most_where_a_winner_is_clear);
	tcase_add_test(tcase, canary_that_the_rival_wins_thaws);
	tcase_add_test(tcase, canary_that_costs_nothing_ends);
	tcase_add_test(tcase, another_load_thaws_and_the_same_load_does_not);
	tcase_add_test(tcase, schedule_is_played_and_decides_nothing);
	tcase_add_test(tcase, schedule_of_two_layouts_is_refused);
	tcase_add_test(tcase, forked_child_begins_anew);
	tcase_add_test(tcase, forked_child_looks_at_its_own_clock);
	tcase_add_test(tcase, who_comes_late_to_the_end_of_the_games_costs_one_sample);
	tcase_add_test(tcase, policy_that_comes_while_the_games_end_is_followed);
	tcase_add_test(tcase, window_without_work_is_not_measured);
	tcase_add_test(tcase, who_has_no_rival_plays_no_canary);
	tcase_add_loop_test(tcase, anything_goes, 0, 6);
	return run_suite("games", tcase);
}
