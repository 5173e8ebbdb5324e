/* SPDX-License-Identifier: MIT */
/* Learning inside a process: what is decided, and when. libhakmem's games.c, games_watch.c, games_learn.c are
 * real. */
#include <check.h>
#include <string.h>

#include "games_fixture.h"
#include "suite.h"

static void all_but_safe_cost(unsigned percent)
{
	for (unsigned i = 1; i < HAK_STRATEGY_COUNT; i++)
		process.tick_nsec[i] = TICK_NSEC / 100 * percent;
}

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

int main(void)
{
	TCase *tcase = tcase_create("games");

	tcase_add_checked_fixture(tcase, games_set_up, NULL);
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
	return run_suite("games", tcase);
}
