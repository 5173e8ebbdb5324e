/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>
#include <string.h>

#include "rating.h"
#include "suite.h"

static void play(struct hak_score *score, double advantage, double sigma, unsigned pairs, uint64_t *state)
{
	for (unsigned i = 0; i < pairs; i++) {
		int32_t half[2];

		for (unsigned h = 0; h < 2; h++) {
			double noise = 0;

			for (unsigned k = 0; k < 12; k++)
				noise += (double)(next_random(state) >> 11) / 0x1p53;
			half[h] = (int32_t)((advantage + sigma * M_SQRT2 * (noise - 6)) * 0x1p20);
		}
		hak_score_add(score, half[0], half[1]);
	}
}

static struct hak_rating_table random_table(uint64_t *state, unsigned players)
{
	struct hak_rating_table table = {.players = players};

	for (unsigned a = 0; a < players; a++)
		for (unsigned b = a + 1; b < players; b++)
			if (next_random(state) % 3)
				play(&table.score[a][b], 0.02 * ((double)b - a), 0.05,
				     (unsigned)(next_random(state) % 80), state);
	return table;
}

/* The likelihood's slope at the ratings: in floating point and from the definition. Zero at its maximum. */
static double slope_at(const struct hak_rating_table *table, const struct hak_rating *ratings, unsigned i)
{
	double slope = 0;

	for (unsigned j = 0; j < table->players; j++) {
		struct hak_score score = i < j ? table->score[i][j] : hak_score_reversed(&table->score[j][i]);
		double n = (double)hak_score_pairs(&score), points = 0;
		double difference = (ratings[i].elo_milli - ratings[j].elo_milli) / 400000.0;

		if (i == j)
			continue;
		for (unsigned k = 0; k < HAK_OUTCOME_COUNT; k++)
			points += score.outcome[k] * k / 4.0;
		if (i == 0 || j == 0) {
			n += 2;
			points += 1;
		}
		slope += points - n / (1 + pow(10, -difference));
	}
	return slope;
}

START_TEST(ratings_are_the_most_likely_ones)
{
	uint64_t state = 6;

	for (int round = 0; round < 50; round++) {
		struct hak_rating_table table = random_table(&state, 2 + (unsigned)round % 11);
		struct hak_rating ratings[HAK_RATING_PLAYERS];

		hak_rating_compute(&table, ratings);
		for (unsigned i = 1; i < table.players; i++)
			ck_assert_double_le(fabs(slope_at(&table, ratings, i)), 0.003);
		ck_assert_int_eq(ratings[0].elo_milli, 1500000);
		ck_assert_uint_eq(ratings[0].elo_error_milli, 0);
	}
}
END_TEST

/* Two players: 400/ln 10 over the root of n·p·(1-p). */
START_TEST(error_of_two_players_is_the_textbook_s)
{
	struct hak_rating_table table = {.players = 2};
	struct hak_rating ratings[2];
	double p = 1 / (1 + exp(-0.5)), exact;

	table.score[0][1].outcome[4] = (uint32_t)(100000 * (1 - p)) - 1;
	table.score[0][1].outcome[0] = (uint32_t)(100000 * p) - 1;
	hak_rating_compute(&table, ratings);
	ck_assert_int_le(abs(ratings[1].elo_milli - 1500000 - (int)(400000 / M_LN10 * 0.5)), 20);
	exact = 400000 / M_LN10 / sqrt(100000 * p * (1 - p));
	ck_assert_double_le(fabs(ratings[1].elo_error_milli - exact), exact / 500);
}
END_TEST

START_TEST(player_without_games_stands_at_1500_and_far_off)
{
	struct hak_rating_table table = {.players = 3};
	struct hak_rating ratings[3];

	table.score[0][1].outcome[0] = 10;
	hak_rating_compute(&table, ratings);
	ck_assert_int_eq(ratings[2].elo_milli, 1500000);
	ck_assert_uint_ge(ratings[2].elo_error_milli, 240000);
	ck_assert_int_eq(ratings[2].gain_ppm, 0);
	ck_assert_uint_ge(ratings[2].gain_error_ppm, 990000);
	ck_assert_int_gt(ratings[1].elo_milli, 1700000);
	ck_assert_uint_eq(ratings[2].pairs, 0);
	ck_assert_uint_eq(ratings[1].pairs, 10);
}
END_TEST

/* 2 was never seen against 0: 3 % and 3 % more are 6 %. */
START_TEST(gain_is_found_through_others)
{
	struct hak_rating_table table = {.players = 3};
	struct hak_rating ratings[3];
	uint64_t state = 12;

	play(&table.score[0][1], log(0.97), 0.05, 2000, &state);
	play(&table.score[1][2], log(0.97), 0.05, 2000, &state);
	hak_rating_compute(&table, ratings);
	ck_assert_int_le(abs(ratings[1].gain_ppm - 30000), 5000);
	ck_assert_int_le(abs(ratings[2].gain_ppm - 59100), 7000);
	/* each difference is known to sigma / sqrt(2000) */
	ck_assert_double_le(fabs(ratings[1].gain_error_ppm - 50000 / sqrt(2000)), 100);
	ck_assert_double_le(fabs(ratings[2].gain_error_ppm - 50000 / sqrt(1000)), 150);
}
END_TEST

/* Relabelling everybody but player 0 relabels the ratings, and nothing else changes. */
START_TEST(who_has_which_number_changes_nothing)
{
	uint64_t state = 40;

	for (int round = 0; round < 20; round++) {
		struct hak_rating_table table = random_table(&state, 6), swapped = {.players = 6};
		const unsigned number[6] = {0, 4, 2, 5, 1, 3};
		struct hak_rating ratings[6], others[6];

		for (unsigned a = 0; a < 6; a++)
			for (unsigned b = a + 1; b < 6; b++) {
				unsigned x = number[a], y = number[b];

				if (x < y)
					swapped.score[x][y] = table.score[a][b];
				else
					swapped.score[y][x] = hak_score_reversed(&table.score[a][b]);
			}
		hak_rating_compute(&table, ratings);
		hak_rating_compute(&swapped, others);
		for (unsigned i = 0; i < 6; i++) {
			ck_assert_int_le(abs(ratings[i].elo_milli - others[number[i]].elo_milli), 1);
			ck_assert_int_le(abs(ratings[i].gain_ppm - others[number[i]].gain_ppm), 4);
		}
	}
}
END_TEST

/* Whatever the order and number of merges was: equal scores, equal bits. */
START_TEST(ratings_of_permuted_merges_are_bit_identical)
{
	enum { PARTS = 40 };
	struct hak_score part[PARTS];
	struct hak_rating expected[3], ratings[3];
	uint64_t state = 3;

	memset(part, 0, sizeof(part));
	for (unsigned i = 0; i < PARTS; i++)
		play(&part[i], 0.01, 0.08, 1 + (unsigned)(next_random(&state) % 9), &state);
	for (int round = 0; round < 20; round++) {
		struct hak_rating_table table = {.players = 3};
		unsigned start = (unsigned)(next_random(&state) % PARTS);

		for (unsigned i = 0; i < PARTS; i++) {
			unsigned at = (start + i * 7) % PARTS;

			hak_score_sum(at % 2 ? &table.score[0][1] : &table.score[1][2], &part[at]);
		}
		hak_rating_compute(&table, round ? ratings : expected);
		if (round)
			ck_assert_mem_eq(ratings, expected, sizeof(ratings));
	}
}
END_TEST

/* The same on every machine and with every compiler: these bits. */
START_TEST(ratings_of_a_known_table_are_as_ever)
{
	struct hak_rating_table table = {.players = 3};
	struct hak_rating ratings[3];

	table.score[0][1] = (struct hak_score){{9, 5, 3, 2, 1}, 0, 150000, 900000, 30000000};
	table.score[1][2] = (struct hak_score){{1, 4, 8, 4, 3}, 0, 500000, 300000, 20000000};
	hak_rating_compute(&table, ratings);
	ck_assert_int_eq(ratings[1].elo_milli, 1649398);
	ck_assert_uint_eq(ratings[1].elo_error_milli, 77570);
	ck_assert_int_eq(ratings[2].elo_milli, 1604277);
	ck_assert_int_eq(ratings[1].gain_ppm, 35130);
	ck_assert_uint_eq(ratings[2].gain_error_ppm, 2734);
}
END_TEST

START_TEST(extreme_scores_do_not_overflow)
{
	struct hak_rating_table table = {.players = HAK_RATING_PLAYERS};
	struct hak_rating ratings[HAK_RATING_PLAYERS];

	for (unsigned a = 0; a < HAK_RATING_PLAYERS; a++)
		for (unsigned b = a + 1; b < HAK_RATING_PLAYERS; b++)
			table.score[a][b] = (struct hak_score){.outcome = {HAK_SCORE_PAIRS_MAX},
							       .minus = (uint64_t)HAK_SCORE_PAIRS_MAX << 20,
							       .squares = (uint64_t)HAK_SCORE_PAIRS_MAX
									  << 30};
	hak_rating_compute(&table, ratings);
	for (unsigned i = 1; i < HAK_RATING_PLAYERS; i++) {
		ck_assert_int_ge(ratings[i].elo_milli, ratings[i - 1].elo_milli); /* bounded */
		ck_assert_int_gt(ratings[i].gain_ppm, 100000); /* 16 of 1/8 each: the best fit */
		ck_assert_int_le(ratings[i].gain_ppm, 1000000);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("rating");

	tcase_add_test(tcase, ratings_are_the_most_likely_ones);
	tcase_add_test(tcase, error_of_two_players_is_the_textbook_s);
	tcase_add_test(tcase, player_without_games_stands_at_1500_and_far_off);
	tcase_add_test(tcase, gain_is_found_through_others);
	tcase_add_test(tcase, who_has_which_number_changes_nothing);
	tcase_add_test(tcase, ratings_of_permuted_merges_are_bit_identical);
	tcase_add_test(tcase, ratings_of_a_known_table_are_as_ever);
	tcase_add_test(tcase, extreme_scores_do_not_overflow);
	return run_suite("rating", tcase);
}
