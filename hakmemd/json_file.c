/* SPDX-License-Identifier: MIT */
/* See json_file.h. */
#include "json_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "file_replace.h"

void hak_json_digits(struct hak_json *json, const char *key, uint64_t value)
{
	char digits[24];

	(void)snprintf(digits, sizeof(digits), "%" PRIu64, value); /* fits */
	hak_json_string(json, key, digits);
}

void hak_json_put(struct hak_json *json, const struct hak_json_field *fields, const void *from)
{
	for (; fields->name; fields++) {
		const void *at = (const char *)from + fields->offset;

		if (fields->kind == HAK_JSON_DIGITS)
			hak_json_digits(json, fields->name, *(const uint64_t *)at);
		else if (fields->kind == HAK_JSON_NUMBER)
			hak_json_u64(json, fields->name, *(const uint32_t *)at);
		else if (fields->kind == HAK_JSON_BOOL)
			hak_json_bool(json, fields->name, *(const bool *)at);
		else
			hak_json_string(json, fields->name, at);
	}
}

int hak_json_take_digits(const cJSON *object, const char *name, uint64_t *ret_value)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
	char *end;

	if (!text || *text < '0' || *text > '9')
		return -EBADMSG;
	errno = 0;
	*ret_value = strtoull(text, &end, 10);
	return errno || *end ? -EBADMSG : 0;
}

static int take_number(const cJSON *item, uint32_t *ret_value)
{
	double value = cJSON_GetNumberValue(item);

	if (!(value >= 0 && value <= UINT32_MAX))
		return -EBADMSG;
	*ret_value = (uint32_t)value;
	return 0;
}

int hak_json_take(const cJSON *object, const struct hak_json_field *fields, void *to)
{
	int r = 0;

	for (; r == 0 && fields->name; fields++) {
		const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, fields->name);
		void *at = (char *)to + fields->offset;

		if (fields->kind == HAK_JSON_DIGITS)
			r = hak_json_take_digits(object, fields->name, at);
		else if (fields->kind == HAK_JSON_NUMBER)
			r = take_number(item, at);
		else if (fields->kind == HAK_JSON_BOOL)
			*(bool *)at = cJSON_IsTrue(item);
		else
			(void)snprintf(at, fields->room, "%s", cJSON_IsString(item) ? item->valuestring : "");
	}
	return r;
}

int hak_json_check_schema(const cJSON *root, unsigned known)
{
	uint32_t schema;

	if (take_number(cJSON_GetObjectItemCaseSensitive(root, "schema"), &schema) < 0 || !schema)
		return -EBADMSG;
	return schema > known ? -EPROTONOSUPPORT : 0;
}

int hak_json_read(int directory_fd, const char *name, cJSON **ret_root)
{
	size_t length;
	char *text;
	int r = hak_file_read(directory_fd, name, &text, &length);

	if (r < 0)
		return r;
	*ret_root = strlen(text) == length ? cJSON_ParseWithOpts(text, NULL, true) : NULL;
	free(text);
	return *ret_root ? 0 : -EBADMSG;
}

struct hak_json *hak_json_text_begin(struct hak_json_text *document, unsigned schema)
{
	*document = (struct hak_json_text){.text = NULL};
	document->json.file = open_memstream(&document->text, &document->length);
	if (!document->json.file)
		return NULL;
	hak_json_begin(&document->json, NULL, '{');
	hak_json_u64(&document->json, "schema", schema);
	return &document->json;
}

char *hak_json_text_end(struct hak_json_text *document)
{
	bool whole;

	hak_json_end(&document->json, '}');
	whole = !ferror(document->json.file);
	if (fclose(document->json.file) == 0 && whole)
		return document->text;
	free(document->text);
	return NULL;
}
