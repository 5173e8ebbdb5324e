/* SPDX-License-Identifier: MIT */
/* A decision, from being explained to being durable, in force and published. See learner.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner_private.h"

static void put_start(struct hak_learner *learner, const char *program, uint32_t uid,
		      struct hak_context_payload payload)
{
	hak_start_key(uid, program, &payload.key);
	if (hak_control_put_context(learner->writer, &payload) == 0) /* else it starts as others do */
		atomic_fetch_add_explicit(&learner->writer->header->starts, 1, memory_order_relaxed);
}

/* For processes that are not known yet: of each user who has played, and of who was last seen. */
static void put_starts(struct hak_learner *learner, const struct hak_learned *learned,
		       const struct hak_context_payload *payload)
{
	if (!*learned->program)
		return;
	for (size_t i = 0; i < learned->tally_count; i++) {
		uint32_t uid = learned->tallies[i].key.uid;
		size_t j = 0;

		while (learned->tallies[j].key.uid != uid)
			j++;
		if (j == i && learned->tallies[i].key.incarnation == learner->incarnation)
			put_start(learner, learned->program, uid, *payload);
	}
	if (learned->has_uid)
		put_start(learner, learned->program, learned->uid, *payload);
}

void hak_learner_publish(struct hak_learner *learner, const struct hak_learned *learned)
{
	const struct hak_strategy *strategy = &hak_strategy_table[learned->life.winner].strategy;
	struct hak_rating rating[HAK_STRATEGY_COUNT];
	struct hak_context_payload payload = {.key = learned->context,
					      .strategy_key = hak_strategy_key(strategy),
					      .epoch = learned->life.epoch,
					      .evidence_hash = learned->evidence_hash,
					      .source = HAK_SOURCE_LEARNED};

	hak_learned_rate(learned, hak_learner_week(), rating);
	memcpy(payload.strategy, strategy->value, sizeof(payload.strategy));
	payload.elo_milli = rating[learned->life.winner].elo_milli;
	payload.elo_stderr_milli = rating[learned->life.winner].elo_error_milli;
	payload.games = (uint32_t)(2 * learned->evidence_pairs);
	payload.evolution = learned->life.phase == HAK_LIFE_CANARY   ? HAK_EVO_CANARY
			    : learned->life.phase == HAK_LIFE_FROZEN ? HAK_EVO_FROZEN
								     : HAK_EVO_LEARN;
	if (hak_trial_is_open(&learned->trial))
		payload.trial_key = hak_strategy_key(
			&hak_strategy_table[learned->trial.strategy[1]].strategy);
	put_starts(learner, learned, &payload);
	/* A full table: processes have the strategy in their own entries nevertheless. */
	(void)hak_control_put_context(learner->writer, &payload);
}

struct hak_decision hak_learner_consider(const struct hak_learned *learned)
{
	struct hak_decision decision = {.life = learned->life,
					.previous_winner = learned->previous_winner,
					.evidence_hash = learned->evidence_hash,
					.evidence_pairs = learned->evidence_pairs,
					.uid = (uid_t)-1};

	memcpy(decision.why, learned->why, sizeof(decision.why));
	return decision;
}

void hak_learner_explain(struct hak_decision *decision, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(decision->why, sizeof(decision->why), format, arguments); /* cut: for people */
	va_end(arguments);
}

int hak_learner_settle(struct hak_learner *learner, struct hak_learned *learned,
		       const struct hak_decision *decision)
{
	struct hak_decision *taken = malloc(sizeof(*taken));

	if (!taken || (decision->life.phase == HAK_LIFE_LEARN && learned->life.phase != HAK_LIFE_LEARN &&
		       hak_learned_rebase(learned) < 0)) {
		free(taken);
		return -ENOMEM;
	}
	*taken = *decision;
	if (taken->life.epoch != learned->life.epoch) {
		taken->previous_winner = learned->life.winner;
		taken->evidence_hash = hak_learned_hash(learned);
		taken->evidence_pairs = hak_learned_pairs(learned);
	}
	learned->decision = taken;
	learned->dirty = learned->save_wanted = true;
	learner->owner.save_wanted(learner->owner.data);
	return 0;
}

void hak_learner_settled(struct hak_learner *learner, struct hak_learned *learned, int r)
{
	struct hak_decision *decision = learned->decision;

	learned->decision = NULL;
	if (r < 0) {
		learned->seen_pairs = 0;
	} else {
		hak_learned_swap(learned, decision);
		if (decision->ends_trial)
			hak_trial_set(&learned->trial, 0, 0);
		hak_learner_publish(learner, learned);
		learner->owner.decided(learner->owner.data, learned, decision->what, decision->life.winner,
				       decision->uid);
	}
	free(decision);
}
