/* SPDX-License-Identifier: MIT */
/* Members that wait for processes before they answer: WaitApplied, Verify. See bus.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus.h"

/* ---- calls that are answered later ------------------------------------------------------------------- */

/* Nobody may hold all of the daemon's waiters. */
enum { WAITS_PER_UID = HAK_WAITERS_MAX / 4 };

struct hak_bus_wait {
	struct hak_bus *bus;
	LIST_ENTRY(hak_bus_wait) link;
	struct hak_waiter *waiter;
	sd_bus_message *call;
	sd_bus_track *track; /* the caller: without it there is nobody to answer */
	struct hak_viewer viewer;
	struct hak_target target;
	bool detail;   /* WaitApplied */
	bool verifies; /* Verify */
	void (*answer)(struct hak_bus_wait *wait);
};

static void wait_free(struct hak_bus_wait *wait)
{
	LIST_REMOVE(wait, link);
	wait->bus->wait_count--;
	hak_waiter_free(wait->waiter);
	sd_bus_message_unref(wait->call);
	sd_bus_track_unref(wait->track);
	free(wait);
}

void hak_bus_cancel_waits(struct hak_bus *bus)
{
	while (!LIST_EMPTY(&bus->waits))
		wait_free(LIST_FIRST(&bus->waits));
}

static void on_waiter_done(struct hak_waiter *waiter, void *data)
{
	struct hak_bus_wait *wait = data;

	wait->answer(wait);
	wait_free(wait);
}

static int on_waiting_caller_gone(sd_bus_track *track, void *data)
{
	wait_free(data);
	return 0;
}

static size_t waits_of(const struct hak_bus *bus, uid_t uid)
{
	const struct hak_bus_wait *wait;
	size_t count = 0;

	LIST_FOREACH(wait, &bus->waits, link)
		count += wait->viewer.uid == uid;
	return count;
}

static int fail_nobody(const struct hak_target *target, sd_bus_error *error)
{
	static const char *const prefixes[] = {[HAK_TARGET_ALL] = "",
					       [HAK_TARGET_PID] = "pid:",
					       [HAK_TARGET_UNIT] = "unit:",
					       [HAK_TARGET_CONTEXT] = "context:"};
	char text[sizeof(target->text) + sizeof("context:")];

	snprintf(text, sizeof(text), "%s%s", prefixes[target->kind], target->text); /* fits */
	return hak_bus_no_process(error, text);
}

/* Return: 1 (answered later); negative with an error set. */
static int wait_begin(struct hak_bus_wait *template, uint64_t serial, uint64_t usec, sd_bus_error *error)
{
	const struct hak_wait_query query = {.serial = serial,
					     .timeout_usec = usec,
					     .target = &template->target,
					     .sample = template->verifies};
	struct hak_bus *bus = template->bus;
	struct hak_bus_wait *wait;
	uint64_t began_usec;
	int r;

	r = hak_bus_afford(bus, template->call, &template->viewer, &began_usec, error);
	if (r < 0)
		return r;
	if (bus->wait_count >= HAK_WAITERS_MAX || waits_of(bus, template->viewer.uid) >= WAITS_PER_UID)
		return hak_bus_fail(error, -ENOBUFS, "calls that wait");
	wait = malloc(sizeof(*wait));
	if (!wait)
		return -ENOMEM;
	*wait = *template;
	sd_bus_message_ref(wait->call);
	LIST_INSERT_HEAD(&bus->waits, wait, link);
	bus->wait_count++;
	r = sd_bus_track_new(bus->bus, &wait->track, on_waiting_caller_gone, wait);
	if (r >= 0)
		r = sd_bus_track_add_sender(wait->track, wait->call);
	if (r >= 0)
		r = hak_waiter_new(bus->manager->registry, &query, on_waiter_done, wait, &wait->waiter);
	hak_bus_charge(bus, &template->viewer, began_usec);
	if (r >= 0 && template->target.kind != HAK_TARGET_ALL && !wait->waiter->count)
		r = fail_nobody(&template->target, error);
	if (r < 0) {
		wait_free(wait);
		return r;
	}
	hak_waiter_start(wait->waiter);
	return 1;
}

/* ---- WaitApplied ------------------------------------------------------------------------------------- */

static int append_counts(sd_bus_message *reply, const struct hak_waiter *waiter)
{
	int r;

	r = sd_bus_message_append(reply, "{sv}", "serial", "t", waiter->query.serial);
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
			r = sd_bus_message_append(
				reply, "(us)", (uint32_t)target->pid,
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
	struct hak_bus_wait wait = {.bus = data, .call = message, .answer = answer_wait_applied};
	uint64_t serial, usec, published = wait.bus->manager->view.serial;
	int detail = 0, r;
	const char *target = "*";
	const struct hak_bus_option options[] = {{"detail", 'b', &detail, NULL},
						 {"target", 's', &target, NULL}};

	r = hak_bus_read(message, options, 2, NULL, error, "tt", &serial, &usec);
	if (r >= 0)
		r = hak_bus_parse_target(target, &wait.target, error);
	if (r < 0)
		return r;
	if (serial > published)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("SerialMismatch"),
					 "serial %" PRIu64 " was not published yet; the last one is %" PRIu64,
					 serial, published);
	wait.detail = detail;
	return wait_begin(&wait, serial, usec, error);
}

/* ---- Verify ------------------------------------------------------------------------------------------ */

static void answer_verify(struct hak_bus_wait *wait)
{
	struct hak_report_walk walk = {.kind = &hak_report_verify,
				       .manager = wait->bus->manager,
				       .target = wait->target,
				       .viewer = wait->viewer,
				       .limit = UINT64_MAX,
				       .waiter = wait->waiter};
	int r = hak_report_open(&walk);

	if (r == 0) {
		r = hak_bus_document(wait->bus, wait->call, &walk, wait->waiter);
		wait->waiter = NULL; /* the document's */
	}
	if (r < 0) /* if that fails as well the caller's own timeout ends it */
		(void)sd_bus_reply_method_errno(wait->call, r, NULL);
}

int hak_bus_verify(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus_wait wait = {.bus = data, .call = message, .answer = answer_verify, .verifies = true};
	uint64_t usec = 1000000;
	const struct hak_bus_option options[] = {{"timeout-usec", 't', &usec, NULL}};
	const char *target;
	int r;

	r = hak_bus_read(message, options, 1, NULL, error, "s", &target);
	if (r >= 0)
		r = hak_bus_parse_target(target, &wait.target, error);
	return r < 0 ? r : wait_begin(&wait, wait.bus->manager->view.serial, usec, error);
}
