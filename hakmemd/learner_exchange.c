/* SPDX-License-Identifier: MIT */
/*
 * Tallies as one document, between hosts: {"schema": 1, "contexts": [{"context", "scope", "unit", "program",
 * "tallies"}]}. Each tally carries the incarnation of the host where it was played, and importing takes the
 * maximum: any order, any repetition, the same result.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "learned_file.h"
#include "learner_private.h"

enum { SCHEMA = 1 };

static int parse_hex(const char *text, struct hak_key *ret_context)
{
	unsigned char bytes[HAK_CONTEXT_HEX_CHARS / 2];

	if (strlen(text) != HAK_CONTEXT_HEX_CHARS ||
	    strspn(text, "0123456789abcdef") != HAK_CONTEXT_HEX_CHARS)
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};

		bytes[i] = (unsigned char)strtoul(digits, NULL, 16);
	}
	memcpy(ret_context, bytes, sizeof(*ret_context));
	return 0;
}

struct hak_learned *hak_learner_resolve(struct hak_learner *learner, const char *text)
{
	char name[HAK_LEARNED_NAME_CHARS + 1];
	struct hak_learned *found = NULL;
	struct hak_key context;

	if (parse_hex(text, &context) == 0) {
		found = hak_learner_find(learner, &context);
		hak_learned_file_name(&context, name);
		if (found || faccessat(learner->directory_fd, name, F_OK, 0) < 0)
			return found;
		return hak_learner_get(learner, &context);
	}
	for (struct hak_learned *l = hak_learner_next(learner, NULL); l; l = hak_learner_next(learner, l)) {
		if (strcmp(l->program, text) != 0 && strcmp(l->unit, text) != 0)
			continue;
		if (found)
			return NULL;
		found = l;
	}
	return found;
}

static void add_context(cJSON *array, const struct hak_learned *learned)
{
	char hex[HAK_CONTEXT_HEX_CHARS + 1];
	cJSON *object = cJSON_CreateObject();

	hak_context_format(&learned->context, hex);
	cJSON_AddStringToObject(object, "context", hex);
	cJSON_AddStringToObject(object, "scope", learned->scope);
	cJSON_AddStringToObject(object, "unit", learned->unit);
	cJSON_AddStringToObject(object, "program", learned->program);
	cJSON_AddItemToObject(object, "tallies", hak_learned_format_tallies(learned));
	cJSON_AddItemToArray(array, object);
}

/* Those that are on disk only. */
static void add_from_disk(const struct hak_learner *learner, cJSON *array)
{
	int fd = openat(learner->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		char hex[HAK_CONTEXT_HEX_CHARS + 1];
		struct hak_learned *learned;
		struct hak_key context;

		if (strlen(entry->d_name) != HAK_LEARNED_NAME_CHARS)
			continue;
		memcpy(hex, entry->d_name, HAK_CONTEXT_HEX_CHARS);
		hex[HAK_CONTEXT_HEX_CHARS] = '\0';
		if (parse_hex(hex, &context) < 0 || hak_learner_find(learner, &context) ||
		    hak_learned_load(learner->directory_fd, &context, &learned) < 0)
			continue;
		if (learned->tally_count)
			add_context(array, learned);
		hak_learned_free(learned);
	}
	if (directory)
		closedir(directory);
	else if (fd >= 0)
		close(fd);
}

char *hak_learner_export(struct hak_learner *learner)
{
	cJSON *root = cJSON_CreateObject();
	cJSON *array = cJSON_AddArrayToObject(root, "contexts");
	char *text;

	cJSON_AddNumberToObject(root, "schema", SCHEMA);
	for (struct hak_learned *l = hak_learner_next(learner, NULL); l; l = hak_learner_next(learner, l))
		if (l->tally_count)
			add_context(array, l);
	add_from_disk(learner, array);
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return text;
}

/* Is it right from beginning to end? Nothing is taken of a document that is not. */
static int check(const cJSON *root)
{
	const cJSON *array = cJSON_GetObjectItemCaseSensitive(root, "contexts"), *item, *tally;

	if (cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(root, "schema")) != SCHEMA ||
	    !cJSON_IsArray(array))
		return -EBADMSG;
	cJSON_ArrayForEach(item, array)
	{
		const cJSON *hex = cJSON_GetObjectItemCaseSensitive(item, "context");
		struct hak_tally_entry entry;
		struct hak_key context;

		if (!cJSON_IsString(hex) || parse_hex(hex->valuestring, &context) < 0)
			return -EBADMSG;
		cJSON_ArrayForEach(tally, cJSON_GetObjectItemCaseSensitive(item, "tallies"))
		{
			if (hak_learned_parse_tally(tally, &entry) < 0)
				return -EBADMSG;
		}
	}
	return 0;
}

static void take_name(const cJSON *item, const char *member, char *ret_text, size_t room)
{
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, member);

	if (!*ret_text && cJSON_IsString(name))
		(void)snprintf(ret_text, room, "%s", name->valuestring);
}

static int take_context(struct hak_learner *learner, const cJSON *item, uint64_t *tallies, uint64_t *news)
{
	const cJSON *tally;
	struct hak_learned *learned;
	struct hak_key context;
	int r;

	(void)parse_hex(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "context")),
			&context); /* checked */
	learned = hak_learner_get(learner, &context);
	if (!learned)
		return -ENOMEM;
	take_name(item, "scope", learned->scope, sizeof(learned->scope));
	take_name(item, "unit", learned->unit, sizeof(learned->unit));
	take_name(item, "program", learned->program, sizeof(learned->program));
	cJSON_ArrayForEach(tally, cJSON_GetObjectItemCaseSensitive(item, "tallies"))
	{
		struct hak_tally_entry entry;

		(void)hak_learned_parse_tally(tally, &entry); /* checked */
		r = hak_learned_merge(learned, &entry);
		if (r < 0)
			return r;
		++*tallies;
		*news += (uint64_t)r;
	}
	return learned->dirty ? hak_learned_save(learner->directory_fd, learned) : 0;
}

int hak_learner_import(struct hak_learner *learner, const char *text, uint64_t *ret_tallies,
		       uint64_t *ret_news)
{
	cJSON *root = cJSON_Parse(text);
	uint64_t tallies = 0, news = 0;
	const cJSON *item;
	int r = check(root);

	if (r == 0) {
		cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(root, "contexts"))
		{
			r = take_context(learner, item, &tallies, &news);
			if (r < 0)
				break;
		}
	}
	cJSON_Delete(root);
	if (r < 0)
		return r;
	*ret_tallies = tallies;
	*ret_news = news;
	return 0;
}
