/* SPDX-License-Identifier: MIT */
/* What one process gets, and the profiles that have a say in it. See manager.h. */
#include <errno.h>

#include "manager.h"
#include "manager_private.h"

struct hak_mode_choice hak_manager_choose(const struct hak_manager *manager, const struct hak_client *client)
{
	struct hak_mode_inputs inputs = hak_manager_inputs(manager);
	const struct hak_profile *profile = hak_profiles_match(&manager->profiles, HAK_CONF_MODE, client);

	inputs.profile = profile ? &profile->mode : NULL;
	return hak_modes_process(&inputs, client->place.unit, hak_client_program(client));
}

bool hak_manager_may_learn(const struct hak_manager *manager, const struct hak_client *client)
{
	const struct hak_profile *profile = hak_profiles_match(&manager->profiles, HAK_CONF_LEARNING, client);
	const struct hak_conf_rule *rule;

	if (profile)
		return profile->learning;
	rule = hak_conf_match(&manager->config, HAK_CONF_LEARNING, client->place.unit,
			      hak_client_program(client));
	return rule ? rule->learning : manager->config.learning;
}

uint64_t hak_manager_policy_for(void *data, const struct hak_client *client,
				enum hak_policy_source *ret_source)
{
	struct hak_manager *manager = data;
	struct hak_mode_choice choice = hak_manager_choose(manager, client);
	struct hak_policy policy = hak_modes_policy(&choice);
	uint64_t row = hak_policy_pack(&policy, 1);

	*ret_source = choice.source;
	if (hak_manager_may_learn(manager, client)) {
		hak_learner_policy(client, &policy);
	} else if (policy.evolution == HAK_EVO_LEARN) {
		policy.evolution = HAK_EVO_FROZEN;
		policy.elo = HAK_ELO_FROZEN;
	}
	return choice.own || hak_policy_pack(&policy, 1) != row ? hak_policy_pack(&policy, 1) : 0;
}

static const char *profile_text(const struct hak_profile *profile)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s%s%s", profile->has_mode ? hak_mode_name(profile->mode) : "",
		 profile->has_mode && profile->has_learning ? ", " : "",
		 !profile->has_learning ? ""
		 : profile->learning    ? "learning"
					: "not learning");
	return text;
}

static void change(struct hak_manager *manager, const char *target, const char *what,
		   const struct hak_asker *asker, uint64_t *ret_serial)
{
	char text[HAK_PROFILE_TARGET_CHARS + 80];

	*ret_serial = hak_manager_publish(manager);
	snprintf(text, sizeof(text), "%s: %s", target, what);
	hak_manager_journal(manager, "profile", NULL, text, asker);
	hak_manager_save(manager, HAK_SAVE_PROFILES);
}

int hak_manager_set_profile(struct hak_manager *manager, const struct hak_profile *profile,
			    const struct hak_asker *asker, uint64_t *ret_serial)
{
	struct hak_profile set = *profile;
	int r;

	if (set.target.kind == HAK_TARGET_PID) {
		const struct hak_slot *slot = hak_registry_find_pid(manager->registry, set.target.pid);

		if (!slot)
			return -ESRCH;
		set.born = slot->born;
	}
	(void)hak_profiles_expire(&manager->profiles);
	r = hak_profiles_set(&manager->profiles, &set);
	if (r == 0)
		change(manager, set.text, profile_text(&set), asker, ret_serial);
	return r;
}

int hak_manager_clear_profile(struct hak_manager *manager, const char *target, const struct hak_asker *asker,
			      uint64_t *ret_serial)
{
	int r;

	(void)hak_profiles_expire(&manager->profiles);
	r = hak_profiles_clear(&manager->profiles, target);
	if (r == 0)
		change(manager, target, "cleared", asker, ret_serial);
	return r;
}
