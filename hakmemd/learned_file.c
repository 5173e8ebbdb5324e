/* SPDX-License-Identifier: MIT */
/* See learned_file.h. */
#include "learned_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_file.h"

void hak_learned_file_name(const struct hak_key *context, char ret_name[HAK_LEARNED_NAME_CHARS + 1])
{
	char hex[HAK_CONTEXT_HEX_CHARS + 1];

	hak_context_format(context, hex);
	(void)snprintf(ret_name, HAK_LEARNED_NAME_CHARS + 1, "%s.json", hex); /* fits */
}

static const struct hak_json_field name_fields[] = {
	HAK_JSON_FIELD(struct hak_learned, scope), HAK_JSON_FIELD(struct hak_learned, unit),
	HAK_JSON_FIELD(struct hak_learned, program), {.name = NULL},
};
static const struct hak_json_field learned_fields[] = {
	HAK_JSON_FIELD(struct hak_learned, is_large), HAK_JSON_FIELD(struct hak_learned, evidence_hash),
	HAK_JSON_FIELD(struct hak_learned, evidence_pairs), HAK_JSON_FIELD(struct hak_learned, why),
	{.name = NULL},
};
static const struct hak_json_field window_field[] = {
	HAK_JSON_FIELD(struct hak_learned, window_ticks), {.name = NULL},
};
static const struct hak_json_field life_fields[] = {
	HAK_JSON_FIELD(struct hak_life, held), HAK_JSON_FIELD(struct hak_life, epoch),
	HAK_JSON_FIELD(struct hak_life, rollbacks), HAK_JSON_FIELD(struct hak_life, since_usec),
	HAK_JSON_FIELD(struct hak_life, rest_usec), {.name = NULL},
};
static const struct hak_json_field score_fields[] = {
	HAK_JSON_FIELD(struct hak_score, plus), HAK_JSON_FIELD(struct hak_score, minus),
	HAK_JSON_FIELD(struct hak_score, squares), {.name = NULL},
};
static const struct hak_json_field key_fields[] = {
	HAK_JSON_FIELD(struct hak_tally_key, incarnation), HAK_JSON_FIELD(struct hak_tally_key, dimensions),
	HAK_JSON_FIELD(struct hak_tally_key, week), HAK_JSON_FIELD(struct hak_tally_key, uid), {.name = NULL},
};
static const struct hak_json_field base_fields[] = {
	HAK_JSON_FIELD(struct hak_learned_base, uid), {.name = NULL},
};

/* ---- writing ----------------------------------------------------------------------------------------- */

static void put_pair(struct hak_json *json, const uint64_t *strategy, const struct hak_score *score)
{
	hak_json_digits(json, "a", strategy[0]);
	hak_json_digits(json, "b", strategy[1]);
	hak_json_begin(json, "outcomes", '[');
	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		hak_json_u64(json, NULL, score->outcome[i]);
	hak_json_end(json, ']');
	hak_json_put(json, score_fields, score);
}

void hak_learned_put(struct hak_json *json, const struct hak_learned *learned)
{
	hak_json_put(json, name_fields, learned);
	hak_json_begin(json, "tallies", '[');
	for (size_t i = 0; i < learned->tally_count; i++) {
		const struct hak_tally_entry *entry = &learned->tallies[i];

		hak_json_begin(json, NULL, '{');
		put_pair(json, entry->key.strategy, &entry->score);
		hak_json_put(json, key_fields, &entry->key);
		hak_json_end(json, '}');
	}
	hak_json_end(json, ']');
}

static void put_strategy(struct hak_json *json, const char *name, uint8_t strategy)
{
	hak_json_digits(json, name, hak_strategy_key(&hak_strategy_table[strategy].strategy));
}

static void put_life(struct hak_json *json, const struct hak_learned *learned)
{
	const struct hak_life *life = &learned->life;

	hak_json_begin(json, "life", '{');
	hak_json_string(json, "phase", hak_life_phase_name((enum hak_phase_of_life)life->phase));
	put_strategy(json, "winner", life->winner);
	put_strategy(json, "rival", life->rival);
	put_strategy(json, "previous_winner", learned->previous_winner);
	hak_json_put(json, life_fields, life);
	hak_json_put(json, learned_fields, learned);
	hak_json_put(json, window_field, learned);
	hak_json_end(json, '}');
}

char *hak_learned_format(const struct hak_learned *learned)
{
	struct hak_json_text text;
	struct hak_json *json = hak_json_text_begin(&text, HAK_LEARNED_SCHEMA);

	if (!json)
		return NULL;
	put_life(json, learned);
	hak_learned_put(json, learned);
	hak_json_begin(json, "told", '[');
	for (size_t i = 0; i < learned->told_count; i++) {
		hak_json_begin(json, NULL, '{');
		hak_json_string(json, "file", learned->told[i].name);
		put_pair(json, learned->told[i].strategy, &learned->told[i].score);
		hak_json_end(json, '}');
	}
	hak_json_end(json, ']');
	hak_json_begin(json, "base", '[');
	for (size_t i = 0; i < learned->base_count; i++) {
		hak_json_begin(json, NULL, '{');
		hak_json_put(json, base_fields, &learned->base[i]);
		put_pair(json, learned->base[i].strategy, &learned->base[i].score);
		hak_json_end(json, '}');
	}
	hak_json_end(json, ']');
	return hak_json_text_end(&text);
}

/* ---- reading ----------------------------------------------------------------------------------------- */

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
	if (hak_json_take_digits(object, "a", &strategy[0]) < 0 ||
	    hak_json_take_digits(object, "b", &strategy[1]) < 0 ||
	    hak_json_take(object, score_fields, score) < 0 || strategy[0] >= strategy[1] ||
	    !hak_score_is_sound(score))
		return -EBADMSG;
	return 0;
}

int hak_learned_parse_tally(const cJSON *item, struct hak_tally_entry *ret_entry)
{
	struct hak_tally_entry entry = {.key = {.week = 0}};

	if (parse_pair(item, entry.key.strategy, &entry.score) < 0 ||
	    hak_json_take(item, key_fields, &entry.key) < 0)
		return -EBADMSG;
	*ret_entry = entry;
	return 0;
}

void hak_learned_take_names(const cJSON *object, struct hak_learned *learned)
{
	(void)hak_json_take(object, name_fields, learned); /* texts alone: cannot fail */
}

/* A strategy that this version does not know counts as the safe one. */
static int parse_strategy(const cJSON *object, const char *name, uint8_t *ret_strategy)
{
	uint64_t key;
	int number;

	if (hak_json_take_digits(object, name, &key) < 0)
		return -EBADMSG;
	number = hak_strategy_find(key);
	*ret_strategy = (uint8_t)(number < 0 ? 0 : number);
	return 0;
}

/* A canary that the restart cut short is over: FROZEN. */
static int parse_life(const cJSON *object, struct hak_learned *learned)
{
	const cJSON *phase = cJSON_GetObjectItemCaseSensitive(object, "phase");
	struct hak_life *life = &learned->life;

	if (!cJSON_IsString(phase) || parse_strategy(object, "winner", &life->winner) < 0 ||
	    parse_strategy(object, "rival", &life->rival) < 0 ||
	    parse_strategy(object, "previous_winner", &learned->previous_winner) < 0 ||
	    hak_json_take(object, life_fields, life) < 0 ||
	    hak_json_take(object, learned_fields, learned) < 0)
		return -EBADMSG;
	(void)hak_json_take(object, window_field, learned); /* absent: not known */
	life->phase = strcmp(phase->valuestring, "learn") == 0 ? HAK_LIFE_LEARN : HAK_LIFE_FROZEN;
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
		    hak_json_take(item, base_fields, base) < 0)
			return -EBADMSG;
		learned->base_count++;
	}
	return 0;
}

static int parse(const cJSON *root, struct hak_learned *learned)
{
	int r = hak_json_check_schema(root, HAK_LEARNED_SCHEMA);

	hak_learned_take_names(root, learned);
	if (r == 0)
		r = parse_life(cJSON_GetObjectItemCaseSensitive(root, "life"), learned);
	if (r == 0)
		r = parse_tallies(cJSON_GetObjectItemCaseSensitive(root, "tallies"), learned);
	if (r == 0)
		r = parse_told(cJSON_GetObjectItemCaseSensitive(root, "told"), learned);
	if (r == 0)
		r = parse_base(cJSON_GetObjectItemCaseSensitive(root, "base"), learned);
	learned->dirty = false;
	return r;
}

int hak_learned_load(int directory_fd, const struct hak_key *context, struct hak_learned **ret_learned)
{
	char name[HAK_LEARNED_NAME_CHARS + 1];
	struct hak_learned *learned;
	cJSON *root;
	int r;

	hak_learned_file_name(context, name);
	r = hak_json_read(directory_fd, name, &root);
	if (r < 0)
		return r;
	learned = hak_learned_new(context);
	r = learned ? parse(root, learned) : -ENOMEM;
	cJSON_Delete(root);
	if (r == 0)
		*ret_learned = learned;
	else
		hak_learned_free(learned);
	return r;
}
