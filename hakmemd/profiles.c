/* SPDX-License-Identifier: MIT */
/* See profiles.h. */
#include "profiles.h"

#include <errno.h>
#include <string.h>

#include "json_file.h"

enum { SCHEMA = 1 };

static void remove_at(struct hak_profiles *profiles, size_t index)
{
	memmove(&profiles->profile[index], &profiles->profile[index + 1],
		(--profiles->count - index) * sizeof(*profiles->profile));
}

int hak_profiles_clear(struct hak_profiles *profiles, const char *text)
{
	for (size_t i = 0; i < profiles->count; i++) {
		if (strcmp(profiles->profile[i].text, text) != 0)
			continue;
		remove_at(profiles, i);
		return 0;
	}
	return -ENOENT;
}

int hak_profiles_set(struct hak_profiles *profiles, const struct hak_profile *profile)
{
	(void)hak_profiles_clear(profiles, profile->text); /* -ENOENT: it is the first of its target */
	if (profiles->count == HAK_PROFILES_MAX)
		return -ENOBUFS;
	profiles->profile[profiles->count++] = *profile;
	return 0;
}

bool hak_profiles_expire(struct hak_profiles *profiles)
{
	size_t before = profiles->count;

	for (size_t i = profiles->count; i-- > 0;) {
		const struct hak_profile *profile = &profiles->profile[i];

		if (profile->target.kind == HAK_TARGET_PID &&
		    !hak_process_lives(profile->target.pid, profile->born))
			remove_at(profiles, i);
	}
	return profiles->count != before;
}

static bool matches(const struct hak_profile *profile, const struct hak_client *client)
{
	if (profile->target.kind != HAK_TARGET_PID)
		return hak_target_matches(&profile->target, hak_client_creator(client));
	HAK_FOREACH_SLOT(slot, client) {
		if (slot->pid == profile->target.pid && slot->born == profile->born)
			return true;
	}
	return false;
}

const struct hak_profile *hak_profiles_match(const struct hak_profiles *profiles, enum hak_conf_key key,
					     const struct hak_client *client)
{
	for (size_t i = profiles->count; i-- > 0;) {
		const struct hak_profile *profile = &profiles->profile[i];
		bool has = key == HAK_CONF_MODE ? profile->has_mode : profile->has_learning;

		if (has && matches(profile, client))
			return profile;
	}
	return NULL;
}

/* ---- on disk ----------------------------------------------------------------------------------------- */

static int parse_profile(const cJSON *item, struct hak_profile *ret_profile)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "target"));
	const char *mode = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "mode"));
	const cJSON *learning = cJSON_GetObjectItemCaseSensitive(item, "learning");
	struct hak_profile profile = {.has_mode = mode != NULL, .has_learning = cJSON_IsBool(learning)};

	if (!text || strlen(text) > HAK_PROFILE_TARGET_CHARS || hak_target_parse(text, &profile.target) < 0 ||
	    (mode && hak_mode_parse(mode, &profile.mode) < 0))
		return -EBADMSG;
	strcpy(profile.text, text);
	profile.learning = cJSON_IsTrue(learning);
	*ret_profile = profile;
	return 0;
}

static int parse_all(const cJSON *root, struct hak_profiles *ret_profiles)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "profiles"), *item;
	struct hak_profiles profiles = {.count = 0};
	struct hak_profile profile;

	if (hak_json_check_schema(root, SCHEMA) < 0 || !cJSON_IsArray(list))
		return -EBADMSG;
	cJSON_ArrayForEach(item, list)
	{
		if (parse_profile(item, &profile) < 0 || hak_profiles_set(&profiles, &profile) < 0)
			return -EBADMSG;
	}
	*ret_profiles = profiles;
	return 0;
}

int hak_profiles_load(int directory_fd, struct hak_profiles *ret_profiles)
{
	cJSON *root = NULL;
	int r = hak_json_read(directory_fd, HAK_PROFILES_FILE, &root);

	ret_profiles->count = 0;
	if (r == 0)
		r = parse_all(root, ret_profiles);
	cJSON_Delete(root);
	return r;
}

char *hak_profiles_format(const struct hak_profiles *profiles)
{
	struct hak_json_text text;
	struct hak_json *json = hak_json_text_begin(&text, SCHEMA);

	if (!json)
		return NULL;
	hak_json_begin(json, "profiles", '[');
	for (size_t i = 0; i < profiles->count; i++) {
		const struct hak_profile *profile = &profiles->profile[i];

		if (profile->target.kind == HAK_TARGET_PID)
			continue;
		hak_json_begin(json, NULL, '{');
		hak_json_string(json, "target", profile->text);
		if (profile->has_mode)
			hak_json_string(json, "mode", hak_mode_name(profile->mode));
		if (profile->has_learning)
			hak_json_bool(json, "learning", profile->learning);
		hak_json_end(json, '}');
	}
	hak_json_end(json, ']');
	return hak_json_text_end(&text);
}
