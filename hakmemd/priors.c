/* SPDX-License-Identifier: MIT */
/* See priors.h. */
#include "priors.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { ANYBODY = UINT32_MAX }; /* no uid: imported, of whoever played it there */

void hak_priors_deinit(struct hak_priors *priors)
{
	hak_learned_free_all(&priors->imported.contexts);
	tdestroy(priors->local, free);
	tdestroy(priors->from_elsewhere, free);
	*priors = (struct hak_priors){.week = 0};
}

/* FNV-1a; never 0. "": 0. */
static uint64_t hash_of(const char *program)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	if (!*program)
		return 0;
	for (; *program; program++)
		hash = (hash ^ (unsigned char)*program) * UINT64_C(0x100000001b3);
	return hash ? hash : 1;
}

/* ---- sums -------------------------------------------------------------------------------------------- */

static int compare_sums(const void *left, const void *right)
{
	const struct hak_prior_sum *l = left, *r = right;

	if (l->program != r->program)
		return l->program < r->program ? -1 : 1;
	if (l->uid != r->uid)
		return l->uid < r->uid ? -1 : 1;
	return l->a != r->a ? l->a - r->a : l->b - r->b;
}

static struct hak_prior_sum *find_sum(void *const *sums, const struct hak_prior_sum *key)
{
	struct hak_prior_sum **found = tfind(key, sums, compare_sums);

	return found ? *found : NULL;
}

static void add(void **sums, const struct hak_prior_sum *more)
{
	struct hak_prior_sum *sum = find_sum(sums, more);

	if (sum) {
		hak_score_sum(&sum->score, &more->score);
		return;
	}
	sum = malloc(sizeof(*sum));
	if (sum)
		*sum = *more;
	if (!sum || !tsearch(sum, sums, compare_sums))
		free(sum); /* a prior less */
}

static void subtract(void **sums, const struct hak_prior_sum *less)
{
	struct hak_prior_sum *sum = find_sum(sums, less);

	if (!sum)
		return;
	/* One that has stopped at its limit is too low then: it is its user's own. */
	sum->score = hak_score_is_above(&sum->score, &less->score)
			     ? hak_score_difference(&sum->score, &less->score)
			     : (struct hak_score){.plus = 0};
	if (hak_score_pairs(&sum->score))
		return;
	(void)tdelete(sum, sums, compare_sums); /* its parent's */
	free(sum);
}

static struct hak_score score_of(void *const *sums, uint64_t program, uint32_t uid, unsigned a, unsigned b)
{
	const struct hak_prior_sum key = {.program = program, .uid = uid, .a = (uint8_t)a, .b = (uint8_t)b};
	const struct hak_prior_sum *found = find_sum(sums, &key);

	return found ? found->score : (struct hak_score){.plus = 0};
}

/* Of each program and uid, as its contexts have it, the median user's: whose tallies an export has is not
 * for us to know. */
static void add_imported(struct hak_priors *priors, const struct hak_learned *learned)
{
	struct hak_prior_sum sum = {.program = hash_of(learned->program), .uid = ANYBODY};
	struct hak_rating_table table;

	if (!sum.program)
		return;
	hak_learned_table(learned, priors->week, &table);
	for (sum.a = 0; sum.a < HAK_STRATEGY_COUNT; sum.a++)
		for (sum.b = sum.a + 1; sum.b < HAK_STRATEGY_COUNT; sum.b++) {
			sum.score = table.score[sum.a][sum.b];
			if (hak_score_pairs(&sum.score))
				add(&priors->from_elsewhere, &sum);
		}
}

void hak_priors_begin(struct hak_priors *priors, uint32_t week)
{
	const struct hak_learned_table *table = &priors->imported.contexts;

	tdestroy(priors->local, free);
	tdestroy(priors->from_elsewhere, free);
	priors->local = priors->from_elsewhere = NULL;
	priors->week = week;
	for (struct hak_learned *l = hak_learned_next(table, NULL); l; l = hak_learned_next(table, l))
		add_imported(priors, l);
}

typedef void change_fn(void **sums, const struct hak_prior_sum *by);

static void change(struct hak_priors *priors, const struct hak_learned *learned,
		   const struct hak_tally_entry *entry, change_fn *by)
{
	int a = hak_strategy_find(entry->key.strategy[0]);
	int b = hak_strategy_find(entry->key.strategy[1]);
	struct hak_prior_sum sum = {.program = hash_of(learned->program),
				    .uid = entry->key.uid,
				    .a = (uint8_t)(a < b ? a : b),
				    .b = (uint8_t)(a < b ? b : a),
				    .score = hak_learned_weakened(entry, priors->week)};

	if (!priors->week || a < 0 || b < 0 || a == b || !hak_score_pairs(&sum.score))
		return;
	if (a > b)
		sum.score = hak_score_reversed(&sum.score);
	if (sum.program)
		by(&priors->local, &sum);
	sum.program = 0;
	by(&priors->local, &sum);
}

void hak_priors_add(struct hak_priors *priors, const struct hak_learned *learned,
		    const struct hak_tally_entry *more)
{
	change(priors, learned, more, add);
}

void hak_priors_take_in(struct hak_priors *priors, const struct hak_learned *learned)
{
	for (size_t i = 0; i < learned->tally_count; i++)
		change(priors, learned, &learned->tallies[i], add);
}

void hak_priors_take_out(struct hak_priors *priors, const struct hak_learned *learned)
{
	for (size_t i = 0; i < learned->tally_count; i++)
		change(priors, learned, &learned->tallies[i], subtract);
}

/* ---- one context's ----------------------------------------------------------------------------------- */

/* Whose processes it has. */
static size_t users_of(const struct hak_learned *learned, uint32_t *uids)
{
	size_t count = hak_learned_uids(learned, uids), i = 0;

	while (i < count && (!learned->has_uid || uids[i] != learned->uid))
		i++;
	if (i == count && learned->has_uid && count < HAK_LEARNED_UIDS_MAX)
		uids[count++] = learned->uid;
	return count;
}

/* In other contexts than this one. */
static struct hak_score elsewhere(const struct hak_priors *priors, const struct hak_learned *learned,
				  uint64_t program, uint32_t uid, unsigned a, unsigned b)
{
	struct hak_score sum = score_of(&priors->local, program, uid, a, b);
	struct hak_score own = hak_learned_score_of_uid(learned, a, b, uid, priors->week);

	return hak_score_is_above(&sum, &own) ? hak_score_difference(&sum, &own)
					      : (struct hak_score){.plus = 0};
}

static bool fill(const struct hak_priors *priors, const struct hak_learned *learned, struct hak_prior *prior)
{
	uint64_t program = prior->source == HAK_PRIOR_ALL ? 0 : hash_of(learned->program);
	struct hak_score scores[HAK_LEARNED_UIDS_MAX];
	uint32_t uids[HAK_LEARNED_UIDS_MAX];
	size_t users = users_of(learned, uids);
	bool found = false;

	if (!program && prior->source != HAK_PRIOR_ALL)
		return false;
	for (unsigned a = 0; a < HAK_STRATEGY_COUNT; a++)
		for (unsigned b = a + 1; b < HAK_STRATEGY_COUNT; b++) {
			struct hak_score score = score_of(&priors->from_elsewhere, program, ANYBODY, a, b);

			if (prior->source != HAK_PRIOR_IMPORTED) {
				for (size_t i = 0; i < users; i++)
					scores[i] = elsewhere(priors, learned, program, uids[i], a, b);
				score = hak_learned_median(scores, users);
			}
			prior->score[a][b] = hak_score_scaled(&score, HAK_PRIOR_PAIRS);
			found |= hak_score_pairs(&score) > 0;
		}
	return found;
}

void hak_priors_find(const struct hak_priors *priors, const struct hak_learned *learned,
		     struct hak_prior *ret_prior)
{
	for (unsigned source = HAK_PRIOR_PROGRAM; source <= HAK_PRIOR_ALL; source++) {
		*ret_prior = (struct hak_prior){.source = (enum hak_prior_source)source};
		if (fill(priors, learned, ret_prior))
			return;
	}
	*ret_prior = (struct hak_prior){.source = HAK_PRIOR_NONE};
}

const char *hak_prior_source_name(enum hak_prior_source source)
{
	static const char *const names[] = {NULL, "program", "imported", "all"};

	return names[source];
}

void hak_prior_rate(const struct hak_prior *prior, const struct hak_learned *learned, uint32_t week,
		    struct hak_rating ret_rating[HAK_STRATEGY_COUNT], uint64_t ret_pairs[HAK_STRATEGY_COUNT])
{
	struct hak_rating_table table;

	memset(ret_pairs, 0, HAK_STRATEGY_COUNT * sizeof(*ret_pairs));
	hak_learned_table(learned, week, &table);
	for (unsigned a = 0; a < HAK_STRATEGY_COUNT; a++)
		for (unsigned b = a + 1; b < HAK_STRATEGY_COUNT; b++) {
			uint64_t pairs = hak_score_pairs(&prior->score[a][b]);

			hak_score_sum(&table.score[a][b], &prior->score[a][b]);
			ret_pairs[a] += pairs;
			ret_pairs[b] += pairs;
		}
	hak_rating_compute(&table, ret_rating);
	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++)
		ret_rating[i].pairs -= ret_pairs[i];
}

int32_t hak_prior_promise(const struct hak_prior *prior, unsigned strategy, unsigned other)
{
	return strategy < other ? hak_score_mean(&prior->score[strategy][other])
				: -hak_score_mean(&prior->score[other][strategy]);
}
