/* SPDX-License-Identifier: MIT */
/* See exchange.h. */
#include "exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learned_file.h"

int hak_exchange_parse_hex(const char *text, struct hak_key *ret_context)
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

void hak_exchange_put(struct hak_json *json, const struct hak_learned *learned)
{
	char hex[HAK_CONTEXT_HEX_CHARS + 1];

	hak_context_format(&learned->context, hex);
	hak_json_begin(json, NULL, '{');
	hak_json_string(json, "context", hex);
	hak_learned_put(json, learned);
	hak_json_end(json, '}');
}

/* What is wrong, and where: the first context, and its first tally, from 1; 0: in none of them. */
struct fault {
	const char *what;
	unsigned context, tally;
};

static const char *fault_of_context(const cJSON *item, unsigned *tally_number)
{
	const cJSON *hex = cJSON_GetObjectItemCaseSensitive(item, "context"), *tally;
	struct hak_tally_entry entry;
	struct hak_key context;

	if (!cJSON_IsString(hex) || hak_exchange_parse_hex(hex->valuestring, &context) < 0)
		return "\"context\" must be 32 hexadecimal digits";
	cJSON_ArrayForEach(tally, cJSON_GetObjectItemCaseSensitive(item, "tallies"))
	{
		++*tally_number;
		if (hak_learned_parse_tally(tally, &entry) < 0)
			return "a number of it is missing or none";
	}
	*tally_number = 0;
	return NULL;
}

static struct fault find_fault(const cJSON *root)
{
	const cJSON *array = cJSON_GetObjectItemCaseSensitive(root, "contexts"), *item;
	struct fault fault = {.what = NULL};

	if (hak_json_check_schema(root, HAK_EXCHANGE_SCHEMA) < 0)
		fault.what = "\"schema\" must be 1";
	else if (!cJSON_IsArray(array))
		fault.what = "\"contexts\" must be an array";
	if (fault.what)
		return fault;
	cJSON_ArrayForEach(item, array)
	{
		fault.context++;
		fault.what = fault_of_context(item, &fault.tally);
		if (fault.what)
			break;
	}
	return fault;
}

int hak_exchange_check(const cJSON *root)
{
	if (hak_json_check_schema(root, HAK_EXCHANGE_SCHEMA) == -EPROTONOSUPPORT)
		return -EPROTONOSUPPORT;
	return find_fault(root).what ? -EBADMSG : 0;
}

void hak_exchange_explain(const char *text, char *ret_why, size_t room)
{
	const char *end = text;
	cJSON *root = cJSON_ParseWithOpts(text, &end, false);
	struct fault fault = find_fault(root);

	if (!root)
		(void)snprintf(ret_why, room, "no JSON from byte %td on", end - text);
	else if (fault.tally)
		(void)snprintf(ret_why, room, "context %u, tally %u: %s", fault.context, fault.tally,
			       fault.what);
	else if (fault.context)
		(void)snprintf(ret_why, room, "context %u: %s", fault.context, fault.what);
	else
		(void)snprintf(ret_why, room, "%s", fault.what);
	cJSON_Delete(root);
}

struct hak_key hak_exchange_context(const cJSON *item)
{
	struct hak_key context = {.word = {0}};

	(void)hak_exchange_parse_hex(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "context")),
				     &context); /* checked */
	return context;
}

int hak_exchange_take(const cJSON *item, struct hak_learned *learned, uint64_t without, uint64_t *tallies,
		      uint64_t *news)
{
	const cJSON *tally;

	if (!*learned->scope) /* no process has named it */
		hak_learned_take_names(item, learned);
	cJSON_ArrayForEach(tally, cJSON_GetObjectItemCaseSensitive(item, "tallies"))
	{
		struct hak_tally_entry entry;
		int r;

		(void)hak_learned_parse_tally(tally, &entry); /* checked */
		++*tallies;
		if (without && entry.key.incarnation == without)
			continue;
		r = hak_learned_merge(learned, &entry);
		if (r < 0)
			return r;
		*news += (uint64_t)r;
	}
	return 0;
}
