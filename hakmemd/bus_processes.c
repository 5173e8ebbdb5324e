/* SPDX-License-Identifier: MIT */
/* Members that tell of processes. See bus.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus.h"

int hak_bus_report(struct hak_bus *bus, sd_bus_message *message, struct hak_report_walk *walk,
		   const char *text, sd_bus_error *error)
{
	uint64_t began_usec;
	int r = hak_bus_afford(bus, message, &walk->viewer, &began_usec, error);

	if (r < 0)
		return r;
	walk->manager = bus->manager;
	r = hak_report_open(walk);
	hak_bus_charge(bus, &walk->viewer, began_usec);
	return r < 0 ? hak_bus_fail(error, r, text) : hak_bus_document(bus, message, walk, NULL);
}

int hak_bus_dump_stats(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_report_walk walk = {.kind = &hak_report_stats, .limit = UINT64_MAX};
	const char *text = "*";
	int brief = 0, r;
	const struct hak_bus_option options[] = {
		{"target", 's', &text, NULL},
		{"limit", 't', &walk.limit, NULL},
		{"brief", 'b', &brief, NULL},
	};

	r = hak_bus_read_options(message, options, 3, error);
	if (r >= 0)
		r = hak_bus_parse_target(text, &walk.target, error);
	walk.brief = brief;
	return r < 0 ? r : hak_bus_report(data, message, &walk, text, error);
}

int hak_bus_explain(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_report_walk walk = {.kind = &hak_report_explain, .limit = UINT64_MAX};
	const char *text;
	int r;

	r = hak_bus_read(message, NULL, 0, NULL, error, "s", &text);
	if (r >= 0)
		r = hak_bus_parse_target(text, &walk.target, error);
	return r < 0 ? r : hak_bus_report(data, message, &walk, text, error);
}

/* ---- ListProcesses ----------------------------------------------------------------------------------- */

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

/* A part of the list. */
struct page {
	struct hak_target target;
	struct hak_viewer viewer;
	uint64_t cursor; /* the first place */
	uint32_t limit;
	uint64_t next; /* where the next page goes on; 0: nowhere */
};

static int append_page(sd_bus_message *reply, const struct hak_registry *registry, struct page *page)
{
	uint32_t count = 0;
	int r;

	for (const struct hak_client *client = registry->first; client; client = client->next) {
		HAK_FOREACH_SLOT(slot, client) {
			uint64_t place = client->id * HAK_TELEMETRY_SLOTS_MAX + slot->index;

			if (place < page->cursor || !hak_slot_has_process(slot) ||
			    !hak_target_matches(&page->target, slot))
				continue;
			if (count++ == page->limit) {
				page->next = place;
				return 0;
			}
			r = append_process(reply, slot, &page->viewer);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int reply_page(sd_bus_message *message, const struct hak_registry *registry, struct page *page)
{
	sd_bus_message *reply = NULL;
	char next[24] = "";
	int r;

	r = sd_bus_message_new_method_return(message, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "a{sv}");
	if (r >= 0)
		r = append_page(reply, registry, page);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (page->next)
		(void)snprintf(next, sizeof(next), "%" PRIu64, page->next); /* fits */
	if (r >= 0)
		r = sd_bus_message_append(reply, "s", next);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

int hak_bus_list_processes(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	struct hak_registry *registry = bus->manager->registry;
	const char *text = "*", *cursor;
	const struct hak_bus_option options[] = {{"target", 's', &text, NULL}};
	struct page page = {.next = 0};
	uint64_t began_usec;
	char *end;
	int r;

	r = hak_bus_read_options(message, options, 1, error);
	if (r >= 0)
		r = sd_bus_message_read(message, "su", &cursor, &page.limit);
	if (r < 0)
		return r;
	page.cursor = strtoull(cursor, &end, 10);
	if (*end)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("InvalidOption"),
					 "'%.32s' is no cursor; begin with an empty one", cursor);
	if (page.limit == 0 || page.limit > HAK_REPORT_PAGE)
		page.limit = HAK_REPORT_PAGE;
	r = hak_bus_parse_target(text, &page.target, error);
	if (r >= 0)
		r = hak_bus_afford(bus, message, &page.viewer, &began_usec, error);
	if (r < 0)
		return r;
	if (page.target.kind == HAK_TARGET_ALL)
		hak_registry_refresh_from(registry, page.cursor / HAK_TELEMETRY_SLOTS_MAX, page.limit);
	else if (!page.cursor)
		hak_registry_refresh(registry, NULL, HAK_REGISTRY_REFRESH_USEC);
	r = reply_page(message, registry, &page);
	hak_bus_charge(bus, &page.viewer, began_usec);
	return r;
}
