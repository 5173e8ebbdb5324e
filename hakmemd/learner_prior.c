/* SPDX-License-Identifier: MIT */
/* What is told, and the learner's priors, which follow it. See priors.h. */
#include "learner_private.h"

int hak_learner_tell(struct hak_learner *learner, const struct hak_client *client,
		     const struct hak_tally_key *key, const struct hak_score *score)
{
	struct hak_tally_entry more = {.key = *key};
	int r = hak_learned_tell(client->learned, client->name, key, score, &more.score);

	if (r > 0)
		hak_priors_add(&learner->priors, client->learned, &more);
	return r;
}

void hak_learner_prior(struct hak_learner *learner, const struct hak_learned *learned,
		       struct hak_prior *ret_prior)
{
	uint32_t week = hak_learner_week();

	if (learner->priors.week != week) {
		hak_priors_begin(&learner->priors, week);
		for (struct hak_learned *l = hak_learner_next(learner, NULL); l;
		     l = hak_learner_next(learner, l))
			hak_priors_take_in(&learner->priors, l);
	}
	hak_priors_find(&learner->priors, learned, ret_prior);
}

int hak_learner_import_priors(struct hak_learner *learner, const char *text, uint64_t *ret_tallies,
			      uint64_t *ret_news)
{
	int r = hak_priors_import(&learner->priors, text, learner->incarnation, ret_tallies, ret_news);

	learner->owner.save_wanted(learner->owner.data);
	return r;
}
