/* SPDX-License-Identifier: MIT */
/* See state.h. */
#include "state.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_replace.h"
#include "json_u64.h"

static int parse_root(const cJSON *root, struct hak_state *state)
{
	const cJSON *schema = cJSON_GetObjectItemCaseSensitive(root, "schema");
	const cJSON *mode = cJSON_GetObjectItemCaseSensitive(root, "runtime_mode");
	const cJSON *panicked = cJSON_GetObjectItemCaseSensitive(root, "panicked");
	const cJSON *reason = cJSON_GetObjectItemCaseSensitive(root, "panic_reason");

	if (!cJSON_IsNumber(schema) || schema->valueint != HAK_STATE_SCHEMA || !cJSON_IsBool(panicked))
		return -EBADMSG;
	if (cJSON_IsString(mode)) {
		if (hak_mode_parse(mode->valuestring, &state->runtime) < 0)
			return -EBADMSG;
		state->has_runtime = true;
	} else if (!cJSON_IsNull(mode)) {
		return -EBADMSG;
	}
	state->panicked = cJSON_IsTrue(panicked);
	if (cJSON_IsString(reason))
		snprintf(state->panic_reason, sizeof(state->panic_reason), "%s", reason->valuestring);
	return hak_json_parse_u64(root, "changed_usec", &state->changed_usec);
}

static int parse(const char *text, struct hak_state *ret_state)
{
	struct hak_state state = {.runtime = HAK_MODE_BALANCED};
	cJSON *root = cJSON_ParseWithOpts(text, NULL, 1);
	int r;

	if (!root)
		return -EBADMSG;
	r = parse_root(root, &state);
	cJSON_Delete(root);
	if (r == 0)
		*ret_state = state;
	return r;
}

char *hak_state_format(const struct hak_state *state)
{
	cJSON *root = cJSON_CreateObject();
	char *text;

	cJSON_AddNumberToObject(root, "schema", HAK_STATE_SCHEMA);
	if (state->has_runtime)
		cJSON_AddStringToObject(root, "runtime_mode", hak_mode_name(state->runtime));
	else
		cJSON_AddNullToObject(root, "runtime_mode");
	cJSON_AddBoolToObject(root, "panicked", state->panicked);
	cJSON_AddStringToObject(root, "panic_reason", state->panic_reason);
	/* The last one: cJSON drops what it has no memory for, and a text without this does not parse again.
	 */
	if (!hak_json_add_u64(root, "changed_usec", state->changed_usec)) {
		cJSON_Delete(root);
		return NULL;
	}
	text = cJSON_Print(root);
	cJSON_Delete(root);
	return text;
}

int hak_state_load(int directory_fd, struct hak_state *ret_state)
{
	size_t length;
	char *text;
	int r;

	*ret_state = (struct hak_state){.runtime = HAK_MODE_BALANCED};
	r = hak_file_read(directory_fd, HAK_STATE_FILE, &text, &length);
	if (r < 0)
		return r;
	r = strlen(text) == length ? parse(text, ret_state) : -EBADMSG;
	free(text);
	return r;
}
