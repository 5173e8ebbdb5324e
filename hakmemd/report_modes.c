/* SPDX-License-Identifier: MIT */
/* Verify and Explain: what runs against what is published, and why that is published. See report.h,
 * report_walk.h. */
#include "report_walk.h"

/* ---- Verify ------------------------------------------------------------------------------------------ */

/* Does what runs differ from what is published, in a field that the process did not take from its
 * environment? */
static bool differs(const struct hak_policy *expected, const struct hak_policy *actual, uint32_t pinned)
{
	/* With the mode comes what has no override of its own. */
	if (!(pinned & HAK_PIN_MODE) && (expected->mode != actual->mode || expected->panic != actual->panic ||
					 expected->strategy != actual->strategy))
		return true;
	if (pinned & HAK_PIN_MODE)
		return false;
	return (!(pinned & HAK_PIN_THP) && expected->thp != actual->thp) ||
	       (!(pinned & HAK_PIN_FREE_POLICY) && expected->free_policy != actual->free_policy) ||
	       (!(pinned & HAK_PIN_EVOLUTION) &&
		(expected->evolution != actual->evolution || expected->elo != actual->elo)) ||
	       (!(pinned & HAK_PIN_BIGCACHE) && expected->bigcache != actual->bigcache) ||
	       (!(pinned & HAK_PIN_BATCH) && expected->batch != actual->batch) ||
	       (!(pinned & HAK_PIN_THREAD_BINS) && expected->thread_bins != actual->thread_bins) ||
	       (!(pinned & HAK_PIN_LOG) && expected->log != actual->log);
}

/* Others are behind: the policy changed again while we looked. */
static enum hak_verify of_wait(enum hak_wait_verdict verdict)
{
	switch (verdict) {
	case HAK_WAIT_ASLEEP:
		return HAK_VERIFY_ASLEEP;
	case HAK_WAIT_STOPPED:
		return HAK_VERIFY_STOPPED;
	case HAK_WAIT_LOST:
		return HAK_VERIFY_LOST;
	default:
		return HAK_VERIFY_BEHIND;
	}
}

/* MATCH, DIFFERS and LOST speak of processes that were active; the others have not looked yet. */
static enum hak_verify verdict_of(const struct hak_manager *manager, const struct hak_slot *slot,
			      const struct hak_waiter *waiter)
{
	const struct hak_wait_target *target = hak_waiter_find(waiter, slot);
	struct hak_policy expected = hak_report_expected(manager, slot->client), actual;

	if (slot->sample->pinned & HAK_PIN_MODE)
		return HAK_VERIFY_PINNED;
	if (slot->sample->applied_serial < manager->view.serial)
		return !target || manager->view.serial != waiter->query.serial
			       ? HAK_VERIFY_BEHIND
			       : of_wait((enum hak_wait_verdict)target->verdict);
	if (hak_policy_unpack(slot->sample->policy_word, &actual, NULL) < 0 ||
	    differs(&expected, &actual, slot->sample->pinned))
		return HAK_VERIFY_DIFFERS;
	return HAK_VERIFY_MATCH;
}

static const char *const verdicts[HAK_VERIFY_COUNT] = {"match",   "differs", "pinned", "asleep",
						       "stopped", "lost",    "behind"};

static void verify_process(struct hak_report_walk *walk, const struct hak_slot *slot)
{
	const struct hak_manager *manager = walk->manager;
	struct hak_policy expected = hak_report_expected(manager, slot->client), actual;
	enum hak_verify verdict = verdict_of(manager, slot, walk->waiter);
	struct hak_json *json = &walk->json;

	walk->counts[verdict]++;
	hak_json_begin(json, NULL, '{');
	hak_report_process(json, slot, &walk->viewer);
	hak_json_string(json, "verdict", verdicts[verdict]);
	hak_json_u64(json, "applied_serial", slot->sample->applied_serial);
	hak_report_pins(json, "pinned", slot->sample->pinned);
	hak_report_policy(json, "expected", &expected);
	if (hak_policy_unpack(slot->sample->policy_word, &actual, NULL) == 0)
		hak_report_policy(json, "actual", &actual);
	else
		hak_json_null(json, "actual");
	hak_json_end(json, '}');
}

static void verify_summary(struct hak_report_walk *walk)
{
	struct hak_json *json = &walk->json;

	hak_json_begin(json, "summary", '{');
	for (unsigned i = 0; i < HAK_VERIFY_COUNT; i++)
		hak_json_u64(json, verdicts[i], walk->counts[i]);
	hak_json_end(json, '}');
	hak_json_bool(json, "verified",
		      walk->counts[HAK_VERIFY_DIFFERS] == 0 && walk->counts[HAK_VERIFY_LOST] == 0);
}

static void verify_begin(struct hak_report_walk *walk)
{
	hak_json_string(&walk->json, "mode", hak_mode_name(walk->manager->view.choice.mode));
	hak_json_u64(&walk->json, "serial", walk->manager->view.serial);
}

const struct hak_report_kind hak_report_verify = {
	.name = "hakmem-verify", .begin = verify_begin, .process = verify_process, .end = verify_summary};

/* ---- Explain ----------------------------------------------------------------------------------------- */

/* One candidate for the mode in force. @mode NULL: it has no opinion. */
static void candidate(struct hak_json *json, const char *source, const char *mode, bool chosen,
		      const char *evidence)
{
	hak_json_begin(json, NULL, '{');
	hak_json_string(json, "source", source);
	hak_json_string(json, "mode", mode);
	hak_json_bool(json, "chosen", chosen);
	hak_json_string(json, "evidence", evidence);
	hak_json_end(json, '}');
}

struct chosen {
	const struct hak_conf_rule *rule;  /* of one process; NULL: none */
	const struct hak_profile *profile; /* the same */
	enum hak_policy_source source;
	const char *pinned; /* the mode from its environment, before which all else is nothing; NULL: none */
};

/* All of them, in the order in which the first wins. */
static void candidates(struct hak_json *json, const struct hak_manager *manager, const struct chosen *chosen)
{
	const struct hak_hold *hold = hak_holds_newest(&manager->holds);
	const struct hak_state *state = &manager->state;
	const struct hak_conf *config = &manager->config;
	const struct hak_profile *profile = chosen->profile;
	const struct hak_conf_rule *rule = chosen->rule;
	const struct {
		enum hak_policy_source source;
		bool has, of_some;
		enum hak_mode mode;
		const char *evidence;
	} all[] = {
		{HAK_SOURCE_PANIC, state->panicked, false, HAK_MODE_MINIMAL, state->panic_reason},
		{HAK_SOURCE_HOLD, hold, false, hold ? hold->mode : 0, hold ? hold->reason : NULL},
		{HAK_SOURCE_RUNTIME, profile, true, profile ? profile->mode : 0,
		 profile ? profile->text : NULL},
		{HAK_SOURCE_RUNTIME, state->has_runtime, false, state->runtime, "set-mode"},
		{HAK_SOURCE_RULE, rule, false, rule ? rule->mode : 0, rule ? rule->name : NULL},
		{HAK_SOURCE_CONFIG, config->has_mode, false, config->mode, manager->options->config},
		{HAK_SOURCE_BUILTIN, true, false, (enum hak_mode)HAK_MODE_BUILTIN, NULL},
	};

	hak_json_begin(json, "candidates", '[');
	if (chosen->pinned)
		candidate(json, "environment", chosen->pinned, true, "HAKMEM_MODE");
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		bool wins = !chosen->pinned && chosen->source == all[i].source &&
			    (all[i].of_some || all[i].source != HAK_SOURCE_RUNTIME || !profile);

		if (!all[i].of_some || profile)
			candidate(json, hak_source_name(all[i].source),
				  all[i].has ? hak_mode_name(all[i].mode) : NULL, wins,
				  all[i].has ? all[i].evidence : NULL);
	}
	hak_json_end(json, ']');
}

/* May its context be learned about, and who says so? What an administrator says wins over what was learned.
 */
static void learning_of(struct hak_json *json, const struct hak_manager *manager,
			const struct hak_client *client, bool sees)
{
	const struct hak_profile *profile = hak_profiles_match(&manager->profiles, HAK_CONF_LEARNING, client);
	const struct hak_conf_rule *rule = hak_conf_match(
		&manager->config, HAK_CONF_LEARNING, client->place.unit, hak_client_program(client));

	hak_json_begin(json, "learning", '{');
	hak_json_bool(json, "allowed", hak_manager_may_learn(manager, client));
	hak_json_string(json, "source", profile ? "runtime" : rule ? "rule" : "configured");
	hak_json_string(json, "evidence", !sees ? NULL : profile ? profile->text : rule ? rule->name : NULL);
	hak_json_end(json, '}');
}

static void explain_process(struct hak_report_walk *walk, const struct hak_slot *slot)
{
	struct hak_manager *manager = walk->manager;
	const struct hak_client *client = slot->client;
	const char *program = client->exe ? client->exe : slot->comm;
	const struct hak_conf_rule *rule = hak_conf_match(&manager->config, HAK_CONF_MODE, client->place.unit,
							  program);
	bool sees = hak_viewer_sees(&walk->viewer, client);
	const struct hak_profile *profile = hak_profiles_match(&manager->profiles, HAK_CONF_MODE, client);
	struct chosen chosen = {
		.rule = sees ? rule : NULL, .profile = sees ? profile : NULL, .source = client->source};
	struct hak_json *json = &walk->json;
	const char *mode = NULL;
	struct hak_policy actual;

	if (hak_policy_unpack(slot->sample->policy_word, &actual, NULL) == 0)
		mode = hak_mode_name((enum hak_mode)actual.mode);
	if (slot->sample->pinned & HAK_PIN_MODE)
		chosen.pinned = mode;
	hak_json_begin(json, NULL, '{');
	hak_report_process(json, slot, &walk->viewer);
	hak_report_pins(json, "pinned", slot->sample->pinned);
	hak_json_string(json, "mode", mode);
	candidates(json, manager, &chosen);
	learning_of(json, manager, client, sees);
	if (client->learned)
		hak_report_learned(json, "learned", manager, client->learned, &walk->viewer);
	hak_json_end(json, '}');
}

static void explain_begin(struct hak_report_walk *walk)
{
	const struct hak_manager *manager = walk->manager;
	const struct chosen chosen = {.source = manager->view.choice.source};

	hak_json_string(&walk->json, "mode", hak_mode_name(manager->view.choice.mode));
	candidates(&walk->json, manager, &chosen);
}

const struct hak_report_kind hak_report_explain = {
	.name = "hakmem-explain", .begin = explain_begin, .process = explain_process};
