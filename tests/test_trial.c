/* SPDX-License-Identifier: MIT */
/* Trials: who meets whom, what memory costs, and a short form of bench/learn-sim with its bounds. */
#include <check.h>

#include "../bench/learn_model.h"
#include "suite.h"
#include "trial.h"

enum { ALICE = 1000, BOB = 1001, MIB = 1 << 20 };

static struct hak_trial trial_of_two(void)
{
	struct hak_trial trial = {.uid = 0};

	hak_trial_set(&trial, 0, 8);
	return trial;
}

/* Return: the pair's mean, Q20, from the strategy in force; INT32_MIN: none was made. */
static int32_t add(struct hak_trial *trial, bool second, uint32_t uid, uint64_t cost, uint64_t mib)
{
	const struct hak_trial_result result = {{cost, cost}, mib * MIB};
	struct hak_score pair;

	if (!hak_trial_add(trial, second, uid, &result, &pair))
		return INT32_MIN;
	ck_assert_uint_eq(hak_score_pairs(&pair), 1);
	ck_assert(hak_score_is_sound(&pair));
	return hak_score_mean(&pair);
}

/* What the two strategies usually cost, and hold. */
static void get_used_to(struct hak_trial *trial, uint64_t first_cost, uint64_t first_mib, uint64_t other_cost,
			uint64_t other_mib)
{
	ck_assert_int_eq(add(trial, false, ALICE, first_cost, first_mib), INT32_MIN);
	ck_assert_int_eq(add(trial, true, ALICE, other_cost, other_mib), INT32_MIN);
}

START_TEST(trial_of_a_strategy_against_itself_is_none)
{
	struct hak_trial trial = {.uid = 0};

	ck_assert(!hak_trial_is_open(&trial));
	hak_trial_set(&trial, 3, 8);
	ck_assert(hak_trial_is_open(&trial));
	hak_trial_set(&trial, 3, 3);
	ck_assert(!hak_trial_is_open(&trial));
}
END_TEST

START_TEST(two_starts_are_a_pair_once_both_strategies_are_known)
{
	struct hak_trial trial = trial_of_two();

	get_used_to(&trial, 1100, 10, 1000, 10);
	ck_assert_int_eq(add(&trial, false, ALICE, 1100, 10), INT32_MIN);
	ck_assert_int_lt(add(&trial, true, ALICE, 1000, 10), -90000); /* ln 1.1 in Q20 is 99941 */
	ck_assert_int_eq(add(&trial, true, ALICE, 1000, 10), INT32_MIN);
	ck_assert_int_lt(add(&trial, true, ALICE, 1000, 10), -90000); /* against what is usual */
}
END_TEST

START_TEST(start_that_costs_what_is_usual_of_both_wins_nothing)
{
	struct hak_trial trial = trial_of_two();

	get_used_to(&trial, 1000, 10, 1000, 10);
	ck_assert_int_eq(add(&trial, false, ALICE, 1000, 10), INT32_MIN);
	ck_assert_int_eq(add(&trial, false, ALICE, 1000, 10), 0);
}
END_TEST

/* Some others had the core: one of them must not outweigh all that is said calmly. */
START_TEST(start_that_costs_much_more_than_usual_counts_to_a_limit)
{
	struct hak_trial trial = trial_of_two();

	for (unsigned i = 0; i < HAK_TRIAL_RECENT; i++)
		(void)add(&trial, i & 1, ALICE, i < 2 ? 980 : 1000, 10);
	ck_assert_int_eq(add(&trial, false, ALICE, 1000, 10), INT32_MIN);
	ck_assert_int_le(add(&trial, true, ALICE, 5000, 10), 30000); /* 4/3 * 2 * 2 %, halved */
}
END_TEST

/* Both of a pair ran the other strategy: the other sign. */
START_TEST(pair_turns_over_with_its_coins)
{
	static const uint64_t cost[] = {1000, 1300, 1210, 1050, 990, 2000, 4000, 1190, 1000, 1500};
	struct hak_trial before = trial_of_two();

	for (unsigned i = 0; i < 10; i++)
		(void)add(&before, i % 3 == 1, ALICE, cost[i], 10);
	ck_assert(!before.is_begun);
	for (unsigned coins = 0; coins < 4; coins++) {
		struct hak_trial trial = before, turned = before;
		int32_t mean;

		(void)add(&trial, coins & 1, ALICE, 1230, 10);
		(void)add(&turned, !(coins & 1), ALICE, 1230, 10);
		mean = add(&trial, coins & 2, ALICE, 1070, 10);
		ck_assert_int_ne(mean, 0);
		ck_assert_int_eq(add(&turned, !(coins & 2), ALICE, 1070, 10), -mean);
	}
}
END_TEST

/* @noisy: it says nothing about what is done. By the other the challenger takes a tenth less. */
static bool add_uneven(struct hak_trial *trial, bool second, unsigned noisy, uint64_t noise,
		       struct hak_score *ret_pair)
{
	struct hak_trial_result result = {.memory_bytes = 10 * MIB};

	result.cost[noisy] = noise;
	result.cost[!noisy] = second ? 900 : 1000;
	return hak_trial_add(trial, second, ALICE, &result, ret_pair);
}

START_TEST(game_is_measured_by_what_scatters_less)
{
	struct hak_trial trial = trial_of_two();
	struct hak_score pair;

	for (unsigned i = 0; i < 10; i++)
		(void)add_uneven(&trial, i & 1, _i, i & 2 ? 1000 : 10000, &pair);
	ck_assert(!trial.is_begun);
	ck_assert(!add_uneven(&trial, true, _i, 20000, &pair));
	ck_assert(add_uneven(&trial, true, _i, 10000, &pair));
	ck_assert_int_lt(hak_score_mean(&pair), -110000); /* ln 0.9 in Q20 is -110479 */
	ck_assert_int_gt(hak_score_mean(&pair), -111000);
}
END_TEST

START_TEST(processes_of_two_users_are_no_pair)
{
	struct hak_trial trial = trial_of_two();

	get_used_to(&trial, 1000, 10, 1000, 10);
	ck_assert_int_eq(add(&trial, false, ALICE, 1000, 10), INT32_MIN);
	ck_assert_int_eq(add(&trial, true, BOB, 1000, 10), INT32_MIN);
	ck_assert_int_eq(add(&trial, false, BOB, 1000, 10), INT32_MIN);
	ck_assert_int_eq(add(&trial, true, BOB, 1000, 10), INT32_MIN);
	ck_assert_int_eq(add(&trial, false, BOB, 1000, 10), 0);
}
END_TEST

START_TEST(what_was_gathered_stays_while_the_trial_is_the_same)
{
	struct hak_trial trial = trial_of_two();

	ck_assert_int_eq(add(&trial, false, ALICE, 1000, 10), INT32_MIN);
	hak_trial_set(&trial, 0, 8);
	ck_assert_uint_eq(trial.side[0].starts, 1);
	hak_trial_set(&trial, 6, 8);
	ck_assert_uint_eq(trial.side[0].starts, 0);
}
END_TEST

START_TEST(a_tenth_more_memory_loses_however_fast)
{
	struct hak_trial trial = trial_of_two();

	get_used_to(&trial, 1000, 100, 500, 112);
	(void)add(&trial, false, ALICE, 1000, 100);
	ck_assert_int_ge(add(&trial, true, ALICE, 500, 112), HAK_SCORE_LOST - 1);
	(void)add(&trial, true, ALICE, 500, 112);
	ck_assert_int_ge(add(&trial, true, ALICE, 500, 112), HAK_SCORE_LOST - 1);
	trial = trial_of_two();
	get_used_to(&trial, 1000, 100, 500, 109);
	(void)add(&trial, false, ALICE, 1000, 100);
	ck_assert_int_lt(add(&trial, true, ALICE, 500, 109), -600000); /* ln 2 in Q20 is 726817 */
}
END_TEST

/* The safe strategy's memory is what others are measured by. */
START_TEST(less_memory_alone_does_not_win)
{
	struct hak_trial trial = trial_of_two();

	get_used_to(&trial, 1000, 200, 1000, 100);
	(void)add(&trial, false, ALICE, 1000, 200);
	ck_assert_int_eq(add(&trial, true, ALICE, 1000, 100), 0);
	trial = trial_of_two();
	get_used_to(&trial, 1000, 200, 1100, 100);
	(void)add(&trial, false, ALICE, 1000, 200);
	ck_assert_int_gt(add(&trial, true, ALICE, 1100, 100), 90000);
}
END_TEST

/* A canary: it is in force, and the safe one its rival. */
START_TEST(a_layout_in_force_loses_by_its_memory_too)
{
	struct hak_trial trial = {.uid = 0};

	hak_trial_set(&trial, 8, 0);
	get_used_to(&trial, 500, 112, 1000, 100);
	(void)add(&trial, false, ALICE, 500, 112);
	ck_assert_int_le(add(&trial, true, ALICE, 1000, 100), -HAK_SCORE_LOST + 1);
	hak_trial_set(&trial, 0, 0);
	hak_trial_set(&trial, 8, 0);
	get_used_to(&trial, 1000, 100, 1000, 112);
	(void)add(&trial, false, ALICE, 1000, 100);
	ck_assert_int_eq(add(&trial, true, ALICE, 1000, 112), 0);
}
END_TEST

START_TEST(judge_wants_clear_pairs_either_way)
{
	struct hak_score won = {.plus = 0}, lost = {.plus = 0};

	for (unsigned pairs = 0; pairs < 5; pairs++) {
		ck_assert_int_eq(hak_trial_judge(&won, 1), HAK_TRIAL_OPEN);
		hak_score_add(&won, -100000, -100000);
		hak_score_add(&lost, 100000, 100000);
	}
	for (unsigned pairs = 5; pairs < 8; pairs++) {
		hak_score_add(&won, -100000, -100000);
		hak_score_add(&lost, 100000, 100000);
	}
	ck_assert_int_eq(hak_trial_judge(&won, 1), HAK_TRIAL_WON);
	ck_assert_int_eq(hak_trial_judge(&lost, 1), HAK_TRIAL_LOST);
}
END_TEST

START_TEST(trial_that_tells_nothing_ends)
{
	struct hak_score score = {.plus = 0};

	for (unsigned i = 0; i < HAK_TRIAL_PAIRS; i++)
		hak_score_add(&score, i % 2 ? 500000 : -500000, i % 2 ? 500000 : -500000);
	ck_assert_int_eq(hak_trial_judge(&score, 1), HAK_TRIAL_UNDECIDED);
}
END_TEST

/* ---- bench/learn-sim in short ------------------------------------------------------------------------- */

enum { RUNS = 400 };

START_TEST(same_strategies_are_told_apart_in_5_percent_of_trials_at_most)
{
	struct model model = {.noise = (enum noise)_i, .sigma = 0.10, .players = 2};
	struct summary summary = model_run(&model, model_trial, RUNS, 20);

	ck_assert_msg(summary.won[1] <= RUNS * 5 / 100, "%s: %u of %u", noise_name[_i], summary.won[1], RUNS);
	ck_assert_uint_eq(summary.won[1] + summary.safe + summary.undecided, RUNS);
}
END_TEST

/* Inputs of different size, or allocations that do not tell the work: one measure holds, and finds it. */
START_TEST(what_one_measure_hides_the_other_finds)
{
	struct model model = {.noise = (enum noise)_i, .sigma = 0.02, .players = 2, .gain = {0, 0.05}};

	model.input = 0.30;
	ck_assert_uint_ge(model_run(&model, model_trial, RUNS, 30).won[1], RUNS * 95 / 100);
	model.input = 0;
	model.miscount = 0.30;
	ck_assert_uint_ge(model_run(&model, model_trial, RUNS, 40).won[1], RUNS * 95 / 100);
}
END_TEST

START_TEST(ten_percent_at_a_scatter_of_ten_is_found_in_90_percent)
{
	struct model model = {.noise = (enum noise)_i, .sigma = 0.10, .players = 2, .gain = {0, 0.10}};
	struct summary summary = model_run(&model, model_trial, RUNS, 20);

	ck_assert_msg(summary.won[1] >= RUNS * 90 / 100, "%s: %u of %u", noise_name[_i], summary.won[1],
		      RUNS);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("trial");

	tcase_add_test(tcase, trial_of_a_strategy_against_itself_is_none);
	tcase_add_test(tcase, two_starts_are_a_pair_once_both_strategies_are_known);
	tcase_add_test(tcase, start_that_costs_what_is_usual_of_both_wins_nothing);
	tcase_add_test(tcase, start_that_costs_much_more_than_usual_counts_to_a_limit);
	tcase_add_test(tcase, pair_turns_over_with_its_coins);
	tcase_add_loop_test(tcase, game_is_measured_by_what_scatters_less, 0, HAK_TRIAL_MEASURES);
	tcase_add_test(tcase, processes_of_two_users_are_no_pair);
	tcase_add_test(tcase, what_was_gathered_stays_while_the_trial_is_the_same);
	tcase_add_test(tcase, a_tenth_more_memory_loses_however_fast);
	tcase_add_test(tcase, less_memory_alone_does_not_win);
	tcase_add_test(tcase, a_layout_in_force_loses_by_its_memory_too);
	tcase_add_test(tcase, judge_wants_clear_pairs_either_way);
	tcase_add_test(tcase, trial_that_tells_nothing_ends);
	tcase_add_loop_test(tcase, same_strategies_are_told_apart_in_5_percent_of_trials_at_most, 0,
			    NOISE_CARRY);
	tcase_add_loop_test(tcase, what_one_measure_hides_the_other_finds, 0, NOISE_CARRY);
	tcase_add_loop_test(tcase, ten_percent_at_a_scatter_of_ten_is_found_in_90_percent, 0, NOISE_CARRY);
	return run_suite("trial", tcase);
}
