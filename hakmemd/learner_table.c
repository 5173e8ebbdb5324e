/* SPDX-License-Identifier: MIT */
/* The contexts in memory, by their names' hash; and what their tallies are filed under. See learner.h. */
#include <unistd.h>

#include "clock.h"
#include "learner_private.h"

static size_t bucket_of(const struct hak_key *context)
{
	return context->word[0] % HAK_LEARNER_BUCKETS;
}

struct hak_learned_chain *hak_learner_chain(struct hak_learner *learner, const struct hak_key *context)
{
	return &learner->buckets[bucket_of(context)];
}

struct hak_learned *hak_learner_find(const struct hak_learner *learner, const struct hak_key *context)
{
	return hak_learned_find(&learner->buckets[bucket_of(context)], context);
}

struct hak_learned *hak_learner_next(const struct hak_learner *learner, const struct hak_learned *previous)
{
	size_t bucket = previous ? bucket_of(&previous->context) : 0;

	if (previous && SLIST_NEXT(previous, same_hash))
		return SLIST_NEXT(previous, same_hash);
	for (bucket += previous != NULL; bucket < HAK_LEARNER_BUCKETS; bucket++)
		if (!SLIST_EMPTY(&learner->buckets[bucket]))
			return SLIST_FIRST(&learner->buckets[bucket]);
	return NULL;
}

uint32_t hak_learner_week(void)
{
	return (uint32_t)(hak_clock_realtime_usec() / 1000000 / HAK_LEARNED_WEEK_SECONDS);
}

struct hak_tally_key hak_learner_tally_key(const struct hak_learner *learner, const struct hak_client *client)
{
	return (struct hak_tally_key){
		.incarnation = learner->incarnation,
		.dimensions = (uint64_t)client->library_version << 32 | (uint32_t)sysconf(_SC_PAGESIZE),
		.week = hak_learner_week(),
		.uid = client->uid,
	};
}
