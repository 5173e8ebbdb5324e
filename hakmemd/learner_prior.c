/* SPDX-License-Identifier: MIT */
/* What is told, and the learner's priors, which follow it. See priors.h. */
#include <unistd.h>

#include "clock.h"
#include "learner_private.h"

uint32_t hak_learner_week(void)
{
	return (uint32_t)(hak_clock_realtime_usec() / 1000000 / HAK_LEARNED_WEEK_SECONDS);
}

int hak_learner_tell(struct hak_learner *learner, const struct hak_client *client, const uint64_t strategy[2],
		     const struct hak_score *score)
{
	uint32_t page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
	struct hak_tally_entry more = {
		.key = {.strategy = {strategy[0], strategy[1]},
			.incarnation = learner->incarnation,
			.dimensions = (uint64_t)client->library_version << 32 | page_bytes,
			.week = hak_learner_week(),
			.uid = client->uid}};
	int r = hak_learned_tell(client->learned, client->name, &more.key, score, &more.score);

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
