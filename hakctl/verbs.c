/* SPDX-License-Identifier: MIT */
/*
 * The table of verbs, and what tells of it: hakctl help [VERB] and version, with --json for completions and
 * tests. A new verb comes with its line in docs/man/hakctl.1 (a test compares them).
 */
#include <stdio.h>
#include <string.h>

#include "json_text.h"
#include "options.h"
#include "terminal.h"
#include "words.h"

enum { VERBS_MAX = 64, VERB_COLUMN = 31, OPTION_COLUMN = 27 };

static const struct hak_verb verbs[] = {
	{"status", "", "what is in force and for whom", 0, 0, HAK_OPT_JSON, false, hak_verb_status},
	{"set-mode", "MODE|default [PID|UNIT|CONTEXT]",
	 "change the mode of all processes, or of some; 'default' takes it back", 1, 2,
	 HAK_OPT_JSON | HAK_OPT_WAIT | HAK_OPT_REASON, false, hak_verb_set_mode},
	{"get-mode", "", "print the mode alone", 0, 0, HAK_OPT_JSON, false, hak_verb_get_mode},
	{"list-modes", "", "the modes and what each of them does", 0, 0, HAK_OPT_JSON, false,
	 hak_verb_list_modes},
	{"stats", "[PID]", "counters and memory, of all processes or of one", 0, 1, HAK_OPT_JSON, false,
	 hak_verb_stats},
	{"top", "", "processes by memory, live; keys purge them and set modes", 0, 0, HAK_OPT_INTERVAL, false,
	 hak_verb_top},
	{"verify", "[PID]", "do live processes run what is published? exits with 4 where one does not", 0, 1,
	 HAK_OPT_JSON, false, hak_verb_verify},
	{"ratings", "[CONTEXT]", "what was learned: each strategy's rating, games and verdict", 0, 1,
	 HAK_OPT_JSON, false, hak_verb_ratings},
	{"explain", "PID|CONTEXT", "what runs, why, on which evidence, and what would change it", 1, 1,
	 HAK_OPT_JSON, false, hak_verb_explain},
	{"freeze", "CONTEXT", "keep a context's strategy until thawed", 1, 1, HAK_OPT_JSON | HAK_OPT_REASON,
	 false, hak_verb_freeze},
	{"thaw", "CONTEXT", "have a context learn anew", 1, 1, HAK_OPT_JSON | HAK_OPT_REASON, false,
	 hak_verb_thaw},
	{"rollback", "CONTEXT", "take the strategy of a context that was in force before", 1, 1,
	 HAK_OPT_JSON | HAK_OPT_REASON, false, hak_verb_rollback},
	{"export", "FILE", "write all tallies; - is stdout", 1, 1, 0, false, hak_verb_export},
	{"import", "FILE", "merge tallies of other hosts; what is known already does not double", 1, 1,
	 HAK_OPT_JSON | HAK_OPT_PRIORS, false, hak_verb_import},
	{"monitor", "[TOPIC...]", "tell what happens as it happens", 0, -1, HAK_OPT_JSON, false,
	 hak_verb_monitor},
	{"metrics", "", "OpenMetrics for each unit; --output writes a file at once", 0, 0,
	 HAK_OPT_FORMAT | HAK_OPT_OUTPUT, false, hak_verb_metrics},
	{"hold", "MODE [COMMAND...]", "hold a mode while COMMAND runs, or until interrupted", 1, -1,
	 HAK_OPT_REASON, true, hak_verb_hold},
	{"panic", "", "kill switch: minimal for all, kept over restarts; --off takes it back", 0, 0,
	 HAK_OPT_JSON | HAK_OPT_OFF | HAK_OPT_REASON, false, hak_verb_panic},
	{"purge", "PID|UNIT|CONTEXT|--all", "have processes give back the memory that their caches hold", 0,
	 1, HAK_OPT_JSON | HAK_OPT_WAIT | HAK_OPT_REASON | HAK_OPT_ALL, false, hak_verb_purge},
	{"doctor", "[PID]",
	 "what is amiss on this machine or with a process, and how to mend it; exits with 4 where something "
	 "is",
	 0, 1, HAK_OPT_JSON, false, hak_verb_doctor},
	{"enable", "UNIT", "preload libhakmem into a service from its next start on; --now restarts it", 1, 1,
	 HAK_OPT_JSON | HAK_OPT_NOW | HAK_OPT_CHECK, false, hak_verb_enable},
	{"disable", "UNIT|--all", "preload it no more from its next start on; --now restarts it", 0, 1,
	 HAK_OPT_JSON | HAK_OPT_NOW | HAK_OPT_CHECK | HAK_OPT_ALL, false, hak_verb_disable},
	{"crashed", "UNIT", "called by enable's drop-in: the third crash within an hour disables", 1, 1, 0,
	 false, hak_verb_crashed},
	{"run", "COMMAND...", "run a command under libhakmem", 1, -1, 0, true, hak_verb_run},
	{"launch", "COMMAND...", "run a command in a transient service, or with --scope in the foreground", 1,
	 -1, HAK_OPT_JSON | HAK_OPT_UNIT | HAK_OPT_SCOPE, true, hak_verb_launch},
	{"help", "[VERB]", "this text", 0, 1, HAK_OPT_JSON, false, hak_verb_help},
	{"version", "", "print the version", 0, 0, HAK_OPT_JSON, false, hak_verb_version},
	{NULL, NULL, NULL, 0, 0, 0, false, NULL},
};

int hak_verb_find(const char *word, const struct hak_verb **ret_verb)
{
	const char *names[VERBS_MAX];
	size_t count = 0;

	for (const struct hak_verb *verb = verbs; verb->name; verb++) {
		if (strcmp(verb->name, word) == 0) {
			*ret_verb = verb;
			return 0;
		}
		names[count++] = verb->name;
	}
	return hak_words_unknown("verb", word, "", names, count);
}

static void print_line(const char *left, size_t column, const char *help)
{
	size_t columns = strlen(left) + 2;

	printf("  %s%s%s", hak_style_begin(HAK_STYLE_HEADING), left, hak_style_end(HAK_STYLE_HEADING));
	if (columns + 1 > column)
		printf("\n%*s", (int)column, "");
	else
		printf("%*s", (int)(column - columns), "");
	hak_text_wrap(help, column);
}

static void print_options(unsigned bits)
{
	char left[64];

	for (const struct hak_option *option = hak_options; option->name; option++) {
		if (!(option->bit & bits))
			continue;
		snprintf(left, sizeof(left), "--%s%s", option->name, option->value);
		print_line(left, OPTION_COLUMN, option->help);
	}
}

static void print_all(void)
{
	char left[64];

	printf("hakctl [OPTIONS] VERB [ARGUMENTS]\n\n");
	for (const struct hak_verb *verb = verbs; verb->name; verb++) {
		snprintf(left, sizeof(left), "%-10s %s", verb->name, verb->arguments);
		print_line(left, VERB_COLUMN, verb->help);
	}
	putchar('\n');
	print_options(~0u);
	printf("\n"
	       "'hakctl help VERB' tells which of them a verb takes; hakctl(1) tells all.\n\n"
	       "Exit codes: 0 done; 1 refused or failed; 2 wrong command line; 3 hakmemd does\n"
	       "not run; 4 the answer is no (verify: a process differs; set-mode --wait, purge:\n"
	       "one is lost; doctor: something is amiss). 'run', 'hold' and 'launch --scope'\n"
	       "exit with the command's code, 126 or 127 where it cannot run.\n");
}

static void print_one(const struct hak_verb *verb)
{
	printf("%shakctl %s%s%s%s\n  ", hak_style_begin(HAK_STYLE_HEADING), verb->name,
	       *verb->arguments ? " " : "", verb->arguments, hak_style_end(HAK_STYLE_HEADING));
	hak_text_wrap(verb->help, 2);
	putchar('\n');
	print_options(verb->options | HAK_OPT_ALWAYS);
}

static void print_verb_json(struct hak_json *json, const struct hak_verb *verb)
{
	hak_json_begin(json, NULL, '{');
	hak_json_string(json, "verb", verb->name);
	hak_json_string(json, "arguments", verb->arguments);
	hak_json_string(json, "help", verb->help);
	hak_json_begin(json, "options", '[');
	for (const struct hak_option *option = hak_options; option->name; option++)
		if (option->bit & verb->options)
			hak_json_string(json, NULL, option->name);
	hak_json_end(json, ']');
	hak_json_end(json, '}');
}

/* @only: NULL: all verbs. */
static void print_json(enum hak_json_style style, const struct hak_verb *only)
{
	struct hak_json *json = hak_json_text_open();

	hak_json_begin(json, "verbs", '[');
	for (const struct hak_verb *verb = verbs; verb->name; verb++)
		if (!only || verb == only)
			print_verb_json(json, verb);
	hak_json_end(json, ']');
	hak_json_begin(json, "options", '[');
	for (const struct hak_option *option = hak_options; option->name; option++) {
		hak_json_begin(json, NULL, '{');
		hak_json_string(json, "option", option->name);
		hak_json_string(json, "value", option->value);
		hak_json_bool(json, "everywhere", option->bit == HAK_OPT_ALWAYS);
		hak_json_end(json, '}');
	}
	hak_json_end(json, ']');
	hak_json_text_close(json, style);
}

int hak_verb_help(struct hak_ctl *ctl)
{
	const struct hak_verb *only = NULL;
	int code = ctl->argc ? hak_verb_find(ctl->argv[0], &only) : 0;

	if (code)
		return code;
	if (ctl->json)
		print_json(ctl->json, only);
	else if (only)
		print_one(only);
	else
		print_all();
	return HAK_EXIT_OK;
}

int hak_verb_version(struct hak_ctl *ctl)
{
	if (ctl->json)
		hak_json_text_printf(ctl->json, "{\"schema\":1,\"version\":\"%s\"}", HAK_VERSION);
	else
		printf("hakctl %s\n", HAK_VERSION);
	return HAK_EXIT_OK;
}
