/* SPDX-License-Identifier: MIT */
/* Members that set a mode, or learning, for some processes at run time. See bus.h and profiles.h. */
#include <errno.h>
#include <stdio.h>

#include "bus.h"

static int fail(sd_bus_error *error, int r, const char *text)
{
	if (r == -ENOENT)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("NoSuchTarget"),
					 "no mode was set for '%s'; 'hakctl status' lists what was set",
					 text);
	if (r == -ESRCH)
		return hak_bus_no_process(error, text);
	return sd_bus_error_setf(error, HAK_BUS_ERROR("LimitExceeded"), "there are %d profiles",
				 HAK_PROFILES_MAX);
}

int hak_bus_set_profile(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	struct hak_asker asker = {.reason = ""};
	struct hak_profile profile = {.has_mode = false};
	const char *text, *mode = NULL;
	int learning = 0, r;
	const struct hak_bus_option keys[] = {
		{"mode", 's', &mode, &profile.has_mode},
		{"learning", 'b', &learning, &profile.has_learning},
	};
	const struct hak_bus_option options[] = {{"reason", 's', &asker.reason, NULL}};
	uint64_t serial;

	r = hak_bus_read(message, keys, 2, NULL, error, "s", &text);
	if (r >= 0)
		r = hak_bus_read(message, options, 1, &asker, error, "");
	if (r >= 0)
		r = hak_bus_parse_target(text, &profile.target, error);
	if (r >= 0 && profile.has_mode)
		r = hak_bus_parse_mode(mode, &profile.mode, error);
	if (r < 0)
		return r;
	if (profile.target.kind == HAK_TARGET_ALL)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("NoSuchTarget"),
					 "a profile is for some processes; SetMode is for all");
	if (!profile.has_mode && !profile.has_learning)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("InvalidOption"),
					 "a profile needs 'mode' or 'learning'; ClearProfile takes one back");
	profile.learning = learning != 0;
	(void)snprintf(profile.text, sizeof(profile.text), "%s", text); /* it fitted into the target */
	r = hak_manager_set_profile(bus->manager, &profile, &asker, &serial);
	return r < 0 ? fail(error, r, text)
		     : hak_bus_mode_wish(bus, message, HAK_PROFILES_FILE, serial, error);
}

int hak_bus_clear_profile(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	struct hak_asker asker = {.reason = ""};
	const struct hak_bus_option options[] = {{"reason", 's', &asker.reason, NULL}};
	const char *text;
	uint64_t serial;
	int r;

	r = hak_bus_read(message, options, 1, &asker, error, "s", &text);
	if (r < 0)
		return r;
	r = hak_manager_clear_profile(bus->manager, text, &asker, &serial);
	return r < 0 ? fail(error, r, text)
		     : hak_bus_mode_wish(bus, message, HAK_PROFILES_FILE, serial, error);
}
