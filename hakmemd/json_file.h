/* SPDX-License-Identifier: MIT */
/*
 * JSON in the state directory, and as hosts exchange it. 64-bit integers are strings of digits, as doubles,
 * for which many take numbers, would round large ones. A member that is in a struct as it is in the file
 * stands in a table that its writer and its reader share.
 */
#ifndef HAK_JSON_FILE_H
#define HAK_JSON_FILE_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "json_out.h"

enum hak_json_kind { HAK_JSON_DIGITS, HAK_JSON_NUMBER, HAK_JSON_BOOL, HAK_JSON_TEXT };

struct hak_json_field {
	const char *name; /* NULL: the table's end */
	enum hak_json_kind kind;
	size_t offset, room;
};

/* A member of a struct under its own name: uint64_t, uint32_t, bool or an array of char. */
#define HAK_JSON_FIELD(type, member)                                                                \
	{#member,                                                                                   \
	 _Generic(((type *)0)->member, uint64_t: HAK_JSON_DIGITS, uint32_t: HAK_JSON_NUMBER,        \
		  bool: HAK_JSON_BOOL, char *: HAK_JSON_TEXT),                                      \
	 offsetof(type, member), sizeof(((type *)0)->member)}

void hak_json_put(struct hak_json *json, const struct hak_json_field *fields, const void *from);
/* What no bool is counts as false, and what no text is as ""; longer text is cut. Return: 0; -EBADMSG: a
 * number is absent, or none. */
int hak_json_take(const cJSON *object, const struct hak_json_field *fields, void *to);

void hak_json_digits(struct hak_json *json, const char *key, uint64_t value);
/* Return: 0; -EBADMSG: absent, or none. */
int hak_json_take_digits(const cJSON *object, const char *name, uint64_t *ret_value);
/* Return: 0; -EBADMSG: no document of ours; -EPROTONOSUPPORT: its "schema" is later than @known. */
int hak_json_check_schema(const cJSON *root, unsigned known);
/* Return: 0 (the caller deletes); -EBADMSG: it is no JSON; or why it could not be read. */
int hak_json_read(int directory_fd, const char *name, cJSON **ret_root);

/* A document in memory. */
struct hak_json_text {
	struct hak_json json;
	char *text;
	size_t length;
};

/* With its "schema". Return: where its members go; NULL: no memory. */
struct hak_json *hak_json_text_begin(struct hak_json_text *document, unsigned schema);
/* Return: the caller's to free; NULL: no memory. */
char *hak_json_text_end(struct hak_json_text *document);

#endif
