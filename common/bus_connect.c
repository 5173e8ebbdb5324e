/* SPDX-License-Identifier: MIT */
/* See bus_connect.h. */
#include "bus_connect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int connect_address(const char *address, sd_bus **ret_bus)
{
	sd_bus *bus = NULL;
	int r;

	r = sd_bus_new(&bus);
	if (r < 0)
		return r;
	r = sd_bus_set_address(bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(bus, 1);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0) {
		sd_bus_unref(bus);
		return r;
	}
	*ret_bus = bus;
	return 0;
}

static int connect_user(sd_bus **ret_bus)
{
	const char *directory = getenv("XDG_RUNTIME_DIR");
	char *address = NULL;
	int r;

	if (!directory || directory[0] != '/')
		return -ENXIO;
	if (asprintf(&address, "unix:path=%s/bus", directory) < 0)
		return -ENOMEM;
	r = connect_address(address, ret_bus);
	free(address);
	return r;
}

static int connect_session(sd_bus **ret_bus)
{
	const char *address = getenv("DBUS_SESSION_BUS_ADDRESS");

	if (address && *address)
		return connect_address(address, ret_bus);
	return connect_user(ret_bus);
}

int hak_bus_connect(const char *where, sd_bus **ret_bus)
{
	int r;

	if (strcmp(where, "system") == 0) {
		r = sd_bus_open_system(ret_bus);
		return r < 0 ? r : 0;
	}
	if (strcmp(where, "session") == 0)
		return connect_session(ret_bus);
	if (strcmp(where, "user") == 0)
		return connect_user(ret_bus);
	if (!strchr(where, ':'))
		return -EINVAL;
	return connect_address(where, ret_bus);
}
