/* SPDX-License-Identifier: MIT */
/* See learned.h. */
#include "learned.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hak_learned *hak_learned_new(const struct hak_key *context)
{
	struct hak_learned *learned = calloc(1, sizeof(*learned));

	if (learned)
		learned->context = *context;
	return learned;
}

void hak_learned_free(struct hak_learned *learned)
{
	if (!learned)
		return;
	free(learned->tallies);
	free(learned->told);
	free(learned->base);
	free(learned->decision);
	free(learned);
}

static size_t bucket_of(const struct hak_key *context)
{
	return context->word[0] % HAK_LEARNED_BUCKETS;
}

struct hak_learned *hak_learned_find(const struct hak_learned_table *table, const struct hak_key *context)
{
	struct hak_learned *learned;

	SLIST_FOREACH(learned, &table->bucket[bucket_of(context)], same_hash)
		if (memcmp(&learned->context, context, sizeof(*context)) == 0)
			return learned;
	return NULL;
}

struct hak_learned *hak_learned_next(const struct hak_learned_table *table,
				     const struct hak_learned *previous)
{
	size_t bucket = previous ? bucket_of(&previous->context) + 1 : 0;

	if (previous && SLIST_NEXT(previous, same_hash))
		return SLIST_NEXT(previous, same_hash);
	while (bucket < HAK_LEARNED_BUCKETS && SLIST_EMPTY(&table->bucket[bucket]))
		bucket++;
	return bucket < HAK_LEARNED_BUCKETS ? SLIST_FIRST(&table->bucket[bucket]) : NULL;
}

void hak_learned_insert(struct hak_learned_table *table, struct hak_learned *learned)
{
	SLIST_INSERT_HEAD(&table->bucket[bucket_of(&learned->context)], learned, same_hash);
	table->count++;
}

void hak_learned_remove(struct hak_learned_table *table, struct hak_learned *learned)
{
	SLIST_REMOVE(&table->bucket[bucket_of(&learned->context)], learned, hak_learned, same_hash);
	table->count--;
}

void hak_learned_free_all(struct hak_learned_table *table)
{
	struct hak_learned *learned;

	while ((learned = hak_learned_next(table, NULL))) {
		hak_learned_remove(table, learned);
		hak_learned_free(learned);
	}
}

void hak_learned_swap(struct hak_learned *learned, struct hak_decision *decision)
{
	struct hak_decision before = *decision;

	before.life = learned->life;
	before.previous_winner = learned->previous_winner;
	before.evidence_hash = learned->evidence_hash;
	before.evidence_pairs = learned->evidence_pairs;
	memcpy(before.why, learned->why, sizeof(before.why));
	learned->life = decision->life;
	learned->previous_winner = decision->previous_winner;
	learned->evidence_hash = decision->evidence_hash;
	learned->evidence_pairs = decision->evidence_pairs;
	memcpy(learned->why, decision->why, sizeof(learned->why));
	*decision = before;
}

/* One more element of an array that grows by doubling. Return: the new element, zeroed; NULL. */
static void *grow(void **array, size_t *count, size_t bytes)
{
	char *grown = *array;

	if ((*count & (*count - 1)) == 0) { /* full: its room is a power of two */
		grown = reallocarray(*array, *count ? 2 * *count : 1, bytes);
		if (!grown)
			return NULL;
		*array = grown;
	}
	grown += (*count)++ * bytes;
	memset(grown, 0, bytes);
	return grown;
}

/* ---- telling ----------------------------------------------------------------------------------------- */

static int compare_keys(const struct hak_tally_key *left, const struct hak_tally_key *right)
{
	return memcmp(left, right, sizeof(*left)); /* no padding; any total order will do */
}

/* Tallies are kept in order, so that a hash of them is canonical. Return: NULL: full, or no memory. */
static struct hak_score *tally_of(struct hak_learned *learned, const struct hak_tally_key *key)
{
	size_t low = 0, high = learned->tally_count;
	struct hak_tally_entry *entry;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = compare_keys(&learned->tallies[middle].key, key);

		if (order == 0)
			return &learned->tallies[middle].score;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (learned->tally_count >= HAK_LEARNED_TALLIES_MAX ||
	    !grow((void **)&learned->tallies, &learned->tally_count, sizeof(*learned->tallies)))
		return NULL;
	entry = &learned->tallies[low];
	memmove(entry + 1, entry, (learned->tally_count - 1 - low) * sizeof(*entry));
	*entry = (struct hak_tally_entry){.key = *key};
	return &entry->score;
}

static struct hak_told *told_of(struct hak_learned *learned, const char *name, const uint64_t *strategy)
{
	struct hak_told *told;

	for (size_t i = 0; i < learned->told_count; i++) {
		told = &learned->told[i];
		if (strcmp(told->name, name) == 0 && told->strategy[0] == strategy[0] &&
		    told->strategy[1] == strategy[1])
			return told;
	}
	if (learned->told_count >= HAK_LEARNED_TOLD_MAX)
		return NULL;
	told = grow((void **)&learned->told, &learned->told_count, sizeof(*told));
	if (!told)
		return NULL;
	memcpy(told->name, name, HAK_TELEMETRY_NAME_CHARS);
	memcpy(told->strategy, strategy, sizeof(told->strategy));
	return told;
}

int hak_learned_tell(struct hak_learned *learned, const char *name, const struct hak_tally_key *key,
		     const struct hak_score *score, struct hak_score *ret_more)
{
	struct hak_told *told;
	struct hak_score more, *tally;

	if (!hak_score_is_sound(score) || key->strategy[0] >= key->strategy[1])
		return -EBADMSG;
	if (!hak_score_pairs(score) || hak_score_pairs(score) > HAK_LEARNED_FILE_PAIRS_MAX)
		return 0; /* no more than that is counted of one file */
	told = told_of(learned, name, key->strategy);
	if (!told)
		return -ENOBUFS;
	if (!hak_score_is_above(score, &told->score))
		return -ERANGE;
	more = hak_score_difference(score, &told->score);
	/* What comes new must be possible by itself: totals of thousands hide a lie of a few. */
	if (!hak_score_is_sound(&more))
		return -EBADMSG;
	if (!hak_score_pairs(&more))
		return 0;
	tally = tally_of(learned, key);
	if (!tally)
		return -ENOBUFS;
	told->score = *score;
	if (hak_score_pairs(tally) >= HAK_LEARNED_UID_PAIRS_MAX)
		return 0;
	hak_score_sum(tally, &more);
	learned->dirty = true;
	*ret_more = more;
	return 1;
}

bool hak_learned_note_file(struct hak_learned *learned, const char *name, const uint64_t strategy[2])
{
	size_t before = learned->told_count;

	return told_of(learned, name, strategy) && learned->told_count > before;
}

void hak_learned_forget_file(struct hak_learned *learned, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < learned->told_count; i++)
		if (strcmp(learned->told[i].name, name) != 0)
			learned->told[kept++] = learned->told[i];
	learned->dirty |= kept != learned->told_count;
	learned->told_count = kept; /* its room may be more than grow() would have made: never less */
}

int hak_learned_merge(struct hak_learned *learned, const struct hak_tally_entry *entry)
{
	struct hak_score *tally, before;

	if (!hak_score_is_sound(&entry->score) || entry->key.strategy[0] >= entry->key.strategy[1])
		return -EBADMSG;
	tally = tally_of(learned, &entry->key);
	if (!tally)
		return -ENOBUFS;
	before = *tally;
	hak_score_merge(tally, &entry->score);
	if (memcmp(&before, tally, sizeof(before)) == 0)
		return 0;
	learned->dirty = true;
	return 1;
}

/* ---- asking ------------------------------------------------------------------------------------------ */

size_t hak_learned_uids(const struct hak_learned *learned, uint32_t *ret_uids)
{
	size_t count = 0;

	for (size_t i = 0; i < learned->tally_count; i++) {
		size_t j = 0;

		while (j < count && ret_uids[j] != learned->tallies[i].key.uid)
			j++;
		if (j == count && count < HAK_LEARNED_UIDS_MAX)
			ret_uids[count++] = learned->tallies[i].key.uid;
	}
	return count;
}

static unsigned halvings(uint32_t week, uint32_t now)
{
	unsigned halved = now > week ? (now - week) / HAK_LEARNED_HALF_LIFE_WEEKS : 0;

	return halved < 31 ? halved : 31;
}

struct hak_score hak_learned_weakened(const struct hak_tally_entry *entry, uint32_t week)
{
	unsigned shift = halvings(entry->key.week, week);
	struct hak_score weaker = entry->score;

	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		weaker.outcome[i] >>= shift;
	weaker.plus >>= shift;
	weaker.minus >>= shift;
	weaker.squares >>= shift;
	return weaker;
}

/* One user's pairs. @week: 0 lets old ones weigh as much as new ones. */
static struct hak_score sum_of(const struct hak_learned *learned, const uint64_t *strategy, uint32_t uid,
			       uint32_t week)
{
	struct hak_score sum = {.plus = 0};

	for (size_t i = 0; i < learned->tally_count; i++) {
		const struct hak_tally_key *key = &learned->tallies[i].key;
		struct hak_score score;

		if (key->uid != uid || key->strategy[0] != strategy[0] || key->strategy[1] != strategy[1])
			continue;
		score = week ? hak_learned_weakened(&learned->tallies[i], week) : learned->tallies[i].score;
		hak_score_sum(&sum, &score);
	}
	return sum;
}

static void subtract_base(const struct hak_learned *learned, const uint64_t *strategy, uint32_t uid,
			  struct hak_score *score)
{
	for (size_t i = 0; i < learned->base_count; i++) {
		const struct hak_learned_base *base = &learned->base[i];

		if (base->uid == uid && base->strategy[0] == strategy[0] &&
		    base->strategy[1] == strategy[1] && hak_score_is_above(score, &base->score))
			*score = hak_score_difference(score, &base->score);
	}
}

struct hak_score hak_learned_median(struct hak_score *scores, size_t count)
{
	size_t middle;

	if (!count)
		return (struct hak_score){.plus = 0};
	for (size_t i = 1; i < count; i++) /* insertion: they are few */
		for (size_t j = i; j && hak_score_mean(&scores[j]) < hak_score_mean(&scores[j - 1]); j--) {
			struct hak_score swap = scores[j];

			scores[j] = scores[j - 1];
			scores[j - 1] = swap;
		}
	middle = count / 2;
	if (count % 2 == 0 && abs(hak_score_mean(&scores[middle - 1])) < abs(hak_score_mean(&scores[middle])))
		middle--;
	return scores[middle];
}

/* Keys as tallies have them. Return: they are seen from @b. */
static bool order_keys(unsigned a, unsigned b, uint64_t ret_strategy[2])
{
	uint64_t keys[2] = {hak_strategy_key(&hak_strategy_table[a].strategy),
			    hak_strategy_key(&hak_strategy_table[b].strategy)};
	bool reversed = keys[0] > keys[1];

	ret_strategy[0] = keys[reversed];
	ret_strategy[1] = keys[!reversed];
	return reversed;
}

struct hak_score hak_learned_score_of_uid(const struct hak_learned *learned, unsigned a, unsigned b,
					  uint32_t uid, uint32_t week)
{
	uint64_t strategy[2];
	bool reversed = order_keys(a, b, strategy);
	struct hak_score score = sum_of(learned, strategy, uid, week);

	return reversed ? hak_score_reversed(&score) : score;
}

/* Strategies by number; seen from @a. */
static struct hak_score score_of(const struct hak_learned *learned, unsigned a, unsigned b, uint32_t week,
				 bool since_base)
{
	uint64_t strategy[2];
	bool reversed = order_keys(a, b, strategy);
	struct hak_score scores[HAK_LEARNED_UIDS_MAX], result;
	uint32_t uids[HAK_LEARNED_UIDS_MAX];
	size_t count = hak_learned_uids(learned, uids), used = 0;

	for (size_t i = 0; i < count; i++) {
		scores[used] = sum_of(learned, strategy, uids[i], week);
		if (since_base)
			subtract_base(learned, strategy, uids[i], &scores[used]);
		used += hak_score_pairs(&scores[used]) > 0;
	}
	result = hak_learned_median(scores, used);
	return reversed ? hak_score_reversed(&result) : result;
}

struct hak_score hak_learned_score(const struct hak_learned *learned, unsigned a, unsigned b)
{
	return score_of(learned, a, b, 0, false);
}

struct hak_score hak_learned_recent_score(const struct hak_learned *learned, unsigned a, unsigned b)
{
	return score_of(learned, a, b, 0, true);
}

/* The strategies that played since LEARN began: 0, then those with most pairs against anybody. */
void hak_learned_contest(const struct hak_learned *learned, struct hak_contest *ret_contest,
			 uint8_t ret_strategy[HAK_CONTEST_PLAYERS])
{
	struct hak_score score[HAK_STRATEGY_COUNT][HAK_STRATEGY_COUNT];
	uint64_t pairs[HAK_STRATEGY_COUNT] = {0};

	for (unsigned a = 0; a < HAK_STRATEGY_COUNT; a++)
		for (unsigned b = a + 1; b < HAK_STRATEGY_COUNT; b++) {
			if (!hak_share_layout(a, 0) || !hak_share_layout(b, 0))
				continue;
			score[a][b] = score_of(learned, a, b, 0, true);
			pairs[a] += hak_score_pairs(&score[a][b]);
			pairs[b] += hak_score_pairs(&score[a][b]);
		}
	*ret_contest = (struct hak_contest){.players = 1, .budget_pairs = HAK_CONTEST_PAIRS};
	ret_strategy[0] = 0;
	while (ret_contest->players < HAK_CONTEST_PLAYERS) {
		unsigned most = 0;

		for (unsigned i = 1; i < HAK_STRATEGY_COUNT; i++)
			if (pairs[i] && (!most || pairs[i] > pairs[most]))
				most = i;
		if (!most)
			break;
		pairs[most] = 0;
		ret_strategy[ret_contest->players++] = (uint8_t)most;
	}
	for (unsigned i = 0; i < ret_contest->players; i++)
		for (unsigned j = i + 1; j < ret_contest->players; j++) {
			unsigned a = ret_strategy[i], b = ret_strategy[j];

			ret_contest->score[i][j] = a < b ? score[a][b] : hak_score_reversed(&score[b][a]);
		}
}

void hak_learned_table(const struct hak_learned *learned, uint32_t week, struct hak_rating_table *ret_table)
{
	*ret_table = (struct hak_rating_table){.players = HAK_STRATEGY_COUNT};
	for (unsigned a = 0; a < HAK_STRATEGY_COUNT; a++)
		for (unsigned b = a + 1; b < HAK_STRATEGY_COUNT; b++)
			ret_table->score[a][b] = score_of(learned, a, b, week, false);
}

void hak_learned_rate(const struct hak_learned *learned, uint32_t week,
		      struct hak_rating ret_rating[HAK_STRATEGY_COUNT])
{
	struct hak_rating_table table;

	hak_learned_table(learned, week, &table);
	hak_rating_compute(&table, ret_rating);
}

uint64_t hak_learned_pairs(const struct hak_learned *learned)
{
	uint64_t pairs = 0;

	for (size_t i = 0; i < learned->tally_count; i++)
		pairs += hak_score_pairs(&learned->tallies[i].score);
	return pairs;
}

uint64_t hak_learned_hash(const struct hak_learned *learned)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a; they are in order */
	const unsigned char *bytes = (const unsigned char *)learned->tallies;

	for (size_t i = 0; i < learned->tally_count * sizeof(*learned->tallies); i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

int hak_learned_rebase(struct hak_learned *learned)
{
	size_t count = 0;
	void *base = NULL;

	for (size_t i = 0; i < learned->tally_count; i++) {
		const struct hak_tally_key *key = &learned->tallies[i].key;
		struct hak_learned_base *found = base;
		size_t j = 0;

		while (j < count && (found[j].uid != key->uid ||
				     memcmp(found[j].strategy, key->strategy, sizeof(key->strategy)) != 0))
			j++;
		if (j == count) {
			found = grow(&base, &count, sizeof(*found));
			if (!found) {
				free(base);
				return -ENOMEM;
			}
			found->uid = key->uid;
			memcpy(found->strategy, key->strategy, sizeof(key->strategy));
		} else {
			found += j;
		}
		hak_score_sum(&found->score, &learned->tallies[i].score);
	}
	free(learned->base);
	learned->base = base;
	learned->base_count = count;
	learned->seen_pairs = 0;
	learned->dirty = true;
	return 0;
}
