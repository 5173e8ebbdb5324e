/* SPDX-License-Identifier: MIT */
/* See learned_file.h. */
#include "learned_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_replace.h"
#include "json_u64.h"

void hak_learned_file_name(const struct hak_key *context, char ret_name[HAK_LEARNED_NAME_CHARS + 1])
{
	char hex[HAK_CONTEXT_HEX_CHARS + 1];

	hak_context_format(context, hex);
	(void)snprintf(ret_name, HAK_LEARNED_NAME_CHARS + 1, "%s.json", hex); /* fits */
}

/* ---- writing ----------------------------------------------------------------------------------------- */

static void add_pair(cJSON *object, const uint64_t *strategy, const struct hak_score *score)
{
	cJSON *outcomes;

	hak_json_add_u64(object, "a", strategy[0]);
	hak_json_add_u64(object, "b", strategy[1]);
	outcomes = cJSON_AddArrayToObject(object, "outcomes");
	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		cJSON_AddItemToArray(outcomes, cJSON_CreateNumber(score->outcome[i]));
	hak_json_add_u64(object, "plus", score->plus);
	hak_json_add_u64(object, "minus", score->minus);
	hak_json_add_u64(object, "squares", score->squares);
}

static cJSON *add_element(cJSON *array)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddItemToArray(array, object);
	return object;
}

cJSON *hak_learned_format_tallies(const struct hak_learned *learned)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; i < learned->tally_count; i++) {
		const struct hak_tally_entry *entry = &learned->tallies[i];
		cJSON *object = add_element(array);

		add_pair(object, entry->key.strategy, &entry->score);
		hak_json_add_u64(object, "incarnation", entry->key.incarnation);
		hak_json_add_u64(object, "dimensions", entry->key.dimensions);
		cJSON_AddNumberToObject(object, "week", entry->key.week);
		cJSON_AddNumberToObject(object, "uid", entry->key.uid);
	}
	return array;
}

static void add_life(cJSON *root, const struct hak_learned *learned)
{
	const struct hak_life *life = &learned->life;
	cJSON *object = cJSON_AddObjectToObject(root, "life");

	cJSON_AddStringToObject(object, "phase", hak_life_phase_name((enum hak_phase_of_life)life->phase));
	hak_json_add_u64(object, "winner", hak_strategy_key(&hak_strategy_table[life->winner].strategy));
	hak_json_add_u64(object, "rival", hak_strategy_key(&hak_strategy_table[life->rival].strategy));
	hak_json_add_u64(object, "previous_winner",
			 hak_strategy_key(&hak_strategy_table[learned->previous_winner].strategy));
	cJSON_AddBoolToObject(object, "held", life->held);
	cJSON_AddNumberToObject(object, "epoch", life->epoch);
	cJSON_AddNumberToObject(object, "rollbacks", life->rollbacks);
	hak_json_add_u64(object, "since_usec", life->since_usec);
	hak_json_add_u64(object, "rest_usec", life->rest_usec);
	cJSON_AddNumberToObject(object, "window_ticks", learned->window_ticks);
	cJSON_AddBoolToObject(object, "is_large", learned->is_large);
	hak_json_add_u64(object, "evidence_hash", learned->evidence_hash);
	hak_json_add_u64(object, "evidence_pairs", learned->evidence_pairs);
	cJSON_AddStringToObject(object, "why", learned->why);
}

char *hak_learned_format(const struct hak_learned *learned)
{
	cJSON *root = cJSON_CreateObject(), *array;
	char *text;

	cJSON_AddNumberToObject(root, "schema", HAK_LEARNED_SCHEMA);
	cJSON_AddStringToObject(root, "scope", learned->scope);
	cJSON_AddStringToObject(root, "unit", learned->unit);
	cJSON_AddStringToObject(root, "program", learned->program);
	add_life(root, learned);
	cJSON_AddItemToObject(root, "tallies", hak_learned_format_tallies(learned));
	array = cJSON_AddArrayToObject(root, "told");
	for (size_t i = 0; i < learned->told_count; i++) {
		cJSON *object = add_element(array);

		cJSON_AddStringToObject(object, "file", learned->told[i].name);
		add_pair(object, learned->told[i].strategy, &learned->told[i].score);
	}
	array = cJSON_AddArrayToObject(root, "base");
	for (size_t i = 0; i < learned->base_count; i++) {
		cJSON *object = add_element(array);

		cJSON_AddNumberToObject(object, "uid", learned->base[i].uid);
		add_pair(object, learned->base[i].strategy, &learned->base[i].score);
	}
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return text;
}

/* ---- reading ----------------------------------------------------------------------------------------- */

static int parse_u32(const cJSON *object, const char *name, uint32_t *ret_value)
{
	double value = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, name));

	if (!(value >= 0 && value <= UINT32_MAX))
		return -EBADMSG;
	*ret_value = (uint32_t)value;
	return 0;
}

static int parse_pair(const cJSON *object, uint64_t *strategy, struct hak_score *score)
{
	const cJSON *outcomes = cJSON_GetObjectItemCaseSensitive(object, "outcomes");

	*score = (struct hak_score){.plus = 0};
	if (cJSON_GetArraySize(outcomes) != HAK_OUTCOME_COUNT)
		return -EBADMSG;
	for (int i = 0; i < HAK_OUTCOME_COUNT; i++) {
		double value = cJSON_GetNumberValue(cJSON_GetArrayItem(outcomes, i));

		if (!(value >= 0 && value <= HAK_SCORE_PAIRS_MAX))
			return -EBADMSG;
		score->outcome[i] = (uint32_t)value;
	}
	if (hak_json_parse_u64(object, "a", &strategy[0]) < 0 ||
	    hak_json_parse_u64(object, "b", &strategy[1]) < 0 ||
	    hak_json_parse_u64(object, "plus", &score->plus) < 0 ||
	    hak_json_parse_u64(object, "minus", &score->minus) < 0 ||
	    hak_json_parse_u64(object, "squares", &score->squares) < 0 || strategy[0] >= strategy[1] ||
	    !hak_score_is_sound(score))
		return -EBADMSG;
	return 0;
}

int hak_learned_parse_tally(const cJSON *item, struct hak_tally_entry *ret_entry)
{
	struct hak_tally_entry entry = {.key = {.week = 0}};

	if (parse_pair(item, entry.key.strategy, &entry.score) < 0 ||
	    hak_json_parse_u64(item, "incarnation", &entry.key.incarnation) < 0 ||
	    hak_json_parse_u64(item, "dimensions", &entry.key.dimensions) < 0 ||
	    parse_u32(item, "week", &entry.key.week) < 0 || parse_u32(item, "uid", &entry.key.uid) < 0)
		return -EBADMSG;
	*ret_entry = entry;
	return 0;
}

/* A strategy that this version does not know counts as the safe one. */
static int parse_strategy(const cJSON *object, const char *name, uint8_t *ret_strategy)
{
	uint64_t key;
	int number;

	if (hak_json_parse_u64(object, name, &key) < 0)
		return -EBADMSG;
	number = hak_strategy_find(key);
	*ret_strategy = (uint8_t)(number < 0 ? 0 : number);
	return 0;
}

/* A canary that the restart cut short is over: FROZEN. */
static int parse_life(const cJSON *object, struct hak_learned *learned)
{
	const cJSON *phase = cJSON_GetObjectItemCaseSensitive(object, "phase");
	const cJSON *why = cJSON_GetObjectItemCaseSensitive(object, "why");
	struct hak_life *life = &learned->life;

	if (!cJSON_IsString(phase) || parse_strategy(object, "winner", &life->winner) < 0 ||
	    parse_strategy(object, "rival", &life->rival) < 0 ||
	    parse_strategy(object, "previous_winner", &learned->previous_winner) < 0 ||
	    parse_u32(object, "epoch", &life->epoch) < 0 ||
	    parse_u32(object, "rollbacks", &life->rollbacks) < 0 ||
	    hak_json_parse_u64(object, "since_usec", &life->since_usec) < 0 ||
	    hak_json_parse_u64(object, "rest_usec", &life->rest_usec) < 0 ||
	    hak_json_parse_u64(object, "evidence_hash", &learned->evidence_hash) < 0 ||
	    hak_json_parse_u64(object, "evidence_pairs", &learned->evidence_pairs) < 0)
		return -EBADMSG;
	(void)parse_u32(object, "window_ticks", &learned->window_ticks); /* absent: not known */
	learned->is_large = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "is_large"));
	life->phase = strcmp(phase->valuestring, "learn") == 0 ? HAK_LIFE_LEARN : HAK_LIFE_FROZEN;
	life->held = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "held"));
	if (cJSON_IsString(why))
		(void)snprintf(learned->why, sizeof(learned->why), "%s", why->valuestring);
	return 0;
}

static int parse_tallies(const cJSON *array, struct hak_learned *learned)
{
	const cJSON *item;
	int r = 0;

	cJSON_ArrayForEach(item, array)
	{
		struct hak_tally_entry entry;

		r = hak_learned_parse_tally(item, &entry);
		if (r == 0)
			r = hak_learned_merge(learned, &entry);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_told(const cJSON *array, struct hak_learned *learned)
{
	size_t count = (size_t)cJSON_GetArraySize(array), room = 1;
	const cJSON *item;

	while (room < count) /* as grow() in learned.c has it */
		room *= 2;
	learned->told = calloc(room, sizeof(*learned->told));
	if (!learned->told)
		return -ENOMEM;
	cJSON_ArrayForEach(item, array)
	{
		const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, "file");
		struct hak_told *told = &learned->told[learned->told_count];
		struct hak_key key;

		if (!cJSON_IsString(name) || hak_telemetry_key(name->valuestring, &key) < 0 ||
		    parse_pair(item, told->strategy, &told->score) < 0)
			return -EBADMSG;
		memcpy(told->name, name->valuestring, HAK_TELEMETRY_NAME_CHARS + 1);
		learned->told_count++;
	}
	return 0;
}

static int parse_base(const cJSON *array, struct hak_learned *learned)
{
	const cJSON *item;

	learned->base = calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof(*learned->base));
	if (!learned->base)
		return -ENOMEM;
	cJSON_ArrayForEach(item, array)
	{
		struct hak_learned_base *base = &learned->base[learned->base_count];

		if (parse_pair(item, base->strategy, &base->score) < 0 ||
		    parse_u32(item, "uid", &base->uid) < 0)
			return -EBADMSG;
		learned->base_count++;
	}
	return 0;
}

static void take_text(const cJSON *root, const char *name, char *ret_text, size_t room)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, name);

	(void)snprintf(ret_text, room, "%s", cJSON_IsString(item) ? item->valuestring : "");
}

static int parse_root(const cJSON *root, struct hak_learned *learned)
{
	uint32_t schema;
	int r;

	if (parse_u32(root, "schema", &schema) < 0 || !schema)
		return -EBADMSG;
	if (schema > HAK_LEARNED_SCHEMA)
		return -EPROTONOSUPPORT;
	take_text(root, "scope", learned->scope, sizeof(learned->scope));
	take_text(root, "unit", learned->unit, sizeof(learned->unit));
	take_text(root, "program", learned->program, sizeof(learned->program));
	r = parse_life(cJSON_GetObjectItemCaseSensitive(root, "life"), learned);
	if (r == 0)
		r = parse_tallies(cJSON_GetObjectItemCaseSensitive(root, "tallies"), learned);
	if (r == 0)
		r = parse_told(cJSON_GetObjectItemCaseSensitive(root, "told"), learned);
	if (r == 0)
		r = parse_base(cJSON_GetObjectItemCaseSensitive(root, "base"), learned);
	return r;
}

static int parse(const char *text, const struct hak_key *context, struct hak_learned **ret_learned)
{
	struct hak_learned *learned = hak_learned_new(context);
	cJSON *root;
	int r;

	if (!learned)
		return -ENOMEM;
	root = cJSON_Parse(text);
	r = cJSON_IsObject(root) ? parse_root(root, learned) : -EBADMSG;
	cJSON_Delete(root);
	if (r < 0) {
		hak_learned_free(learned);
		return r;
	}
	learned->dirty = false;
	*ret_learned = learned;
	return 0;
}

/* ---- files ------------------------------------------------------------------------------------------- */

int hak_learned_load(int directory_fd, const struct hak_key *context, struct hak_learned **ret_learned)
{
	char name[HAK_LEARNED_NAME_CHARS + 1], *text;
	size_t length;
	int r;

	hak_learned_file_name(context, name);
	r = hak_file_read(directory_fd, name, &text, &length);
	if (r < 0)
		return r;
	r = parse(text, context, ret_learned);
	free(text);
	return r;
}
