/* SPDX-License-Identifier: MIT */
#include "duel.h"

#include "fixed.h"

enum {
	BETS = 9, /* L = 1, 2, 4 ... 256: from 1 % at a scatter of 10 % to 10 % at 2 % */
	Q32_TO_Q20 = 12,
};
#define LN_BETS INT64_C(9437007702) /* Q32: ln 9 */

/* Won one of two, both; lost one of two, both: ln 11/8, 7/4, 5/8, 1/4 in Q32. */
static const int64_t sign_gain[HAK_OUTCOME_COUNT] = {
	INT64_C(-5954088944), INT64_C(-2018650217), 0, INT64_C(1367748360), INT64_C(2403531508),
};

/* ln(exp(a) + exp(b)) */
static int64_t ln_sum(int64_t a, int64_t b)
{
	int64_t most = a > b ? a : b, least = a > b ? b : a;

	if (most - least > 20 * HAK_Q32_ONE)
		return most;
	return most + hak_fixed_ln((uint64_t)(HAK_Q32_ONE + hak_fixed_exp(least - most))) -
	       hak_fixed_ln((uint64_t)HAK_Q32_ONE);
}

/* @sum: Q20; @squares: Q32. Values beyond 2^40 decide nothing any more. */
static int64_t ln_bets(int64_t sum, uint64_t squares)
{
	const int64_t limit = INT64_C(1) << 42;
	int64_t gain[BETS], most = INT64_MIN, total = 0;

	if (sum > limit)
		sum = limit;
	if (sum < -limit)
		sum = -limit;
	for (unsigned k = 0; k < BETS; k++) {
		__int128 exact = sum * ((__int128)1 << (k + Q32_TO_Q20)) -
				 (((__int128)squares << (2 * k)) >> 1);

		gain[k] = exact < INT64_MIN / 4 ? INT64_MIN / 4 : (int64_t)exact;
		if (gain[k] > most)
			most = gain[k];
	}
	for (unsigned k = 0; k < BETS; k++)
		total += hak_fixed_exp(gain[k] - most);
	return most + hak_fixed_ln((uint64_t)total) - hak_fixed_ln((uint64_t)HAK_Q32_ONE) - LN_BETS;
}

static int64_t ln_signs(const struct hak_score *score)
{
	int64_t total = 0;

	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		total += (int64_t)score->outcome[i] * sign_gain[i];
	return total;
}

static int64_t wins(const struct hak_score *score)
{
	int64_t by_size = ln_bets((int64_t)score->plus - (int64_t)score->minus, score->squares);

	return ln_sum(by_size, ln_signs(score)) - HAK_Q32_LN2;
}

/* The same bets on worth - x, for x the first one's advantage. */
int64_t hak_duel_useless(const struct hak_score *score, int32_t worth)
{
	int64_t pairs = (int64_t)hak_score_pairs(score);
	int64_t sum = (int64_t)score->plus - (int64_t)score->minus;
	__int128 squares = score->squares;

	squares -= (__int128)sum * worth >> 7; /* 2·worth·x, Q40 to Q32 */
	squares += (__int128)worth * worth * pairs >> 8;
	if (squares < 0)
		squares = 0;
	if (squares > INT64_MAX)
		squares = INT64_MAX;
	return ln_bets(pairs * worth - sum, (uint64_t)squares);
}

struct hak_evidence hak_duel_evidence(const struct hak_score *score)
{
	struct hak_score reversed = hak_score_reversed(score);

	return (struct hak_evidence){
		.first_wins = wins(score),
		.second_wins = wins(&reversed),
		.first_useless = hak_duel_useless(score, HAK_DUEL_WORTH),
		.second_useless = hak_duel_useless(&reversed, HAK_DUEL_WORTH),
	};
}

bool hak_duel_coin(uint64_t seed, uint32_t pair)
{
	/* The output function of SplitMix64 (Steele, Lea and Flood 2014). */
	uint64_t hash = seed + (pair + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);

	hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
	return (hash ^ hash >> 31) & 1;
}
