/* SPDX-License-Identifier: MIT */
/*
 * Which contexts have to go: from memory where there are too many of all, with their files where one user's
 * are too many. Programs have names that their users choose, and what they tell is theirs to make up.
 */
#include <string.h>
#include <unistd.h>

#include "learned_file.h"
#include "learner_private.h"

bool hak_learner_is_worth_keeping(const struct hak_learned *learned)
{
	return learned->tally_count || learned->life.epoch || learned->life.held;
}

/* Is something in memory alone? */
static bool has_news(const struct hak_learned *learned)
{
	return learned->dirty && hak_learner_is_worth_keeping(learned);
}

static bool is_unused(const struct hak_learned *learned)
{
	return !learned->live && !learned->on_its_way && !learned->decision;
}

static void drop(struct hak_learner *learner, struct hak_learned *learned)
{
	hak_learner_end_trial(learner, learned); /* nobody else would, once it is forgotten */
	hak_learned_remove(&learner->contexts, learned);
	(void)hak_control_drop_context(learner->writer, &learned->context); /* it may not have been frozen */
	hak_priors_take_out(&learner->priors, learned);
	hak_learned_free(learned);
}

static struct hak_learned *least_used(const struct hak_learner *learner, bool with_news)
{
	struct hak_learned *least = NULL;

	for (struct hak_learned *l = hak_learner_next(learner, NULL); l; l = hak_learner_next(learner, l))
		if (is_unused(l) && (with_news || !has_news(l)) &&
		    (!least || l->used_usec < least->used_usec))
			least = l;
	return least;
}

void hak_learner_make_room(struct hak_learner *learner)
{
	struct hak_learned *least = least_used(learner, true);

	if (least && has_news(least)) { /* it goes when they are durable, another one now */
		least->save_wanted = true;
		learner->owner.save_wanted(learner->owner.data);
		least = least_used(learner, false);
	}
	if (least)
		drop(learner, least);
}

/* A user's units are his to name, those of the system are root's. */
static bool are_of_one(const struct hak_learned *one, const struct hak_learned *other)
{
	return strcmp(one->scope, other->scope) == 0 &&
	       (strcmp(one->scope, "system") != 0 || strcmp(one->unit, other->unit) == 0);
}

void hak_learner_bound_files(struct hak_learner *learner, const struct hak_learned *newest)
{
	char name[HAK_LEARNED_NAME_CHARS + 1];
	struct hak_learned *least = NULL;
	size_t count = 0;

	for (struct hak_learned *l = hak_learner_next(learner, NULL); l; l = hak_learner_next(learner, l)) {
		if (!hak_learner_is_worth_keeping(l) || !are_of_one(l, newest))
			continue;
		count++;
		if (l != newest && is_unused(l) && !l->life.held &&
		    (!least || l->used_usec < least->used_usec))
			least = l;
	}
	if (count <= HAK_LEARNER_FILES_OF_ONE || !least)
		return;
	hak_learned_file_name(&least->context, name);
	(void)unlinkat(learner->directory_fd, name, 0); /* it may not have been saved yet */
	drop(learner, least);
}
