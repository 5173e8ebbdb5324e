/* SPDX-License-Identifier: MIT */
/* See state.h. */
#include "state.h"

#include <errno.h>

#include "json_file.h"

static const struct hak_json_field fields[] = {
	HAK_JSON_FIELD(struct hak_state, panicked), HAK_JSON_FIELD(struct hak_state, panic_reason),
	HAK_JSON_FIELD(struct hak_state, changed_usec), {.name = NULL},
};

static int parse(const cJSON *root, struct hak_state *ret_state)
{
	const cJSON *mode = cJSON_GetObjectItemCaseSensitive(root, "runtime_mode");
	struct hak_state state = {.has_runtime = cJSON_IsString(mode), .runtime = HAK_MODE_BALANCED};

	if (hak_json_check_schema(root, HAK_STATE_SCHEMA) < 0 || hak_json_take(root, fields, &state) < 0 ||
	    !cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(root, "panicked")) ||
	    (state.has_runtime ? hak_mode_parse(mode->valuestring, &state.runtime) < 0 : !cJSON_IsNull(mode)))
		return -EBADMSG;
	*ret_state = state;
	return 0;
}

char *hak_state_format(const struct hak_state *state)
{
	struct hak_json_text text;
	struct hak_json *json = hak_json_text_begin(&text, HAK_STATE_SCHEMA);

	if (!json)
		return NULL;
	hak_json_string(json, "runtime_mode", state->has_runtime ? hak_mode_name(state->runtime) : NULL);
	hak_json_put(json, fields, state);
	return hak_json_text_end(&text);
}

int hak_state_load(int directory_fd, struct hak_state *ret_state)
{
	cJSON *root = NULL;
	int r = hak_json_read(directory_fd, HAK_STATE_FILE, &root);

	*ret_state = (struct hak_state){.runtime = HAK_MODE_BALANCED};
	if (r == 0)
		r = parse(root, ret_state);
	cJSON_Delete(root);
	return r;
}
