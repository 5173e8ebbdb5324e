/* SPDX-License-Identifier: MIT */
/*
 * hakctl: one file a verb. verbs.c and options.c are the tables of what there is, main.c reads the command
 * line, call.c talks to hakmemd, table.c, terminal.c and json_text.c print.
 *
 * Exit codes: see enum hak_exit; docs of the tool repeat them.
 */
#ifndef HAK_CTL_H
#define HAK_CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "bus_connect.h"
#include "policy.h"

enum hak_exit {
	HAK_EXIT_OK = 0,
	HAK_EXIT_FAILED = 1,    /* hakmemd refused, or something went wrong on the way */
	HAK_EXIT_USAGE = 2,     /* wrong verb, option, mode or argument */
	HAK_EXIT_NO_DAEMON = 3, /* hakmemd does not run, or its bus cannot be reached */
	HAK_EXIT_NO = 4,        /* asked and answered: no (verify: differs; --wait: some are lost) */
};

enum hak_json_style { HAK_JSON_NONE, HAK_JSON_SHORT, HAK_JSON_PRETTY };

/* Options; each verb says which ones it takes. */
enum hak_ctl_option {
	HAK_OPT_JSON = 1 << 0,
	HAK_OPT_WAIT = 1 << 1,
	HAK_OPT_REASON = 1 << 2,
	HAK_OPT_OFF = 1 << 3,
	HAK_OPT_ALL = 1 << 4,
	HAK_OPT_NOW = 1 << 5,
	HAK_OPT_CHECK = 1 << 6,
	HAK_OPT_UNIT = 1 << 7,
	HAK_OPT_SCOPE = 1 << 8,
	HAK_OPT_FORMAT = 1 << 9,
	HAK_OPT_OUTPUT = 1 << 10,
	HAK_OPT_INTERVAL = 1 << 11,
	HAK_OPT_PRIORS = 1 << 12,
	HAK_OPT_ALWAYS = 1 << 28, /* all verbs take these: --bus, --runtime-dir, --no-pager */
	HAK_OPT_HELP = 1 << 29,
	HAK_OPT_VERSION = 1 << 30,
};

struct hak_ctl {
	const char *bus_name;    /* --bus= */
	const char *runtime_dir; /* NULL: not given */
	enum hak_json_style json;
	bool no_pager;
	bool wait;
	uint64_t wait_usec;
	const char *reason; /* never NULL */
	bool off;
	bool all;
	bool now, check;
	bool priors;
	const char *unit; /* NULL: not given */
	bool scope;
	bool prometheus;    /* --format=prometheus */
	const char *output; /* NULL: stdout */
	uint64_t interval_usec;
	uint64_t list_most; /* processes in a document; 0: all */
	bool brief;         /* of each what tables need */
	int argc;           /* what follows the verb */
	char **argv;
	uint64_t call_usec; /* that an answer may take; 0: 25 s */
	bool no_agent;      /* the terminal is not free for a password */
	sd_bus *bus;        /* made by the first call */
};

typedef int hak_verb_run_fn(struct hak_ctl *ctl); /* return: enum hak_exit */

struct hak_verb {
	const char *name;
	const char *arguments; /* for people; "" without any */
	const char *help;
	int least, most;                 /* arguments; most -1: any number */
	unsigned options;                /* enum hak_ctl_option bits beside HAK_OPT_ALWAYS */
	bool command;                    /* what follows the options is a command with options of its own */
	hak_verb_run_fn *run;
};

/* Return: 0; HAK_EXIT_USAGE after a line that names the nearest right one. */
int hak_verb_find(const char *word, const struct hak_verb **ret_verb);

hak_verb_run_fn hak_verb_status, hak_verb_set_mode, hak_verb_get_mode, hak_verb_list_modes,
	hak_verb_stats, hak_verb_verify, hak_verb_hold, hak_verb_panic, hak_verb_purge, hak_verb_doctor,
	hak_verb_enable, hak_verb_disable, hak_verb_crashed, hak_verb_run, hak_verb_top, hak_verb_monitor,
	hak_verb_metrics, hak_verb_launch, hak_verb_ratings, hak_verb_explain, hak_verb_freeze,
	hak_verb_thaw, hak_verb_rollback, hak_verb_export, hak_verb_import, hak_verb_help,
	hak_verb_version;

/* One line on stderr after "hakctl: ". @code: enum hak_exit, or of a command. Return: @code. */
int hak_ctl_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Where there is no memory a program that prints can only end: it says so, and does. */
void hak_ctl_out_of_memory(void) __attribute__((noreturn));

/* In set_mode.c, for top as well: ask for it. @mode: its name, or "default". @target: NULL: of all. Return:
 * 0, or the exit code after a line on stderr. */
int hak_ctl_set_mode(struct hak_ctl *ctl, const char *mode, const char *target, uint64_t *ret_serial);

/* From now on hak_ctl_fail() writes into @text instead of stderr; NULL: no more. For a screen full of
 * windows. */
void hak_ctl_catch(char *text, size_t room);

#endif
