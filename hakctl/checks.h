/* SPDX-License-Identifier: MIT */
/* A list of checks and what came of each, for hakctl doctor. */
#ifndef HAK_CTL_CHECKS_H
#define HAK_CTL_CHECKS_H

#include "ctl.h"

enum hak_check_state {
	HAK_CHECK_OK,
	HAK_CHECK_NOTE,    /* works, and costs something that one may want to know */
	HAK_CHECK_MISSING, /* amiss: doctor exits HAK_EXIT_NO */
};

struct hak_check {
	const char *name; /* a literal */
	enum hak_check_state state;
	char *text; /* owned: what is so; "" where all is well */
	char *mend; /* owned: what to do; "" where nothing helps */
};

struct hak_checks {
	struct hak_check *check; /* owned */
	size_t count, room;
};

/* @mend: a literal, or "". The text is formatted. */
void hak_checks_add(struct hak_checks *checks, const char *name, enum hak_check_state state, const char *mend,
		    const char *format, ...) __attribute__((format(printf, 5, 6)));
void hak_checks_deinit(struct hak_checks *checks);

/* Is nothing amiss? */
bool hak_checks_are_good(const struct hak_checks *checks);

/* HAK_JSON_NONE: as text. */
void hak_checks_print(const struct hak_checks *checks, enum hak_json_style style);

#endif
