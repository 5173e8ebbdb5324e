/* SPDX-License-Identifier: MIT */
/*
 * What registry and reclaimer tell the manager of processes and ask it: passed on to the journal, to whoever
 * monitors, to hakmem-helper.
 */
#include <stdio.h>
#include <string.h>

#include "identity.h"
#include "log.h"
#include "manager_private.h"
#include "report.h"

/* hak_registry_owner.in_use_changed: nobody watches the heartbeat of an unused segment. */
static void on_in_use(void *data, bool in_use)
{
	struct hak_manager *manager = data;

	/* A source of ours: cannot fail. Due at once when the first one comes. */
	(void)sd_event_source_set_time(manager->heartbeat_source, 0);
	(void)sd_event_source_set_enabled(manager->heartbeat_source, in_use ? SD_EVENT_ON : SD_EVENT_OFF);
	hak_reclaim_watch(&manager->reclaim, in_use);
}

/* hak_reclaim.tell_asked: one serial, however many there were. */
static void tell_asked(void *data)
{
	hak_manager_bump(data);
}

/* hak_reclaim.decided: as the journal has what people decide. */
static void on_reclaim(void *data, const char *what, const char *result, const char *why)
{
	const struct hak_asker nobody = {.uid = (uid_t)-1, .reason = why};

	hak_manager_journal(data, what, NULL, result, &nobody);
}

static void on_policy_differs(void *data)
{
	struct hak_manager *manager = data;

	(void)hak_control_bump(&manager->writer);
	hak_manager_tell(manager);
}

/* Whose event it is: the context for everybody, the rest for its owner. */
static void tell_client(struct hak_manager *manager, struct hak_json *json, const struct hak_client *client,
			uint64_t pid)
{
	char context[HAK_CONTEXT_HEX_CHARS + 1];

	hak_context_format(&client->context, context);
	hak_json_string(json, "context", context);
	hak_event_secret(&manager->events);
	hak_json_u64(json, "pid", pid);
	hak_json_u64(json, "uid", client->uid);
	hak_json_string(json, "exe", client->exe);
	hak_json_string(json, "unit", *client->place.unit ? client->place.unit : NULL);
}

static void tell_fatal(struct hak_manager *manager, const struct hak_client *client,
		       const struct hak_last_words *words)
{
	struct hak_json *json = hak_event_begin(&manager->events, HAK_EVENT_FATAL);

	if (!json)
		return;
	tell_client(manager, json, client, words->pid);
	hak_json_string(json, "text", words->text);
	hak_event_end(&manager->events, client->uid);
}

static void on_fatal(void *data, const struct hak_slot *slot)
{
	struct hak_manager *manager = data;
	struct hak_last_words *words = &manager->last_words;
	const struct hak_client *client = slot->client;

	*words = (struct hak_last_words){.usec = slot->sample->fatal_usec,
					 .address = slot->sample->fatal_address,
					 .pid = slot->sample->inner_pid,
					 .uid = client->uid};
	snprintf(words->program, sizeof(words->program), "%s",
		 client->exe ? basename(client->exe) : slot->comm);
	snprintf(words->unit, sizeof(words->unit), "%s", client->place.unit);
	snprintf(words->text, sizeof(words->text), "%s", slot->sample->fatal_text);
	hak_log_fatal(words);
	tell_fatal(manager, client, words);
}

static void on_log(void *data, const struct hak_slot *slot, const struct hak_log_line *line,
		   uint64_t suppressed)
{
	struct hak_manager *manager = data;
	const struct hak_client *client = slot->client;
	char context[HAK_CONTEXT_HEX_CHARS + 1];
	struct hak_log_process process = {.usec = line->time_usec,
					  .pid = slot->pid ? (uint32_t)slot->pid : slot->sample->inner_pid,
					  .uid = client->uid,
					  .program = slot->comm,
					  .unit = client->place.unit,
					  .context = context,
					  .suppressed = suppressed};
	struct hak_json *json;

	if (line->time_usec < manager->started_usec)
		return; /* a daemon before this one told it */
	hak_context_format(&client->context, context);
	hak_log_process(&process, line->text);
	json = hak_event_begin(&manager->events, HAK_EVENT_LOG);
	if (!json)
		return;
	tell_client(manager, json, client, process.pid);
	hak_json_string(json, "text", line->text);
	hak_event_end(&manager->events, client->uid);
}

static void on_unverified(void *data, struct hak_slot *slot)
{
	struct hak_manager *manager = data;

	hak_identity_ask(manager->registry, &manager->reclaim.link, slot);
}

static void on_process(void *data, const struct hak_slot *slot, bool began)
{
	struct hak_manager *manager = data;
	struct hak_json *json = hak_event_begin(&manager->events, HAK_EVENT_PROCESS);

	if (!json)
		return;
	hak_json_string(json, "what", began ? "began" : "ended");
	tell_client(manager, json, slot->client, (uint64_t)slot->pid);
	hak_event_end(&manager->events, slot->client->uid);
}

struct hak_registry_owner hak_manager_registry_owner(struct hak_manager *manager)
{
	return (struct hak_registry_owner){
		.data = manager,
		.policy_for = hak_manager_policy_for,
		.policy_differs = on_policy_differs,
		.in_use_changed = on_in_use,
		.fatal = on_fatal,
		.log = on_log,
		.unverified = on_unverified,
		.process = on_process,
		.collect = hak_manager_collect,
		.folded = hak_manager_folded,
	};
}

struct hak_reclaim hak_manager_reclaim(struct hak_manager *manager)
{
	return (struct hak_reclaim){
		.tell_asked = tell_asked,
		.decided = on_reclaim,
		.data = manager,
		.purge = &manager->config.purge,
		.busy_percent = &manager->config.busy_percent,
		.link = {.fd = -1},
	};
}
