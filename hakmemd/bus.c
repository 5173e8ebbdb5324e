/* SPDX-License-Identifier: MIT */
/* The connection and the table of members. See bus.h. */
#include "bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "log.h"

#define READ     SD_BUS_VTABLE_UNPRIVILEGED
#define CHANGE   SD_BUS_VTABLE_UNPRIVILEGED /* each asks hak_bus_authorise(): a refusal names who may */
#define CONSTANT SD_BUS_VTABLE_PROPERTY_CONST
#define EMITS    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

#define METHOD      SD_BUS_METHOD_WITH_ARGS
#define ARGS(...)   SD_BUS_ARGS(__VA_ARGS__)
#define RESULT(...) SD_BUS_RESULT(__VA_ARGS__)

static const sd_bus_vtable manager_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("SetMode", ARGS("s", mode, "a{sv}", options), RESULT("t", serial), hak_bus_set_mode, CHANGE),
	METHOD("HoldMode", ARGS("s", mode, "s", reason, "a{sv}", options), RESULT("t", hold),
	       hak_bus_hold_mode, CHANGE),
	METHOD("ReleaseMode", ARGS("t", hold), SD_BUS_NO_RESULT, hak_bus_release_mode, CHANGE),
	METHOD("SetProfile", ARGS("s", target, "a{sv}", profile, "a{sv}", options), RESULT("t", serial),
	       hak_bus_set_profile, CHANGE),
	METHOD("ClearProfile", ARGS("s", target, "a{sv}", options), RESULT("t", serial),
	       hak_bus_clear_profile, CHANGE),
	METHOD("Panic", ARGS("b", panicked, "s", reason), RESULT("t", serial), hak_bus_panic, CHANGE),
	METHOD("Reload", ARGS("a{sv}", options), RESULT("a{sv}", result), hak_bus_reload, CHANGE),
	METHOD("WaitApplied", ARGS("t", serial, "t", usec, "a{sv}", options), RESULT("a{sv}", counts),
	       hak_bus_wait_applied, READ),
	METHOD("Verify", ARGS("s", target, "a{sv}", options), RESULT("h", json), hak_bus_verify, READ),
	METHOD("Explain", ARGS("s", target, "a{sv}", options), RESULT("h", json), hak_bus_explain, READ),
	METHOD("ListProcesses", ARGS("a{sv}", options, "s", cursor, "u", limit),
	       RESULT("aa{sv}", processes, "s", next), hak_bus_list_processes, READ),
	METHOD("DumpStats", ARGS("a{sv}", options), RESULT("h", json), hak_bus_dump_stats, READ),
	METHOD("Freeze", ARGS("s", target, "a{sv}", options), RESULT("t", serial), hak_bus_freeze, CHANGE),
	METHOD("Thaw", ARGS("s", target, "a{sv}", options), RESULT("t", serial), hak_bus_thaw, CHANGE),
	METHOD("Rollback", ARGS("s", target, "a{sv}", options), RESULT("t", serial),
	       hak_bus_roll_back, CHANGE),
	METHOD("ListContexts", ARGS("a{sv}", options, "s", cursor, "u", limit),
	       RESULT("aa{sv}", contexts, "s", next), hak_bus_list_contexts, READ),
	METHOD("DumpRatings", ARGS("a{sv}", options), RESULT("h", json), hak_bus_dump_ratings, READ),
	METHOD("ExportTallies", ARGS("a{sv}", options), RESULT("h", json), hak_bus_export_tallies, CHANGE),
	METHOD("ImportTallies", ARGS("h", tallies, "a{sv}", options), RESULT("a{sv}", result),
	       hak_bus_import_tallies, CHANGE),
	METHOD("Subscribe", ARGS("as", topics, "a{sv}", options), RESULT("h", lines),
	       hak_bus_subscribe, READ),
	METHOD("Purge", ARGS("s", target, "a{sv}", options), RESULT("t", job), hak_bus_purge, CHANGE),
	METHOD("StartJob", ARGS("s", kind, "s", target, "a{sv}", options), RESULT("t", job),
	       hak_bus_start_job, CHANGE),
	METHOD("OpenJobOutput", ARGS("t", job, "a{sv}", options), RESULT("h", json),
	       hak_bus_open_job_output, READ),
	METHOD("ImportPriors", ARGS("h", priors, "a{sv}", options), RESULT("a{sv}", result),
	       hak_bus_import_priors, CHANGE),
	METHOD("GetJob", ARGS("t", job), RESULT("a{sv}", result), hak_bus_get_job, READ),
	METHOD("CancelJob", ARGS("t", job), SD_BUS_NO_RESULT, hak_bus_cancel_job, CHANGE),
	SD_BUS_PROPERTY("Version", "s", hak_bus_get_property, 0, CONSTANT),
	SD_BUS_PROPERTY("InstanceId", "s", hak_bus_get_property, 0, CONSTANT),
	SD_BUS_PROPERTY("AbiMajors", "au", hak_bus_get_property, 0, CONSTANT),
	SD_BUS_PROPERTY("Features", "as", hak_bus_get_property, 0, CONSTANT),
	SD_BUS_PROPERTY("KernelSupport", "a{sb}", hak_bus_get_property, 0, CONSTANT),
	SD_BUS_PROPERTY("Mode", "s", hak_bus_get_property, 0, EMITS),
	SD_BUS_PROPERTY("ModeSource", "s", hak_bus_get_property, 0, EMITS),
	SD_BUS_PROPERTY("ConfiguredMode", "s", hak_bus_get_property, 0, EMITS),
	SD_BUS_PROPERTY("Serial", "t", hak_bus_get_property, 0, EMITS),
	SD_BUS_PROPERTY("Thp", "s", hak_bus_get_property, 0, EMITS),
	SD_BUS_PROPERTY("Evolution", "s", hak_bus_get_property, 0, EMITS),
	SD_BUS_PROPERTY("SegmentState", "s", hak_bus_get_property, 0, EMITS),
	SD_BUS_PROPERTY("Panicked", "b", hak_bus_get_property, 0, EMITS),
	SD_BUS_PROPERTY("ProcessCount", "u", hak_bus_get_property, 0, 0),
	SD_BUS_PROPERTY("ContextCount", "u", hak_bus_get_property, 0, 0),
	SD_BUS_SIGNAL_WITH_ARGS("HoldReleased", SD_BUS_ARGS("t", hold, "s", why), 0),
	SD_BUS_SIGNAL_WITH_ARGS("ContextChanged", SD_BUS_ARGS("s", context, "a{sv}", properties), 0),
	SD_BUS_SIGNAL_WITH_ARGS("Decision",
				SD_BUS_ARGS("t", sequence, "s", context, "s", kind, "a{sv}", details), 0),
	SD_BUS_SIGNAL_WITH_ARGS("JobFinished", SD_BUS_ARGS("t", job, "s", kind, "a{sv}", result), 0),
	SD_BUS_VTABLE_END,
};

static int on_disconnected(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;

	bus->lost = true;
	hak_log(LOG_ERR, "the bus went away; ending");
	return sd_event_exit(bus->manager->event, EXIT_FAILURE);
}

static int own_name(struct hak_bus *bus, const char *where)
{
	int r = sd_bus_request_name(bus->bus, HAK_BUS_NAME, 0);

	if (r >= 0)
		return 0;
	if (r == -EEXIST)
		hak_log(LOG_ERR, "another hakmemd owns %s on bus '%s'", HAK_BUS_NAME, where);
	else
		hak_log(LOG_ERR, "cannot own %s on bus '%s': %s", HAK_BUS_NAME, where, strerror(-r));
	return r;
}

int hak_bus_init(struct hak_bus *bus, struct hak_manager *manager, const char *where)
{
	int r;

	*bus = (struct hak_bus){.manager = manager};
	r = hak_bus_connect(where, &bus->bus);
	if (r == -EINVAL) {
		hak_log(LOG_ERR,
			"--bus=%s: neither system, session or user nor an address such as unix:path=/x",
			where);
		return r;
	}
	if (r < 0) {
		hak_log(LOG_ERR, "cannot reach bus '%s': %s", where, strerror(-r));
		return r;
	}
	r = sd_bus_set_exit_on_disconnect(bus->bus, 0); /* on_disconnected() says why first */
	if (r >= 0)
		r = sd_bus_match_signal(bus->bus, &bus->disconnect_slot, "org.freedesktop.DBus.Local",
					"/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
					"Disconnected", on_disconnected, bus);
	if (r >= 0)
		r = sd_bus_attach_event(bus->bus, manager->event, SD_EVENT_PRIORITY_NORMAL);
	if (r < 0)
		hak_log(LOG_ERR, "cannot use bus '%s': %s", where, strerror(-r));
	else
		r = own_name(bus, where);
	if (r < 0)
		hak_bus_deinit(bus);
	return r < 0 ? r : 0;
}

int hak_bus_start(struct hak_bus *bus)
{
	int r;

	r = sd_bus_add_object_vtable(bus->bus, &bus->vtable_slot, HAK_BUS_PATH, HAK_BUS_INTERFACE,
				     manager_vtable, bus);
	if (r < 0) {
		hak_log(LOG_ERR, "cannot serve %s: %s", HAK_BUS_PATH, strerror(-r));
		return r;
	}
	bus->manager->changed = hak_bus_view_changed;
	bus->manager->changed_data = bus;
	bus->manager->decided = hak_bus_decided;
	bus->manager->saved = hak_bus_saved;
	if (strcmp(bus->manager->options->bus, "system") == 0)
		r = hak_bus_polkit_init(bus);
	if (r < 0) {
		hak_log(LOG_ERR, "cannot watch calls: %s", strerror(-r));
		return r;
	}
	hak_jobs_init(&bus->jobs, bus->manager);
	bus->jobs.ended = hak_bus_job_ended;
	bus->jobs.data = bus;
	return 0;
}

void hak_bus_deinit(struct hak_bus *bus)
{
	bus->manager->changed = NULL;
	bus->manager->decided = NULL;
	bus->manager->saved = NULL;
	hak_bus_cancel_waits(bus);
	hak_bus_cancel_wishes(bus);
	hak_bus_cancel_documents(bus);
	hak_jobs_deinit(&bus->jobs);
	hak_bus_polkit_deinit(bus);
	sd_bus_slot_unref(bus->vtable_slot);
	sd_bus_slot_unref(bus->disconnect_slot);
	sd_bus_flush_close_unref(bus->bus);
	*bus = (struct hak_bus){.manager = bus->manager};
}
