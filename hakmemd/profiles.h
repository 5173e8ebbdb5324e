/* SPDX-License-Identifier: MIT */
/*
 * Profiles: what somebody set at run time for some processes (SetProfile), by target. The newest that matches
 * and has the key counts. Kept in STATE_DIR/profiles.json, but for those of one pid, which end with its
 * process. A plain list; one thread.
 */
#ifndef HAK_PROFILES_H
#define HAK_PROFILES_H

#include "conf.h"
#include "target.h"

#define HAK_PROFILES_FILE "profiles.json"

enum { HAK_PROFILES_MAX = 64, HAK_PROFILE_TARGET_CHARS = HAK_CONTEXT_UNIT_CHARS + 8 };

struct hak_profile {
	char text[HAK_PROFILE_TARGET_CHARS + 1]; /* the target, as it was written */
	struct hak_target target;
	uint64_t born; /* of the process of a pid: target; 0 otherwise */
	enum hak_mode mode;
	bool has_mode;
	bool learning;
	bool has_learning;
};

struct hak_profiles {
	struct hak_profile profile[HAK_PROFILES_MAX]; /* in order of their making */
	size_t count;
};

/* Replaces one of the same target. Return: 0; -ENOBUFS: there are HAK_PROFILES_MAX. */
int hak_profiles_set(struct hak_profiles *profiles, const struct hak_profile *profile);
/* Return: 0; -ENOENT. */
int hak_profiles_clear(struct hak_profiles *profiles, const char *text);
/* Forget those whose process has ended. Return: were there any? */
bool hak_profiles_expire(struct hak_profiles *profiles);

/* The newest that says it of a client; NULL without one. */
const struct hak_profile *hak_profiles_match(const struct hak_profiles *profiles, enum hak_conf_key key,
					     const struct hak_client *client);

/* Return: 0; -ENOENT; -EBADMSG (not ours, or damaged: none are set then); or why it could not be read. */
int hak_profiles_load(int directory_fd, struct hak_profiles *ret_profiles);
/* The text of HAK_PROFILES_FILE. Return: the caller's to free; NULL without memory. */
char *hak_profiles_format(const struct hak_profiles *profiles);

#endif
