/* SPDX-License-Identifier: MIT */
/* Duels and contests: their arithmetic, and a short form of bench/learn-sim with its bounds. */
#include <check.h>
#include <math.h>

#include "../bench/learn_model.h"
#include "contest.h"
#include "duel.h"
#include "fixed.h"
#include "suite.h"

/* The definition, in floating point. */
static double evidence_by_definition(const struct hak_score *score)
{
	static const double factor[HAK_OUTCOME_COUNT] = {0.25, 0.625, 1, 1.375, 1.75};
	double s = ((double)score->plus - (double)score->minus) / 0x1p20, v = (double)score->squares / 0x1p32;
	double bets = 0, signs = 1;

	for (double l = 1; l <= 256; l *= 2)
		bets += exp(l * s - l * l * v / 2) / 9;
	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		signs *= pow(factor[i], score->outcome[i]);
	return log((bets + signs) / 2);
}

START_TEST(evidence_is_what_its_definition_says)
{
	uint64_t state = 4;

	for (int round = 0; round < 200; round++) {
		struct hak_score score = {{0}, 0, 0, 0, 0};

		for (int i = 0; i < 30; i++) {
			int32_t half = (int32_t)(next_random(&state) % 200000) - 80000;
			struct hak_evidence evidence;

			hak_score_add(&score, half, half / 2);
			evidence = hak_duel_evidence(&score);
			ck_assert_double_le(
				fabs((double)evidence.first_wins / 0x1p32 - evidence_by_definition(&score)),
				1e-6);
		}
	}
}
END_TEST

static struct hak_score clear_wins(unsigned pairs, int32_t ratio)
{
	struct hak_score score = {{0}, 0, 0, 0, 0};

	while (pairs--)
		hak_score_add(&score, ratio, ratio);
	return score;
}

START_TEST(evidence_of_no_games_is_none)
{
	struct hak_score score = {{0}, 0, 0, 0, 0};
	struct hak_evidence evidence = hak_duel_evidence(&score);

	ck_assert_int_le(llabs(evidence.first_wins), 64); /* of 2^32: rounding */
	ck_assert_int_le(llabs(evidence.second_useless), 64);
}
END_TEST

/* p = 0.025 each: 8 pairs do, 6 do not. */
START_TEST(eight_clear_pairs_decide_a_duel_of_two_challengers)
{
	struct hak_score few = clear_wins(6, 50000), enough = clear_wins(8, 50000);
	int64_t bound = HAK_DUEL_LN20 + HAK_Q32_LN2;

	ck_assert_int_lt(hak_duel_evidence(&few).first_wins, bound);
	ck_assert_int_ge(hak_duel_evidence(&enough).first_wins, bound);
	ck_assert_int_lt(hak_duel_evidence(&enough).second_wins, 0);
}
END_TEST

START_TEST(evidence_of_extreme_scores_does_not_overflow)
{
	struct hak_score score = {.outcome = {0, 0, 0, 0, HAK_SCORE_PAIRS_MAX},
				  .plus = (uint64_t)HAK_SCORE_PAIRS_MAX << 20,
				  .squares = (uint64_t)HAK_SCORE_PAIRS_MAX << 28};
	struct hak_score worst = {.outcome = {HAK_SCORE_PAIRS_MAX, 0, 0, 0, 0},
				  .minus = HAK_SCORE_SUM_MAX,
				  .squares = HAK_SCORE_SUM_MAX};

	ck_assert_int_gt(hak_duel_evidence(&score).first_wins, 1000 * HAK_Q32_ONE);
	ck_assert_int_lt(hak_duel_evidence(&score).second_wins, -HAK_Q32_ONE);
	ck_assert_int_lt(hak_duel_evidence(&worst).first_wins, -HAK_Q32_ONE);
	ck_assert_int_gt(hak_duel_evidence(&worst).second_wins, 1000 * HAK_Q32_ONE);
}
END_TEST

START_TEST(coin_is_fair_and_its_pairs_are_unrelated)
{
	unsigned heads = 0, same = 0;
	const unsigned tosses = 100000;

	for (uint32_t i = 0; i < tosses; i++) {
		heads += hak_duel_coin(12345, i);
		same += hak_duel_coin(12345, i) == hak_duel_coin(12345, i + 1);
	}
	ck_assert_uint_le((unsigned)abs((int)heads - 50000), 700); /* 4.4 standard deviations */
	ck_assert_uint_le((unsigned)abs((int)same - 50000), 700);
}
END_TEST

START_TEST(contest_without_a_challenger_is_over)
{
	struct hak_contest contest = {.players = 1, .budget_pairs = 100};

	ck_assert_int_eq(hak_contest_step(&contest).state, HAK_CONTEST_SAFE);
}
END_TEST

START_TEST(contest_begins_with_player_0)
{
	struct hak_contest contest = {.players = 3, .budget_pairs = 100};
	struct hak_contest_step step = hak_contest_step(&contest);

	ck_assert_int_eq(step.state, HAK_CONTEST_PLAY);
	ck_assert_uint_eq(step.a, 0);
	contest.score[0][step.b] = clear_wins(1, -50000);
	ck_assert_uint_ne(hak_contest_step(&contest).b, step.b);
}
END_TEST

/* It has beaten player 0, but not the third. */
START_TEST(leader_has_to_settle_with_every_rival)
{
	struct hak_contest contest = {.players = 3, .budget_pairs = 100};
	struct hak_contest_step step;

	contest.score[0][2] = clear_wins(10, -50000);
	step = hak_contest_step(&contest);
	ck_assert_int_eq(step.state, HAK_CONTEST_PLAY);
	ck_assert_uint_eq(step.a, 1);
	ck_assert_uint_eq(step.b, 2);
	contest.score[1][2] = clear_wins(8, -30000);
	step = hak_contest_step(&contest);
	ck_assert_int_eq(step.state, HAK_CONTEST_WON);
	ck_assert_uint_eq(step.a, 2);
	contest.score[1][2] = clear_wins(8, 30000); /* beaten by it */
	step = hak_contest_step(&contest);
	ck_assert_int_eq(step.state, HAK_CONTEST_WON);
	ck_assert_uint_eq(step.a, 1);
}
END_TEST

START_TEST(budget_used_up_leaves_player_0_or_who_beat_it)
{
	struct hak_contest contest = {.players = 3, .budget_pairs = 10};

	contest.score[0][1] = clear_wins(5, 30);
	contest.score[0][2] = clear_wins(5, -30);
	ck_assert_int_eq(hak_contest_step(&contest).state, HAK_CONTEST_UNDECIDED);
	contest.score[0][2] = clear_wins(10, -50000);
	ck_assert_int_eq(hak_contest_step(&contest).state, HAK_CONTEST_WON);
	ck_assert_uint_eq(hak_contest_step(&contest).a, 2);
}
END_TEST

START_TEST(challengers_that_are_worse_leave_player_0)
{
	struct hak_contest contest = {.players = 3, .budget_pairs = 100};

	contest.score[0][1] = clear_wins(10, 50000);
	contest.score[0][2] = clear_wins(10, 50000);
	ck_assert_int_eq(hak_contest_step(&contest).state, HAK_CONTEST_SAFE);
}
END_TEST

/* ---- bench/learn-sim in short ------------------------------------------------------------------------- */

enum { RUNS = 100 };

START_TEST(same_strategies_are_told_apart_in_5_percent_at_most)
{
	struct model model = {.noise = (enum noise)_i, .sigma = 0.10, .players = 3};
	struct summary summary = model_run(&model, model_play, RUNS, 20);

	ck_assert_msg(summary.won[1] + summary.won[2] <= RUNS * 5 / 100, "%s: %u of %u", noise_name[_i],
		      summary.won[1] + summary.won[2], RUNS);
	ck_assert_uint_eq(summary.won[1] + summary.won[2] + summary.safe + summary.undecided, RUNS);
}
END_TEST

/* Whatever others found: who has won, and when, is as without. */
START_TEST(prior_says_who_plays_and_decides_nothing)
{
	uint64_t state = 11;
	unsigned others = 0, over = 0;

	for (unsigned round = 0; round < 2000; round++) {
		struct hak_contest contest = {.players = 4, .budget_pairs = HAK_CONTEST_PAIRS}, with;
		struct hak_contest_step step, step_with;

		for (unsigned a = 0; a < 4; a++)
			for (unsigned b = a + 1; b < 4; b++)
				contest.score[a][b] =
					clear_wins((unsigned)(next_random(&state) % 40),
						   (int32_t)(next_random(&state) % 80000) - 40000);
		with = contest;
		for (unsigned i = 1; i < 4; i++)
			with.prior[i] = clear_wins(4, (int32_t)(next_random(&state) % 400000) - 200000);
		step = hak_contest_step(&contest);
		step_with = hak_contest_step(&with);
		ck_assert_uint_eq(step.state, step_with.state);
		if (step.state == HAK_CONTEST_PLAY)
			others += step.a != step_with.a || step.b != step_with.b;
		else
			ck_assert_mem_eq(&step, &step_with, sizeof(step));
		over += step.state != HAK_CONTEST_PLAY;
	}
	ck_assert_uint_ge(others, 10);
	ck_assert_uint_ge(over, 100);
}
END_TEST

START_TEST(three_percent_at_a_scatter_of_ten_is_found_in_90_percent)
{
	struct model model = {.noise = (enum noise)_i, .sigma = 0.10, .players = 3, .gain = {0, 0.03, 0}};
	struct summary summary = model_run(&model, model_play, RUNS, 20);

	ck_assert_msg(summary.won[1] >= RUNS * 90 / 100, "%s: %u of %u", noise_name[_i], summary.won[1],
		      RUNS);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("contest");

	tcase_add_test(tcase, evidence_is_what_its_definition_says);
	tcase_add_test(tcase, evidence_of_no_games_is_none);
	tcase_add_test(tcase, eight_clear_pairs_decide_a_duel_of_two_challengers);
	tcase_add_test(tcase, evidence_of_extreme_scores_does_not_overflow);
	tcase_add_test(tcase, coin_is_fair_and_its_pairs_are_unrelated);
	tcase_add_test(tcase, contest_without_a_challenger_is_over);
	tcase_add_test(tcase, contest_begins_with_player_0);
	tcase_add_test(tcase, leader_has_to_settle_with_every_rival);
	tcase_add_test(tcase, budget_used_up_leaves_player_0_or_who_beat_it);
	tcase_add_test(tcase, challengers_that_are_worse_leave_player_0);
	tcase_add_test(tcase, prior_says_who_plays_and_decides_nothing);
	tcase_add_loop_test(tcase, same_strategies_are_told_apart_in_5_percent_at_most, 0, NOISE_COUNT);
	tcase_add_loop_test(tcase, three_percent_at_a_scatter_of_ten_is_found_in_90_percent, 0, NOISE_COUNT);
	return run_suite("contest", tcase);
}
