/* SPDX-License-Identifier: MIT */
/* Holds: a mode that lasts as long as a bus client wants it and lives. A plain list; the bus part is
 * bus_modes.c. */
#ifndef HAK_HOLDS_H
#define HAK_HOLDS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "policy.h"

enum { HAK_HOLDS_MAX = 64, HAK_HOLD_REASON_CHARS = 127 };

struct hak_hold {
	uint64_t id; /* never 0, never used twice by one daemon */
	enum hak_mode mode;
	uid_t uid;
	char reason[HAK_HOLD_REASON_CHARS + 1];
	sd_bus_track *track; /* owned; its owner's name */
};

struct hak_holds {
	struct hak_hold hold[HAK_HOLDS_MAX]; /* in order of their making: the last one counts */
	size_t count;
	uint64_t next_id;
};

/* Return: the new hold, with id, mode, uid and reason; NULL where there are HAK_HOLDS_MAX. */
struct hak_hold *hak_holds_add(struct hak_holds *holds, enum hak_mode mode, uid_t uid, const char *reason);
struct hak_hold *hak_holds_find(struct hak_holds *holds, uint64_t id);
/* The one that is in force; NULL without any. */
const struct hak_hold *hak_holds_newest(const struct hak_holds *holds);
/* Invalidates pointers to other holds. */
void hak_holds_remove(struct hak_holds *holds, struct hak_hold *hold);
void hak_holds_deinit(struct hak_holds *holds);

#endif
