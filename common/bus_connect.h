/* SPDX-License-Identifier: MIT */
/* What --bus=system|session|user|ADDRESS means, for the daemon and for hakctl alike. */
#ifndef HAK_COMMON_BUS_CONNECT_H
#define HAK_COMMON_BUS_CONNECT_H

#include <systemd/sd-bus.h>

#define HAK_BUS_NAME        "org.hakmem1"
#define HAK_BUS_PATH        "/org/hakmem1"
#define HAK_BUS_INTERFACE   "org.hakmem1.Manager"
#define HAK_BUS_ERROR(name) "org.hakmem1.Error." name

/**
 * hak_bus_connect() - connect to the bus that a --bus= value means
 * @where:   "system", "session" (DBUS_SESSION_BUS_ADDRESS, else the user's bus), "user"
 * (XDG_RUNTIME_DIR/bus), or a D-Bus address such as unix:path=/x
 * @ret_bus: set on success only; the caller unrefs
 * Return: 0; -EINVAL (neither a word nor an address); -ENXIO (the environment names no such bus); or why the
 *         bus could not be reached.
 */
int hak_bus_connect(const char *where, sd_bus **ret_bus);

#endif
