/* SPDX-License-Identifier: MIT */
/*
 * The configuration: a file and drop-ins beside it (FILE.d, NAME.conf, by name), INI sections. Read whole or
 * not at all: one wrong line refuses everything, with file, line and reason, and what was in force stays.
 *
 *	[daemon]
 *	mode = balanced               ; the configured mode
 *	files-per-uid = 12288         ; telemetry files, and parts of them, that one user may have
 *
 *	[purge]                       ; when lazily freed memory is taken out of processes (reclaim.h)
 *	idle = 2s                     ; nothing moved in the process for so long; 0: never for that
 *	pressure = 10%                ; "some avg10" of PSI memory; 0: never for that
 *	cgroup = 90%                  ; of a limit of its cgroup is used; 0: never for that
 *	least = 1M                    ; less is left where it is
 *	memory-budget = 8G            ; free memory that all processes together may hold; 0: no budget
 *
 *	[huge]
 *	busy = 10%                    ; "some avg10" of PSI CPU: none is made then (collapse.h); 0: always
 *
 *	[learning]
 *	enabled = yes                 ; for what no rule speaks of
 *
 *	[rule caches]                 ; the first rule that matches and has the key wins
 *	unit = redis-server*.service  ; both globs must match where both are given
 *	program = redis-*
 *	mode = fast
 *	learning = no
 *
 * A later file's key replaces an earlier one's; a rule of the same name goes on where the earlier file left
 * it.
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
	HAK_CONF_PATH_CHARS = 1023,
	HAK_CONF_FILES_PER_UID = 12288, /* default: leaves others a quarter of the table */
};

struct hak_conf_rule {
	char name[HAK_CONF_NAME_CHARS + 1];
	char unit[HAK_CONF_GLOB_CHARS + 1];    /* "" matches everything */
	char program[HAK_CONF_GLOB_CHARS + 1]; /* against the base name of the executable */
	enum hak_mode mode;
	bool has_mode;
	bool learning;
	bool has_learning;
	unsigned line; /* where the section begins */
	char file[HAK_CONF_PATH_CHARS + 1];
};

struct hak_conf_purge {
	uint64_t idle_usec;
	uint64_t pressure_percent;
	uint64_t cgroup_percent;
	uint64_t least_bytes;
	uint64_t budget_bytes;
};

struct hak_conf {
	bool has_mode; /* false: built-in default */
	enum hak_mode mode;
	uint64_t files_per_uid;
	struct hak_conf_purge purge;
	uint64_t busy_percent; /* [huge] */
	bool learning;
	size_t rule_count;
	struct hak_conf_rule *rules; /* owned; NULL where there are none */
};

/* "FILE:LINE: REASON"; of a file as a whole "FILE: REASON". */
struct hak_conf_fault {
	char text[HAK_CONF_PATH_CHARS + HAK_CONF_REASON_CHARS + 16];
};

void hak_conf_deinit(struct hak_conf *config);

/**
 * hak_conf_load() - read @path and its drop-ins
 * @optional:   @path need not be there
 * @ret_config: set on success only; give back with hak_conf_deinit()
 * @ret_fault:  set on failure only
 * Return: 0; -EINVAL (what a file says); -ENOENT; or why one could not be read.
 */
int hak_conf_load(const char *path, bool optional, struct hak_conf *ret_config,
		  struct hak_conf_fault *ret_fault);

/* What rules and profiles have to say of a process. */
enum hak_conf_key { HAK_CONF_MODE, HAK_CONF_LEARNING };
/* The rule that says it; NULL without one. @unit may be "". */
const struct hak_conf_rule *hak_conf_match(const struct hak_conf *config, enum hak_conf_key key,
					   const char *unit, const char *program);

/* ---- for conf.c: one file (conf_parse.c) -------------------------------------------------------------- */

void hak_conf_fault_write(struct hak_conf_fault *ret_fault, const char *file, unsigned line,
			  const char *reason);
/* Adds to @config. Return: as hak_conf_load(). */
int hak_conf_parse_file(const char *path, struct hak_conf *config, struct hak_conf_fault *ret_fault);

#endif
