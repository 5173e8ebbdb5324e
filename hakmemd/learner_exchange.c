/* SPDX-License-Identifier: MIT */
/* Contexts as another host tells of them (exchange.h), and as people name them. See learner.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "exchange.h"
#include "learned_file.h"
#include "learner_private.h"

/* Also one that is on the disk alone. NULL: nothing is known of it. */
static struct hak_learned *find_anywhere(struct hak_learner *learner, const struct hak_key *context)
{
	struct hak_learned *found = hak_learner_find(learner, context);
	char name[HAK_LEARNED_NAME_CHARS + 1];

	hak_learned_file_name(context, name);
	if (found || faccessat(learner->directory_fd, name, F_OK, 0) < 0)
		return found;
	return hak_learner_get(learner, context);
}

int hak_learner_resolve(struct hak_learner *learner, const char *text, struct hak_learned **ret_learned)
{
	struct hak_learned *found = NULL;
	struct hak_key context;

	if (!*text)
		return -ENOENT; /* else it names whoever has no name */
	if (hak_exchange_parse_hex(text, &context) == 0) {
		found = find_anywhere(learner, &context);
	} else {
		for (struct hak_learned *l = hak_learner_next(learner, NULL); l;
		     l = hak_learner_next(learner, l)) {
			if (strcmp(l->program, text) != 0 && strcmp(l->unit, text) != 0)
				continue;
			if (found)
				return -ENOTUNIQ;
			found = l;
		}
	}
	if (!found)
		return -ENOENT;
	*ret_learned = found;
	return 0;
}

static int take_context(struct hak_learner *learner, const cJSON *item, uint64_t *tallies, uint64_t *news)
{
	const struct hak_key context = hak_exchange_context(item);
	struct hak_learned *learned = hak_learner_get(learner, &context);
	int r;

	if (!learned)
		return -ENOMEM;
	hak_priors_take_out(&learner->priors, learned);
	r = hak_exchange_take(item, learned, 0, tallies, news);
	hak_priors_take_in(&learner->priors, learned);
	learned->save_wanted |= r == 0; /* what is not new, too: who asked waits for it */
	return r;
}

int hak_learner_import(struct hak_learner *learner, const char *text, uint64_t *ret_tallies,
		       uint64_t *ret_news)
{
	cJSON *root = cJSON_Parse(text);
	uint64_t tallies = 0, news = 0;
	const cJSON *item;
	int r = hak_exchange_check(root);

	if (r == 0) {
		cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(root, "contexts"))
		{
			r = take_context(learner, item, &tallies, &news);
			if (r < 0)
				break;
		}
	}
	cJSON_Delete(root);
	learner->owner.save_wanted(learner->owner.data);
	if (r < 0)
		return r;
	*ret_tallies = tallies;
	*ret_news = news;
	return 0;
}
