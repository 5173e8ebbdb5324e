/* SPDX-License-Identifier: MIT */
/* See json_u64.h. */
#include "json_u64.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

bool hak_json_add_u64(cJSON *object, const char *name, uint64_t value)
{
	char number[24];

	(void)snprintf(number, sizeof(number), "%" PRIu64, value); /* fits */
	return cJSON_AddStringToObject(object, name, number) != NULL;
}

int hak_json_parse_u64(const cJSON *object, const char *name, uint64_t *ret_value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	char *end;

	if (!cJSON_IsString(item) || item->valuestring[0] < '0' || item->valuestring[0] > '9')
		return -EBADMSG;
	errno = 0;
	*ret_value = strtoull(item->valuestring, &end, 10);
	return errno || *end ? -EBADMSG : 0;
}
