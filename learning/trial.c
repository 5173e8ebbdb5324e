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

unsigned hak_trial_side(const struct hak_score *score)
{
	return hak_score_pairs(score) < HAK_TRIAL_SINGLE_PAIRS ? 1 : HAK_TRIAL_SIDE;
}

static void gather(struct hak_trial_side *side, const struct hak_trial_result *result)
{
	side->result[side->starts++ % HAK_TRIAL_SIDE_MOST] = *result;
}

/* The cheaper half of a side, in the mean: its cost, and the memory of all. */
static struct hak_trial_result sum_up(const struct hak_trial_side *side)
{
	unsigned count = side->starts < HAK_TRIAL_SIDE_MOST ? side->starts : HAK_TRIAL_SIDE_MOST;
	unsigned half = (count + 1) / 2;
	uint64_t cost[HAK_TRIAL_SIDE_MOST];
	struct hak_trial_result sum = {.cost = 0};

	for (unsigned i = 0; i < count; i++) { /* sorted as they come */
		unsigned at = i;

		for (; at > 0 && cost[at - 1] > side->result[i].cost; at--)
			cost[at] = cost[at - 1];
		cost[at] = side->result[i].cost;
		sum.memory_bytes += side->result[i].memory_bytes / count;
	}
	for (unsigned i = 0; i < half; i++)
		sum.cost += cost[i] / half;
	return sum;
}

bool hak_trial_add(struct hak_trial *trial, unsigned enough, bool second, uint32_t uid,
		   const struct hak_trial_result *result, struct hak_score *ret_score)
{
	struct hak_trial_side *side = trial->side;
	struct hak_trial_result first, other;
	int32_t ratio;

	if (trial->uid != uid)
		side[0].starts = side[1].starts = 0;
	trial->uid = uid;
	gather(&side[second], result);
	if (side[0].starts < enough || side[1].starts < enough)
		return false;
	first = sum_up(&side[0]);
	other = sum_up(&side[1]);
	side[0].starts = side[1].starts = 0;
	ratio = hak_score_of_half(first.cost, other.cost, is_lost(trial->strategy[0], &first, &other),
				  is_lost(trial->strategy[1], &other, &first));
	*ret_score = (struct hak_score){.plus = 0};
	hak_score_add(ret_score, ratio, ratio);
	return true;
}

enum hak_trial_state hak_trial_judge(const struct hak_score *score, unsigned challengers)
{
	struct hak_evidence evidence = hak_duel_evidence(score);
	/* Beside the contest within processes each challenger is one chance more to be wrong. */
	int64_t bound = HAK_DUEL_LN20 + hak_fixed_ln(challengers + 1);

	if (evidence.second_wins >= bound && hak_score_mean(score) < 0)
		return HAK_TRIAL_WON;
	if (evidence.second_useless >= HAK_DUEL_LN20 || evidence.first_wins >= HAK_DUEL_LN20)
		return HAK_TRIAL_LOST;
	return hak_score_pairs(score) >= HAK_TRIAL_PAIRS ? HAK_TRIAL_UNDECIDED : HAK_TRIAL_OPEN;
}
