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

bool hak_trial_add(struct hak_trial *trial, bool second, uint32_t uid, const struct hak_trial_result *result,
		   struct hak_score *ret_score)
{
	const struct hak_trial_result *first = second ? &trial->waiting : result;
	const struct hak_trial_result *other = second ? result : &trial->waiting;
	int32_t ratio;

	if (!trial->waits || trial->waits_uid != uid || trial->waits_second == second) {
		trial->waits = true;
		trial->waits_uid = uid;
		trial->waits_second = second;
		trial->waiting = *result;
		return false;
	}
	trial->waits = false;
	ratio = hak_score_of_half(first->cost, other->cost, is_lost(trial->strategy[0], first, other),
				  is_lost(trial->strategy[1], other, first));
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
