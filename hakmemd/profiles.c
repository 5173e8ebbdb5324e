/* SPDX-License-Identifier: MIT */
/* See profiles.h. */
#include "profiles.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file_replace.h"

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
	for (size_t i = 0; i < client->slots_used; i++) {
		const struct hak_slot *slot = hak_client_slot(client, i);

		if (slot->pid == profile->target.pid && slot->born == profile->born)
			return true;
	}
	return false;
}

static const struct hak_profile *newest(const struct hak_profiles *profiles, const struct hak_client *client,
					bool learning)
{
	for (size_t i = profiles->count; i-- > 0;) {
		const struct hak_profile *profile = &profiles->profile[i];

		if ((learning ? profile->has_learning : profile->has_mode) && matches(profile, client))
			return profile;
	}
	return NULL;
}

const struct hak_profile *hak_profiles_mode(const struct hak_profiles *profiles,
					    const struct hak_client *client)
{
	return newest(profiles, client, false);
}

const struct hak_profile *hak_profiles_learning(const struct hak_profiles *profiles,
						const struct hak_client *client)
{
	return newest(profiles, client, true);
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

static int parse_all(const char *text, struct hak_profiles *ret_profiles)
{
	cJSON *root = cJSON_Parse(text);
	const cJSON *schema = cJSON_GetObjectItemCaseSensitive(root, "schema"), *item;
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "profiles");
	struct hak_profiles profiles = {.count = 0};
	struct hak_profile profile;
	int r = cJSON_IsNumber(schema) && schema->valueint == SCHEMA && cJSON_IsArray(list) ? 0 : -EBADMSG;

	cJSON_ArrayForEach(item, list)
	{
		if (r == 0)
			r = parse_profile(item, &profile);
		if (r == 0)
			r = hak_profiles_set(&profiles, &profile);
	}
	cJSON_Delete(root);
	if (r < 0)
		return -EBADMSG;
	*ret_profiles = profiles;
	return 0;
}

int hak_profiles_load(int directory_fd, struct hak_profiles *ret_profiles)
{
	size_t length;
	char *text;
	int r;

	ret_profiles->count = 0;
	r = hak_file_read(directory_fd, HAK_PROFILES_FILE, &text, &length);
	if (r < 0)
		return r;
	r = parse_all(text, ret_profiles);
	free(text);
	return r;
}

char *hak_profiles_format(const struct hak_profiles *profiles)
{
	cJSON *root = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(root, "profiles");
	char *text;

	for (size_t i = 0; i < profiles->count; i++) {
		const struct hak_profile *profile = &profiles->profile[i];
		cJSON *item;

		if (profile->target.kind == HAK_TARGET_PID)
			continue;
		item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "target", profile->text);
		if (profile->has_mode)
			cJSON_AddStringToObject(item, "mode", hak_mode_name(profile->mode));
		if (profile->has_learning)
			cJSON_AddBoolToObject(item, "learning", profile->learning);
		cJSON_AddItemToArray(list, item);
	}
	/* The last one: cJSON drops what it has no memory for, and a text without this is none of ours. */
	text = cJSON_AddNumberToObject(root, "schema", SCHEMA) ? cJSON_Print(root) : NULL;
	cJSON_Delete(root);
	return text;
}
