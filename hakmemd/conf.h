/* SPDX-License-Identifier: MIT */
/*
 * The configuration file: INI sections [daemon] and [rule NAME]. Read whole or not at all: one wrong line
 * refuses the file, with its number and the reason, and what was in force stays.
 *
 *	[daemon]
 *	mode = balanced               ; the configured mode
 *	files-per-uid = 12288         ; telemetry files that one user may have
 *
 *	[rule caches]                 ; the first rule that matches wins
 *	unit = redis-server*.service  ; both globs must match where both are given
 *	program = redis-*
 *	mode = fast
 */
#ifndef HAK_CONF_H
#define HAK_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy.h"

enum {
	HAK_CONF_RULES = 256,
	HAK_CONF_NAME_CHARS = 63,
	HAK_CONF_GLOB_CHARS = 127,
	HAK_CONF_REASON_CHARS = 255,
	HAK_CONF_FILES_PER_UID = 12288, /* default: leaves others a quarter of the table */
};

struct hak_conf_rule {
	char name[HAK_CONF_NAME_CHARS + 1];
	char unit[HAK_CONF_GLOB_CHARS + 1];    /* "" matches everything */
	char program[HAK_CONF_GLOB_CHARS + 1]; /* against the base name of the executable */
	enum hak_mode mode;
	bool has_mode;
	unsigned line; /* where the section begins */
};

struct hak_conf {
	bool has_mode; /* false: built-in default */
	enum hak_mode mode;
	uint32_t files_per_uid;
	size_t rule_count;
	struct hak_conf_rule *rules; /* owned; NULL where there are none */
};

struct hak_conf_fault {
	unsigned line; /* 0: of the file as a whole */
	char reason[HAK_CONF_REASON_CHARS + 1];
};

/* The defaults of an empty file. Give back with hak_conf_deinit(). */
void hak_conf_init(struct hak_conf *config);
void hak_conf_deinit(struct hak_conf *config);

/**
 * hak_conf_load() - read @path
 * @ret_config: set on success only; give back with hak_conf_deinit()
 * @ret_fault:  set on failure only
 * Return: 0; -EINVAL (what the file says); -ENOENT; or why it could not be read.
 */
int hak_conf_load(const char *path, struct hak_conf *ret_config, struct hak_conf_fault *ret_fault);

/* The first rule for a process, NULL without one. @unit may be "". */
const struct hak_conf_rule *hak_conf_match(const struct hak_conf *config, const char *unit,
					   const char *program);

#endif
