/* SPDX-License-Identifier: MIT */
/* Members that tell of processes. See bus.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus.h"

int hak_bus_dump_stats(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	const char *text = "*";
	struct hak_stats_extent extent = {.limit = UINT64_MAX};
	int brief = 0;
	const struct hak_bus_option options[] = {
		{"target", 's', &text, NULL},
		{"limit", 't', &extent.limit, NULL},
		{"brief", 'b', &brief, NULL},
	};
	struct hak_report_walk walk;
	struct hak_viewer viewer;
	struct hak_target target;
	uint64_t began_usec;
	int r;

	r = hak_bus_read_options(message, options, 3, error);
	if (r >= 0)
		r = hak_bus_parse_target(text, &target, error);
	if (r >= 0)
		r = hak_bus_afford(bus, message, &viewer, &began_usec, error);
	if (r < 0)
		return r;
	extent.brief = brief;
	r = hak_report_stats(&walk, bus->manager, &target, &viewer, &extent);
	hak_bus_charge(bus, &viewer, began_usec);
	return r < 0 ? hak_bus_fail(error, r, text) : hak_bus_document(bus, message, &walk, NULL);
}

int hak_bus_explain(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	struct hak_report_walk walk;
	struct hak_viewer viewer;
	struct hak_target target;
	uint64_t began_usec;
	const char *text;
	int r;

	r = sd_bus_message_read(message, "s", &text);
	if (r >= 0)
		r = hak_bus_read_options(message, NULL, 0, error);
	if (r >= 0)
		r = hak_bus_parse_target(text, &target, error);
	if (r >= 0)
		r = hak_bus_afford(bus, message, &viewer, &began_usec, error);
	if (r < 0)
		return r;
	r = hak_report_explain(&walk, bus->manager, &target, &viewer);
	hak_bus_charge(bus, &viewer, began_usec);
	return r < 0 ? hak_bus_fail(error, r, text) : hak_bus_document(bus, message, &walk, NULL);
}

static const char *running_mode(const struct hak_sample *sample)
{
	struct hak_policy policy;

	return hak_policy_unpack(sample->policy_word, &policy, NULL) < 0
		       ? ""
		       : hak_mode_name((enum hak_mode)policy.mode);
}

static int append_process(sd_bus_message *reply, const struct hak_slot *slot, const struct hak_viewer *viewer)
{
	const struct hak_client *client = slot->client;
	const struct hak_sample *sample = slot->sample;
	char context[HAK_CONTEXT_HEX_CHARS + 1];
	int r;

	hak_context_format(&client->context, context);
	r = sd_bus_message_open_container(reply, 'a', "{sv}");
	if (r >= 0)
		r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}", "context", "s", context, "mode", "s",
					  running_mode(sample), "verified", "b",
					  slot->phase == HAK_PHASE_LIVE, "applied-serial", "t",
					  sample->applied_serial, "pinned", "b",
					  (sample->pinned & HAK_PIN_MODE) != 0);
	if (r >= 0 && hak_viewer_sees(viewer, client)) {
		r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "pid", "u",
					  (uint32_t)slot->pid, "uid", "u", (uint32_t)client->uid, "comm", "s",
					  slot->comm, "exe", "s", client->exe ? client->exe : "", "unit", "s",
					  client->place.unit, "slot", "u", (uint32_t)slot->index,
					  "live-bytes", "t", sample->gauge[HAK_GAUGE_live_bytes]);
	}
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* From @cursor on, at most @limit. @ret_next: where the next call goes on, 0 at the end. */
static int append_processes(sd_bus_message *reply, const struct hak_bus *bus, const struct hak_target *target,
			    const struct hak_viewer *viewer, uint64_t cursor, uint32_t limit,
			    uint64_t *ret_next)
{
	const struct hak_client *client = bus->manager->registry->first;
	uint32_t count = 0;
	int r = 0;

	*ret_next = 0;
	for (; r >= 0 && client; client = client->next) {
		for (uint64_t i = 0; r >= 0 && i < client->slots_used; i++) {
			uint64_t place = client->id * HAK_TELEMETRY_SLOTS_MAX + i;
			const struct hak_slot *slot = hak_client_slot(client, i);

			if (place < cursor || !hak_slot_has_process(slot) || !slot->sample ||
			    !hak_target_matches(target, slot))
				continue;
			if (count++ == limit) {
				*ret_next = place;
				return 0;
			}
			r = append_process(reply, slot, viewer);
		}
	}
	return r;
}

int hak_bus_list_processes(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	const char *text = "*", *cursor_text;
	const struct hak_bus_option options[] = {{"target", 's', &text, NULL}};
	struct hak_viewer viewer;
	struct hak_target target;
	sd_bus_message *reply = NULL;
	uint64_t cursor = 0, next, began_usec;
	char next_text[24] = "";
	uint32_t limit;
	char *end;
	int r;

	r = hak_bus_read_options(message, options, 1, error);
	if (r >= 0)
		r = sd_bus_message_read(message, "su", &cursor_text, &limit);
	if (r >= 0)
		r = hak_bus_parse_target(text, &target, error);
	if (r < 0)
		return r;
	cursor = strtoull(cursor_text, &end, 10);
	if (*end)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("InvalidOption"),
					 "'%.32s' is no cursor; begin with an empty one", cursor_text);
	if (limit == 0 || limit > HAK_REPORT_PAGE)
		limit = HAK_REPORT_PAGE;
	r = hak_bus_afford(bus, message, &viewer, &began_usec, error);
	if (r < 0)
		return r;
	if (target.kind == HAK_TARGET_ALL)
		hak_registry_refresh_from(bus->manager->registry, cursor / HAK_TELEMETRY_SLOTS_MAX, limit);
	else if (!cursor)
		hak_registry_refresh(bus->manager->registry, NULL, HAK_REGISTRY_REFRESH_USEC);
	r = sd_bus_message_new_method_return(message, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "a{sv}");
	if (r >= 0)
		r = append_processes(reply, bus, &target, &viewer, cursor, limit, &next);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0 && next)
		snprintf(next_text, sizeof(next_text), "%" PRIu64, next);
	if (r >= 0)
		r = sd_bus_message_append(reply, "s", next_text);
	if (r >= 0)
		r = sd_bus_send(bus->bus, reply, NULL);
	sd_bus_message_unref(reply);
	hak_bus_charge(bus, &viewer, began_usec);
	return r;
}
