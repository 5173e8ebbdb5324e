/* SPDX-License-Identifier: MIT */
/* The learner's priors: sums over all contexts, made when somebody asks and something is new. See priors.h.
 */
#include "learner.h"

void hak_learner_prior(struct hak_learner *learner, const struct hak_learned *learned,
		       struct hak_prior *ret_prior)
{
	uint32_t week = hak_learner_week();

	if (learner->priors_news != learner->news || learner->priors.week != week) {
		hak_priors_begin(&learner->priors, week);
		for (struct hak_learned *l = hak_learner_next(learner, NULL); l;
		     l = hak_learner_next(learner, l))
			hak_priors_add(&learner->priors, l);
		hak_priors_settle(&learner->priors);
		learner->priors_news = learner->news;
	}
	hak_priors_find(&learner->priors, learned, ret_prior);
}

int hak_learner_import_priors(struct hak_learner *learner, const char *text, uint64_t *ret_tallies,
			      uint64_t *ret_news)
{
	int r = hak_priors_import(&learner->priors, text, learner->incarnation, ret_tallies, ret_news);

	learner->news++; /* sums are made anew */
	learner->owner.save_wanted(learner->owner.data);
	return r;
}
