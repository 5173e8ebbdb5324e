/* SPDX-License-Identifier: MIT */
/*
 * A service unit as systemd sees it, what in it would keep libhakmem from being preloaded or from finding
 * hakmemd, and what a drop-in can do about that. Talks to org.freedesktop.systemd1 on the system bus.
 */
#ifndef HAK_CTL_UNIT_H
#define HAK_CTL_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

enum { HAK_UNIT_FINDINGS = 16, HAK_UNIT_TEXT = 512 };

/* One directive that is in the way. */
struct hak_unit_finding {
	char directive[64];
	char text[HAK_UNIT_TEXT]; /* what it would do */
	char mend[HAK_UNIT_TEXT]; /* line of the drop-in that helps; "": nothing does */
};

struct hak_unit {
	sd_bus *bus;
	char *path;                  /* of the D-Bus object */
	char name[256];              /* with its suffix */
	char program[4096];          /* of ExecStart=; "": none */
	char preload[HAK_UNIT_TEXT]; /* LD_PRELOAD that the unit sets already */
	struct hak_unit_finding finding[HAK_UNIT_FINDINGS];
	size_t count;
};

/* Have systemd on @bus load a unit. @ret_path: of the D-Bus object; on success alone, to be freed.
 * Return: 0; -ENOENT: it has none of that name; -ENOTCONN: it cannot be asked; or what the bus said. */
int hak_unit_load(sd_bus *bus, const char *name, char **ret_path);

/**
 * hak_unit_open() - load a unit
 * @name: "redis-server" means redis-server.service
 * Return: 0; -EPERM: it is one that must not be touched; -EINVAL: no service; -ENOENT: there is none;
 * -ENOTCONN: systemd cannot be asked; or what the bus said. To be closed in any case.
 */
int hak_unit_open(struct hak_unit *unit, const char *name);
void hak_unit_close(struct hak_unit *unit);

/**
 * hak_unit_look() - fill program, preload and findings
 * @library: absolute path
 * @present: text of our drop-in as it is; "" where there is none
 * Return: 0, or what the bus said.
 */
int hak_unit_look(struct hak_unit *unit, const char *library, const char *present);

/* Is there a finding that nothing mends? */
bool hak_unit_is_hopeless(const struct hak_unit *unit);

/* systemd reads its files again. */
int hak_unit_reload(struct hak_unit *unit);

/* Restart it and wait until its job has ended. Return: 0; -EIO: it did not start. */
int hak_unit_restart(struct hak_unit *unit);

/* Its main process; 0: none. */
uint32_t hak_unit_main_pid(struct hak_unit *unit);

#endif
