/* SPDX-License-Identifier: MIT */
/*
 * What outlives the daemon: STATE_DIR/state.json. Small, replaced as a whole, 64-bit integers as strings.
 * The counters of ended processes live in tallies.h.
 */
#ifndef HAK_STATE_H
#define HAK_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy.h"

#define HAK_STATE_FILE "state.json"

enum { HAK_STATE_REASON_CHARS = 127, HAK_STATE_SCHEMA = 1 };

struct hak_state {
	bool has_runtime; /* somebody called set-mode and nobody took it back */
	enum hak_mode runtime;
	bool panicked;
	char panic_reason[HAK_STATE_REASON_CHARS + 1];
	uint64_t changed_usec; /* CLOCK_REALTIME of the last change */
};

/**
 * hak_state_load() - read the last complete state
 * @ret_state: always set: defaults where there is none or it cannot be understood
 * Return: 0; -ENOENT (first start); -EBADMSG (not ours, or damaged); or why it could not be read.
 */
int hak_state_load(int directory_fd, struct hak_state *ret_state);

/* The text of HAK_STATE_FILE. Return: the caller's to free; NULL without memory. */
char *hak_state_format(const struct hak_state *state);

#endif
