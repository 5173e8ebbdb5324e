/* SPDX-License-Identifier: MIT */
/* Members that change which mode is in force. See bus.h; docs/design.md tells their order. */
#include <errno.h>
#include <string.h>

#include "bus.h"

/* "default" takes the runtime mode back: rules and configuration decide again. */
#define WORD_DEFAULT "default"

static int check_serial(const struct hak_bus *bus, uint64_t expected, sd_bus_error *error)
{
	uint64_t serial = bus->manager->view.serial;

	if (expected == serial)
		return 0;
	return sd_bus_error_setf(error, HAK_BUS_ERROR("SerialMismatch"),
				 "the serial is %llu, not %llu: somebody else "
				 "changed the policy meanwhile",
				 (unsigned long long)serial, (unsigned long long)expected);
}

int hak_bus_set_mode(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	struct hak_asker asker = {.reason = ""};
	uint64_t expected = 0, serial;
	bool has_expected = false, take_back;
	const struct hak_bus_option options[] = {
		{"reason", 's', &asker.reason, NULL},
		{"expected-serial", 't', &expected, &has_expected},
	};
	enum hak_mode mode = HAK_MODE_BALANCED;
	const char *text;
	int r;

	r = hak_bus_read(message, options, 2, &asker, error, "s", &text);
	if (r < 0)
		return r;
	take_back = strcmp(text, WORD_DEFAULT) == 0;
	if (!take_back)
		r = hak_bus_parse_mode(text, &mode, error);
	if (r >= 0 && has_expected)
		r = check_serial(bus, expected, error);
	if (r < 0)
		return r;
	r = hak_manager_set_mode(bus->manager, take_back ? NULL : &mode, &asker, &serial);
	if (r == -EPERM)
		return hak_bus_fail(error, r, "the mode stays as it was");
	return hak_bus_mode_wish(bus, message, HAK_STATE_FILE, serial, error);
}

/* The client whose hold it was has left the bus. */
static int on_holder_gone(sd_bus_track *track, void *data)
{
	struct hak_bus *bus = data;
	struct hak_holds *holds = &bus->manager->holds;

	for (size_t i = 0; i < holds->count; i++) {
		struct hak_asker asker = {.uid = (uid_t)-1, .reason = "its client left the bus"};
		uint64_t id = holds->hold[i].id;

		if (holds->hold[i].track != track)
			continue;
		hak_manager_release(bus->manager, &holds->hold[i], &asker);
		(void)sd_bus_emit_signal(
			bus->bus, HAK_BUS_PATH, HAK_BUS_INTERFACE, "HoldReleased", "ts", id,
			"client-left"); /* without memory nobody hears it; the properties tell too */
		return 0;
	}
	return 0;
}

int hak_bus_hold_mode(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	struct hak_asker asker;
	struct hak_hold *hold;
	sd_bus_track *track = NULL;
	enum hak_mode mode;
	const char *text;
	int r;

	r = hak_bus_read(message, NULL, 0, &asker, error, "ss", &text, &asker.reason);
	if (r >= 0)
		r = hak_bus_parse_mode(text, &mode, error);
	/* Watched before it is in force: a client that is gone already leaves no hold. */
	if (r >= 0)
		r = sd_bus_track_new(bus->bus, &track, on_holder_gone, bus);
	if (r >= 0)
		r = sd_bus_track_add_sender(track, message);
	if (r < 0) {
		sd_bus_track_unref(track);
		return r;
	}
	r = hak_manager_hold(bus->manager, mode, &asker, &hold);
	if (r < 0) {
		sd_bus_track_unref(track);
		return hak_bus_fail(error, r, "the hold was not taken");
	}
	hold->track = track;
	return sd_bus_reply_method_return(message, "t", hold->id);
}

int hak_bus_release_mode(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	struct hak_asker asker = {.reason = "released"};
	struct hak_hold *hold;
	uint64_t id;
	int r;

	r = sd_bus_message_read(message, "t", &id);
	if (r >= 0)
		r = hak_bus_authorise(message, &asker.uid, error);
	if (r < 0)
		return r;
	hold = hak_holds_find(&bus->manager->holds, id);
	if (!hold)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("NoSuchHold"), "there is no hold %llu",
					 (unsigned long long)id);
	hak_manager_release(bus->manager, hold, &asker);
	r = sd_bus_reply_method_return(message, "");
	(void)sd_bus_emit_signal(bus->bus, HAK_BUS_PATH, HAK_BUS_INTERFACE, "HoldReleased", "ts", id,
				 "released");
	return r;
}

int hak_bus_panic(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	struct hak_asker asker;
	int panicked, r;

	r = sd_bus_message_read(message, "bs", &panicked, &asker.reason);
	if (r >= 0)
		r = hak_bus_authorise(message, &asker.uid, error);
	if (r < 0)
		return r;
	return hak_bus_mode_wish(bus, message, HAK_STATE_FILE,
				 hak_manager_panic(bus->manager, panicked, &asker), error);
}

int hak_bus_reload(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	struct hak_asker asker = {.reason = "reload"};
	struct hak_conf_fault fault;
	int r;

	r = hak_bus_read(message, NULL, 0, &asker, error, "");
	if (r < 0)
		return r;
	r = hak_manager_reload(bus->manager, &asker, &fault);
	if (r < 0)
		return sd_bus_error_set(error, HAK_BUS_ERROR("ConfigInvalid"), fault.text);
	return sd_bus_reply_method_return(
		message, "a{sv}", 4, "config", "s", bus->manager->options->config, "configured-mode", "s",
		hak_mode_name(bus->manager->view.configured), "rules", "t",
		(uint64_t)bus->manager->config.rule_count, "serial", "t", bus->manager->view.serial);
}
