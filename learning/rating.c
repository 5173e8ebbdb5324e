/* SPDX-License-Identifier: MIT */
#include "rating.h"

#include <string.h>

#include "fixed.h"

enum {
	N = HAK_RATING_PLAYERS,
	NEWTON_STEPS = 48,
	IMAGINED_PAIRS = 2,
	PAIRS_BITS = 24,          /* more pairs than 2^24 are scaled down to it */
	SCATTER_LEAST = 524,      /* Q20: 0.05 % */
	SCATTER_UNKNOWN = 104858, /* Q20: 10 % */
	L_SHIFT = 30,
};
#define BETA_MOST (16 * HAK_Q32_ONE)

/* A symmetric positive definite matrix and its factors L·D·L'; player 0 is left out of it. */
struct system {
	unsigned players;
	int64_t entry[N][N]; /* below the diagonal: L, Q30, after factoring */
	int64_t diagonal[N]; /* D */
};

static void factor(struct system *system)
{
	for (unsigned j = 1; j < system->players; j++) {
		int64_t column[N] = {0}, pivot = system->entry[j][j] > 0 ? system->entry[j][j] : 1;

		system->diagonal[j] = pivot;
		for (unsigned i = j + 1; i < system->players; i++) {
			column[i] = system->entry[i][j];
			system->entry[i][j] = hak_fixed_scale(column[i], INT64_C(1) << L_SHIFT, pivot);
		}
		for (unsigned i = j + 1; i < system->players; i++)
			for (unsigned k = j + 1; k <= i; k++)
				system->entry[i][k] -=
					(int64_t)(((__int128)system->entry[i][j] * column[k]) >> L_SHIFT);
	}
}

static int64_t times_l(const struct system *system, unsigned i, unsigned j, int64_t value)
{
	return (int64_t)(((__int128)system->entry[i][j] * value) >> L_SHIFT);
}

/* @vector: right side, becomes the solution times @unit. */
static void solve(const struct system *system, int64_t *vector, int64_t unit)
{
	for (unsigned i = 1; i < system->players; i++)
		for (unsigned j = 1; j < i; j++)
			vector[i] -= times_l(system, i, j, vector[j]);
	for (unsigned i = 1; i < system->players; i++)
		vector[i] = hak_fixed_scale(vector[i], unit, system->diagonal[i]);
	for (unsigned i = system->players; i-- > 1;)
		for (unsigned j = i + 1; j < system->players; j++)
			vector[i] -= times_l(system, j, i, vector[j]);
}

/* Element @i of the inverse's diagonal. @one: what 1 is in the matrix. */
static uint64_t variance(const struct system *system, unsigned i, int64_t one, int64_t unit)
{
	int64_t vector[N] = {0};

	vector[i] = one;
	solve(system, vector, unit);
	return vector[i] > 0 ? (uint64_t)vector[i] : 0;
}

static void couple(struct system *system, unsigned a, unsigned b, int64_t weight)
{
	system->entry[b][b] += weight;
	if (a == 0)
		return;
	system->entry[a][a] += weight;
	system->entry[b][a] -= weight;
}

/* ---- Elo --------------------------------------------------------------------------------------------- */

/* Pairs and quarter points of a against b. */
struct result {
	int64_t pairs, quarters;
};

static struct result result_of(const struct hak_rating_table *table, unsigned a, unsigned b, unsigned shift)
{
	const struct hak_score *score = &table->score[a][b];
	struct result result = {0, 0};

	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++) {
		result.pairs += score->outcome[i] >> shift;
		result.quarters += (int64_t)(score->outcome[i] >> shift) * i;
	}
	if (a == 0) {
		result.pairs += IMAGINED_PAIRS;
		result.quarters += IMAGINED_PAIRS * 2;
	}
	return result;
}

/* So that no sum exceeds its bits. */
static unsigned shift_of(const struct hak_rating_table *table)
{
	uint64_t most = 0;
	unsigned shift = 0;

	for (unsigned a = 0; a < table->players; a++)
		for (unsigned b = a + 1; b < table->players; b++) {
			uint64_t pairs = hak_score_pairs(&table->score[a][b]);

			most = pairs > most ? pairs : most;
		}
	while (most >> shift >> PAIRS_BITS)
		shift++;
	return shift;
}

/* The logistic function. Return: Q32. */
static int64_t win_probability(int64_t difference)
{
	return hak_fixed_scale(HAK_Q32_ONE, HAK_Q32_ONE, HAK_Q32_ONE + hak_fixed_exp(-difference));
}

/* The likelihood's slope and curvature at @beta. */
static void look(const struct hak_rating_table *table, unsigned shift, const int64_t *beta,
		 struct system *system, int64_t *slope)
{
	memset(system, 0, sizeof(*system));
	memset(slope, 0, N * sizeof(*slope));
	system->players = table->players;
	for (unsigned a = 0; a < table->players; a++)
		for (unsigned b = a + 1; b < table->players; b++) {
			struct result result = result_of(table, a, b, shift);
			int64_t p, surprise;

			if (!result.pairs)
				continue;
			p = win_probability(beta[a] - beta[b]);
			surprise = result.quarters * (HAK_Q32_ONE / 4) - result.pairs * p;
			slope[a] += surprise;
			slope[b] -= surprise;
			couple(system, a, b, result.pairs * hak_fixed_scale(p, HAK_Q32_ONE - p, HAK_Q32_ONE));
		}
	factor(system);
}

static int64_t bounded(int64_t value, int64_t limit)
{
	return value > limit ? limit : value < -limit ? -limit : value;
}

static int64_t milli_elo(int64_t beta)
{
	return hak_fixed_scale(beta, 400000, HAK_Q32_LN10);
}

static void rate_elo(const struct hak_rating_table *table, struct hak_rating *ratings)
{
	unsigned shift = shift_of(table);
	int64_t beta[N] = {0}, slope[N];
	struct system system;

	for (unsigned step = 0; step < NEWTON_STEPS; step++) {
		look(table, shift, beta, &system, slope);
		solve(&system, slope, HAK_Q32_ONE);
		for (unsigned i = 1; i < table->players; i++)
			beta[i] = bounded(beta[i] + bounded(slope[i], HAK_Q32_ONE), BETA_MOST);
	}
	look(table, shift, beta, &system, slope);
	for (unsigned i = 0; i < table->players; i++) {
		uint64_t error = i ? hak_fixed_sqrt(variance(&system, i, HAK_Q32_ONE, HAK_Q32_ONE))
				   : 0; /* Q16 */

		ratings[i].elo_milli = (int32_t)(1500000 + milli_elo(beta[i]));
		ratings[i].elo_error_milli = (uint32_t)milli_elo((int64_t)(error << 16));
	}
}

/* ---- gain -------------------------------------------------------------------------------------------- */

/* Pairs over variance, Q8: what the mean log ratio is worth. */
static int64_t weight_of(const struct hak_score *score, unsigned shift)
{
	int64_t pairs = (int64_t)(hak_score_pairs(score) >> shift);
	int64_t scatter = hak_score_scatter(score);

	if (hak_score_pairs(score) < 3)
		scatter = SCATTER_UNKNOWN;
	if (scatter < SCATTER_LEAST)
		scatter = SCATTER_LEAST;
	return hak_fixed_scale(pairs << 8, INT64_C(1) << 40, scatter * scatter);
}

static void rate_gain(const struct hak_rating_table *table, struct hak_rating *ratings)
{
	unsigned shift = shift_of(table);
	struct system system = {.players = table->players};
	int64_t gain[N] = {0};

	for (unsigned i = 1; i < table->players; i++)
		couple(&system, 0, i, 1 << 8); /* nothing known: 0, off by 100 % */
	for (unsigned a = 0; a < table->players; a++)
		for (unsigned b = a + 1; b < table->players; b++) {
			const struct hak_score *score = &table->score[a][b];
			int64_t weight = weight_of(score, shift);
			int64_t pull = hak_fixed_scale(weight, hak_score_mean(score), HAK_Q20_ONE);

			couple(&system, a, b, weight);
			gain[a] += pull;
			gain[b] -= pull;
		}
	factor(&system);
	solve(&system, gain, HAK_Q20_ONE);
	ratings[0].gain_ppm = 0;
	ratings[0].gain_error_ppm = 0;
	for (unsigned i = 1; i < table->players; i++) {
		int64_t x = bounded(gain[i], 2 * HAK_Q20_ONE);
		int64_t left = hak_fixed_exp(-x * (1 << 12)); /* of player 0's cost */
		uint64_t error = hak_fixed_sqrt(variance(&system, i, 1 << 8, INT64_C(1) << 40)); /* Q20 */

		ratings[i].gain_ppm = (int32_t)hak_fixed_scale(HAK_Q32_ONE - left, 1000000, HAK_Q32_ONE);
		ratings[i].gain_error_ppm = (uint32_t)hak_fixed_scale((int64_t)error, 1000000, HAK_Q20_ONE);
	}
}

void hak_rating_compute(const struct hak_rating_table *table, struct hak_rating *ret_ratings)
{
	memset(ret_ratings, 0, table->players * sizeof(*ret_ratings));
	rate_elo(table, ret_ratings);
	rate_gain(table, ret_ratings);
	for (unsigned a = 0; a < table->players; a++)
		for (unsigned b = a + 1; b < table->players; b++) {
			uint64_t pairs = hak_score_pairs(&table->score[a][b]);

			ret_ratings[a].pairs += pairs;
			ret_ratings[b].pairs += pairs;
		}
}
