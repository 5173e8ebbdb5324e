/* SPDX-License-Identifier: MIT */
/*
 * What a program starts with: a process has no entry in the control segment before the daemon has seen it, so
 * for its first allocations it looks for what was learned of its user's program (hak_start_key). Where a
 * trial is open (trial.h) it runs the side that its coin says.
 *
 * process.c's, in the constructor.
 */
#ifndef HAK_START_H
#define HAK_START_H

#include <stdbool.h>
#include <stdint.h>

#include "control.h"

struct hak_start {
	bool is_known;    /* something was learned: */
	uint8_t strategy; /* this is in force */
	bool is_tried;    /* a trial is open: */
	uint8_t tried;    /* this is our side of it */
};

/**
 * hak_start_find() - look it up
 * @key:       of our telemetry file; NULL: we have none, and so cannot tell what came of a trial
 * @ret_start: set where anything is known, else left alone
 * Syscalls: readlink, where anything was ever published for those who start.
 */
void hak_start_find(const struct hak_control_header *control, const struct hak_key *key,
		    struct hak_start *ret_start);

#endif
