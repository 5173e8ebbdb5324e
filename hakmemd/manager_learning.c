/* SPDX-License-Identifier: MIT */
/* What the manager does for the learner: publishes what it decides, and tells it. See learner.h. */
#include <stdio.h>

#include "log.h"
#include "manager.h"
#include "manager_private.h"

void hak_manager_collect(void *data, struct hak_client *client)
{
	struct hak_manager *manager = data;

	hak_learner_collect(&manager->learner, client);
	hak_manager_want_saved(manager);
}

static void tell(struct hak_manager *manager, const struct hak_learned *learned, const char *what)
{
	struct hak_json *json = hak_event_begin(&manager->events, HAK_EVENT_DECISION);
	char context[HAK_CONTEXT_HEX_CHARS + 1];

	if (!json)
		return;
	hak_context_format(&learned->context, context);
	hak_json_string(json, "context", context);
	hak_json_string(json, "what", what);
	hak_json_string(json, "phase", hak_life_phase_name((enum hak_phase_of_life)learned->life.phase));
	hak_json_string(json, "strategy", hak_strategy_table[learned->life.winner].name);
	hak_json_u64(json, "epoch", learned->life.epoch);
	hak_json_string(json, "why", learned->why);
	hak_event_secret(&manager->events);
	hak_json_string(json, "unit", learned->unit);
	hak_json_string(json, "program", learned->program);
	hak_event_end(&manager->events, (uid_t)-1);
}

/* hak_learner_owner.decided: it is durable. Processes follow their entries at the new serial. */
static void on_decided(void *data, const struct hak_learned *learned, const char *what, uint8_t before,
		       uid_t uid)
{
	struct hak_manager *manager = data;
	char context[HAK_CONTEXT_HEX_CHARS + 1], subject[128], why[256];
	struct hak_log_change change = {.what = subject,
					.before = hak_strategy_table[before].name,
					.after = hak_strategy_table[learned->life.winner].name,
					.why = why,
					.uid = uid};

	(void)hak_registry_repolicy(manager->registry);
	hak_manager_bump(manager);
	hak_context_format(&learned->context, context);
	(void)snprintf(subject, sizeof(subject), "strategy of %s (%s)", context, learned->program);
	(void)snprintf(why, sizeof(why), "%s: %s", what, learned->why);
	change.serial = manager->view.serial;
	hak_log_changed(&change);
	manager->decisions++;
	tell(manager, learned, what);
	if (manager->decided)
		manager->decided(manager->changed_data, learned, what);
}

/* hak_learner_owner.client_changed */
static void on_client_changed(void *data, struct hak_client *client)
{
	struct hak_manager *manager = data;

	hak_registry_reconsider(manager->registry, client);
	hak_manager_bump(manager);
}

/* hak_learner_owner.mode_of */
static enum hak_mode mode_of(void *data, const struct hak_client *client)
{
	const struct hak_manager *manager = data;
	const struct hak_sample *sample = hak_client_creator(client)->sample;
	struct hak_policy policy;

	if (!hak_manager_may_learn(manager, client) || (sample && sample->pinned & HAK_PIN_EVOLUTION))
		return HAK_MODE_MINIMAL;
	if (sample && sample->pinned & HAK_PIN_MODE)
		return hak_policy_unpack(sample->policy_word, &policy, NULL) == 0 ? policy.mode
										  : HAK_MODE_MINIMAL;
	return hak_manager_choose(manager, client).mode;
}

/* hak_learner_owner.poisoned */
static void on_poisoned(void *data, struct hak_client *client, const char *what)
{
	hak_client_life_distrust(client, what);
}

/* hak_learner_owner.save_wanted */
static void on_save_wanted(void *data)
{
	hak_manager_want_saved(data);
}

struct hak_learner_owner hak_manager_learner_owner(struct hak_manager *manager)
{
	return (struct hak_learner_owner){manager, on_decided,  on_client_changed,
					  mode_of, on_poisoned, on_save_wanted};
}
