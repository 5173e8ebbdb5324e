/* SPDX-License-Identifier: MIT */
/* What other hosts found, in STATE_DIR/priors.json. See priors.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "exchange.h"
#include "file_replace.h"
#include "log.h"
#include "priors.h"

/* A context of that key, made where there was none. Return: NULL: no memory, or too many. */
static struct hak_learned *get(struct hak_imported *imported, const struct hak_key *context)
{
	struct hak_learned *learned = hak_learned_find(&imported->contexts, context);

	if (learned || imported->contexts.count == HAK_PRIORS_CONTEXTS)
		return learned;
	learned = hak_learned_new(context);
	if (learned)
		hak_learned_insert(&imported->contexts, learned);
	return learned;
}

/* Return: as hak_priors_import(). */
static int merge(struct hak_imported *imported, const char *text, uint64_t own, uint64_t *tallies,
		 uint64_t *news)
{
	cJSON *root = cJSON_Parse(text);
	int r = hak_exchange_check(root);
	const cJSON *array = r < 0 ? NULL : cJSON_GetObjectItemCaseSensitive(root, "contexts"), *item;

	cJSON_ArrayForEach(item, array)
	{
		const struct hak_key context = hak_exchange_context(item);
		struct hak_learned *learned = get(imported, &context);
		size_t before = learned ? learned->tally_count : 0;

		r = learned ? hak_exchange_take(item, learned, own, tallies, news) : -ENOBUFS;
		imported->tallies += learned ? learned->tally_count - before : 0;
		if (r == 0 && imported->tallies > HAK_PRIORS_TALLIES)
			r = -ENOBUFS;
		if (r < 0)
			break;
	}
	cJSON_Delete(root);
	return r;
}

char *hak_priors_format(const struct hak_priors *priors)
{
	struct hak_json_text text;
	struct hak_json *json = hak_json_text_begin(&text, HAK_EXCHANGE_SCHEMA);
	const struct hak_learned_table *table = &priors->imported.contexts;

	if (!json)
		return NULL;
	hak_json_begin(json, "contexts", '[');
	for (struct hak_learned *l = hak_learned_next(table, NULL); l; l = hak_learned_next(table, l))
		if (l->tally_count)
			hak_exchange_put(json, l);
	hak_json_end(json, ']');
	return hak_json_text_end(&text);
}

void hak_priors_load(struct hak_priors *priors, int state_fd)
{
	uint64_t tallies = 0, news = 0;
	char *text = NULL;
	size_t length;
	int r = hak_file_read(state_fd, HAK_PRIORS_FILE, &text, &length);

	if (r == -ENOENT)
		return;
	if (r == 0)
		r = merge(&priors->imported, text, 0, &tallies, &news);
	free(text);
	if (r == 0)
		return;
	hak_priors_deinit(priors);
	if (r == -EBADMSG && renameat(state_fd, HAK_PRIORS_FILE, state_fd, HAK_PRIORS_FILE ".bad") == 0) {
		hak_log(LOG_WARNING, "%s is damaged; kept as %s.bad, going on without imported priors",
			HAK_PRIORS_FILE, HAK_PRIORS_FILE);
		return;
	}
	priors->unreadable = r;
	hak_log(LOG_WARNING, "%s cannot be read and is left alone: %s", HAK_PRIORS_FILE,
		r == -EPROTONOSUPPORT ? "a later version of hakmemd wrote it" : strerror(-r));
}

/* Into a copy, of which nothing counts where it is not whole. */
int hak_priors_import(struct hak_priors *priors, const char *text, uint64_t own, uint64_t *ret_tallies,
		      uint64_t *ret_news)
{
	uint64_t tallies = 0, news = 0, known = 0;
	struct hak_priors copy = {.unsaved = true};
	char *known_text = hak_priors_format(priors);
	int r = priors->unreadable ? -EEXIST : known_text ? 0 : -ENOMEM;

	if (r == 0)
		r = merge(&copy.imported, known_text, 0, &known, &known);
	free(known_text);
	if (r == 0)
		r = merge(&copy.imported, text, own, &tallies, &news);
	if (r < 0) {
		hak_priors_deinit(&copy);
		return r;
	}
	hak_priors_deinit(priors);
	*priors = copy;
	*ret_tallies = tallies;
	*ret_news = news;
	return 0;
}
