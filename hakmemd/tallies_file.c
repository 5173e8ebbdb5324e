/* SPDX-License-Identifier: MIT */
/* See tallies.h. */
#include "tallies.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "json_file.h"

enum { SCHEMA = 1, CRC_CHARS = 8 };

size_t hak_tallies_line_format(const struct hak_tallies_record *record, char ret_line[HAK_TALLIES_LINE_BYTES])
{
	size_t at = CRC_CHARS;
	char crc[CRC_CHARS + 1];

	at += (size_t)snprintf(ret_line + at, HAK_TALLIES_LINE_BYTES - at, " %s %" PRIu32 " %" PRIu32,
			       record->name, record->slot, record->claims);
	for (size_t i = 0; i < HAK_COUNTER_COUNT; i++) {
		if (record->counter[i])
			at += (size_t)snprintf(ret_line + at, HAK_TALLIES_LINE_BYTES - at, " %zu:%" PRIu64, i,
					       record->counter[i]);
	}
	if (record->faults)
		at += (size_t)snprintf(ret_line + at, HAK_TALLIES_LINE_BYTES - at, " faults:%" PRIu64,
				       record->faults);
	if (*record->unit)
		at += (size_t)snprintf(ret_line + at, HAK_TALLIES_LINE_BYTES - at, " @%s", record->unit);
	snprintf(crc, sizeof(crc), "%08" PRIx32, hak_crc32c(ret_line + CRC_CHARS, at - CRC_CHARS));
	memcpy(ret_line, crc, CRC_CHARS);
	ret_line[at++] = '\n';
	return at;
}

/* " INDEX:VALUE" again and again, " faults:VALUE", and " @UNIT" to the line's end. */
static int parse_rest(const char *text, struct hak_tallies_record *record)
{
	static const char faults[] = " faults:", unit[] = " @";

	while (*text && strncmp(text, unit, strlen(unit)) != 0) {
		uint64_t *value = &record->faults;
		unsigned long index;
		char *end;

		if (strncmp(text, faults, strlen(faults)) == 0) {
			text += strlen(faults);
		} else {
			if (*text != ' ')
				return -EBADMSG;
			index = strtoul(text + 1, &end, 10);
			if (*end != ':' || index >= HAK_COUNTER_COUNT)
				return -EBADMSG;
			text = end + 1;
			value = &record->counter[index];
		}
		*value = strtoull(text, &end, 10);
		if (end == text)
			return -EBADMSG;
		text = end;
	}
	if (!*text)
		return 0;
	text += strlen(unit);
	return snprintf(record->unit, sizeof(record->unit), "%s", text) < (int)sizeof(record->unit)
		       ? 0
		       : -EBADMSG;
}

int hak_tallies_line_parse(const char *line, struct hak_tallies_record *ret_record)
{
	struct hak_tallies_record record = {.slot = 0};
	size_t length = strlen(line);
	int used = 0;
	uint32_t crc;

	if (length <= CRC_CHARS || sscanf(line, "%8" SCNx32, &crc) != 1 ||
	    crc != hak_crc32c(line + CRC_CHARS, length - CRC_CHARS))
		return -EBADMSG;
	if (sscanf(line + CRC_CHARS, " %32[0-9a-f] %" SCNu32 " %" SCNu32 "%n", record.name, &record.slot,
		   &record.claims, &used) != 3 ||
	    strlen(record.name) != HAK_TELEMETRY_NAME_CHARS || record.slot > HAK_TALLIES_FILE_RECORD)
		return -EBADMSG;
	if (parse_rest(line + CRC_CHARS + used, &record) < 0)
		return -EBADMSG;
	*ret_record = record;
	return 0;
}

static const struct hak_json_field root_fields[] = {
	HAK_JSON_FIELD(struct hak_tallies, generation), HAK_JSON_FIELD(struct hak_tallies, ended),
	HAK_JSON_FIELD(struct hak_tallies, forks_untracked), {.name = NULL},
};
static const struct hak_json_field unit_fields[] = {
	HAK_JSON_FIELD(struct hak_tallies_unit, ended),
	HAK_JSON_FIELD(struct hak_tallies_unit, allocations),
	HAK_JSON_FIELD(struct hak_tallies_unit, purges), HAK_JSON_FIELD(struct hak_tallies_unit, faults),
	{.name = NULL},
};

static void put_files(struct hak_json *json, const struct hak_tallies_file *files, size_t count)
{
	hak_json_begin(json, "files", '{');
	for (size_t i = 0; i < count; i++) {
		hak_json_begin(json, files[i].name, '[');
		for (size_t j = 0; j <= HAK_TELEMETRY_SLOTS; j++)
			hak_json_u64(json, NULL, files[i].folded[j]);
		hak_json_end(json, ']');
	}
	hak_json_end(json, '}');
}

static void put_units(struct hak_json *json, const struct hak_tallies_units *units)
{
	hak_json_begin(json, "units", '{');
	for (size_t i = 0; i < units->count; i++) {
		hak_json_begin_strange(json, units->unit[i].name);
		hak_json_put(json, unit_fields, &units->unit[i]);
		hak_json_end(json, '}');
	}
	hak_json_end(json, '}');
}

char *hak_tallies_snapshot_format(const struct hak_tallies *tallies, uint64_t generation,
				  const struct hak_tallies_file *files, size_t count)
{
	struct hak_tallies root = *tallies;
	struct hak_json_text text;
	struct hak_json *json = hak_json_text_begin(&text, SCHEMA);

	if (!json)
		return NULL;
	root.generation = generation;
	hak_json_put(json, root_fields, &root);
	hak_json_begin(json, "counters", '{');
	for (size_t i = 0; i < HAK_COUNTER_COUNT; i++)
		hak_json_digits(json, hak_counter_name((enum hak_counter)i), tallies->counter[i]);
	hak_json_end(json, '}');
	put_units(json, &tallies->units);
	put_files(json, files, count);
	return hak_json_text_end(&text);
}

static int parse_file(const cJSON *claims, struct hak_tallies_file *ret_file)
{
	struct hak_key key;

	if (!cJSON_IsArray(claims) || cJSON_GetArraySize(claims) != HAK_TELEMETRY_SLOTS + 1 ||
	    hak_telemetry_key(claims->string, &key) < 0)
		return -EBADMSG;
	memcpy(ret_file->name, claims->string, HAK_TELEMETRY_NAME_CHARS + 1);
	for (int i = 0; i <= HAK_TELEMETRY_SLOTS; i++) {
		double value = cJSON_GetNumberValue(cJSON_GetArrayItem(claims, i));

		if (!(value >= 0 && value <= UINT32_MAX))
			return -EBADMSG;
		ret_file->folded[i] = (uint32_t)value;
	}
	return 0;
}

static int parse_files(const cJSON *object, struct hak_tallies *tallies)
{
	int count = cJSON_GetArraySize(object);
	const cJSON *claims;

	if (!cJSON_IsObject(object))
		return -EBADMSG;
	tallies->files = calloc((size_t)count + 1, sizeof(*tallies->files));
	if (!tallies->files)
		return -ENOMEM;
	cJSON_ArrayForEach(claims, object)
	{
		if (parse_file(claims, &tallies->files[tallies->file_count]) < 0)
			return -EBADMSG;
		tallies->file_count++;
	}
	return 0;
}

/* A snapshot of before there were any: NULL. */
static int parse_units(const cJSON *object, struct hak_tallies_units *units)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object)
	{
		struct hak_tallies_unit unit = {.ended = 0};

		if (hak_json_take(item, unit_fields, &unit) < 0 ||
		    snprintf(unit.name, sizeof(unit.name), "%s", item->string) >= (int)sizeof(unit.name))
			return -EBADMSG;
		hak_tallies_units_add(units, &unit);
	}
	return 0;
}

int hak_tallies_snapshot_parse(const cJSON *root, struct hak_tallies *tallies)
{
	const cJSON *counters = cJSON_GetObjectItemCaseSensitive(root, "counters");

	if (hak_json_check_schema(root, SCHEMA) < 0 || !cJSON_IsObject(counters) ||
	    hak_json_take(root, root_fields, tallies) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < HAK_COUNTER_COUNT; i++) {
		const char *name = hak_counter_name((enum hak_counter)i);

		/* A snapshot older than this counter: it was zero then. */
		if (cJSON_HasObjectItem(counters, name) &&
		    hak_json_take_digits(counters, name, &tallies->counter[i]) < 0)
			return -EBADMSG;
	}
	if (parse_units(cJSON_GetObjectItemCaseSensitive(root, "units"), &tallies->units) < 0)
		return -EBADMSG;
	return parse_files(cJSON_GetObjectItemCaseSensitive(root, "files"), tallies);
}
