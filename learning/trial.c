/* SPDX-License-Identifier: MIT */
#include "trial.h"

#include "duel.h"
#include "fixed.h"
#include "strategy.h"

void hak_trial_set(struct hak_trial *trial, uint8_t in_force, uint8_t challenger)
{
	if (trial->strategy[0] == in_force && trial->strategy[1] == challenger)
		return;
	*trial = (struct hak_trial){.strategy = {in_force, challenger}};
}

/* Only who departs from the safe strategy's layout has to justify its memory: the less is no merit. */
static bool is_lost(uint8_t strategy, const struct hak_trial_result *result,
		    const struct hak_trial_result *other)
{
	return !hak_strategy_shares_layout(&hak_strategy_table[strategy].strategy,
					   &hak_strategy_table[0].strategy) &&
	       result->memory_bytes / HAK_TRIAL_MEMORY_PERCENT > other->memory_bytes / 100;
}

static void gather(struct hak_trial_side *side, const struct hak_trial_result *result)
{
	side->recent[side->starts++ % HAK_TRIAL_RECENT] = *result;
}

/* Median. @value: at least one; comes back sorted. */
static uint64_t middle_of(uint64_t *value, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		uint64_t next = value[i];
		unsigned at = i;

		for (; at > 0 && value[at - 1] > next; at--)
			value[at] = value[at - 1];
		value[at] = next;
	}
	return value[(count - 1) / 2] / 2 + value[count / 2] / 2;
}

struct habit {
	struct hak_trial_result usual;       /* medians */
	int32_t spread[HAK_TRIAL_MEASURES];  /* Q20: how far the least cost is below the usual one */
	uint64_t scatter[HAK_TRIAL_MEASURES]; /* Q20: how far costs are off the usual one, in the mean */
};

static uint64_t distance_of(uint64_t a, uint64_t b)
{
	int64_t ratio = hak_fixed_log_ratio(a, b);

	return (uint64_t)(ratio < 0 ? -ratio : ratio);
}

static struct habit habit_of(const struct hak_trial_side *side)
{
	unsigned count = side->starts < HAK_TRIAL_RECENT ? side->starts : HAK_TRIAL_RECENT;
	uint64_t value[HAK_TRIAL_RECENT] = {0};
	struct habit habit = {.spread = {0}};

	for (unsigned measure = 0; measure < HAK_TRIAL_MEASURES; measure++) {
		uint64_t usual, sum = 0;

		for (unsigned i = 0; i < count; i++)
			value[i] = side->recent[i].cost[measure];
		usual = middle_of(value, count);
		for (unsigned i = 0; i < count; i++)
			sum += distance_of(value[i], usual);
		habit.usual.cost[measure] = usual;
		habit.spread[measure] = hak_fixed_log_ratio(usual, value[0]);
		habit.scatter[measure] = sum / count;
	}
	for (unsigned i = 0; i < count; i++)
		value[i] = side->recent[i].memory_bytes;
	habit.usual.memory_bytes = middle_of(value, count);
	return habit;
}

static enum hak_trial_measure steadier(const struct habit habit[2])
{
	uint64_t per_allocation = habit[0].scatter[HAK_TRIAL_PER_ALLOCATION] +
				  habit[1].scatter[HAK_TRIAL_PER_ALLOCATION];
	uint64_t per_start =
		habit[0].scatter[HAK_TRIAL_PER_START] + habit[1].scatter[HAK_TRIAL_PER_START];

	return per_start < per_allocation ? HAK_TRIAL_PER_START : HAK_TRIAL_PER_ALLOCATION;
}

/* A game is twice a start's distance from the middle, and so the limit is of twice the spread. */
static void begin_pair(struct hak_trial *trial)
{
	const struct habit habit[2] = {habit_of(&trial->side[0]), habit_of(&trial->side[1])};
	enum hak_trial_measure measure = steadier(habit);
	int64_t difference = (int64_t)distance_of(habit[0].usual.cost[measure], habit[1].usual.cost[measure]);

	trial->measure = measure;
	trial->usual[0] = habit[0].usual;
	trial->usual[1] = habit[1].usual;
	trial->limit = ((int64_t)habit[0].spread[measure] + habit[1].spread[measure]) * 4 / 3;
	if (trial->limit < difference)
		trial->limit = difference;
	if (trial->limit > HAK_Q20_ONE) /* score.h */
		trial->limit = HAK_Q20_ONE;
}

/* Return: Q20, positive where the strategy in force won. */
static int32_t play(const struct hak_trial *trial, bool second, const struct hak_trial_result *result)
{
	const struct hak_trial_result *first = second ? &trial->usual[0] : result;
	const struct hak_trial_result *other = second ? result : &trial->usual[1];
	uint64_t cost = result->cost[trial->measure];
	int64_t off = (int64_t)hak_fixed_log_ratio(cost, trial->usual[0].cost[trial->measure]) +
		      hak_fixed_log_ratio(cost, trial->usual[1].cost[trial->measure]);
	int32_t game;

	if (off > trial->limit)
		off = trial->limit;
	if (off < -trial->limit)
		off = -trial->limit;
	game = (int32_t)(second ? off : -off);
	return hak_score_with_budget(game, is_lost(trial->strategy[0], first, other),
				     is_lost(trial->strategy[1], other, first));
}

bool hak_trial_add(struct hak_trial *trial, bool second, uint32_t uid, const struct hak_trial_result *result,
		   struct hak_score *ret_score)
{
	struct hak_trial_side *side = trial->side;
	bool was_begun;
	int32_t game;

	if (trial->uid != uid) {
		side[0].starts = side[1].starts = 0;
		trial->is_begun = false;
	}
	trial->uid = uid;
	if (!side[0].starts || !side[1].starts) {
		gather(&side[second], result);
		return false;
	}
	was_begun = trial->is_begun;
	if (!was_begun)
		begin_pair(trial);
	game = play(trial, second, result);
	gather(&side[second], result);
	trial->is_begun = !was_begun;
	if (was_begun) {
		*ret_score = (struct hak_score){.plus = 0};
		hak_score_add(ret_score, trial->played, game);
	}
	trial->played = game;
	return was_begun;
}

enum hak_trial_state hak_trial_judge(const struct hak_score *score, unsigned challengers)
{
	struct hak_evidence evidence = hak_duel_evidence(score);
	struct hak_score reversed = hak_score_reversed(score);
	/* Beside the contest within processes each challenger is one chance more to be wrong. */
	int64_t bound = HAK_DUEL_LN20 + hak_fixed_ln(challengers + 1);

	if (evidence.second_wins >= bound && hak_score_mean(score) < 0)
		return HAK_TRIAL_WON;
	if (hak_duel_useless(&reversed, HAK_TRIAL_WORTH) >= HAK_DUEL_LN20 ||
	    evidence.first_wins >= HAK_DUEL_LN20)
		return HAK_TRIAL_LOST;
	return hak_score_pairs(score) >= HAK_TRIAL_PAIRS ? HAK_TRIAL_UNDECIDED : HAK_TRIAL_OPEN;
}
