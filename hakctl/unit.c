/* SPDX-License-Identifier: MIT */
/* See unit.h. What is in the way of a preload is in unit_findings.c. */
#include "unit.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unit_private.h"

#define SYSTEMD      "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"

enum { RESTART_POLLS = 300, RESTART_POLL_NSEC = 100000000 };

/* Without them there is nobody left to mend things. */
static const char *const untouchable[] = {"dbus*.service",   "systemd-*.service", "polkit.service",
					  "hakmem*.service", "init*.service",     "getty@*.service",
					  "user@*.service"};

/* A dot need not begin a suffix: org.example.service is one, org.example gets one. */
static int complete_name(const char *name, char *ret_name, size_t room)
{
	static const char *const others[] = {".socket", ".mount", ".target", ".timer", ".path", ".slice",
					     ".scope",  ".swap",  ".device", ".automount"};
	const char *dot = strrchr(name, '.');
	bool is_whole = dot && strcmp(dot, ".service") == 0;

	for (size_t i = 0; dot && i < sizeof(others) / sizeof(*others); i++)
		if (strcmp(dot, others[i]) == 0)
			return -EINVAL;
	if (!*name || strchr(name, '/') ||
	    snprintf(ret_name, room, "%s%s", name, is_whole ? "" : ".service") >= (int)room)
		return -EINVAL;
	return 0;
}

static bool is_untouchable(const char *name)
{
	for (size_t i = 0; i < sizeof(untouchable) / sizeof(*untouchable); i++)
		if (fnmatch(untouchable[i], name, 0) == 0)
			return true;
	return false;
}

/* Its own name, where it was given an alias: two names must not make two drop-ins. */
static int take_own_name(struct hak_unit *unit)
{
	char *id = NULL;
	int r = sd_bus_get_property_string(unit->bus, SYSTEMD, unit->path, SYSTEMD ".Unit", "Id", NULL, &id);

	if (r < 0)
		return r;
	snprintf(unit->name, sizeof(unit->name), "%s", id);
	free(id);
	return is_untouchable(unit->name) ? -EPERM : 0;
}

int hak_unit_load(sd_bus *bus, const char *name, char **ret_path)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	char *state = NULL;
	const char *path;
	int r;

	r = sd_bus_call_method(bus, SYSTEMD, MANAGER_PATH, SYSTEMD ".Manager", "LoadUnit", &error, &reply,
			       "s", name);
	if (sd_bus_error_has_name(&error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	    sd_bus_error_has_name(&error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) || r == -ECONNREFUSED)
		r = -ENOTCONN;
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r >= 0)
		r = sd_bus_get_property_string(bus, SYSTEMD, path, SYSTEMD ".Unit", "LoadState", &error,
					       &state);
	if (r >= 0 && strcmp(state, "loaded") != 0)
		r = -ENOENT;
	if (r >= 0) {
		*ret_path = strdup(path);
		r = *ret_path ? 0 : -ENOMEM;
	}
	free(state);
	sd_bus_message_unref(reply);
	sd_bus_error_free(&error);
	return r;
}

int hak_unit_open(struct hak_unit *unit, const char *name)
{
	int r;

	*unit = (struct hak_unit){.bus = NULL};
	r = complete_name(name, unit->name, sizeof(unit->name));
	if (r < 0)
		return r;
	if (is_untouchable(unit->name))
		return -EPERM;
	if (sd_bus_open_system(&unit->bus) < 0)
		return -ENOTCONN;
	r = hak_unit_load(unit->bus, unit->name, &unit->path);
	return r < 0 ? r : take_own_name(unit);
}

void hak_unit_close(struct hak_unit *unit)
{
	free(unit->path);
	sd_bus_flush_close_unref(unit->bus);
	unit->path = NULL;
	unit->bus = NULL;
}

int hak_unit_property(struct hak_unit *unit, const char *name, const char *type, sd_bus_message **ret_reply)
{
	return sd_bus_get_property(unit->bus, SYSTEMD, unit->path, SYSTEMD ".Service", name, NULL, ret_reply,
				   type);
}

uint32_t hak_unit_main_pid(struct hak_unit *unit)
{
	uint32_t pid = 0;

	if (sd_bus_get_property_trivial(unit->bus, SYSTEMD, unit->path, SYSTEMD ".Service", "MainPID", NULL,
					'u', &pid) < 0)
		return 0;
	return pid;
}

int hak_unit_reload(struct hak_unit *unit)
{
	return sd_bus_call_method(unit->bus, SYSTEMD, MANAGER_PATH, SYSTEMD ".Manager", "Reload", NULL, NULL,
				  NULL);
}

static bool is_state(struct hak_unit *unit, const char *wanted)
{
	char *state = NULL;
	bool same;

	if (sd_bus_get_property_string(unit->bus, SYSTEMD, unit->path, SYSTEMD ".Unit", "ActiveState", NULL,
				       &state) < 0)
		return false;
	same = strcmp(state, wanted) == 0;
	free(state);
	return same;
}

int hak_unit_restart(struct hak_unit *unit)
{
	const struct timespec pause = {.tv_nsec = RESTART_POLL_NSEC};
	int r = sd_bus_call_method(unit->bus, SYSTEMD, MANAGER_PATH, SYSTEMD ".Manager", "RestartUnit", NULL,
				   NULL, "ss", unit->name, "replace");

	if (r < 0)
		return r;
	for (int i = 0; i < RESTART_POLLS; i++) {
		(void)nanosleep(&pause, NULL); /* shorter is fine */
		if (is_state(unit, "active"))
			return 0;
		if (is_state(unit, "failed"))
			return -EIO;
	}
	return -EIO;
}
