/* SPDX-License-Identifier: MIT */
/* Members that tell of processes, and those that wait for them. See bus.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"

enum { LIST_MOST = 1000 };

/* ---- calls that are answered later ------------------------------------------------------------------------ */

struct hak_bus_wait {
	struct hak_bus *bus;
	struct hak_bus_wait *next;
	struct hak_waiter *waiter;
	sd_bus_message *call;
	sd_bus_track *track;      /* the caller: without it there is nobody to answer */
	struct hak_viewer viewer;
	struct hak_target target; /* Verify */
	bool detail;              /* WaitApplied */
	void (*answer)(struct hak_bus_wait *wait);
};

static void wait_free(struct hak_bus_wait *wait)
{
	struct hak_bus_wait **at = &wait->bus->waits;

	while (*at && *at != wait)
		at = &(*at)->next;
	if (*at) {
		*at = wait->next;
		wait->bus->wait_count--;
	}
	hak_waiter_free(wait->waiter);
	sd_bus_message_unref(wait->call);
	sd_bus_track_unref(wait->track);
	free(wait);
}

void hak_bus_cancel_waits(struct hak_bus *bus)
{
	while (bus->waits)
		wait_free(bus->waits);
}

static void on_waiter_done(struct hak_waiter *waiter, void *data)
{
	struct hak_bus_wait *wait = data;

	(void)waiter;
	wait->answer(wait);
	wait_free(wait);
}

static int on_waiting_caller_gone(sd_bus_track *track, void *data)
{
	(void)track;
	wait_free(data);
	return 0;
}

/* Return: 1 (answered later); negative with an error set. */
static int wait_begin(const struct hak_bus_wait *template, uint64_t serial, uint64_t usec, sd_bus_error *error)
{
	struct hak_bus *bus = template->bus;
	struct hak_bus_wait *wait;
	int r;

	if (bus->wait_count >= HAK_WAITERS_MAX)
		return hak_bus_fail(error, -ENOBUFS, "calls that wait");
	wait = malloc(sizeof(*wait));
	if (!wait)
		return -ENOMEM;
	*wait = *template;
	sd_bus_message_ref(wait->call);
	wait->next = bus->waits;
	bus->waits = wait;
	bus->wait_count++;
	r = sd_bus_track_new(bus->bus, &wait->track, on_waiting_caller_gone, wait);
	if (r >= 0)
		r = sd_bus_track_add_sender(wait->track, wait->call);
	if (r >= 0)
		r = hak_waiter_new(bus->manager->registry, serial, usec, on_waiter_done, wait, &wait->waiter);
	if (r < 0) {
		wait_free(wait);
		return r;
	}
	return 1;
}

/* ---- WaitApplied ------------------------------------------------------------------------------------------ */

static int append_counts(sd_bus_message *reply, const struct hak_waiter *waiter)
{
	int r;

	r = sd_bus_message_append(reply, "{sv}", "serial", "t", waiter->serial);
	for (int i = HAK_WAIT_APPLIED; r >= 0 && i < HAK_WAIT_VERDICT_COUNT; i++)
		r = sd_bus_message_append(reply, "{sv}", hak_wait_verdict_name((enum hak_wait_verdict)i), "u",
					  (uint32_t)hak_waiter_count(waiter, (enum hak_wait_verdict)i));
	return r;
}

static int append_details(sd_bus_message *reply, const struct hak_bus_wait *wait)
{
	int r;

	r = sd_bus_message_open_container(reply, 'e', "sv");
	if (r >= 0)
		r = sd_bus_message_append(reply, "s", "processes");
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'v', "a(us)");
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(us)");
	for (size_t i = 0; r >= 0 && i < wait->waiter->count; i++) {
		const struct hak_wait_target *target = &wait->waiter->target[i];

		if (wait->viewer.privileged || wait->viewer.uid == target->uid)
			r = sd_bus_message_append(reply, "(us)", (uint32_t)target->pid,
						  hak_wait_verdict_name((enum hak_wait_verdict)target->verdict));
	}
	for (int i = 0; r >= 0 && i < 3; i++)
		r = sd_bus_message_close_container(reply);
	return r;
}

static void answer_wait_applied(struct hak_bus_wait *wait)
{
	sd_bus_message *reply = NULL;
	int r;

	r = sd_bus_message_new_method_return(wait->call, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "{sv}");
	if (r >= 0)
		r = append_counts(reply, wait->waiter);
	if (r >= 0 && wait->detail)
		r = append_details(reply, wait);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_send(wait->bus->bus, reply, NULL);
	if (r < 0) /* if that fails as well the caller's own timeout ends it */
		(void)sd_bus_reply_method_errno(wait->call, r, NULL);
	sd_bus_message_unref(reply);
}

int hak_bus_wait_applied(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus_wait wait = { .bus = data, .call = message, .answer = answer_wait_applied };
	uint64_t serial, usec, published = wait.bus->manager->view.serial;
	int detail = 0, r;
	const struct hak_bus_option options[] = { { "detail", 'b', &detail, NULL } };

	r = sd_bus_message_read(message, "tt", &serial, &usec);
	if (r >= 0)
		r = hak_bus_read_options(message, options, 1, error);
	if (r >= 0)
		r = hak_bus_viewer(message, &wait.viewer, error);
	if (r < 0)
		return r;
	if (serial > published)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("SerialMismatch"),
					 "serial %" PRIu64 " was not published yet; the last one is %" PRIu64, serial,
					 published);
	wait.detail = detail;
	return wait_begin(&wait, serial, usec, error);
}

/* ---- Verify ----------------------------------------------------------------------------------------------- */

static int reply_with_fd(sd_bus_message *call, int fd)
{
	int r = sd_bus_reply_method_return(call, "h", fd); /* keeps a copy */

	close(fd);
	return r;
}

static void answer_verify(struct hak_bus_wait *wait)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int fd, r;

	fd = hak_report_verify(wait->bus->manager, &wait->target, &wait->viewer, wait->waiter);
	r = fd < 0 ? hak_bus_fail(&error, fd, "nothing to verify") : reply_with_fd(wait->call, fd);
	if (r < 0) /* if that fails as well the caller's own timeout ends it */
		(void)sd_bus_reply_method_error(wait->call, &error);
	sd_bus_error_free(&error);
}

int hak_bus_verify(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus_wait wait = { .bus = data, .call = message, .answer = answer_verify };
	uint64_t usec = 1000000;
	const struct hak_bus_option options[] = { { "timeout-usec", 't', &usec, NULL } };
	const char *target;
	int r;

	r = sd_bus_message_read(message, "s", &target);
	if (r >= 0)
		r = hak_bus_read_options(message, options, 1, error);
	if (r >= 0)
		r = hak_bus_parse_target(target, &wait.target, error);
	if (r >= 0)
		r = hak_bus_viewer(message, &wait.viewer, error);
	if (r < 0)
		return r;
	return wait_begin(&wait, wait.bus->manager->view.serial, usec, error);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

int hak_bus_dump_stats(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	const char *text = "*";
	const struct hak_bus_option options[] = { { "target", 's', &text, NULL } };
	struct hak_viewer viewer;
	struct hak_target target;
	int r, fd;

	r = hak_bus_read_options(message, options, 1, error);
	if (r >= 0)
		r = hak_bus_parse_target(text, &target, error);
	if (r >= 0)
		r = hak_bus_viewer(message, &viewer, error);
	if (r < 0)
		return r;
	fd = hak_report_stats(bus->manager, &target, &viewer);
	return fd < 0 ? hak_bus_fail(error, fd, text) : reply_with_fd(message, fd);
}

int hak_bus_explain(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	struct hak_viewer viewer;
	struct hak_target target;
	const char *text;
	int r, fd;

	r = sd_bus_message_read(message, "s", &text);
	if (r >= 0)
		r = hak_bus_read_options(message, NULL, 0, error);
	if (r >= 0)
		r = hak_bus_parse_target(text, &target, error);
	if (r >= 0)
		r = hak_bus_viewer(message, &viewer, error);
	if (r < 0)
		return r;
	fd = hak_report_explain(bus->manager, &target, &viewer);
	return fd < 0 ? hak_bus_fail(error, fd, text) : reply_with_fd(message, fd);
}

static const char *running_mode(const struct hak_sample *sample)
{
	struct hak_policy policy;

	return hak_policy_unpack(sample->policy_word, &policy, NULL) < 0 ? "" : hak_mode_name((enum hak_mode)policy.mode);
}

static int append_process(sd_bus_message *reply, const struct hak_slot *slot, const struct hak_viewer *viewer)
{
	const struct hak_client *client = slot->client;
	const struct hak_sample *sample = slot->sample;
	char context[HAK_CONTEXT_HEX_CHARS + 1], comm[HAK_COMM_CHARS + 1] = "";
	int r;

	hak_context_format(&client->context, context);
	r = sd_bus_message_open_container(reply, 'a', "{sv}");
	if (r >= 0)
		r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}", "context", "s", context, "mode", "s",
					  running_mode(sample), "verified", "b", slot->phase == HAK_PHASE_LIVE, "applied-serial",
					  "t", sample->applied_serial, "pinned", "b",
					  (sample->pinned & HAK_PIN_MODE) != 0);
	if (r >= 0 && hak_viewer_sees(viewer, client)) {
		hak_process_comm(slot->pid, comm);
		r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "pid", "u", (uint32_t)slot->pid, "uid",
					  "u", (uint32_t)client->uid, "comm", "s", comm, "exe", "s",
					  client->exe ? client->exe : "", "unit", "s", client->place.unit, "slot", "u",
					  (uint32_t)slot->index, "live-bytes", "t", sample->gauge[HAK_GAUGE_live_bytes]);
	}
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* From @cursor on, at most @limit. @ret_next: where the next call goes on, 0 at the end. */
static int append_processes(sd_bus_message *reply, const struct hak_bus *bus, const struct hak_target *target,
			    const struct hak_viewer *viewer, uint64_t cursor, uint32_t limit, uint64_t *ret_next)
{
	const struct hak_client *client = bus->manager->registry->first;
	uint32_t count = 0;
	int r = 0;

	*ret_next = 0;
	for (; r >= 0 && client; client = client->next) {
		for (uint64_t i = 0; r >= 0 && i < HAK_TELEMETRY_SLOTS; i++) {
			uint64_t place = client->id * HAK_TELEMETRY_SLOTS + i;

			if (place < cursor || !hak_slot_has_process(&client->slot[i]) ||
			    !hak_target_matches(target, &client->slot[i]))
				continue;
			if (count++ == limit) {
				*ret_next = place;
				return 0;
			}
			r = append_process(reply, &client->slot[i], viewer);
		}
	}
	return r;
}

int hak_bus_list_processes(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	const char *text = "*", *cursor_text;
	const struct hak_bus_option options[] = { { "target", 's', &text, NULL } };
	struct hak_viewer viewer;
	struct hak_target target;
	sd_bus_message *reply = NULL;
	uint64_t cursor = 0, next;
	char next_text[24] = "";
	uint32_t limit;
	char *end;
	int r;

	r = hak_bus_read_options(message, options, 1, error);
	if (r >= 0)
		r = sd_bus_message_read(message, "su", &cursor_text, &limit);
	if (r >= 0)
		r = hak_bus_parse_target(text, &target, error);
	if (r >= 0)
		r = hak_bus_viewer(message, &viewer, error);
	if (r < 0)
		return r;
	cursor = strtoull(cursor_text, &end, 10);
	if (*end)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("InvalidOption"),
					 "'%.32s' is no cursor; begin with an empty one", cursor_text);
	if (limit == 0 || limit > LIST_MOST)
		limit = LIST_MOST;
	if (!cursor)
		hak_registry_refresh(bus->manager->registry);
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
	return r;
}
