/* SPDX-License-Identifier: MIT */
#include "score.h"

#include "fixed.h"

enum { SQUARE_SHIFT = 8 }; /* Q40 to Q32 */

uint64_t hak_score_pairs(const struct hak_score *score)
{
	uint64_t pairs = 0;

	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		pairs += score->outcome[i];
	return pairs;
}

int32_t hak_score_with_budget(int32_t ratio, bool first_lost, bool second_lost)
{
	if (first_lost && !second_lost)
		return ratio < -HAK_SCORE_LOST ? ratio : -HAK_SCORE_LOST;
	if (second_lost && !first_lost)
		return ratio > HAK_SCORE_LOST ? ratio : HAK_SCORE_LOST;
	return ratio;
}

int32_t hak_score_of_half(uint64_t first_cost, uint64_t second_cost, bool first_lost, bool second_lost)
{
	return hak_score_with_budget(hak_fixed_log_ratio(second_cost, first_cost), first_lost, second_lost);
}

static int points(int32_t half)
{
	return half > HAK_SCORE_DRAW ? 1 : half < -HAK_SCORE_DRAW ? -1 : 0;
}

void hak_score_add(struct hak_score *score, int32_t half0, int32_t half1)
{
	int32_t ratio = (half0 + half1) / 2;

	score->outcome[HAK_OUTCOME_EVEN + points(half0) + points(half1)]++;
	if (ratio >= 0)
		score->plus += (uint32_t)ratio;
	else
		score->minus += (uint32_t)-ratio;
	score->squares += (uint64_t)((int64_t)ratio * ratio) >> SQUARE_SHIFT;
}

void hak_score_merge(struct hak_score *score, const struct hak_score *look)
{
	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		if (score->outcome[i] < look->outcome[i])
			score->outcome[i] = look->outcome[i];
	if (score->plus < look->plus)
		score->plus = look->plus;
	if (score->minus < look->minus)
		score->minus = look->minus;
	if (score->squares < look->squares)
		score->squares = look->squares;
}

static uint64_t sum_up_to(uint64_t left, uint64_t right, uint64_t limit)
{
	return left >= limit || right >= limit - left ? limit : left + right;
}

void hak_score_sum(struct hak_score *score, const struct hak_score *other)
{
	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		score->outcome[i] = (uint32_t)sum_up_to(score->outcome[i], other->outcome[i],
							HAK_SCORE_PAIRS_MAX);
	score->plus = sum_up_to(score->plus, other->plus, HAK_SCORE_SUM_MAX);
	score->minus = sum_up_to(score->minus, other->minus, HAK_SCORE_SUM_MAX);
	score->squares = sum_up_to(score->squares, other->squares, HAK_SCORE_SUM_MAX);
}

bool hak_score_is_above(const struct hak_score *score, const struct hak_score *before)
{
	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		if (score->outcome[i] < before->outcome[i])
			return false;
	return score->plus >= before->plus && score->minus >= before->minus &&
	       score->squares >= before->squares;
}

struct hak_score hak_score_difference(const struct hak_score *score, const struct hak_score *before)
{
	struct hak_score more = {.plus = score->plus - before->plus,
				 .minus = score->minus - before->minus,
				 .squares = score->squares - before->squares};

	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		more.outcome[i] = score->outcome[i] - before->outcome[i];
	return more;
}

/* Outcomes by the method of the largest remainder, so that they add up to @pairs. */
struct hak_score hak_score_scaled(const struct hak_score *score, uint32_t pairs)
{
	uint64_t all = hak_score_pairs(score), rest[HAK_OUTCOME_COUNT];
	struct hak_score scaled = *score;
	uint32_t left = pairs;

	if (all <= pairs)
		return scaled;
	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++) {
		uint64_t share = (uint64_t)score->outcome[i] * pairs;

		scaled.outcome[i] = (uint32_t)(share / all);
		rest[i] = share % all;
		left -= scaled.outcome[i];
	}
	while (left--) {
		unsigned most = 0;

		for (unsigned i = 1; i < HAK_OUTCOME_COUNT; i++)
			if (rest[i] > rest[most])
				most = i;
		scaled.outcome[most]++;
		rest[most] = 0;
	}
	scaled.plus = (uint64_t)hak_fixed_scale((int64_t)score->plus, pairs, (int64_t)all);
	scaled.minus = (uint64_t)hak_fixed_scale((int64_t)score->minus, pairs, (int64_t)all);
	scaled.squares = (uint64_t)hak_fixed_scale((int64_t)score->squares, pairs, (int64_t)all);
	return scaled;
}

struct hak_score hak_score_reversed(const struct hak_score *score)
{
	struct hak_score reversed = {.plus = score->minus, .minus = score->plus, .squares = score->squares};

	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		reversed.outcome[i] = score->outcome[HAK_OUTCOME_COUNT - 1 - i];
	return reversed;
}

bool hak_score_is_sound(const struct hak_score *score)
{
	uint64_t pairs = hak_score_pairs(score), size = score->plus + score->minus, mean, least;

	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		if (score->outcome[i] > HAK_SCORE_PAIRS_MAX)
			return false;
	if (score->plus > HAK_SCORE_SUM_MAX || score->minus > HAK_SCORE_SUM_MAX)
		return false;
	if (pairs == 0)
		return size == 0 && score->squares == 0;
	/* |ratio| <= 1, and squares rounded down lose less than 1 each */
	if (size > pairs << HAK_Q20_SHIFT || score->squares > pairs << (2 * HAK_Q20_SHIFT - SQUARE_SHIFT))
		return false;
	mean = size / pairs;
	least = (mean * mean >> SQUARE_SHIFT) * pairs; /* Cauchy and Schwarz */
	return score->squares + pairs >= least;
}

int32_t hak_score_mean(const struct hak_score *score)
{
	uint64_t pairs = hak_score_pairs(score);

	return pairs ? (int32_t)(((int64_t)score->plus - (int64_t)score->minus) / (int64_t)pairs) : 0;
}

int32_t hak_score_scatter(const struct hak_score *score)
{
	uint64_t pairs = hak_score_pairs(score), square;
	int64_t mean = hak_score_mean(score);

	if (pairs < 2)
		return 0;
	square = score->squares / pairs << SQUARE_SHIFT; /* Q40 */
	if (square <= (uint64_t)(mean * mean))
		return 0;
	return (int32_t)hak_fixed_sqrt((square - (uint64_t)(mean * mean)) / (pairs - 1) * pairs);
}

int32_t hak_score_error(const struct hak_score *score)
{
	uint64_t pairs = hak_score_pairs(score);
	uint64_t scatter = (uint64_t)hak_score_scatter(score);

	return pairs ? (int32_t)hak_fixed_sqrt(scatter * scatter / pairs) : 0;
}
