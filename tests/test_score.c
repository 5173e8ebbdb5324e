/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>

#include "fixed.h"
#include "score.h"
#include "suite.h"

START_TEST(logarithms_are_those_of_libm)
{
	uint64_t state = 1;

	for (int i = 0; i < 100000; i++) {
		uint64_t value = next_random(&state) >> (next_random(&state) & 63);

		if (value)
			require(fabs((double)hak_fixed_ln(value) / 0x1p32 - log((double)value)) <= 0x1p-28);
	}
	ck_assert_int_eq(hak_fixed_ln(1), 0);
}
END_TEST

START_TEST(powers_are_those_of_libm)
{
	for (double x = -21; x < 20; x += 0.00137) {
		double exact = exp(x);
		double got = (double)hak_fixed_exp((int64_t)llrint(x * 0x1p32)) / 0x1p32;

		require(fabs(got - exact) <= exact * 0x1p-27 + 0x1p-32);
	}
	ck_assert_int_eq(hak_fixed_exp(0), HAK_Q32_ONE);
	ck_assert_int_eq(hak_fixed_exp(INT64_MIN), 0);
	ck_assert_int_eq(hak_fixed_exp(INT64_MAX), hak_fixed_exp(20 * HAK_Q32_ONE));
}
END_TEST

START_TEST(roots_are_whole_parts)
{
	uint64_t state = 3;

	ck_assert_uint_eq(hak_fixed_sqrt(0), 0);
	ck_assert_uint_eq(hak_fixed_sqrt(UINT64_MAX), UINT32_MAX);
	for (int i = 0; i < 100000; i++) {
		uint64_t value = next_random(&state) >> (next_random(&state) & 63);
		uint64_t root = hak_fixed_sqrt(value);

		require(root * root <= value);
		require(root == UINT32_MAX || (root + 1) * (root + 1) > value);
	}
}
END_TEST

START_TEST(scaling_does_not_overflow_on_the_way)
{
	ck_assert_int_eq(hak_fixed_scale(INT64_MAX, INT64_MAX, INT64_MAX), INT64_MAX);
	ck_assert_int_eq(hak_fixed_scale(-INT64_MAX, 3, 6), -INT64_MAX / 2);
	ck_assert_int_eq(hak_fixed_scale(INT64_MAX, INT64_MAX, 1), INT64_MAX);
	ck_assert_int_eq(hak_fixed_scale(-7, 3, -2), 10);
}
END_TEST

START_TEST(log_ratio_is_antisymmetric_and_bounded)
{
	ck_assert_int_eq(hak_fixed_log_ratio(7, 7), 0);
	ck_assert_int_eq(hak_fixed_log_ratio(1000, 970), -hak_fixed_log_ratio(970, 1000));
	ck_assert_int_le(abs(hak_fixed_log_ratio(1030, 1000) - (int)lrint(log(1.03) * 0x1p20)), 1);
	ck_assert_int_eq(hak_fixed_log_ratio(UINT64_MAX, 0), 1 << 20);
	ck_assert_int_eq(hak_fixed_log_ratio(0, UINT64_MAX), -(1 << 20));
}
END_TEST

START_TEST(window_over_its_budget_is_lost_whatever_it_cost)
{
	ck_assert_int_eq(hak_score_of_half(100, 200, true, false), -HAK_SCORE_LOST);
	ck_assert_int_lt(hak_score_of_half(200, 100, true, false), -HAK_SCORE_LOST);
	ck_assert_int_eq(hak_score_of_half(200, 100, false, true), HAK_SCORE_LOST);
	ck_assert_int_gt(hak_score_of_half(100, 200, true, true), 0);
	ck_assert_int_gt(hak_score_of_half(100, 200, false, false), 0);
}
END_TEST

START_TEST(halves_of_a_pair_make_its_outcome)
{
	const int32_t win = HAK_SCORE_DRAW + 1, draw = HAK_SCORE_DRAW;
	const int32_t halves[][3] = {{win, win, 4},    {win, draw, 3},  {win, -win, 2}, {draw, -draw, 2},
				     {-draw, -win, 1}, {-win, draw, 1}, {-win, -win, 0}};

	for (size_t i = 0; i < sizeof(halves) / sizeof(*halves); i++) {
		struct hak_score score = {{0}, 0, 0, 0, 0};

		hak_score_add(&score, halves[i][0], halves[i][1]);
		ck_assert_uint_eq(score.outcome[halves[i][2]], 1);
		ck_assert_uint_eq(hak_score_pairs(&score), 1);
		ck_assert_int_eq(hak_score_mean(&score), (halves[i][0] + halves[i][1]) / 2);
		ck_assert(hak_score_is_sound(&score));
	}
}
END_TEST

static struct hak_score random_score(uint64_t *state, unsigned pairs)
{
	struct hak_score score = {{0}, 0, 0, 0, 0};

	for (unsigned i = 0; i < pairs; i++)
		hak_score_add(&score, (int32_t)(next_random(state) % (2 << 20)) - (1 << 20),
			      (int32_t)(next_random(state) % (2 << 20)) - (1 << 20));
	return score;
}

START_TEST(scaled_score_has_the_same_shares_in_as_many_pairs)
{
	uint64_t state = 3;

	for (unsigned pairs = 1; pairs <= 500; pairs += 7) {
		struct hak_score score = random_score(&state, pairs), scaled = hak_score_scaled(&score, 4);

		if (pairs <= 4) {
			ck_assert_mem_eq(&scaled, &score, sizeof(score));
			continue;
		}
		ck_assert_uint_eq(hak_score_pairs(&scaled), 4);
		for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
			ck_assert_double_le(
				fabs(scaled.outcome[i] - 4.0 * score.outcome[i] / (double)pairs), 1);
		ck_assert_int_le(abs(hak_score_mean(&scaled) - hak_score_mean(&score)), 1);
		ck_assert(hak_score_is_sound(&scaled));
	}
}
END_TEST

START_TEST(mean_error_and_scatter_are_those_of_the_pairs)
{
	struct hak_score score = {{0}, 0, 0, 0, 0};
	double sum = 0, squares = 0, mean, deviation;
	uint64_t state = 9;

	for (int i = 0; i < 400; i++) {
		int32_t x = (int32_t)(next_random(&state) % 200000) - 90000;

		hak_score_add(&score, x, x);
		sum += x;
		squares += (double)x * x;
	}
	mean = sum / 400;
	deviation = sqrt((squares / 400 - mean * mean) * 400 / 399);
	ck_assert_double_le(fabs(hak_score_mean(&score) - mean), 1);
	ck_assert_double_le(fabs(hak_score_scatter(&score) - deviation), 16);
	ck_assert_double_le(fabs(hak_score_error(&score) - deviation / 20), 2);
}
END_TEST

/* Looks at several processes, in any order, any of them repeated: the same sum. */
START_TEST(merging_in_any_order_and_repeated_is_bit_identical)
{
	enum { PROCESSES = 5, LOOKS = 4 };
	struct hak_score look[PROCESSES][LOOKS], expected = {{0}, 0, 0, 0, 0};
	uint64_t state = 77;

	for (int p = 0; p < PROCESSES; p++) {
		struct hak_score score = {{0}, 0, 0, 0, 0};

		for (int l = 0; l < LOOKS; l++) {
			struct hak_score more = random_score(&state, 20);

			hak_score_sum(&score, &more);
			look[p][l] = score;
		}
		hak_score_sum(&expected, &score);
	}
	for (int round = 0; round < 1000; round++) {
		struct hak_score merged[PROCESSES] = {0}, total = {{0}, 0, 0, 0, 0};
		unsigned start = (unsigned)(next_random(&state) % PROCESSES);
		/* steps that reach every place, and then again some */
		unsigned step = 1 + 2 * (unsigned)(next_random(&state) % 3);

		for (unsigned i = 0; i < 60; i++) {
			unsigned at = (unsigned)(next_random(&state) % (PROCESSES * LOOKS));

			hak_score_merge(&merged[at / LOOKS], &look[at / LOOKS][at % LOOKS]);
		}
		for (unsigned i = 0; i < PROCESSES * LOOKS; i++) {
			unsigned at = (start + i * (step == 5 ? 7 : step)) % (PROCESSES * LOOKS);

			hak_score_merge(&merged[at / LOOKS], &look[at / LOOKS][at % LOOKS]);
		}
		for (unsigned i = 0; i < PROCESSES; i++)
			hak_score_sum(&total, &merged[(start + i) % PROCESSES]);
		ck_assert_mem_eq(&total, &expected, sizeof(total));
	}
}
END_TEST

START_TEST(sums_stop_at_their_limits)
{
	struct hak_score score = {{UINT32_MAX, 1, 0, 0, 0}, 0, UINT64_MAX, 5, HAK_SCORE_SUM_MAX - 1},
			 twice = score;

	hak_score_sum(&twice, &score);
	ck_assert_uint_eq(twice.outcome[0], HAK_SCORE_PAIRS_MAX);
	ck_assert_uint_eq(twice.outcome[1], 2);
	ck_assert_uint_eq(twice.plus, HAK_SCORE_SUM_MAX);
	ck_assert_uint_eq(twice.minus, 10);
	ck_assert_uint_eq(twice.squares, HAK_SCORE_SUM_MAX);
}
END_TEST

START_TEST(reversing_twice_changes_nothing)
{
	uint64_t state = 5;
	struct hak_score score = random_score(&state, 50), back = hak_score_reversed(&score);

	ck_assert_int_eq(hak_score_mean(&back), -hak_score_mean(&score));
	back = hak_score_reversed(&back);
	ck_assert_mem_eq(&back, &score, sizeof(back));
}
END_TEST

START_TEST(scores_that_no_games_make_are_not_sound)
{
	uint64_t state = 8;

	for (int i = 0; i < 1000; i++) {
		struct hak_score score = random_score(&state, 1 + (unsigned)i % 60), bad = score;

		ck_assert(hak_score_is_sound(&score));
		bad.plus += (hak_score_pairs(&score) + 1) << 20;
		ck_assert(!hak_score_is_sound(&bad));
		bad = score;
		bad.squares = ((hak_score_pairs(&score) + 1) << 32) + 1;
		ck_assert(!hak_score_is_sound(&bad));
		bad = score;
		bad.outcome[2] = HAK_SCORE_PAIRS_MAX + 1;
		ck_assert(!hak_score_is_sound(&bad));
	}
	ck_assert(!hak_score_is_sound(&(struct hak_score){.plus = 1}));
	/* large and all alike, but without squares */
	ck_assert(!hak_score_is_sound(&(struct hak_score){.outcome = {0, 0, 0, 0, 9}, .plus = 9 << 19}));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("score");

	tcase_add_test(tcase, logarithms_are_those_of_libm);
	tcase_add_test(tcase, powers_are_those_of_libm);
	tcase_add_test(tcase, roots_are_whole_parts);
	tcase_add_test(tcase, scaling_does_not_overflow_on_the_way);
	tcase_add_test(tcase, log_ratio_is_antisymmetric_and_bounded);
	tcase_add_test(tcase, window_over_its_budget_is_lost_whatever_it_cost);
	tcase_add_test(tcase, halves_of_a_pair_make_its_outcome);
	tcase_add_test(tcase, scaled_score_has_the_same_shares_in_as_many_pairs);
	tcase_add_test(tcase, mean_error_and_scatter_are_those_of_the_pairs);
	tcase_add_test(tcase, merging_in_any_order_and_repeated_is_bit_identical);
	tcase_add_test(tcase, sums_stop_at_their_limits);
	tcase_add_test(tcase, reversing_twice_changes_nothing);
	tcase_add_test(tcase, scores_that_no_games_make_are_not_sound);
	return run_suite("score", tcase);
}
