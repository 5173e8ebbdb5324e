/* SPDX-License-Identifier: MIT */
/* hakctl help [VERB] and version. */
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "nearest.h"

static void print_all(void)
{
	printf("hakctl [OPTIONS] VERB [ARGUMENTS]\n\n");
	for (const struct hak_verb *verb = hak_verbs; verb->name; verb++)
		printf("  %-10s %-16s %s\n", verb->name, verb->arguments, verb->help);
	printf("\n"
	       "  --bus=BUS           system (default), session, user, or an address such as unix:path=/x\n"
	       "  --runtime-dir=DIR   for 'run': where the processes find hakmemd; default /run/hakmem,\n"
	       "                      with --bus=user $XDG_RUNTIME_DIR/hakmem\n"
	       "  --json[=short|pretty]\n"
	       "  --wait[=SECONDS]    for 'set-mode': until those that can have applied it; default 10;\n"
	       "                      for 'purge', which always waits: how long at most\n"
	       "  --reason=TEXT       for 'set-mode', 'hold', 'panic', 'purge': what the journal will say\n"
	       "  --now               for 'enable', 'disable': restart the service\n"
	       "  --check             for 'enable', 'disable': change nothing, only tell\n"
	       "  --no-pager\n\n"
	       "Exit codes: 0 done; 1 refused or failed; 2 wrong command line; 3 hakmemd does not run;\n"
	       "4 the answer is no (verify: a process differs; set-mode --wait, purge: one is lost).\n"
	       "'run' and 'hold' exit with the command's code, 126 or 127 where it cannot run.\n");
}

static int print_one(const char *word)
{
	const char *names[32];
	size_t count = 0;
	const char *near;

	for (const struct hak_verb *verb = hak_verbs; verb->name; verb++) {
		if (strcmp(verb->name, word) == 0) {
			printf("hakctl %s%s%s\n  %s\n", verb->name, *verb->arguments ? " " : "",
			       verb->arguments, verb->help);
			return HAK_EXIT_OK;
		}
		names[count++] = verb->name;
	}
	near = hak_nearest_word(word, names, count);
	if (near)
		return hak_ctl_fail(HAK_EXIT_USAGE, "unknown verb '%s'; did you mean '%s'?", word, near);
	return hak_ctl_fail(HAK_EXIT_USAGE, "unknown verb '%s'; 'hakctl help' lists what there is", word);
}

int hak_verb_help(struct hak_ctl *ctl)
{
	if (ctl->argc)
		return print_one(ctl->argv[0]);
	print_all();
	return HAK_EXIT_OK;
}

int hak_verb_version(struct hak_ctl *ctl)
{
	(void)ctl;
	printf("hakctl %s\n", HAK_VERSION);
	return HAK_EXIT_OK;
}
