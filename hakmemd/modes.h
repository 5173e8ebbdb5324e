/* SPDX-License-Identifier: MIT */
/*
 * Which mode is in force, and for whom: pure decisions over plain values.
 *
 * Order, first wins: panic > hold (the newest of several) > profile (set at run time, per process) > runtime
 * set-mode > administrator's rule (per process) > configured mode > built-in default. A learned mode, once
 * there is one, stands before the built-in default.
 */
#ifndef HAK_MODES_H
#define HAK_MODES_H

#include <stdbool.h>

#include "conf.h"
#include "control.h"
#include "policy.h"

enum { HAK_MODE_BUILTIN = HAK_MODE_BALANCED };

struct hak_mode_inputs {
	bool panicked;
	bool has_hold;
	enum hak_mode hold; /* of the newest hold */
	bool has_runtime;
	enum hak_mode runtime;        /* the last set-mode */
	const enum hak_mode *profile; /* of the process asked for; NULL: none */
	const struct hak_conf *config;
};

struct hak_mode_choice {
	enum hak_mode mode;
	enum hak_policy_source source;
	const struct hak_conf_rule *rule; /* HAK_SOURCE_RULE only */
	bool own;                         /* the process's, and not everybody's */
};

/* For everybody whom no rule names. */
struct hak_mode_choice hak_modes_global(const struct hak_mode_inputs *inputs);

/* For one process. @unit may be ""; @program: path or base name. */
struct hak_mode_choice hak_modes_process(const struct hak_mode_inputs *inputs, const char *unit,
					 const char *program);

/* The policy of a choice; panic changes more than the mode. */
struct hak_policy hak_modes_policy(const struct hak_mode_choice *choice);

const char *hak_source_name(enum hak_policy_source source);

#endif
